//! What a JSON Schema says of its fields, as far as a person at a command line needs it.

use serde_json::{Map, Value};

/// One field of an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) required: bool,
    /// What it holds: JSON's types, `file` for an artifact; null is left out.
    pub(crate) types: Vec<&'static str>,
    /// The values that are allowed, where they are listed; null is left out.
    pub(crate) allowed: Vec<Value>,
    /// The least and the most that is allowed, as numbers.
    pub(crate) range: (Option<Value>, Option<Value>),
    pub(crate) default: Option<Value>,
}

impl Field {
    /// Whether it holds a file.
    pub(crate) fn is_file(&self) -> bool {
        self.types.contains(&"file")
    }

    /// Whether it holds text: what is written for it is taken as it stands.
    pub(crate) fn is_text(&self) -> bool {
        self.types.contains(&"text")
    }
}

/// The fields of the object that this schema describes, those that are required first; none where it describes
/// something else.
pub(crate) fn fields(schema: &Value) -> Vec<Field> {
    let branches = branches(schema, schema);
    let required: Vec<&str> = branches
        .iter()
        .filter_map(|branch| branch.get("required")?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = branches.iter().filter_map(|branch| branch.get("properties")?.as_object()).flatten();
    let mut fields: Vec<_> =
        properties.map(|(name, node)| field(schema, name, node, required.contains(&name.as_str()))).collect();
    fields.sort_by_key(|field| !field.required);
    fields
}

/// Whether the value as a whole, and not as an object of fields, is a file.
pub(crate) fn is_file(schema: &Value) -> bool {
    branches(schema, schema).iter().any(|branch| is_artifact(branch))
}

fn field(root: &Value, name: &str, node: &Value, required: bool) -> Field {
    let branches = branches(root, node);
    let first = |key: &str| branches.iter().find_map(|branch| branch.get(key)).cloned();
    let description = node.get("description").cloned().or_else(|| first("description"));
    let (mut types, mut allowed) = (Vec::new(), Vec::new());
    for branch in &branches {
        for kind in types_of(branch) {
            if !types.contains(&kind) {
                types.push(kind);
            }
        }
        let listed = branch.get("enum").and_then(Value::as_array).into_iter().flatten();
        allowed.extend(listed.chain(branch.get("const")).filter(|value| !value.is_null()).cloned());
    }
    Field {
        name: name.to_owned(),
        description: description.and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default(),
        required,
        types,
        allowed,
        range: (first("minimum"), first("maximum")),
        default: first("default").filter(|default| !default.is_null()),
    }
}

/// The schema with what it refers to, and its alternatives, each as an object of keywords.
fn branches<'a>(root: &'a Value, node: &'a Value) -> Vec<&'a Map<String, Value>> {
    let mut found = Vec::new();
    collect(root, node, &mut found);
    found
}

/// Each part once: a schema may refer to itself.
fn collect<'a>(root: &'a Value, node: &'a Value, found: &mut Vec<&'a Map<String, Value>>) {
    let Some(object) = node.as_object() else { return };
    if found.iter().any(|seen| std::ptr::eq(*seen, object)) {
        return;
    }
    found.push(object);
    let target = object.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
    if let Some(target) = target.and_then(|pointer| root.pointer(pointer)) {
        collect(root, target, found);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        let inside = object.get(key).and_then(Value::as_array);
        inside.into_iter().flatten().for_each(|branch| collect(root, branch, found));
    }
}

fn is_artifact(branch: &Map<String, Value>) -> bool {
    branch.get("x-fnr-artifact") == Some(&Value::Bool(true))
}

fn types_of(branch: &Map<String, Value>) -> Vec<&'static str> {
    if is_artifact(branch) {
        return vec!["file"];
    }
    let word = |name: &Value| match name.as_str()? {
        "string" => Some("text"),
        "integer" => Some("integer"),
        "number" => Some("number"),
        "boolean" => Some("true or false"),
        "array" => Some("list"),
        "object" => Some("object"),
        _ => None,
    };
    match branch.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(word).collect(),
        Some(name) => word(name).into_iter().collect(),
        None => {
            let values = branch.get("enum").and_then(Value::as_array).into_iter().flatten();
            let has_text = values.chain(branch.get("const")).any(Value::is_string);
            if has_text { vec!["text"] } else { Vec::new() }
        }
    }
}

#[cfg(test)]
mod tests {
    use function_runner_backends::functions::registry;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_fields_of_a_derived_schema_are_read_through_its_references() {
        let registry = registry();
        let template = registry.templates().next().unwrap();
        let fields = fields(&template.input);
        let find = |name: &str| fields.iter().find(|field| field.name == name).unwrap();
        let image = find("image");
        assert!(image.is_file() && image.required && !image.is_text(), "{image:?}");
        assert!(image.description.starts_with("A PNG, JPEG or WebP"));
        let factor = find("factor");
        assert_eq!((&factor.types[..], &factor.allowed[..]), (&["integer"][..], &[json!(2), json!(4)][..]));
        assert_eq!((factor.required, &factor.default), (false, &Some(json!(2))));
        let style = find("style");
        assert!(style.is_text() && style.default == Some(json!("photo")), "{style:?}");
        assert_eq!(style.allowed, [json!("photo"), json!("art")]);
        let format = find("format");
        assert_eq!((&format.allowed[..], &format.default), (&[json!("png"), json!("jpeg")][..], &None));
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({
            "properties": { "next": { "$ref": "#" }, "loop": { "$ref": "#/properties/loop" } },
            "anyOf": [{ "$ref": "#" }],
        });
        let names: Vec<_> = fields(&schema).into_iter().map(|field| field.name).collect();
        assert_eq!(names, ["loop", "next"]);
        assert!(fields(&json!(true)).is_empty() && fields(&json!({ "type": "string" })).is_empty());
    }
}
