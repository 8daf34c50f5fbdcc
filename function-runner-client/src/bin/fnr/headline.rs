//! The first line of a run: the function, its quality, the parameters that count, where it runs, and about how long.

use std::{collections::BTreeMap, fs::File, path::Path, time::Duration};

use function_runner_backends::functions::upscale::{self, Factor, Network, Speeds, UPSCALE};
use function_runner_core::{Capacity, Grant, Pool, Quality, Schema, Template};
use serde_json::Value;

use crate::shape;

/// `image.upscale · high · photo thick · this process (cpu, 2 threads) · about 8 s`. `image` is the file that the
/// function's field of this name gets; where this process does not work there is no machine to tell of.
pub(crate) fn headline(
    template: &Template,
    quality: &Quality,
    input: &Value,
    machine: Option<Capacity>,
    image: Option<&Path>,
) -> String {
    let mut parts = vec![template.function.to_string(), quality.to_string()];
    let parameters = used(template, quality, input);
    if !parameters.is_empty() {
        parts.push(words(&parameters));
    }
    let Some(machine) = machine else {
        parts.push("any worker of the queue".to_owned());
        return parts.join(" · ");
    };
    let lane = template.lane(quality);
    let granted = Pool::new(machine).take(&lane, template.requires_at(quality));
    let granted = granted.map(|(grant, _)| grant);
    parts.push(place(granted.as_ref()));
    if let Some((granted, image)) =
        granted.zip(image).filter(|_| template.function.as_str() == UPSCALE.name())
    {
        parts.extend(takes(&parameters, input, image, &granted).and_then(about));
    }
    parts.join(" · ")
}

/// How long `image.upscale` will take. What is wrong with the file is told by whoever reads it.
fn takes(
    parameters: &BTreeMap<String, Value>,
    input: &Value,
    image: &Path,
    granted: &Grant,
) -> Option<Duration> {
    let network =
        parameters.values().find_map(|value| serde_json::from_value::<Network>(value.clone()).ok())?;
    let factor = input.get("factor").and_then(Value::as_u64).unwrap_or(2);
    let factor = Factor::try_from(u8::try_from(factor).ok()?).ok()?;
    let size = upscale::size(File::open(image).ok()?).ok()?;
    let threads = (granted.amounts.cpu_millis / 1000).max(1) as usize;
    upscale::estimate(network, factor, size, threads, &Speeds::here())
}

/// A guess in words, where it is long enough to be of interest: `about 8 s`, `about 80 min`, `about 2 h 0 min`.
fn about(time: Duration) -> Option<String> {
    let seconds = time.as_secs_f64().round() as u64;
    let minutes = (seconds + 30) / 60;
    match (seconds, minutes) {
        (0, _) => None,
        (..=99, _) => Some(format!("about {seconds} s")),
        (_, ..=99) => Some(format!("about {minutes} min")),
        _ => Some(format!("about {} h {} min", minutes / 60, minutes % 60)),
    }
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
    use function_runner_core::ResourceRequirement;
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
        assert_eq!(words(&Quality::High, json!({})), "photo thick");
    }

    #[test]
    fn a_guess_is_told_in_round_numbers() {
        let about = |seconds| about(Duration::from_secs_f64(seconds));
        assert_eq!(about(0.4), None);
        let told = [0.6, 8.2, 99.0, 100.0, 3_000.0, 4_800.0, 7_200.0].map(|seconds| about(seconds).unwrap());
        let expected = ["1 s", "8 s", "99 s", "2 min", "50 min", "80 min", "2 h 0 min"]
            .map(|words| format!("about {words}"));
        assert_eq!(told, expected);
    }

    #[test]
    fn how_long_is_told_of_an_image_by_its_header() {
        let registry = registry();
        let template = registry.templates().next().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photo.png");
        // a header without an image
        std::fs::write(&path, b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x04\0\0\0\x04\0\x08\x02\0\0\0\0\0\0\0")
            .unwrap();
        let machine = Capacity::new().cpu_millis(2000).memory_mib(8000).custom("model.esrgan-thick-x4", 1);
        let line = |quality, image| {
            headline(template, &quality, &json!({ "factor": 4 }), Some(machine.clone()), image)
        };
        let told = line(Quality::High, Some(&*path));
        let place = "image.upscale · high · photo thick · this process (cpu, 2 threads)";
        assert!(told.starts_with(&format!("{place} · about ")), "{told}");
        assert_eq!(line(Quality::High, None), place);
        assert_eq!(line(Quality::High, Some(folder.path())), place);
        let elsewhere = headline(template, &Quality::High, &json!({}), None, Some(&path));
        assert_eq!(elsewhere, "image.upscale · high · photo thick · any worker of the queue");
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
