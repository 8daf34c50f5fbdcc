//! Every violation of a schema, found by walking schema and value side by side, with its work bounded.

mod combined;

use serde_json::{Map, Value};

use super::{
    compile::{Inner, Part},
    fault::{Fault, FaultCode},
    pointer::Path,
    wording::{self, Found},
};

/// How many faults are listed at most; one more says that there are others.
pub const MAX_FAULTS: usize = 100;

/// How many schemas are tried on values before the walk gives up: about a second.
const MAX_STEPS: usize = 2_000_000;
/// How deep the walk may recurse: a level of the value takes one to four steps.
const MAX_RECURSION: usize = 300;
/// How many field names are looked at for the nearest to a misspelt one, over a whole walk.
const MAX_NAMES: usize = 20_000;
/// How large a value may be for jsonschema's own first error, which copies what it tells of.
const SMALL: usize = 10_000;

/// The keywords that look at nothing but the value itself; jsonschema judges them one object at a time.
const LEAF: [&str; 21] = [
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "contentEncoding",
    "contentMediaType",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "required",
    "dependentRequired",
];

/// Explains why a value is not valid; never empty.
pub(super) fn explain(schema: &Inner, input: &Value) -> Vec<Fault> {
    explain_within(MAX_STEPS, schema, input)
}

fn explain_within(steps: usize, schema: &Inner, input: &Value) -> Vec<Fault> {
    let mut walk = Walk { steps, ..Walk::over(schema) };
    let mut faults = walk.all(input);
    if faults.is_empty() {
        faults.push(unexplained(schema, input));
    } else if faults.len() > MAX_FAULTS || walk.steps == 0 {
        faults.truncate(MAX_FAULTS);
        let message = format!("there may be more faults than these {}; correct them first", faults.len());
        faults.push(Fault::new("", FaultCode::TooMany, message));
    }
    faults
}

/// What to say where the walk found nothing: a keyword that it does not follow, or too large a value.
fn unexplained(schema: &Inner, input: &Value) -> Fault {
    let mut left = SMALL;
    if (!schema.survey.has_alternatives || is_small(input, &mut left))
        && let Some(error) = schema.first_error(input)
    {
        let mut fault = wording::found(&error, None, &Path::ROOT).fault;
        fault.pointer = wording::cut(error.instance_path().as_str(), 400);
        return fault;
    }
    Fault::new("", FaultCode::Other, "does not match its schema, and is too large to say where")
}

fn is_small(value: &Value, left: &mut usize) -> bool {
    let Some(less) = left.checked_sub(1) else { return false };
    *left = less;
    match value {
        Value::Array(items) => items.iter().all(|item| is_small(item, left)),
        Value::Object(fields) => fields.values().all(|field| is_small(field, left)),
        _ => true,
    }
}

struct Walk<'s> {
    schema: &'s Inner,
    steps: usize,
    names: usize,
    recursion: usize,
    /// Whether something was met that the walk cannot judge, so that what seems to fit may not.
    is_blind: bool,
}

/// Keywords that the walk does not follow.
const UNSEEN: [&str; 3] = ["$dynamicRef", "$recursiveRef", "unevaluatedItems"];

type Fields = Map<String, Value>;

impl<'s> Walk<'s> {
    fn over(schema: &'s Inner) -> Self {
        Self { schema, steps: MAX_STEPS, names: MAX_NAMES, recursion: 0, is_blind: false }
    }

