//! What is declared of a function, as data.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

use crate::{
    Envelope, Lane, Largest, Name, Quality, ResourceRequirement, Retention, RetryPolicy, Tenant, Version,
    Weight, clock::duration_millis,
};

/// A named bundle of parameters, and what they need, for one quality.
///
/// # Examples
///
/// ```
/// use function_runner_core::{QualityPreset, ResourceRequirement};
///
/// let high = QualityPreset::new().set("steps", 50).requires(ResourceRequirement::new().gpu_memory_mib(9000));
/// assert_eq!(high.parameters["steps"], 50);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct QualityPreset {
    /// Parameters by name; they win over the template's own.
    pub parameters: BTreeMap<String, Value>,
    /// What a task needs at this quality, in place of the template's requirement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires: Option<ResourceRequirement>,
    /// The longest one attempt may take at this quality, in place of the template's.
    #[serde(
        rename = "timeout_ms",
        with = "duration_millis::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub timeout: Option<Duration>,
    #[serde(skip)]
    pub(crate) faults: Vec<String>,
}

impl QualityPreset {
    /// A preset that sets nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a parameter; a value that cannot be JSON is told by whoever takes the registry.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let name = name.into();
        match serde_json::to_value(value) {
            Ok(value) => _ = self.parameters.insert(name, value),
            Err(error) => self.faults.push(format!("parameter `{name}` cannot be written as JSON: {error}")),
        }
        self
    }

    /// What a task needs at this quality.
    #[must_use]
    pub fn requires(mut self, requires: ResourceRequirement) -> Self {
        self.requires = Some(requires);
        self
    }

    /// The longest one attempt may take at this quality.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// An example of a function's input, shown to people and checked against its schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Example {
    /// What it shows.
    pub title: String,
    /// The input.
    pub input: Value,
}

impl Example {
    /// An example.
    pub fn new(title: impl Into<String>, input: Value) -> Self {
        Self { title: title.into(), input }
    }
}

/// The declaration of a function as data: what callers and workers agree on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Template {
    /// The function's name.
    pub function: Name,
    /// Its version.
    pub version: Version,
    /// What it does, in a line.
    #[serde(default)]
    pub title: String,
    /// What it does, at length.
    #[serde(default)]
    pub description: String,
    /// The JSON Schema of its input.
    pub input: Value,
    /// The JSON Schema of its output.
    pub output: Value,
    /// What a task needs where its preset says nothing.
    #[serde(default)]
    pub requires: ResourceRequirement,
    /// Parameters where the preset says nothing.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// The qualities it has besides `standard`; one without presets takes every quality.
    #[serde(default)]
    pub presets: BTreeMap<Quality, QualityPreset>,
    /// How dear a task is in the order of work, from 1 to 1024.
    #[serde(default = "one")]
    pub cost: u32,
    /// Whether and when a failed attempt is tried again.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// The longest one attempt may take.
    #[serde(
        rename = "timeout_ms",
        default,
        with = "duration_millis::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub timeout: Option<Duration>,
    /// How long what ended is kept.
    #[serde(default)]
    pub retention: Retention,
    /// Examples of its input.
    #[serde(default)]
    pub examples: Vec<Example>,
    /// The author's own words.
    #[serde(default)]
    pub metadata: BTreeMap<String, Value>,
}

const fn one() -> u32 {
    1
}

impl Template {
    /// A template of this name, version and schemas, with everything else as default.
    #[must_use]
    pub fn new(function: Name, version: Version, input: Value, output: Value) -> Self {
        Self {
            function,
            version,
            title: String::new(),
            description: String::new(),
            input,
            output,
            requires: ResourceRequirement::default(),
            parameters: BTreeMap::new(),
            presets: BTreeMap::new(),
            cost: 1,
            retry: RetryPolicy::default(),
            timeout: None,
            retention: Retention::default(),
            examples: Vec::new(),
            metadata: BTreeMap::new(),
        }
    }

    /// Whether it takes this quality: `standard` and those it has a preset for; every one if it has none.
    #[must_use]
    pub fn takes(&self, quality: &Quality) -> bool {
        self.presets.is_empty() || *quality == Quality::Standard || self.presets.contains_key(quality)
    }

