//! A schema compiled once: checks values, explains what is wrong, fills defaults.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use jsonschema::{
    Draft, PatternOptions, Retrieve, ValidationError, ValidationOptions, Validator,
    error::ValidationErrorKind, json::Json,
};
use serde_json::Value;

use super::{
    defaults::Plan,
    explain,
    fault::Fault,
    flat::{Flat, FlatJson},
    parse::depth_fault,
    pointer::{Path, resolve, segment},
    survey::{Survey, survey},
    wording,
};
use crate::{Error, ErrorKind, Result};

/// A JSON Schema, compiled once and shared: a clone is cheap.
///
/// Drafts 4 to 2020-12 are understood; without `$schema` it is 2020-12. Formats are checked. Nothing is ever
/// fetched, and patterns run in time linear in the text.
///
/// # Examples
///
/// ```
/// use function_runner_core::schema::Schema;
/// use serde_json::json;
///
/// let schema = Schema::compile(&json!({
///     "properties": {"factor": {"enum": [2, 4]}, "quality": {"type": "string"}},
///     "additionalProperties": false,
/// }))?;
/// assert!(schema.is_valid(&json!({"factor": 2})));
/// let faults = schema.check(&json!({"factor": 5, "qualty": "high"}));
/// assert_eq!((faults[0].pointer.as_str(), faults[0].to_string()), ("/factor", "5 is not one of 2, 4".into()));
/// assert_eq!(faults[1].to_string(), "unknown field; did you mean `quality`?");
/// # Ok::<(), function_runner_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Schema(Arc<Inner>);

pub(super) struct Inner {
    pub(super) source: Value,
    pub(super) survey: Survey,
    validator: Validator,
    /// The same for text that was not made into values; compiled when the first comes.
    flat: OnceLock<Option<Validator<FlatJson>>>,
    defaults: Option<Plan>,
    /// Validators of single keywords, made when a value first needs explaining.
    parts: Mutex<HashMap<Part, Option<Arc<Validator>>>>,
}

/// A part of the schema with a validator of its own, by the address it has in `source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// The keywords of a schema object that look at nothing but the value itself.
    Leaf(usize),
    /// The pattern that stands as a key over this schema.
    Name(usize),
}

impl Schema {
    /// Compiles a schema: tens of microseconds for an ordinary one, so do it once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSetup`], naming the place by a JSON pointer, where it is no schema; where a `$ref`
    /// leads out of it or nowhere; where a pattern needs look-around or back-references, which no engine runs
    /// in linear time; or where it nests too deep or is too large.
    pub fn compile(source: &Value) -> Result<Self> {
        let survey = survey(source)?;
        let validator = options().build(source).map_err(|error| refusal(source, &error))?;
        let mut inner = Inner {
            source: source.clone(),
            survey,
            validator,
            flat: OnceLock::new(),
            defaults: None,
            parts: Mutex::default(),
        };
        if inner.survey.has_defaults {
            inner.defaults =
                Plan::of(&inner.source, inner.ref_stands_alone(), |reference| inner.resolve(reference));
        }
        Ok(Self(Arc::new(inner)))
    }

    /// Every violation, or none; at most [`MAX_FAULTS`](super::MAX_FAULTS) and one that says there are more.
    ///
    /// A value nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH) is one fault. Where the schema has
    /// alternatives, the faults are those of the alternative that was most likely meant.
    #[must_use]
    pub fn check(&self, input: &Value) -> Vec<Fault> {
        if let Some(fault) = depth_fault(input) {
            return vec![fault];
        }
        if self.0.validator.is_valid(input) { Vec::new() } else { explain::explain(&self.0, input) }
    }

    /// Whether there is no violation.
    #[must_use]
    pub fn is_valid(&self, input: &Value) -> bool {
        depth_fault(input).is_none() && self.0.validator.is_valid(input)
    }

    /// Whether this text is surely a value without a violation, in which no default is to be filled in: the quick way
    /// for most inputs. Where it says no, [`parse`](super::parse()), [`fill_defaults`](Self::fill_defaults) and
    /// [`check`](Self::check) find out.
    pub(crate) fn takes_as_it_is(&self, text: &[u8]) -> bool {
        if self.0.defaults.is_some() {
            return false;
        }
        let compile = || options_for().with_draft(self.0.validator.draft()).build(&self.0.source).ok();
        let validator = self.0.flat.get_or_init(compile);
        validator
            .as_ref()
            .zip(Flat::read(text))
            .is_some_and(|(validator, flat)| validator.is_valid(flat.root()))
    }

