//! What a violation reads like: what was wrong, and what is allowed.

use std::fmt::Write as _;

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::{Map, Value};

use super::{
    fault::{Fault, FaultCode},
    nearest::nearest,
    pointer::Path,
};

/// How many characters of a text are shown.
const MOST_CHARACTERS: usize = 40;
/// How many values or names are shown in a list.
const MOST_SHOWN: usize = 12;
/// How many values a fault carries.
pub(super) const MOST_ALLOWED: usize = 100;

/// A fault with what is needed to choose between alternatives and to merge what they say.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) fault: Fault,
    /// How deep in the value the pointer leads.
    pub(super) depth: usize,
    /// The types that would have been right, of a value of another type.
    pub(super) types: Vec<&'static str>,
    /// Whether the value is a constant in the schema, as the tag of an alternative is.
    pub(super) is_tag: bool,
}

impl Found {
    pub(super) fn new(path: &Path<'_>, code: FaultCode, message: impl Into<String>) -> Self {
        let fault = Fault::new(path.to_string(), code, message);
        Self { fault, depth: path.depth, types: Vec::new(), is_tag: false }
    }
}

/// Words for an error of jsonschema at this place; `schema` is the object whose keyword it is, where known.
pub(super) fn found(
    error: &ValidationError<'_>,
    schema: Option<&Map<String, Value>>,
    path: &Path<'_>,
) -> Found {
    let value = error.instance().as_ref();
    let new = |code, message: String| Found::new(path, code, message);
    match error.kind() {
        Kind::Type { kind } => wrong_type(value, type_names(kind), path),
        Kind::Enum { options } => not_allowed(value, options.as_array().map_or(&[], Vec::as_slice), path),
        Kind::Constant { expected_value } => {
            not_allowed(value, std::slice::from_ref(&**expected_value), path)
        }
        Kind::Minimum { limit } => new(FaultCode::OutOfRange, range(value, schema, "at least", limit)),
        Kind::Maximum { limit } => new(FaultCode::OutOfRange, range(value, schema, "at most", limit)),
        Kind::ExclusiveMinimum { limit } => new(FaultCode::OutOfRange, range(value, schema, "over", limit)),
        Kind::ExclusiveMaximum { limit } => new(FaultCode::OutOfRange, range(value, schema, "under", limit)),
        Kind::MultipleOf { multiple_of } => {
            new(FaultCode::OutOfRange, format!("{} is not a multiple of {multiple_of}", shown(value)))
        }
        Kind::MaxLength { limit } => new(FaultCode::TooLong, too_long(value, *limit)),
        Kind::MaxItems { limit } | Kind::MaxProperties { limit } => {
            new(FaultCode::TooLong, too_long(value, *limit))
        }
        Kind::AdditionalItems { limit } => new(FaultCode::TooLong, too_long(value, *limit as u64)),
        Kind::MinLength { limit } | Kind::MinItems { limit } | Kind::MinProperties { limit } => {
            new(FaultCode::TooShort, format!("has {}; at least {limit} {} needed", size(value), be(*limit)))
        }
        Kind::UniqueItems => {
            new(FaultCode::Repeated, "holds an item twice; each may be there once".to_owned())
        }
        Kind::Pattern { pattern } => {
            let message = format!("{} does not match the pattern `{}`", shown(value), cut(pattern, 80));
            new(FaultCode::Pattern, message)
        }
        Kind::Format { format } => {
            new(FaultCode::Format, format!("{} is not a valid {format}", shown(value)))
        }
        Kind::ContentEncoding { content_encoding } => {
            new(FaultCode::Format, format!("{} is not valid {content_encoding}", shown(value)))
        }
        Kind::ContentMediaType { content_media_type } => {
            new(FaultCode::Format, format!("{} is not valid {content_media_type}", shown(value)))
        }
        Kind::FalseSchema => new(FaultCode::NotAllowed, nothing_allowed()),
        kind => new(
            FaultCode::Other,
            format!("{} does not satisfy `{}` of the schema", shown(value), kind.keyword()),
        ),
    }
}