    /// The qualities that stand in it, in order; empty where it takes every one.
    #[must_use]
    pub fn qualities(&self) -> Vec<&Quality> {
        if self.presets.is_empty() {
            return Vec::new();
        }
        self.presets.keys().chain([&Quality::Standard]).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Where a task of this quality waits; without presets all wait in one lane.
    #[must_use]
    pub fn lane(&self, quality: &Quality) -> Lane {
        let quality = if self.presets.is_empty() { &Quality::Standard } else { quality };
        Lane::new(&self.function, self.version, quality)
    }

    /// Its lanes with what a task of each needs.
    #[must_use]
    pub fn lanes(&self) -> Vec<(Lane, ResourceRequirement)> {
        let standard = [&Quality::Standard];
        let qualities: BTreeSet<_> = self.presets.keys().chain(standard).collect();
        qualities.into_iter().map(|quality| (self.lane(quality), self.requires_at(quality).clone())).collect()
    }

    /// What a task needs at this quality.
    #[must_use]
    pub fn requires_at(&self, quality: &Quality) -> &ResourceRequirement {
        self.presets.get(quality).and_then(|preset| preset.requires.as_ref()).unwrap_or(&self.requires)
    }

    /// The parameters of this quality: the template's, and the preset's over them.
    #[must_use]
    pub fn parameters_at(&self, quality: &Quality) -> BTreeMap<String, Value> {
        let mut all = self.parameters.clone();
        if let Some(preset) = self.presets.get(quality) {
            all.extend(preset.parameters.clone());
        }
        all
    }

    /// What a task of this quality is resolved to.
    #[must_use]
    pub fn envelope(&self, quality: &Quality) -> Envelope {
        let timeout = self.presets.get(quality).and_then(|preset| preset.timeout).or(self.timeout);
        Envelope {
            version: self.version,
            parameters: self.parameters_at(quality),
            requires: self.requires_at(quality).clone(),
            timeout,
            retry: self.retry,
            retention: self.retention,
        }
    }

    /// The hash of what callers depend on: id, version, schemas and the presets' parameters; not requirements,
    /// estimates or texts.
    #[must_use]
    pub fn content(&self) -> u128 {
        let mut hash = Xxh3::new();
        let presets: BTreeMap<_, _> =
            self.presets.keys().map(|quality| (quality.as_str(), self.parameters_at(quality))).collect();
        hash.update(format!("{}@{}", self.function, self.version).as_bytes());
        for (name, value) in presets
            .iter()
            .flat_map(|(quality, set)| set.iter().map(move |(name, value)| ((quality, name), value)))
        {
            hash.update(format!("{name:?}").as_bytes());
            canonical(value, &mut hash);
        }
        for value in
            self.parameters.iter().flat_map(|(name, value)| [Value::from(name.as_str()), value.clone()])
        {
            canonical(&value, &mut hash);
        }
        canonical(&self.input, &mut hash);
        canonical(&self.output, &mut hash);
        hash.digest128()
    }
}

/// Feeds a value with its keys in order, so that equal values hash equally whoever wrote them.
fn canonical(value: &Value, hash: &mut Xxh3) {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            hash.update(b"{");
            for (key, value) in sorted {
                hash.update(&(key.len() as u64).to_le_bytes());
                hash.update(key.as_bytes());
                canonical(value, hash);
            }
            hash.update(b"}");
        }
        Value::Array(items) => {
            hash.update(b"[");
            items.iter().for_each(|item| canonical(item, hash));
            hash.update(b"]");
        }
        plain => {
            hash.update(plain.to_string().as_bytes());
            hash.update(b",");
        }
    }
}

/// Everything a caller needs to know of what can be called here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TemplateSet {
    /// A hash of the rest, below 2^53, never 0 for a set that has been read.
    pub revision: u64,
    /// The published templates, and those that have unfinished tasks.
    pub templates: Vec<Template>,
    /// The version a call by name goes to.
    pub defaults: BTreeMap<Name, Version>,
    /// Tenants' weights, where they are not the default.
    pub weights: BTreeMap<Tenant, Weight>,
    /// Of every resource the most any worker had in 24 hours; `None` where none was seen.
    pub largest: Option<Largest>,
}

impl TemplateSet {
    /// A set with its revision worked out.
    #[must_use]
    pub fn new(
        mut templates: Vec<Template>,
        defaults: BTreeMap<Name, Version>,
        weights: BTreeMap<Tenant, Weight>,
        largest: Option<Largest>,
    ) -> Self {
        templates.sort_by(|a, b| (&a.function, a.version).cmp(&(&b.function, b.version)));
        let mut set = Self { revision: 0, templates, defaults, weights, largest };
        let mut hash = Xxh3::new();
        canonical(&serde_json::to_value(&set).unwrap_or_default(), &mut hash);
        set.revision = (hash.digest() & ((1 << 53) - 1)).max(1);
        set
    }

    /// The set of these templates alone, each the default of its name where it is the newest.
    #[must_use]
    pub fn of_templates(templates: Vec<Template>, largest: Option<Largest>) -> Self {
        let mut defaults = BTreeMap::new();
        for template in &templates {
            let newest = defaults.entry(template.function.clone()).or_insert(template.version);
            *newest = template.version.max(*newest);
        }
        Self::new(templates, defaults, BTreeMap::new(), largest)
    }
}