    /// Fills in absent fields that have a default; true if there were any.
    ///
    /// Objects inside objects and arrays are filled too, through local `$ref`s and the one form that an
    /// optional value has; of several alternatives none is. A default goes in as it is: nothing is filled in
    /// within it.
    pub fn fill_defaults(&self, input: &mut Value) -> bool {
        self.0.defaults.as_ref().is_some_and(|plan| plan.fill(input))
    }

    #[cfg(test)]
    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The schema as it was given.
    #[must_use]
    pub fn source(&self) -> &Value {
        &self.0.source
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.0.source).finish()
    }
}

impl Inner {
    /// Where a local `$ref` leads; nothing where that depends on how it was reached.
    pub(super) fn resolve(&self, reference: &str) -> Option<&Value> {
        if self.survey.is_plain { resolve(&self.source, reference) } else { None }
    }

    /// Whether a `$ref` hides what stands beside it, as it did until draft 7.
    pub(super) fn ref_stands_alone(&self) -> bool {
        matches!(self.validator.draft(), Draft::Draft4 | Draft::Draft6 | Draft::Draft7)
    }

    /// The first violation that jsonschema itself finds.
    pub(super) fn first_error<'i>(&self, input: &'i Value) -> Option<ValidationError<'i>> {
        self.validator.validate(input).err()
    }

    /// The validator of a part, compiled from `keywords` on first use; nothing if there are no such keywords.
    pub(super) fn part(
        &self,
        part: Part,
        keywords: impl FnOnce() -> Option<Value>,
    ) -> Option<Arc<Validator>> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let compile = || {
            let draft = self.validator.draft();
            keywords().and_then(|source| options().with_draft(draft).build(&source).ok()).map(Arc::new)
        };
        parts.entry(part).or_insert_with(compile).clone()
    }
}

fn options() -> ValidationOptions<'static> {
    options_for()
}

fn options_for<F: Json>() -> ValidationOptions<'static, Arc<dyn Retrieve>, F> {
    jsonschema::options_for()
        .offline()
        .with_pattern_options(PatternOptions::regex())
        .should_validate_formats(true)
}

/// Says where and why jsonschema refused a schema.
fn refusal(source: &Value, error: &ValidationError<'_>) -> Error {
    let (pointer, what) = match error.kind() {
        ValidationErrorKind::Referencing(cause) => match lost_reference(source) {
            Some((pointer, reference)) => (pointer, lost(reference)),
            None => (String::new(), cause.to_string()),
        },
        ValidationErrorKind::Format { format } if format == "regex" => {
            (error.instance_path().to_string(), pattern_fault(error.instance().as_str().unwrap_or_default()))
        }
        ValidationErrorKind::AnyOf { .. } if error.instance_path().as_str().ends_with("/type") => {
            (error.instance_path().to_string(), format!("{} is no type", wording::shown(error.instance())))
        }
        _ => {
            let found = wording::found(error, None, &Path::ROOT);
            (error.instance_path().to_string(), found.fault.to_string())
        }
    };
    let place = if pointer.is_empty() { "at its root".to_owned() } else { format!("at `{pointer}`") };
    Error::new(ErrorKind::InvalidSetup, format!("the schema is wrong {place}: {what}"))
}

fn pattern_fault(pattern: &str) -> String {
    let shown = wording::cut(pattern, 80);
    let looks = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|sign| pattern.contains(sign));
    let repeats = pattern.as_bytes().windows(2).any(|pair| matches!(pair, [b'\\', b'1'..=b'9' | b'k']));
    if looks || repeats {
        let what = if looks { "look-around" } else { "a back-reference" };
        return format!(
            "the pattern `{shown}` uses {what}, which no engine runs in linear time; write it without"
        );
    }
    format!("the pattern `{shown}` is no regular expression, or too large a one")
}

fn lost(reference: &str) -> String {
    let shown = wording::cut(reference, 80);
    if reference.starts_with('#') {
        return format!("the reference `{shown}` leads nowhere in this schema");
    }
    format!(
        "the reference `{shown}` leads out of this schema, and nothing is ever fetched; put it under `$defs`"
    )
}

