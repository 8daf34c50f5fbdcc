//! What a schema may be at all: its depth, size and work are bounded before anything recurses over it.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::pointer::resolve;
use crate::{Error, ErrorKind, Result};

/// How deep the JSON of a schema may nest; a level of the value takes two of the schema.
const MAX_SCHEMA_DEPTH: usize = 128;
/// How many values the JSON of a schema may hold: compiling takes longer than its size grows.
const MAX_SCHEMA_VALUES: usize = 20_000;
/// How many schemas may have to be tried for one value, all alternatives and references included.
const MAX_WORK: u64 = 10_000;
/// How long a chain of schemas for one value may be.
const MAX_CHAIN: usize = 128;

/// What a look over a whole schema found.
#[derive(Debug)]
pub(super) struct Survey {
    /// Whether any property has a default.
    pub(super) has_defaults: bool,
    /// Whether `#/…` always counts from the root, and no reference depends on how it was reached.
    pub(super) is_plain: bool,
    /// Whether there are alternatives.
    pub(super) has_alternatives: bool,
}

/// Looks over a schema without recursion that its author could drive.
///
/// # Errors
///
/// `InvalidSetup` if it is past a limit.
pub(super) fn survey(source: &Value) -> Result<Survey> {
    let mut found = Survey { has_defaults: false, is_plain: true, has_alternatives: false };
    let (mut stack, mut count) = (vec![(source, 0)], 0);
    while let Some((value, depth)) = stack.pop() {
        count += 1;
        if depth > MAX_SCHEMA_DEPTH {
            return Err(refused(format!(
                "nests over {MAX_SCHEMA_DEPTH} levels deep; put the inner types under `$defs`"
            )));
        }
        if count > MAX_SCHEMA_VALUES {
            return Err(refused(format!("holds over {MAX_SCHEMA_VALUES} values")));
        }
        match value {
            Value::Array(items) => stack.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(fields) => {
                found.note(fields, depth);
                stack.extend(fields.values().map(|field| (field, depth + 1)));
            }
            _ => {}
        }
    }
    let mut work = Work { root: source, known: HashMap::new() };
    if work.of(source, 0)? > MAX_WORK {
        let message = format!("would try over {MAX_WORK} schemas for one value, since alternatives multiply");
        return Err(refused(message));
    }
    Ok(found)
}

impl Survey {
    fn note(&mut self, fields: &Map<String, Value>, depth: usize) {
        let says = |keyword: &str| fields.get(keyword).is_some_and(Value::is_string);
        self.has_defaults |= fields.contains_key("default");
        self.has_alternatives |=
            ["anyOf", "oneOf"].iter().any(|k| fields.get(*k).is_some_and(Value::is_array));
        let moved = depth > 0 && says("$id");
        self.is_plain &= !moved && !says("$dynamicRef") && !says("$recursiveRef");
    }
}

fn refused(what: String) -> Error {
    Error::new(ErrorKind::InvalidSetup, format!("the schema {what}"))
}

/// How many schemas one value has to be tried against: `allOf` of `allOf` of one definition, twice each time,
/// doubles it with every line.
struct Work<'s> {
    root: &'s Value,
    /// By address; what is still being counted stands as 0, so that a loop ends.
    known: HashMap<usize, u64>,
}

impl Work<'_> {
    fn of(&mut self, schema: &Value, chain: usize) -> Result<u64> {
        if chain > MAX_CHAIN {
            return Err(refused(format!("tries over {MAX_CHAIN} schemas in a chain for one value")));
        }
        let Value::Object(fields) = schema else { return Ok(1) };
        let key = std::ptr::from_ref(schema) as usize;
        if let Some(work) = self.known.get(&key) {
            return Ok(*work);
        }
        self.known.insert(key, 0);
        let mut work = 1_u64;
        for part in in_place(self.root, fields) {
            work = work.saturating_add(self.of(part, chain + 1)?);
        }
        self.known.insert(key, work);
        for below in below(fields) {
            if self.of(below, 0)? > MAX_WORK {
                return Ok(u64::MAX);
            }
        }
        Ok(work)
    }
}

/// The schemas that are tried for the same value.
fn in_place<'s>(root: &'s Value, fields: &'s Map<String, Value>) -> Vec<&'s Value> {
    let lists = ["allOf", "anyOf", "oneOf"].iter().filter_map(|k| fields.get(*k)?.as_array()).flatten();
    let singles = ["not", "if", "then", "else"].iter().filter_map(|k| fields.get(*k));
    let named = fields.get("dependentSchemas").and_then(Value::as_object).into_iter().flat_map(Map::values);
    let referred = fields.get("$ref").and_then(Value::as_str).and_then(|reference| resolve(root, reference));
    lists.chain(singles).chain(named).chain(referred).collect()
}

/// The schemas of values inside the value.
fn below(fields: &Map<String, Value>) -> Vec<&Value> {
    let maps = ["properties", "patternProperties", "$defs", "definitions"];
    let named = maps.iter().filter_map(|k| fields.get(*k)?.as_object()).flat_map(Map::values);
    let singles = ["items", "additionalProperties", "contains", "propertyNames", "additionalItems"];
    let single = singles.iter().filter_map(|k| fields.get(*k));
    let lists = ["prefixItems", "items"].iter().filter_map(|k| fields.get(*k)?.as_array()).flatten();
    named.chain(single).chain(lists).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(source: &Value) -> String {
        let error = survey(source).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSetup);
        error.message().to_owned()
    }

    #[test]
    fn depth_is_refused_without_recursion() {
        let mut schema = json!(true);
        for _ in 0..10_000 {
            schema = Value::Object(Map::from_iter([("items".to_owned(), schema)]));
        }
        assert!(message(&schema).contains("over 128 levels"));
        // Dropping a value recurses too.
        while let Some(inner) = schema.get_mut("items").map(Value::take) {
            schema = inner;
        }
    }

    #[test]
    fn size_and_multiplying_work_are_refused() {
        let wide: Map<String, Value> = (0..30_000).map(|n| (format!("f{n}"), json!(true))).collect();
        assert!(message(&json!({"properties": wide})).contains("over 20000 values"));
        let doubling = |levels: usize| {
            let both =
                |n: usize| json!([{"$ref": format!("#/$defs/a{n}")}, {"$ref": format!("#/$defs/a{n}")}]);
            let mut defs: Map<String, Value> =
                (0..levels).map(|n| (format!("a{n}"), json!({"allOf": both(n + 1)}))).collect();
            defs.insert(format!("a{levels}"), json!(true));
            json!({"properties": {"x": {"$ref": "#/$defs/a0"}}, "$defs": defs})
        };
        assert!(survey(&doubling(8)).is_ok());
        assert!(message(&doubling(40)).contains("alternatives multiply"));
        let chain: Map<String, Value> =
            (0..5_000).map(|n| (format!("a{n}"), json!({"$ref": format!("#/$defs/a{}", n + 1)}))).collect();
        assert!(message(&json!({"$ref": "#/$defs/a0", "$defs": chain})).contains("in a chain"));
    }

    #[test]
    fn recursive_types_are_fine() {
        let tree = json!({"$ref": "#/$defs/T", "$defs": {"T": {"anyOf": [
            {"type": "null"}, {"properties": {"left": {"$ref": "#/$defs/T"}, "right": {"$ref": "#/$defs/T"}}}
        ]}}});
        let found = survey(&tree).unwrap();
        assert!(found.is_plain && found.has_alternatives && !found.has_defaults);
        assert!(survey(&json!({"$ref": "#"})).is_ok());
    }
}
