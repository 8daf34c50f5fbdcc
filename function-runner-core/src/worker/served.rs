//! A function as a worker serves it: its body, and the schema its outputs are held to.

use std::sync::Arc;

use serde_json::Value;

use crate::{Failure, Handler, Implementation, Payload, Result, Schema, schema};

/// Outputs over this many bytes are checked on a thread of their own: 256 KiB.
const LARGE: usize = 256 << 10;

/// How many faults of an output its failure lists.
const MOST_FAULTS: usize = 8;

#[derive(Clone)]
pub(super) struct Served {
    pub(super) name: Arc<str>,
    pub(super) handler: Arc<dyn Handler>,
    /// What outputs are checked against; nothing where the schema takes everything.
    output: Option<Schema>,
}

impl Served {
    pub(super) fn new(implementation: &Implementation) -> Result<Self> {
        let template = implementation.template();
        let checks = !takes_everything(&template.output);
        Ok(Self {
            name: template.function.as_str().into(),
            handler: implementation.handler(),
            output: checks.then(|| Schema::compile(&template.output)).transpose()?,
        })
    }

    /// Holds an output to the schema.
    pub(super) async fn check(&self, output: Payload) -> Result<Payload, Failure> {
        let Some(schema) = &self.output else { return Ok(output) };
        if output.len() <= LARGE {
            return check(schema, output);
        }
        // boxed: few outputs come here, and every body's task would be as large
        Box::pin(check_apart(schema.clone(), output)).await
    }
}

async fn check_apart(schema: Schema, output: Payload) -> Result<Payload, Failure> {
    let checked = tokio::task::spawn_blocking(move || check(&schema, output)).await;
    checked.unwrap_or_else(|_| {
        Err(Failure::transient("the worker's runtime ended before the output was checked"))
    })
}

fn check(schema: &Schema, output: Payload) -> Result<Payload, Failure> {
    // serde_json's own bound on depth is enough here; what is past it, or no JSON, is then told in our words
    let faults = match serde_json::from_slice(output.as_bytes()) {
        Ok(value) => schema.check(&value),
        Err(_) => {
            schema::parse(output.as_bytes()).err().map(|error| error.faults().to_vec()).unwrap_or_default()
        }
    };
    if faults.is_empty() {
        return Ok(output);
    }
    let told: Vec<_> = faults.iter().take(MOST_FAULTS).map(|fault| told(&fault.pointer, fault)).collect();
    let more = faults.len().saturating_sub(MOST_FAULTS);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    Err(Failure::permanent(format_args!(
        "the output breaks the function's own schema: {}{more}",
        told.join("; ")
    ))
    .code("invalid_output")
    .remedy("correct what the body gives, or the schema together with the function's version"))
}

fn told(pointer: &str, fault: impl std::fmt::Display) -> String {
    if pointer.is_empty() { fault.to_string() } else { format!("{pointer}: {fault}") }
}

/// Whether a schema has no keyword that a value could break.
fn takes_everything(schema: &Value) -> bool {
    const NOTES: [&str; 12] = [
        "$schema",
        "$id",
        "$comment",
        "$defs",
        "definitions",
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
    ];
    match schema {
        Value::Bool(takes) => *takes,
        Value::Object(keywords) => keywords.keys().all(|keyword| NOTES.contains(&keyword.as_str())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_schema_that_says_nothing_is_passed_over() {
        for nothing in
            [json!(true), json!({}), json!({"title": "AnyValue", "$schema": "x", "description": "y"})]
        {
            assert!(takes_everything(&nothing), "{nothing}");
        }
        for something in
            [json!(false), json!({"type": "null"}), json!({"$ref": "#/$defs/a", "$defs": {"a": true}})]
        {
            assert!(!takes_everything(&something), "{something}");
        }
    }

    #[test]
    fn a_broken_output_lists_its_faults() {
        let schema = Schema::compile(&json!({"items": {"maximum": 3}})).unwrap();
        assert!(check(&schema, Payload::encode(&[1, 2, 3]).unwrap()).is_ok());
        let failure = check(&schema, Payload::encode(&[9; 20]).unwrap()).unwrap_err();
        assert_eq!(failure.code.as_deref(), Some("invalid_output"));
        assert!(failure.message.contains("/0: ") && failure.message.ends_with("and 12 more"), "{failure}");
        let garbage = check(&schema, Payload::from_stored("{")).unwrap_err();
        assert!(garbage.message.contains("not JSON"), "{garbage}");
    }
}
