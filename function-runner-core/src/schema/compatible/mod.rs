//! What a changed schema breaks: whether everything that was valid still is.
//!
//! Both sides ask the same question, whether one schema takes all that another gives: of an input the new one
//! must take what fitted the old, of an output the old one what fits the new.

mod shape;
mod words;

use serde_json::Value;

use self::{
    shape::{Key, Shape, shapes},
    words::{Break, What},
};
use super::pointer::Path;

/// How many pairs of schemas are compared before the rest is called incomparable.
const MAX_STEPS: usize = 50_000;
/// How deep the comparison goes.
const MAX_DEPTH: usize = 64;

/// Which end of a function a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What callers send: all that the old schema took must still be taken.
    Input,
    /// What callers get: all that the new schema gives must be readable by those who know the old one.
    Output,
}

/// What the change from one schema to another breaks, one sentence each with pointer and remedy; empty if
/// nothing.
///
/// It is careful: a change that it cannot follow counts as one that breaks. Two things are taken to be
/// harmless. A new field of an output is, since readers skip fields they do not know. And a field that an
/// input did not have is, even if the old schema did not forbid it.
///
/// # Examples
///
/// ```
/// use function_runner_core::schema::{Side, breaks};
/// use serde_json::json;
///
/// let old = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
/// let new = json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}, "required": ["b"]});
/// assert_eq!(breaks(&old, &new, Side::Input), [
///     "`/b`: the field is required now, so input without it is refused; raise the major version, or make the \
///      field optional"
/// ]);
/// assert!(breaks(&old, &new, Side::Output).is_empty());
/// ```
#[must_use]
pub fn breaks(old: &Value, new: &Value, side: Side) -> Vec<String> {
    let (given, taken) = match side {
        Side::Input => (old, new),
        Side::Output => (new, old),
    };
    let mut comparison = Comparison { given, taken, side, steps: MAX_STEPS, under_way: Vec::new() };
    let found = comparison.compare(&[given], &[taken], &Path::ROOT);
    let mut sentences: Vec<String> = Vec::new();
    for sentence in found.iter().map(|found| found.sentence(side)) {
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    sentences
}

struct Comparison<'s> {
    given: &'s Value,
    taken: &'s Value,
    side: Side,
    steps: usize,
    /// The pairs that are being compared: one met again inside itself holds if all else does.
    under_way: Vec<(Key, Key)>,
}

impl<'s> Comparison<'s> {
    /// What of the given is not taken.
    fn compare(&mut self, given: &[&'s Value], taken: &[&'s Value], path: &Path<'_>) -> Vec<Break> {
        if self.steps == 0 || path.depth > MAX_DEPTH {
            return vec![Break::new(path, What::TooLarge)];
        }
        self.steps -= 1;
        self.compare_shapes(given, taken, path)
    }

    fn compare_shapes(&mut self, given: &[&'s Value], taken: &[&'s Value], path: &Path<'_>) -> Vec<Break> {
        let (Some(given), Some(taken)) = (shapes(self.given, given), shapes(self.taken, taken)) else {
            return if same(self.given, given, self.taken, taken) {
                Vec::new()
            } else {
                vec![Break::new(path, What::TooLarge)]
            };
        };
        let several = given.len() > 1 || taken.len() > 1;
        let split = given.iter().flat_map(|shape| shape.split(taken.len() > 1));
        split.flat_map(|shape| self.compare_shape(&shape, &taken, several, path)).collect()
    }