    fn all(&mut self, input: &Value) -> Vec<Fault> {
        let mut found = Vec::new();
        self.node(&self.schema.source, input, &Path::ROOT, &mut found);
        let mut faults: Vec<Fault> = Vec::new();
        for fault in found.into_iter().map(|found| found.fault) {
            // Two parts of an `allOf` may want the same.
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
        faults
    }

    /// All that is wrong with a value by a schema.
    fn node(&mut self, schema: &'s Value, input: &Value, path: &Path<'_>, out: &mut Vec<Found>) {
        if self.steps == 0 || self.recursion == MAX_RECURSION {
            self.is_blind = true;
        }
        if out.len() > MAX_FAULTS || self.steps == 0 || self.recursion == MAX_RECURSION {
            return;
        }
        self.steps -= 1;
        self.recursion += 1;
        match schema {
            Value::Bool(false) => {
                out.push(Found::new(path, FaultCode::NotAllowed, wording::nothing_allowed()))
            }
            Value::Object(keywords) => self.keywords(schema, keywords, input, path, out),
            _ => {}
        }
        self.recursion -= 1;
    }

    fn keywords(
        &mut self,
        schema: &'s Value,
        keywords: &'s Fields,
        input: &Value,
        path: &Path<'_>,
        out: &mut Vec<Found>,
    ) {
        if keywords.contains_key("$ref") {
            match self.referred(keywords) {
                Some(target) => self.node(target, input, path, out),
                None => self.is_blind = true,
            }
            if self.schema.ref_stands_alone() {
                return;
            }
        }
        self.is_blind |= UNSEEN.iter().any(|keyword| keywords.contains_key(*keyword));
        self.leaf(schema, keywords, input, path, out);
        match input {
            Value::Object(fields) => self.object(keywords, input, fields, path, out),
            Value::Array(items) => self.array(keywords, items, path, out),
            _ => {}
        }
        self.combined(keywords, input, path, out);
        if let (Value::Object(fields), Some(rest)) = (input, keywords.get("unevaluatedProperties")) {
            self.unevaluated(keywords, rest, input, fields, path, out);
        }
    }

    /// Putting a fault into words takes as long as many steps, and longer the deeper it is.
    fn spend(&mut self, path: &Path<'_>) {
        self.steps = self.steps.saturating_sub(8 + path.depth);
    }

    fn referred(&self, keywords: &'s Fields) -> Option<&'s Value> {
        self.schema.resolve(keywords.get("$ref")?.as_str()?)
    }

    /// Whether a value is valid by a schema, as far as the walk can tell.
    fn fits(&mut self, schema: &'s Value, input: &Value, path: &Path<'_>) -> bool {
        let mut found = Vec::new();
        self.node(schema, input, path, &mut found);
        found.is_empty()
    }

    fn leaf(
        &mut self,
        schema: &'s Value,
        keywords: &'s Fields,
        input: &Value,
        path: &Path<'_>,
        out: &mut Vec<Found>,
    ) {
        let own = || {
            let own: Fields = keywords
                .iter()
                .filter(|(k, _)| LEAF.contains(&k.as_str()))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            (!own.is_empty()).then_some(Value::Object(own))
        };
        let Some(validator) = self.schema.part(Part::Leaf(address(schema)), own) else { return };
        if validator.is_valid(input) {
            return;
        }
        let first = out.len();
        self.spend(path);
        for error in validator.iter_errors(input) {
            out.push(match error.kind() {
                jsonschema::error::ValidationErrorKind::Required { property } => {
                    let name = property.as_str().unwrap_or_default();
                    wording::missing(self.property(keywords, name), &path.name(name))
                }
                _ => wording::found(&error, Some(keywords), path),
            });
        }
        // A value that is none of those listed needs no word about its type as well, and one of another type
        // none about its range.
        for code in [FaultCode::NotAllowed, FaultCode::WrongType] {
            if let Some(at) = out[first..].iter().position(|found| found.fault.code == code) {
                out.swap(first, first + at);
                out.truncate(first + 1);
            }
        }
    }

    /// The schema of a property, through a reference.
    fn property(&self, keywords: &'s Fields, name: &str) -> Option<&'s Value> {
        let schema = keywords.get("properties")?.get(name)?;
        schema.as_object().and_then(|keywords| self.referred(keywords)).or(Some(schema))
    }

    fn object(
        &mut self,
        keywords: &'s Fields,
        input: &Value,
        fields: &Fields,
        path: &Path<'_>,
        out: &mut Vec<Found>,
    ) {
        const OF_FIELDS: [&str; 4] =
            ["properties", "patternProperties", "additionalProperties", "propertyNames"];
        if OF_FIELDS.iter().any(|keyword| keywords.contains_key(*keyword)) {
            for (name, value) in fields {
                if out.len() > MAX_FAULTS || self.steps == 0 {
                    return;
                }
                self.field(keywords, name, value, &path.name(name), out);
            }
        }
        let is_old = self.schema.ref_stands_alone();
        let dependent = map_of(keywords, if is_old { "dependencies" } else { "dependentSchemas" });
        for (_, schema) in dependent.into_iter().flatten().filter(|(name, _)| fields.contains_key(*name)) {
            self.dependent(schema, input, fields, path, out);
        }
    }

    fn field(
        &mut self,
        keywords: &'s Fields,
        name: &str,
        value: &Value,
        here: &Path<'_>,
        out: &mut Vec<Found>,
    ) {
        if let Some(names) = keywords.get("propertyNames") {
            self.field_name(names, name, here, out);
        }
        let properties = map_of(keywords, "properties");
        let own = properties.and_then(|properties| properties.get(name));
        let mut known = own.is_some();
        if let Some(schema) = own {
            self.node(schema, value, here, out);
        }
        for (pattern, schema) in map_of(keywords, "patternProperties").into_iter().flatten() {
            if self.matches(pattern, schema, name) {
                known = true;
                self.node(schema, value, here, out);
            }
        }
        match keywords.get("additionalProperties") {
            Some(Value::Bool(false)) if !known => {
                let names =
                    properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str));
                out.push(self.unknown(name, names, here));
            }
            Some(schema) if !known => self.node(schema, value, here, out),
            _ => {}
        }
    }

    fn field_name(&mut self, schema: &'s Value, name: &str, here: &Path<'_>, out: &mut Vec<Found>) {
        let mut found = Vec::new();
        self.node(schema, &Value::String(name.to_owned()), here, &mut found);
        if let Some(first) = found.into_iter().next() {
            let message = format!("the field's name is not allowed: {}", first.fault.message);
            out.push(Found::new(here, first.fault.code, message));
        }
    }

    /// What has to hold where some field is there: a schema, or in old drafts a list of fields.
    fn dependent(
        &mut self,
        schema: &'s Value,
        input: &Value,
        fields: &Fields,
        path: &Path<'_>,
        out: &mut Vec<Found>,
    ) {
        match schema {
            Value::Array(needed) => {
                let missing =
                    needed.iter().filter_map(Value::as_str).filter(|needed| !fields.contains_key(*needed));
                out.extend(missing.map(|needed| wording::missing(None, &path.name(needed))));
            }
            schema => self.node(schema, input, path, out),
        }
    }

    fn matches(&mut self, pattern: &str, schema: &'s Value, name: &str) -> bool {
        self.steps = self.steps.saturating_sub(1);
        let own = || Some(serde_json::json!({ "pattern": pattern }));
        let validator = self.schema.part(Part::Name(address(schema)), own);
        validator.is_some_and(|validator| validator.is_valid(&Value::String(name.to_owned())))
    }

    fn unknown<'n>(&mut self, name: &str, known: impl Iterator<Item = &'n str>, here: &Path<'_>) -> Found {
        self.spend(here);
        let known: Vec<&str> = known.take(self.names).collect();
        self.names -= known.len();
        wording::unknown(name, known, here)
    }

