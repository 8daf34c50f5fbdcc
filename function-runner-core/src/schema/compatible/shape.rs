//! A schema as alternatives, each without references and combinations: a shape.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{super::pointer::resolve, words::What};

/// How many alternatives a schema may come to.
const MAX_SHAPES: usize = 256;
/// How many references and combinations in a row are followed.
const MAX_CHAIN: usize = 32;

/// Schemas that all hold of one value; none of them is anything.
pub(super) type Schemas<'s> = Vec<&'s Value>;

/// Every type; an integer is a number too.
const TYPES: [&str; 6] = ["null", "boolean", "number", "string", "array", "object"];

/// Keywords that change nothing about what is valid.
const ANNOTATIONS: [&str; 17] = [
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
    "discriminator",
];

/// Formats that only say how wide a number is, which its bounds say too.
const WIDTHS: [&str; 15] = [
    "int8", "int16", "int32", "int64", "int128", "int", "uint8", "uint16", "uint32", "uint64", "uint128",
    "uint", "float", "double", "float32",
];

/// One alternative of a schema.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape<'s> {
    /// The objects of keywords that it was made of, by address.
    parts: Vec<usize>,
    types: BTreeSet<&'static str>,
    values: Option<Vec<&'s Value>>,
    /// Numeric limits by keyword, the tightest of each.
    limits: BTreeMap<&'static str, f64>,
    /// Patterns and formats.
    texts: BTreeSet<(&'static str, &'s str)>,
    pub(super) properties: BTreeMap<&'s str, Schemas<'s>>,
    pub(super) patterns: BTreeMap<&'s str, Schemas<'s>>,
    /// What other fields have to be.
    pub(super) rest: Schemas<'s>,
    pub(super) is_closed: bool,
    pub(super) required: BTreeSet<&'s str>,
    pub(super) prefix: Vec<Schemas<'s>>,
    pub(super) items: Schemas<'s>,
    /// Keywords that are only compared as they are.
    pub(super) others: BTreeMap<&'s str, Schemas<'s>>,
}

/// The lower and upper limits, with what they limit.
const LOWER: [(&str, &str); 5] = [
    ("minimum", "number"),
    ("exclusiveMinimum", "number"),
    ("minLength", "string"),
    ("minItems", "array"),
    ("minProperties", "object"),
];
const UPPER: [(&str, &str); 5] = [
    ("maximum", "number"),
    ("exclusiveMaximum", "number"),
    ("maxLength", "string"),
    ("maxItems", "array"),
    ("maxProperties", "object"),
];

