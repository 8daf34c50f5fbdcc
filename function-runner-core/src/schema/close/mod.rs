//! Making the schemas that are derived from Rust types strict, so that a misspelt field is told.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::pointer::{escape, target};

/// Keywords that say nothing about which fields there are.
const NEUTRAL: [&str; 14] = [
    "$comment",
    "$defs",
    "$schema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "examples",
    "format",
    "readOnly",
    "title",
    "type",
    "writeOnly",
    "$id",
];

/// Adds `"additionalProperties": false` to the object schemas of a derived schema where no valid value has
/// other fields, so that a misspelt field is a fault.
///
/// Left open are objects that already say what other fields they take, and those whose fields come from
/// several schemas at once: flattened and internally tagged enums, a `$ref` beside `properties`, parts of an
/// `allOf`, and every definition that any of these refer to, wherever else it is used. What is below `not`,
/// `if`, `contains` and an `allOf` of several is left open too. A schema with `$dynamicRef`, `$recursiveRef`,
/// an inner `$id` or a `$ref` that is no local pointer stays as it is.
///
/// The schema has to list all fields that are written: other names that a type only reads (`#[serde(alias)]`)
/// are unknown to it, and so is a field that a type writes and never reads (`#[serde(skip_deserializing)]`).
///
/// # Examples
///
/// ```
/// use function_runner_core::schema::close;
/// use serde_json::json;
///
/// let mut schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
/// close(&mut schema);
/// assert_eq!(schema["additionalProperties"], false);
/// ```
pub fn close(schema: &mut Value) {
    let Some(reached) = Reach::over(schema) else { return };
    let closable = reached.into_iter().filter(|(_, openness)| *openness == Openness::Alone);
    for (pointer, _) in closable {
        if let Some(Value::Object(keywords)) = schema.pointer_mut(&pointer)
            && keywords.contains_key("properties")
            && !["additionalProperties", "patternProperties", "unevaluatedProperties"]
                .iter()
                .any(|k| keywords.contains_key(*k))
            && sources(keywords) == 1
        {
            keywords.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
    }
}

/// How a schema is used, the least strict of all its uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Openness {
    /// It alone says which fields its object has.
    Alone,
    /// Others say so too; what is in the fields is not affected.
    Shared,
    /// Whether a value fits must not change here, nor anywhere below.
    Frozen,
}

struct Reach {
    /// Every schema that was reached from the root, by pointer.
    known: HashMap<String, Openness>,
    /// What is still to be looked at.
    open: Vec<(String, Openness)>,
}

impl Reach {
    /// Nothing where references cannot all be followed.
    fn over(root: &Value) -> Option<HashMap<String, Openness>> {
        let mut reach = Self { known: HashMap::new(), open: vec![(String::new(), Openness::Alone)] };
        while let Some((pointer, openness)) = reach.open.pop() {
            if reach.known.get(&pointer).is_some_and(|known| *known >= openness) {
                continue;
            }
            reach.known.insert(pointer.clone(), openness);
            match root.pointer(&pointer)? {
                Value::Object(keywords) => reach.look(&pointer, keywords, openness)?,
                Value::Bool(_) => {}
                _ => return None,
            }
        }
        Some(reach.known)
    }

    fn look(&mut self, at: &str, keywords: &Map<String, Value>, openness: Openness) -> Option<()> {
        let moved = !at.is_empty() && keywords.contains_key("$id");
        if moved || keywords.contains_key("$dynamicRef") || keywords.contains_key("$recursiveRef") {
            return None;
        }
        self.look_in_place(at, keywords, openness)?;
        self.look_below(at, keywords, openness);
        Some(())
    }

    /// The schemas of the same value.
    fn look_in_place(&mut self, at: &str, keywords: &Map<String, Value>, openness: Openness) -> Option<()> {
        let shared = if sources(keywords) > 1 { openness.max(Openness::Shared) } else { openness };
        if let Some(reference) = keywords.get("$ref") {
            self.open.push((target(reference.as_str()?)?.into_owned(), shared));
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            let count = keywords.get(keyword).and_then(Value::as_array).map_or(0, Vec::len);
            let several = keyword == "allOf" && count > 1;
            let openness = if several { Openness::Frozen } else { shared };
            self.open.extend((0..count).map(|index| (format!("{at}/{keyword}/{index}"), openness)));
        }
        for keyword in ["not", "if", "then", "else"] {
            self.one(at, keywords, keyword, Openness::Frozen);
        }
        self.many(at, keywords, "dependentSchemas", Openness::Frozen);
        Some(())
    }

    /// The schemas of what is in the value.
    fn look_below(&mut self, at: &str, keywords: &Map<String, Value>, openness: Openness) {
        let frozen = openness == Openness::Frozen;
        let fresh = if frozen { Openness::Frozen } else { Openness::Alone };
        let count = |keyword: &str| keywords.get(keyword).and_then(Value::as_object).map_or(0, Map::len);
        // A field may match its name and any number of patterns.
        let overlaps =
            count("patternProperties") > 1 || (count("patternProperties") == 1 && count("properties") > 0);
        let named = if overlaps { Openness::Frozen } else { fresh };
        self.many(at, keywords, "properties", named);
        self.many(at, keywords, "patternProperties", named);
        self.one(at, keywords, "additionalProperties", fresh);
        self.one(at, keywords, "unevaluatedProperties", fresh);
        let items = if keywords.contains_key("contains") { Openness::Frozen } else { fresh };
        for keyword in ["prefixItems", "items"] {
            let count = keywords.get(keyword).and_then(Value::as_array).map_or(0, Vec::len);
            self.open.extend((0..count).map(|index| (format!("{at}/{keyword}/{index}"), items)));
        }
        for keyword in ["items", "additionalItems"] {
            self.one(at, keywords, keyword, items);
        }
        for keyword in ["contains", "unevaluatedItems", "propertyNames"] {
            self.one(at, keywords, keyword, Openness::Frozen);
        }
    }

    fn one(&mut self, at: &str, keywords: &Map<String, Value>, keyword: &str, openness: Openness) {
        if keywords.get(keyword).is_some_and(|schema| schema.is_object() || schema.is_boolean()) {
            self.open.push((format!("{at}/{keyword}"), openness));
        }
    }

    fn many(&mut self, at: &str, keywords: &Map<String, Value>, keyword: &str, openness: Openness) {
        let names = keywords.get(keyword).and_then(Value::as_object).into_iter().flat_map(Map::keys);
        self.open.extend(names.map(|name| (format!("{at}/{keyword}/{}", escape(name)), openness)));
    }
}

/// How many sources of fields an object schema has: its own keywords count as one, and each combination as
/// one.
fn sources(keywords: &Map<String, Value>) -> usize {
    let combining = ["$ref", "allOf", "anyOf", "oneOf", "if", "not", "then", "else", "dependentSchemas"];
    let is_own = |keyword: &str| {
        !combining.contains(&keyword) && !NEUTRAL.contains(&keyword) && !keyword.starts_with("x-")
    };
    let own = keywords.keys().any(|keyword| is_own(keyword));
    usize::from(own) + keywords.keys().filter(|keyword| combining.contains(&keyword.as_str())).count()
}

#[cfg(test)]
mod tests;