pub(super) fn nothing_allowed() -> String {
    "nothing is allowed here; leave it out".to_owned()
}

/// A value of another type than these.
pub(super) fn wrong_type(value: &Value, types: Vec<&'static str>, path: &Path<'_>) -> Found {
    let names: Vec<_> = types.iter().map(|name| with_article(name).to_owned()).collect();
    let message = format!("{} is not {}", shown(value), either(&names));
    Found { types, ..Found::new(path, FaultCode::WrongType, message) }
}

/// A value that is none of those listed.
pub(super) fn not_allowed(value: &Value, allowed: &[Value], path: &Path<'_>) -> Found {
    let mut found =
        Found::new(path, FaultCode::NotAllowed, format!("{} is not {}", shown(value), one_of(allowed)));
    found.is_tag = allowed.len() == 1;
    found.fault.allowed = allowed.iter().take(MOST_ALLOWED).cloned().collect();
    if let Value::String(text) = value {
        found.fault.suggestion = nearest(text, allowed.iter().filter_map(Value::as_str)).map(str::to_owned);
    }
    found
}

/// A required field that is not there; `schema` is what it would have to be.
pub(super) fn missing(schema: Option<&Value>, path: &Path<'_>) -> Found {
    let needed = schema.and_then(expected).map(|what| format!("; it must be {what}")).unwrap_or_default();
    let mut found = Found::new(path, FaultCode::Missing, format!("required field is missing{needed}"));
    if let Some(schema) = schema {
        let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        found.fault.allowed = listed.chain(schema.get("const")).take(MOST_ALLOWED).cloned().collect();
        found.is_tag = found.fault.allowed.len() == 1;
    }
    found
}

/// A field that is not known; those that are stand in `known`.
pub(super) fn unknown<'a>(name: &str, known: impl IntoIterator<Item = &'a str>, path: &Path<'_>) -> Found {
    let known: Vec<&str> = known.into_iter().collect();
    let mut found = Found::new(path, FaultCode::UnknownField, "unknown field");
    found.fault.suggestion = nearest(name, known.iter().copied()).map(str::to_owned);
    if found.fault.suggestion.is_none() {
        let names: Vec<_> =
            known.iter().take(MOST_SHOWN).map(|name| format!("`{}`", cut(name, MOST_CHARACTERS))).collect();
        found.fault.message = match (known.len(), known.len().saturating_sub(MOST_SHOWN)) {
            (0, _) => "unknown field; no fields are allowed here".to_owned(),
            (1, _) => format!("unknown field; the only field is {}", names[0]),
            (_, 0) => format!("unknown field; the fields are {}", names.join(", ")),
            (_, more) => format!("unknown field; the fields are {} and {more} more", names.join(", ")),
        };
    }
    found
}

fn type_names(kind: &TypeKind) -> Vec<&'static str> {
    match kind {
        TypeKind::Single(one) => vec![one.as_str()],
        TypeKind::Multiple(set) => set.iter().map(|one| one.as_str()).collect(),
    }
}

pub(super) fn with_article(name: &str) -> &str {
    match name {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "a boolean",
        "object" => "an object",
        "array" => "an array",
        other => other,
    }
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn either(words: &[String]) -> String {
    match words {
        [] => "anything".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// `2`, or `one of 2, 4`.
fn one_of(allowed: &[Value]) -> String {
    match allowed {
        [one] => shown(one),
        _ => format!("one of {}", list(allowed)),
    }
}

/// The values, shown, with commas.
pub(super) fn list(values: &[Value]) -> String {
    let mut text = values.iter().take(MOST_SHOWN).map(shown).collect::<Vec<_>>().join(", ");
    if values.len() > MOST_SHOWN {
        let _ = write!(text, " and {} more", values.len() - MOST_SHOWN);
    }
    text
}

/// What a schema wants, in a few words: its values, its type, its range.
fn expected(schema: &Value) -> Option<String> {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return Some(one_of(values));
    }
    if let Some(value) = schema.get("const") {
        return Some(shown(value));
    }
    let names = match schema.get("type")? {
        Value::String(name) => vec![with_article(name).to_owned()],
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).map(|name| with_article(name).to_owned()).collect()
        }
        _ => return None,
    };
    let bounds = bounds(schema.as_object()?);
    let range = if bounds.is_empty() { String::new() } else { format!(", {}", bounds.join(" and ")) };
    Some(either(&names) + &range)
}