/// All alternatives of some schemas that hold together; nothing if there are too many, or a reference is
/// lost.
pub(super) fn shapes<'s>(root: &'s Value, schemas: &[&'s Value]) -> Option<Vec<Shape<'s>>> {
    let mut all = vec![Vec::new()];
    for schema in schemas {
        all = both(all, alternatives(root, schema, 0)?)?;
    }
    let shapes = all.iter().map(|parts| Shape::of(parts)).filter(|shape| !shape.is_impossible());
    Some(shapes.collect())
}

/// A shape's identity: its parts, types and first value.
pub(super) type Key = (Vec<usize>, Vec<&'static str>, usize);

/// The objects of keywords that hold together, for each alternative.
type Alternatives<'s> = Vec<Vec<&'s Map<String, Value>>>;

fn alternatives<'s>(root: &'s Value, schema: &'s Value, chain: usize) -> Option<Alternatives<'s>> {
    if chain > MAX_CHAIN {
        return None;
    }
    let keywords = match schema {
        Value::Bool(true) => return Some(vec![Vec::new()]),
        Value::Bool(false) => return Some(Vec::new()),
        Value::Object(keywords) => keywords,
        _ => return None,
    };
    let mut all = vec![vec![keywords]];
    if let Some(reference) = keywords.get("$ref") {
        let target = resolve(root, reference.as_str()?)?;
        all = both(all, alternatives(root, target, chain + 1)?)?;
    }
    for part in keywords.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        all = both(all, alternatives(root, part, chain + 1)?)?;
    }
    for forms in ["anyOf", "oneOf"].iter().filter_map(|k| keywords.get(*k)?.as_array()) {
        let mut any = Vec::new();
        for form in forms {
            any.extend(alternatives(root, form, chain + 1)?);
        }
        all = both(all, any)?;
    }
    Some(all)
}

/// Every combination of two lists of alternatives.
fn both<'s>(left: Alternatives<'s>, right: Alternatives<'s>) -> Option<Alternatives<'s>> {
    if left.len() * right.len() > MAX_SHAPES {
        return None;
    }
    let pair = |one: &[&'s Map<String, Value>], other: &[&'s Map<String, Value>]| [one, other].concat();
    Some(left.iter().flat_map(|one| right.iter().map(move |other| pair(one, other))).collect())
}

impl<'s> Shape<'s> {
    fn of(parts: &[&'s Map<String, Value>]) -> Self {
        let mut shape = Self { types: TYPES.into_iter().collect(), ..Self::default() };
        for part in parts {
            part.iter().for_each(|(keyword, value)| shape.add(keyword, value));
            if part.keys().any(|keyword| !is_link(keyword)) {
                shape.parts.push(std::ptr::from_ref(*part) as usize);
            }
        }
        shape
    }

    fn add(&mut self, keyword: &'s str, value: &'s Value) {
        let limit = LOWER.iter().chain(&UPPER).find(|(name, _)| *name == keyword);
        match (keyword, value) {
            ("type", _) => self.narrow(value),
            ("const", _) => self.list(std::slice::from_ref(value)),
            ("enum", Value::Array(values)) => self.list(values),
            ("format", Value::String(text)) if WIDTHS.contains(&text.as_str()) => {}
            ("pattern", Value::String(text)) => self.texts.extend([("pattern", text.as_str())]),
            ("format", Value::String(text)) => self.texts.extend([("format", text.as_str())]),
            ("properties", Value::Object(fields)) => merge(&mut self.properties, fields),
            ("patternProperties", Value::Object(fields)) => merge(&mut self.patterns, fields),
            ("additionalProperties" | "unevaluatedProperties", Value::Bool(is_open)) => {
                self.is_closed |= !is_open
            }
            ("additionalProperties", Value::Object(_)) => self.rest.push(value),
            ("required", Value::Array(names)) => self.required.extend(names.iter().filter_map(Value::as_str)),
            ("prefixItems", Value::Array(items)) => self.first(items),
            ("items", Value::Array(items)) => self.first(items),
            ("items" | "additionalItems", Value::Object(_) | Value::Bool(_)) => self.items.push(value),
            ("uniqueItems", Value::Bool(false)) => {}
            _ if is_link(keyword) => {}
            _ => match (limit, value.as_f64()) {
                (Some((name, _)), Some(number)) => self.limit(name, number),
                _ => self.others.entry(keyword).or_default().push(value),
            },
        }
    }

    fn narrow(&mut self, value: &Value) {
        let named = |name: &str| match value {
            Value::String(one) => one == name,
            Value::Array(names) => names.iter().any(|one| one == name),
            _ => true,
        };
        let integer_only = named("integer") && !named("number");
        let had_numbers = self.types.contains("number");
        self.types.retain(|name| named(name) || (*name == "integer" && named("number")));
        if integer_only && had_numbers {
            self.types.insert("integer");
        }
    }

    fn list(&mut self, values: &'s [Value]) {
        self.values = Some(match self.values.take() {
            None => values.iter().collect(),
            Some(known) => known.into_iter().filter(|value| values.contains(value)).collect(),
        });
    }

    fn limit(&mut self, name: &'static str, number: f64) {
        let is_lower = LOWER.iter().any(|(lower, _)| *lower == name);
        let known = self.limits.entry(name).or_insert(number);
        *known = if is_lower { known.max(number) } else { known.min(number) };
    }

    fn first(&mut self, items: &'s [Value]) {
        for (index, item) in items.iter().enumerate() {
            match self.prefix.get_mut(index) {
                Some(schemas) => schemas.push(item),
                None => self.prefix.push(vec![item]),
            }
        }
    }

    /// What tells it from all others, wherever it was met.
    pub(super) fn key(&self) -> Key {
        let value = self.values.as_ref().and_then(|values| values.first());
        let value = value.map_or(0, |value| std::ptr::from_ref(*value) as usize);
        (self.parts.clone(), self.types.iter().copied().collect(), value)
    }

    fn is_impossible(&self) -> bool {
        self.types.is_empty() || self.values.as_ref().is_some_and(Vec::is_empty)
    }

    /// The same shape as several of one type each, and of one value each where it is compared with
    /// alternatives.
    pub(super) fn split(&self, by_value: bool) -> Vec<Self> {
        match &self.values {
            Some(values) if by_value && values.len() <= MAX_SHAPES => {
                values.iter().map(|value| Self { values: Some(vec![value]), ..self.clone() }).collect()
            }
            Some(_) => vec![self.clone()],
            None => self
                .types
                .iter()
                .map(|name| Self { types: BTreeSet::from([*name]), ..self.clone() })
                .collect(),
        }
    }

    /// Whether its values may be of this type.
    pub(super) fn is(&self, name: &str) -> bool {
        match &self.values {
            Some(values) => values.iter().any(|value| type_of(value) == name),
            None => self.types.contains(name),
        }
    }

    pub(super) fn most_items(&self) -> Option<usize> {
        let closed = self.items.contains(&&Value::Bool(false)).then_some(self.prefix.len());
        // A limit is a whole number, and past the largest index there is nothing to compare.
        let limit = self.limits.get("maxItems").map(|most| *most as usize);
        closed.into_iter().chain(limit).min()
    }

    /// What about the value itself does not fit another shape; it is of one type, or lists its values.
    pub(super) fn misfits(&self, taken: &Self) -> Vec<What> {
        if let Some(values) = &self.values {
            return values
                .iter()
                .filter_map(|value| taken.refuses(value, self.values.as_ref().map_or(0, Vec::len)))
                .collect();
        }
        let foreign = self.types.iter().find(|name| !taken.takes_type(name));
        if let Some(name) = foreign {
            return vec![What::Type(name)];
        }
        // Only booleans and null have few enough values to be listed in full.
        if let Some(values) = &taken.values {
            let all: &[Value] = match self.types.first() {
                Some(&"boolean") => &[Value::Bool(true), Value::Bool(false)],
                Some(&"null") => &[Value::Null],
                _ => return vec![What::Listed],
            };
            return if all.iter().all(|one| values.contains(&one)) { Vec::new() } else { vec![What::Listed] };
        }
        let mut found = self.tighter(taken);
        let texts = taken.texts.difference(&self.texts).filter(|_| self.is("string"));
        found.extend(texts.map(|(keyword, text)| What::Text(keyword, (*text).to_owned())));
        found
    }

    fn takes_type(&self, name: &str) -> bool {
        self.types.contains(name) || (name == "integer" && self.types.contains("number"))
    }

    /// What speaks against one value, of a list of so many.
    fn refuses(&self, value: &Value, of: usize) -> Option<What> {
        let refused = || What::Value { value: value.clone(), is_only: of == 1 };
        if let Some(values) = &self.values {
            return (!values.contains(&value)).then(refused);
        }
        let name = if value.as_f64().is_some_and(|n| n.fract() == 0.0) { "integer" } else { type_of(value) };
        if !self.takes_type(name) || (name == "string" && !self.texts.is_empty()) {
            return Some(refused());
        }
        let size = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => Some(text.chars().count() as f64),
            _ => None,
        }?;
        let kind = type_of(value);
        let limit = |name: &str| self.limits.get(name).copied();
        let of = |(name, limited): &(&str, &str)| (*limited == kind).then(|| limit(name)).flatten();
        let low = LOWER.iter().filter_map(|pair| Some((pair.0, of(pair)?)));
        let high = UPPER.iter().filter_map(|pair| Some((pair.0, of(pair)?)));
        let too_low = low
            .into_iter()
            .any(|(name, limit)| size < limit || (name == "exclusiveMinimum" && size <= limit));
        let too_high = high
            .into_iter()
            .any(|(name, limit)| size > limit || (name == "exclusiveMaximum" && size >= limit));
        (too_low || too_high).then(refused)
    }

    /// Limits of another shape that are tighter than this one's.
    fn tighter(&self, taken: &Self) -> Vec<What> {
        let kind =
            self.types.iter().next().map_or("", |name| if *name == "integer" { "number" } else { *name });
        let mut found = Vec::new();
        for (pairs, sign) in [(LOWER, 1.0), (UPPER, -1.0)] {
            for (keyword, _) in pairs.iter().filter(|(_, limited)| *limited == kind) {
                let Some(now) = taken.limits.get(keyword).copied() else { continue };
                let is_enough = pairs.iter().filter(|(_, limited)| *limited == kind).any(|(other, _)| {
                    let bound = self.limits.get(other).copied();
                    bound.is_some_and(|bound| self.implies(other, bound * sign, keyword, now * sign))
                });
                // No size is under zero.
                let is_trivial = now == 0.0 && keyword.starts_with("min") && kind != "number";
                if !is_enough && !is_trivial {
                    found.push(What::Limit { keyword, taken: now, given: self.limits.get(keyword).copied() });
                }
            }
        }
        found
    }

    /// Whether one lower limit keeps another; upper ones are asked with their signs turned.
    fn implies(&self, given: &str, bound: f64, taken: &str, limit: f64) -> bool {
        let is_integer = self.types.contains("integer");
        match (given.starts_with("exclusive"), taken.starts_with("exclusive")) {
            (false, true) => bound > limit,
            (true, false) if is_integer => bound.floor() + 1.0 >= limit,
            _ => bound >= limit,
        }
    }
}

/// Whether a keyword says nothing of its own: an annotation, or what the alternatives were made of.
fn is_link(keyword: &str) -> bool {
    let is_combination = matches!(keyword, "$ref" | "allOf" | "anyOf" | "oneOf");
    is_combination || ANNOTATIONS.contains(&keyword) || keyword.starts_with("x-")
}

fn merge<'s>(into: &mut BTreeMap<&'s str, Schemas<'s>>, fields: &'s Map<String, Value>) {
    for (name, schema) in fields {
        into.entry(name).or_default().push(schema);
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