    /// What of one given shape no taken one takes: by the taken shape that comes nearest.
    fn compare_shape(
        &mut self,
        given: &Shape<'s>,
        taken: &[Shape<'s>],
        several: bool,
        path: &Path<'_>,
    ) -> Vec<Break> {
        let mut least: Option<Vec<Break>> = None;
        for shape in taken {
            let found = self.fit(given, shape, path);
            if found.is_empty() {
                return found;
            }
            let cost =
                |found: &[Break]| (found.iter().filter(|one| one.depth == path.depth).count(), found.len());
            if least.as_ref().is_none_or(|least| cost(&found) < cost(least)) {
                least = Some(found);
            }
        }
        let mut found = least.unwrap_or_else(|| vec![Break::new(path, What::Nothing)]);
        if !several {
            return found;
        }
        // Of a form that is gone only this is told, not how it differs from its nearest sibling.
        if let Some(tag) = found.iter().position(|one| one.depth == path.depth + 1 && one.is_tag()) {
            return vec![found.swap_remove(tag)];
        }
        let is_form =
            |one: &Break| one.depth == path.depth + 1 && matches!(one.what, What::Required | What::Removed);
        if found.iter().any(is_form) && !given.required.is_empty() {
            return vec![Break::new(
                path,
                What::Form(given.required.iter().map(|name| (*name).to_owned()).collect()),
            )];
        }
        found
    }

    fn fit(&mut self, given: &Shape<'s>, taken: &Shape<'s>, path: &Path<'_>) -> Vec<Break> {
        let pair = (given.key(), taken.key());
        if self.under_way.contains(&pair) {
            return Vec::new();
        }
        self.under_way.push(pair);
        let found = self.fit_all(given, taken, path);
        self.under_way.pop();
        found
    }

    fn fit_all(&mut self, given: &Shape<'s>, taken: &Shape<'s>, path: &Path<'_>) -> Vec<Break> {
        let mut found: Vec<Break> =
            given.misfits(taken).into_iter().map(|what| Break::new(path, what)).collect();
        if found.iter().any(|one| matches!(one.what, What::Type(_))) {
            return found;
        }
        if given.is("object") {
            self.fit_fields(given, taken, path, &mut found);
        }
        if given.is("array") {
            self.fit_items(given, taken, path, &mut found);
        }
        for (keyword, wanted) in &taken.others {
            let known = given.others.get(keyword);
            if !known.is_some_and(|known| same(self.given, known, self.taken, wanted)) {
                found.push(Break::new(path, What::Other((*keyword).to_owned())));
            }
        }
        found
    }

    fn fit_fields(&mut self, given: &Shape<'s>, taken: &Shape<'s>, path: &Path<'_>, found: &mut Vec<Break>) {
        for name in taken.required.difference(&given.required) {
            found.push(Break::new(&path.name(name), What::Required));
        }
        let closed = taken.is_closed && self.side == Side::Input;
        for (name, schemas) in &given.properties {
            match (taken.properties.get(name), taken.rest.is_empty()) {
                (Some(wanted), _) => found.extend(self.compare(schemas, wanted, &path.name(name))),
                (None, false) => found.extend(self.compare(schemas, &taken.rest, &path.name(name))),
                (None, true) if closed => found.push(Break::new(&path.name(name), What::Removed)),
                (None, true) => {}
            }
        }
        for (name, wanted) in
            taken.properties.iter().filter(|(name, _)| !given.properties.contains_key(*name))
        {
            if !given.rest.is_empty() {
                found.extend(self.compare(&given.rest, wanted, &path.name(name)));
            }
        }
        let others = path.name("*");
        match (given.rest.is_empty(), taken.rest.is_empty()) {
            (false, false) => found.extend(self.compare(&given.rest, &taken.rest, &others)),
            (false, true) if closed => found.push(Break::new(&others, What::Removed)),
            (true, false) if !given.is_closed && given.properties.is_empty() => {
                found.push(Break::new(&others, What::Other("additionalProperties".to_owned())));
            }
            _ => {}
        }
        for (pattern, wanted) in &taken.patterns {
            match given.patterns.get(pattern) {
                Some(schemas) => found.extend(self.compare(schemas, wanted, &path.name(pattern))),
                None if given.is_closed && given.patterns.is_empty() && given.properties.is_empty() => {}
                None => found.push(Break::new(path, What::Other("patternProperties".to_owned()))),
            }
        }
        if closed && given.patterns.keys().any(|pattern| !taken.patterns.contains_key(pattern)) {
            found.push(Break::new(path, What::Other("patternProperties".to_owned())));
        }
    }

    fn fit_items(&mut self, given: &Shape<'s>, taken: &Shape<'s>, path: &Path<'_>, found: &mut Vec<Break>) {
        let first = given.prefix.len().max(taken.prefix.len());
        let most = given.most_items();
        let at = |shape: &Shape<'s>, index: usize| shape.prefix.get(index).unwrap_or(&shape.items).clone();
        for index in (0..first).filter(|index| most.is_none_or(|most| *index < most)) {
            found.extend(self.compare(&at(given, index), &at(taken, index), &path.index(index)));
        }
        if most.is_none_or(|most| most > first) {
            found.extend(self.compare(&given.items, &taken.items, &path.name("*")));
        }
    }
}

/// Whether two lists of schemas are the same, with all that they refer to.
fn same(root: &Value, schemas: &[&Value], other_root: &Value, others: &[&Value]) -> bool {
    if schemas != others {
        return false;
    }
    let mut reach = Reach::Inside;
    schemas.iter().for_each(|schema| reach.widen(schema));
    let definitions = |root: &Value| [root.get("$defs").cloned(), root.get("definitions").cloned()];
    match reach {
        Reach::Inside => true,
        Reach::Definitions => definitions(root) == definitions(other_root),
        Reach::Anywhere => root == other_root,
    }
}

/// How far the references of a schema lead.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Inside,
    Definitions,
    Anywhere,
}

impl Reach {
    fn widen(&mut self, schema: &Value) {
        match schema {
            Value::Array(items) => items.iter().for_each(|item| self.widen(item)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) if name.ends_with("Ref") || name == "$ref" => {
                            let is_definition =
                                text.starts_with("#/$defs/") || text.starts_with("#/definitions/");
                            *self =
                                (*self).max(if is_definition { Self::Definitions } else { Self::Anywhere });
                        }
                        other => self.widen(other),
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