    fn array(&mut self, keywords: &'s Fields, items: &[Value], path: &Path<'_>, out: &mut Vec<Found>) {
        let old = keywords.get("items").and_then(Value::as_array);
        let first =
            keywords.get("prefixItems").and_then(Value::as_array).or(old).map_or(&[][..], Vec::as_slice);
        let rest = if old.is_some() { keywords.get("additionalItems") } else { keywords.get("items") };
        if rest == Some(&Value::Bool(false)) && items.len() > first.len() {
            let message = format!("has {} items; at most {} are allowed", items.len(), first.len());
            out.push(Found::new(path, FaultCode::TooLong, message));
        }
        for (index, item) in items.iter().enumerate() {
            if out.len() > MAX_FAULTS || self.steps == 0 {
                return;
            }
            match first.get(index).or(rest) {
                None => break,
                Some(Value::Bool(false)) if index >= first.len() => break,
                Some(schema) => self.node(schema, item, &path.index(index), out),
            }
        }
        if let Some(schema) = keywords.get("contains") {
            self.contains(keywords, schema, items, path, out);
        }
    }

    fn contains(
        &mut self,
        keywords: &'s Fields,
        schema: &'s Value,
        items: &[Value],
        path: &Path<'_>,
        out: &mut Vec<Found>,
    ) {
        let limit = |keyword: &str| {
            keywords.get(keyword).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok())
        };
        let count = items
            .iter()
            .enumerate()
            .filter(|(index, item)| self.fits(schema, item, &path.index(*index)))
            .count();
        let (least, most) = (limit("minContains").unwrap_or(1), limit("maxContains").unwrap_or(usize::MAX));
        if count < least {
            let message = format!("has {count} items of the form that at least {least} must have");
            out.push(Found::new(path, FaultCode::TooShort, message));
        }
        if count > most && !self.is_blind {
            let message = format!("has {count} items of the form that at most {most} may have");
            out.push(Found::new(path, FaultCode::TooLong, message));
        }
    }
}

fn address(schema: &Value) -> usize {
    std::ptr::from_ref(schema) as usize
}

fn map_of<'s>(keywords: &'s Fields, keyword: &str) -> Option<&'s Fields> {
    keywords.get(keyword)?.as_object()
}

fn list_of<'s>(keywords: &'s Fields, keyword: &str) -> impl Iterator<Item = &'s Value> {
    keywords.get(keyword).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests;
