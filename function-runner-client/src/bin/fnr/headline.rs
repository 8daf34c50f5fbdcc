//! The first line of a run: the function, its quality, the parameters that count, and where it runs.

use std::collections::BTreeMap;

use function_runner_client::capacity;
use function_runner_core::{Grant, Pool, Quality, Schema, Template};
use serde_json::Value;

use crate::shape;

/// `image.upscale · standard · photo lanczos · this process (cpu, 2 threads)`.
pub(crate) fn headline(template: &Template, quality: &Quality, input: &Value) -> String {
    let mut parts = vec![template.function.to_string(), quality.to_string()];
    let parameters = words(&used(template, quality, input));
    if !parameters.is_empty() {
        parts.push(parameters);
    }
    let lane = template.lane(quality);
    let granted = Pool::new(capacity::measure()).take(&lane, template.requires_at(quality));
    parts.push(place(granted.map(|(grant, _)| grant).as_ref()));
    parts.join(" · ")
}

/// Parameters in words: `photo lanczos, steps 50`.
pub(crate) fn words(parameters: &BTreeMap<String, Value>) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let all: Vec<_> = parameters.iter().map(|(name, value)| format!("{name} {}", word(value))).collect();
    all.join(", ")
}

/// The parameters of this quality that count for this input: one that is named like a value that a field may have
/// counts where the field has that value.
fn used(template: &Template, quality: &Quality, input: &Value) -> BTreeMap<String, Value> {
    let mut parameters = template.parameters_at(quality);
    let mut filled = input.clone();
    if let Ok(schema) = Schema::compile(&template.input) {
        schema.fill_defaults(&mut filled);
    }
    for field in shape::fields(&template.input) {
        let chosen = filled.get(&field.name).and_then(Value::as_str);
        let others =
            field.allowed.iter().filter_map(Value::as_str).filter(|allowed| Some(*allowed) != chosen);
        others.for_each(|other| drop(parameters.remove(other)));
    }
    parameters
}

/// Where a task runs that was granted this.
fn place(granted: Option<&Grant>) -> String {
    let Some(granted) = granted else { return "this process".to_owned() };
    let threads = granted.amounts.cpu_millis.div_ceil(1000);
    let device = if granted.gpus.is_empty() { "cpu" } else { "gpu" };
    match threads {
        0 if granted.gpus.is_empty() => "this process".to_owned(),
        0 => format!("this process ({device})"),
        1 => format!("this process ({device}, 1 thread)"),
        threads => format!("this process ({device}, {threads} threads)"),
    }
}

#[cfg(test)]
mod tests {
    use function_runner_backends::functions::registry;
    use function_runner_core::{Capacity, ResourceRequirement};
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_parameters_that_count_are_named() {
        let registry = registry();
        let template = registry.templates().next().unwrap();
        let words = |quality, input| words(&used(template, quality, &input));
        assert_eq!(words(&Quality::Draft, json!({ "factor": 4 })), "photo bilinear");
        assert_eq!(words(&Quality::Draft, json!({ "style": "art" })), "art lanczos");
        assert_eq!(words(&Quality::Standard, json!({})), "photo lanczos");
    }

    #[test]
    fn where_it_runs_is_told_by_what_it_is_granted() {
        let lane = "f@1.0:standard".parse().unwrap();
        let place = |needs: ResourceRequirement| {
            let mut pool = Pool::new(Capacity::new().cpu_millis(2000).gpu(8000));
            place(pool.take(&lane, &needs).map(|(grant, _)| grant).as_ref())
        };
        let needs = ResourceRequirement::new();
        assert_eq!(place(needs.clone()), "this process");
        assert_eq!(place(needs.clone().cpu_millis(1000)), "this process (cpu, 1 thread)");
        assert_eq!(place(needs.clone().cpu_millis(2000)), "this process (cpu, 2 threads)");
        assert_eq!(place(needs.clone().cpu_millis(500).gpu_memory_mib(9)), "this process (gpu, 1 thread)");
        assert_eq!(place(needs.clone().gpus(1)), "this process (gpu)");
        assert_eq!(place(needs.gpus(2)), "this process");
    }
}
