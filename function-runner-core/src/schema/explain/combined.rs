//! Schemas that are combined over one value: all, any, one, not, if, and the fields that none of them knows.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Fields, Found, MAX_FAULTS, MAX_RECURSION, Walk, list_of, map_of};
use crate::schema::{branches, fault::FaultCode, pointer::Path, wording};

impl<'s> Walk<'s> {
    /// The schemas that are combined over the same value.
    pub(super) fn combined(
        &mut self,
        keywords: &'s Fields,
        input: &Value,
        path: &Path<'_>,
        out: &mut Vec<Found>,
    ) {
        for schema in list_of(keywords, "allOf") {
            self.node(schema, input, path, out);
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(Value::Array(schemas)) = keywords.get(keyword) {
                self.alternatives(schemas, keyword == "oneOf", input, path, out);
            }
        }
        if let Some(schema) = keywords.get("not")
            && self.fits(schema, input, path)
            && !self.is_blind
        {
            let message = format!("{} is of a form that is not allowed here", wording::shown(input));
            out.push(Found::new(path, FaultCode::NotAllowed, message));
        }
        if let Some(schema) = keywords.get("if") {
            let branch = if self.fits(schema, input, path) { "then" } else { "else" };
            if let Some(schema) = keywords.get(branch) {
                self.node(schema, input, path, out);
            }
        }
    }

    fn alternatives(
        &mut self,
        schemas: &'s [Value],
        one: bool,
        input: &Value,
        path: &Path<'_>,
        out: &mut Vec<Found>,
    ) {
        let mut wrong = Vec::new();
        let mut fitting = 0_usize;
        for schema in schemas {
            let mut found = Vec::new();
            self.node(schema, input, path, &mut found);
            if !found.is_empty() {
                wrong.push(found);
                continue;
            }
            fitting += 1;
            if !one {
                return;
            }
        }
        match fitting {
            0 => out.extend(branches::likeliest(wrong, input, path)),
            2.. if !self.is_blind => {
                let message =
                    format!("fits {fitting} of the forms that are allowed here; it must fit exactly one");
                out.push(Found::new(path, FaultCode::NotAllowed, message));
            }
            _ => {}
        }
    }

    /// Fields that no part of a combination knows.
    pub(super) fn unevaluated(
        &mut self,
        keywords: &'s Fields,
        rest: &'s Value,
        input: &Value,
        fields: &Fields,
        path: &Path<'_>,
        out: &mut Vec<Found>,
    ) {
        let mut known = Known::default();
        self.known(keywords, input, fields, path, &mut known);
        if known.all || self.is_blind {
            return;
        }
        for (name, value) in fields.iter().filter(|(name, _)| !known.matched.contains(*name)) {
            if out.len() > MAX_FAULTS || self.steps == 0 {
                return;
            }
            let here = path.name(name);
            match rest {
                Value::Bool(false) if !known.names.contains(name.as_str()) => {
                    out.push(self.unknown(name, known.names.iter().copied(), &here));
                }
                Value::Object(_) if !known.names.contains(name.as_str()) => {
                    self.node(rest, value, &here, out)
                }
                _ => {}
            }
        }
    }

    /// Collects the fields that a schema and those combined with it know; of alternatives those that fit do,
    /// or all where none fits, which is told already.
    fn known(
        &mut self,
        keywords: &'s Fields,
        input: &Value,
        fields: &Fields,
        path: &Path<'_>,
        known: &mut Known<'s>,
    ) {
        if self.recursion == MAX_RECURSION {
            return;
        }
        self.recursion += 1;
        known
            .names
            .extend(map_of(keywords, "properties").into_iter().flat_map(Map::keys).map(String::as_str));
        known.all |= keywords.get("additionalProperties").is_some_and(|rest| rest != &Value::Bool(false));
        for (pattern, schema) in map_of(keywords, "patternProperties").into_iter().flatten() {
            let names: Vec<&String> =
                fields.keys().filter(|name| self.matches(pattern, schema, name)).collect();
            known.matched.extend(names.into_iter().cloned());
        }
        let mut parts: Vec<&'s Value> = list_of(keywords, "allOf").collect();
        parts.extend(self.referred(keywords));
        for keyword in ["anyOf", "oneOf"] {
            let all: Vec<&'s Value> = list_of(keywords, keyword).collect();
            let fitting: Vec<&'s Value> =
                all.iter().copied().filter(|schema| self.fits(schema, input, path)).collect();
            parts.extend(if fitting.is_empty() { all } else { fitting });
        }
        if let Some(schema) = keywords.get("if") {
            let fits = self.fits(schema, input, path);
            parts.extend(fits.then_some(schema));
            parts.extend(keywords.get(if fits { "then" } else { "else" }));
        }
        let dependent = map_of(keywords, "dependentSchemas").into_iter().flatten();
        parts.extend(dependent.filter(|(name, _)| fields.contains_key(*name)).map(|(_, schema)| schema));
        for part in parts.into_iter().filter_map(Value::as_object) {
            known.all |= part.get("unevaluatedProperties").is_some_and(|rest| rest != &Value::Bool(false));
            self.known(part, input, fields, path, known);
        }
        self.recursion -= 1;
    }
}

#[derive(Default)]
struct Known<'s> {
    names: BTreeSet<&'s str>,
    matched: BTreeSet<String>,
    all: bool,
}