fn range(value: &Value, schema: Option<&Map<String, Value>>, side: &str, limit: &Value) -> String {
    let mut bounds = schema.map(bounds).unwrap_or_default();
    if bounds.is_empty() {
        bounds.push(format!("{side} {limit}"));
    }
    format!("{} is out of range; it must be {}", shown(value), bounds.join(" and "))
}

fn bounds(schema: &Map<String, Value>) -> Vec<String> {
    let words = [
        ("exclusiveMinimum", "over"),
        ("minimum", "at least"),
        ("exclusiveMaximum", "under"),
        ("maximum", "at most"),
    ];
    let number = |keyword: &str| schema.get(keyword).filter(|limit| limit.is_number());
    words.iter().filter_map(|(keyword, word)| Some(format!("{word} {}", number(keyword)?))).collect()
}

fn too_long(value: &Value, limit: u64) -> String {
    format!("has {}; at most {limit} {} allowed", size(value), be(limit))
}

fn be(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn size(value: &Value) -> String {
    match value {
        Value::String(text) => counted(text.chars().count(), "character"),
        Value::Array(items) => counted(items.len(), "item"),
        Value::Object(fields) => counted(fields.len(), "field"),
        other => shown(other),
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A value to be read: cut, without control characters, and never costly however large it is.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", cut(text, MOST_CHARACTERS)),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Array(items) => format!("an array of {}", counted(items.len(), "item")),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => format!("an object of {}", counted(fields.len(), "field")),
        other => other.to_string(),
    }
}

/// The first characters of a text, with `…` where there are more.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_shown_short_and_safe() {
        assert_eq!(shown(&json!("a\n\u{1b}\u{202e}")), r#""a\n\u{1b}\u{202e}""#);
        assert_eq!(shown(&json!("x".repeat(1 << 20))).chars().count(), 43);
        assert_eq!(shown(&json!([1, 2, 3])), "an array of 3 items");
        assert_eq!(
            (shown(&json!({})), shown(&json!({"a": 1}))),
            ("{}".into(), "an object of 1 field".into())
        );
        assert_eq!((shown(&json!(2.5)), shown(&json!(null))), ("2.5".into(), "null".into()));
    }

    #[test]
    fn long_lists_are_cut() {
        let many: Vec<Value> = (0..1_000).map(|n| json!(n)).collect();
        let found = not_allowed(&json!(-1), &many, &Path::ROOT);
        assert_eq!(found.fault.message, "-1 is not one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 988 more");
        assert_eq!(found.fault.allowed.len(), 100);
    }

    #[test]
    fn what_is_allowed_is_said_of_missing_and_unknown_fields() {
        let of = |schema: Value| missing(Some(&schema), &Path::ROOT).fault;
        assert_eq!(of(json!(true)).message, "required field is missing");
        assert_eq!(of(json!({"enum": [2, 4]})).message, "required field is missing; it must be one of 2, 4");
        assert_eq!(of(json!({"enum": [2, 4]})).allowed, [json!(2), json!(4)]);
        let range = json!({"type": ["integer", "null"], "minimum": 1, "maximum": 9});
        let words = "required field is missing; it must be an integer or null, at least 1 and at most 9";
        assert_eq!(of(range).message, words);
        let among = |known: &[&str]| unknown("zzz", known.iter().copied(), &Path::ROOT).fault.message;
        assert_eq!(among(&[]), "unknown field; no fields are allowed here");
        assert_eq!(among(&["aa"]), "unknown field; the only field is `aa`");
        assert_eq!(among(&["aa", "bb"]), "unknown field; the fields are `aa`, `bb`");
    }
}