/// The first `$ref`, or unknown `$schema`, that cannot be followed, with the pointer to it.
fn lost_reference(source: &Value) -> Option<(String, &str)> {
    let mut stack = vec![(String::new(), source)];
    while let Some((pointer, value)) = stack.pop() {
        match value {
            Value::Array(items) => {
                stack.extend(
                    items.iter().enumerate().map(|(index, item)| (format!("{pointer}/{index}"), item)),
                );
            }
            Value::Object(fields) => {
                for keyword in ["$ref", "$schema"] {
                    let reference = fields.get(keyword).and_then(Value::as_str).unwrap_or("#");
                    let known = reference.contains("json-schema.org/");
                    if !known && resolve(source, reference).is_none() {
                        return Some((format!("{pointer}/{keyword}"), reference));
                    }
                }
                stack.extend(
                    fields.iter().map(|(name, field)| (format!("{pointer}/{}", segment(name)), field)),
                );
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(source: Value) -> String {
        let error = Schema::compile(&source).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSetup);
        error.message().to_owned()
    }

    #[test]
    fn what_is_wrong_with_a_schema_is_told_with_its_place() {
        let cases = [
            (
                json!({"properties": {"a": {"type": "strin"}}}),
                "at `/properties/a/type`: \"strin\" is no type",
            ),
            (
                json!({"properties": {"a": {"minimum": "x"}}}),
                "at `/properties/a/minimum`: \"x\" is not a number",
            ),
            (
                json!({"items": {"$ref": "http://a.b/c.json"}}),
                "at `/items/$ref`: the reference `http://a.b/c.json` leads out",
            ),
            (
                json!({"$ref": "file:///etc/passwd"}),
                "at `/$ref`: the reference `file:///etc/passwd` leads out",
            ),
            (json!({"$ref": "#/$defs/none"}), "at `/$ref`: the reference `#/$defs/none` leads nowhere"),
            (json!({"pattern": "(?=a)b"}), "at `/pattern`: the pattern `(?=a)b` uses look-around"),
            (json!({"pattern": "(a)\\1"}), "at `/pattern`: the pattern `(a)\\1` uses a back-reference"),
            (json!({"patternProperties": {"(?!a)": true}}), "uses look-around"),
            (json!({"pattern": "("}), "at `/pattern`: the pattern `(` is no regular expression"),
            (json!({"pattern": "((a{100}){100}){100}"}), "or too large a one"),
            (json!({"$schema": "http://my.own/dialect"}), "at `/$schema`: the reference"),
            (json!(5), "at its root: 5 is not a boolean or an object"),
        ];
        for (source, expected) in cases {
            let message = refused(source);
            assert!(message.contains(expected), "{message}\nis not\n{expected}");
        }
    }

    #[test]
    fn an_evil_text_meets_an_evil_pattern_in_linear_time() {
        let schema = Schema::compile(&json!({"pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"})).unwrap();
        let text = json!("a".repeat(100_000));
        // A backtracking engine would not come back from this at all.
        assert!(!schema.is_valid(&text));
        let fault = &schema.check(&text)[0];
        assert!(fault.message.len() < 200, "{fault}");
    }

    #[test]
    fn a_deep_value_is_a_fault_and_no_overflow() {
        let schema =
            Schema::compile(&json!({"$ref": "#/$defs/T", "$defs": {"T": {"items": {"$ref": "#/$defs/T"}}}}))
                .unwrap();
        let mut deep = (0..10_000).fold(json!(1), |value, _| Value::Array(vec![value]));
        assert!(!schema.is_valid(&deep));
        assert!(schema.check(&deep)[0].message.contains("at most 64"));
        while let Some(inner) = deep.get_mut(0).map(Value::take) {
            deep = inner;
        }
    }

    #[test]
    fn clones_share_one_compiled_schema() {
        let schema = Schema::compile(&json!({"type": "integer"})).unwrap();
        assert!(Arc::ptr_eq(&schema.0, &schema.clone().0));
        assert_eq!(schema.source(), &json!({"type": "integer"}));
        assert_eq!(format!("{schema:?}"), r#"Schema(Object {"type": String("integer")})"#);
    }
}
