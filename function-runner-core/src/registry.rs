//! What a worker serves: functions with their bodies.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::Value;

use crate::{
    Capacity, Error, ErrorKind, Example, Handler, Name, Quality, QualityPreset, ResourceRequirement, Result,
    Retention, RetryPolicy, Schema, Template, Version,
};

/// The most lanes one worker serves as its own.
pub const MAX_LANES: usize = 256;

/// A function's declaration together with its body.
///
/// Its builders cannot fail: what is wrong is told by whoever takes the registry, all at once.
#[derive(Clone)]
#[must_use = "an implementation does nothing until `Registry::add`"]
pub struct Implementation {
    template: Template,
    handler: Arc<dyn Handler>,
    brings: BTreeMap<String, u64>,
    faults: Vec<String>,
}

impl Implementation {
    /// For functions learnt as data, with no Rust types.
    pub fn new(template: Template, handler: impl Handler) -> Self {
        Self { template, handler: Arc::new(handler), brings: BTreeMap::new(), faults: Vec::new() }
    }

    pub(crate) fn from_function(name: &str, template: Result<Template>, handler: Arc<dyn Handler>) -> Self {
        match template {
            Ok(template) => Self { template, handler, brings: BTreeMap::new(), faults: Vec::new() },
            Err(error) => {
                // never served: `check` refuses a registry that has faults
                let template =
                    Template::new(Name::invalid(), Version::new(0, 0, 0), Value::Null, Value::Null);
                Self {
                    template,
                    handler,
                    brings: BTreeMap::new(),
                    faults: vec![format!("`{}`: {}", name.escape_default(), error.message())],
                }
            }
        }
    }

    /// Its declaration.
    #[must_use]
    pub const fn template(&self) -> &Template {
        &self.template
    }

    /// Its body.
    #[must_use]
    pub fn handler(&self) -> Arc<dyn Handler> {
        self.handler.clone()
    }

    /// With another body: one that wraps [`handler`](Self::handler), to watch it or to fail it.
    pub fn with_handler(mut self, handler: impl Handler) -> Self {
        self.handler = Arc::new(handler);
        self
    }

    /// What it does, in a line.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.template.title = title.into();
        self
    }

    /// What it does, at length.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.template.description = description.into();
        self
    }

    /// What a task needs where its preset says nothing.
    pub fn requires(mut self, requires: ResourceRequirement) -> Self {
        self.template.requires = requires;
        self
    }

    /// A parameter where the preset says nothing.
    pub fn set(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let set = QualityPreset::new().set(name, value);
        self.faults.extend(set.faults);
        self.template.parameters.extend(set.parameters);
        self
    }

    /// What it is at this quality; with presets, it has these qualities and `standard`.
    pub fn preset(mut self, quality: Quality, preset: QualityPreset) -> Self {
        self.faults.extend(preset.faults.iter().map(|fault| format!("quality {quality}: {fault}")));
        if self.template.presets.insert(quality.clone(), preset).is_some() {
            self.faults.push(format!("quality {quality} has two presets; keep one"));
        }
        self
    }

    /// Whether and when a failed attempt is tried again.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.template.retry = retry;
        self
    }

    /// The longest one attempt may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.template.timeout = Some(timeout);
        self
    }

    /// How dear a task is in the order of work, from 1 (the default) to 1024.
    pub fn cost(mut self, cost: u32) -> Self {
        self.template.cost = cost;
        self
    }

    /// How long what ended is kept.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.template.retention = retention;
        self
    }

    /// An example of its input; one that breaks its own schema is told by whoever takes the registry.
    pub fn example(mut self, title: impl Into<String>, input: impl Serialize) -> Self {
        match serde_json::to_value(input) {
            Ok(input) => self.template.examples.push(Example::new(title, input)),
            Err(error) => self.faults.push(format!("an example cannot be written as JSON: {error}")),
        }
        self
    }

    /// The author's own words.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.template.metadata.insert(key.into(), value.into());
        self
    }

    /// A custom count that a worker with this implementation has besides what its machine has: a model whose files
    /// are there, a device it found.
    ///
    /// What a preset requires and no worker brings makes a call at once the error
    /// [`ImpossibleRequirement`](ErrorKind::ImpossibleRequirement), with the name of what is missing, instead of an attempt that fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use function_runner_core::{Capacity, Function, Registry, ResourceRequirement};
    ///
    /// const ECHO: Function<u32, u32> = Function::new("echo");
    /// let echo = ECHO
    ///     .implement(|_, n| async move { Ok(n) })
    ///     .requires(ResourceRequirement::new().custom("model.echo", 1))
    ///     .brings("model.echo", 64);
    /// let equipped = Registry::new().add(echo).equip(Capacity::new().cpu_millis(1000));
    /// assert_eq!(equipped.custom["model.echo"], 64);
    /// ```
    pub fn brings(mut self, name: impl Into<String>, count: u64) -> Self {
        self.brings.insert(name.into(), count);
        self
    }

    fn check(&self, faults: &mut Vec<String>) {
        let template = &self.template;
        let name = format!("`{}@{}`", template.function, template.version);
        if template.function == Name::invalid() {
            faults.extend(self.faults.iter().cloned());
            return;
        }
        let mut own = self.faults.clone();
        own.extend(template.faults());
        faults.extend(own.into_iter().map(|fault| format!("{name}: {fault}")));
    }
}

impl fmt::Debug for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Implementation({}@{})", self.template.function, self.template.version)
    }
}

impl Name {
    /// Stands where a function's name was none, until the registry is refused; no name looks like it.
    fn invalid() -> Self {
        Self::reserved("?")
    }
}

impl Template {
    /// Everything that is wrong with it.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let presets = self.presets.iter().map(|(quality, preset)| (format!("quality {quality}: "), preset));
        for (of, preset) in presets {
            faults.extend(
                preset
                    .requires
                    .iter()
                    .flat_map(ResourceRequirement::faults)
                    .map(|fault| format!("{of}{fault}")),
            );
            if preset.timeout.is_some_and(|timeout| timeout.is_zero()) {
                faults.push(format!("{of}timeout is 0; leave it out for none"));
            }
        }
        faults.extend(self.requires.faults());
        faults.extend(self.retry.fault());
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            faults.push("timeout is 0; leave it out for none".to_owned());
        }
        if !(1..=1024).contains(&self.cost) {
            faults.push(format!("cost is {}; it takes 1 to 1024", self.cost));
        }
        if let Err(error) = Schema::compile(&self.output) {
            faults.push(format!("the output schema: {}", error.message()));
        }
        match Schema::compile(&self.input) {
            Err(error) => faults.push(format!("the input schema: {}", error.message())),
            Ok(schema) => {
                for example in &self.examples {
                    let of =
                        |fault| format!("the example `{}` breaks the input schema: {fault}", example.title);
                    faults.extend(
                        schema.check(&example.input).iter().map(|f| of(format!("{} {f}", f.pointer))),
                    );
                }
            }
        }
        faults
    }
}

/// What a worker serves: functions with their bodies, at most one minor version of each major.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Function, Registry};
///
/// const DOUBLE: Function<u32, u32> = Function::new("double");
/// let twice = Registry::new()
///     .add(DOUBLE.implement(|_, n| async move { Ok(n * 2) }))
///     .add(DOUBLE.implement(|_, n| async move { Ok(n + n) }));
/// assert!(twice.check().unwrap_err().message().contains("added twice"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a registry does nothing until a runner or worker takes it"]
pub struct Registry {
    entries: BTreeMap<(Name, u32), Implementation>,
    faults: Vec<String>,
}

impl Registry {
    /// A registry of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this function.
    #[expect(clippy::should_implement_trait, reason = "a registry is no number; `add` is the word for it")]
    pub fn add(mut self, implementation: Implementation) -> Self {
        let template = &implementation.template;
        let key = (template.function.clone(), template.version.major);
        let version = template.version;
        if let Some(older) = self.entries.get(&key)
            && key.0 != Name::invalid()
        {
            let (name, older) = (&key.0, older.template.version);
            self.faults.push(if older == version {
                format!("`{name}@{version}` was added twice; keep one")
            } else {
                format!("`{name}` was added at {older} and at {version}; a worker serves one minor version of each major: keep the newer")
            });
        }
        self.entries.insert(key, implementation);
        self
    }

    /// With everything of another registry.
    pub fn merge(mut self, other: Self) -> Self {
        self.faults.extend(other.faults);
        other.entries.into_values().fold(self, |all, implementation| all.add(implementation))
    }

    /// With each implementation changed: how a test wraps every body.
    ///
    /// # Examples
    ///
    /// ```
    /// use function_runner_core::{Function, Registry};
    ///
    /// const DOUBLE: Function<u32, u32> = Function::new("double");
    /// let registry = Registry::new().add(DOUBLE.implement(|_, n| async move { Ok(n * 2) }));
    /// let titled = registry.map(|implementation| implementation.title("twice as much"));
    /// assert_eq!(titled.templates().next().map(|template| template.title.as_str()), Some("twice as much"));
    /// ```
    pub fn map(mut self, change: impl FnMut(Implementation) -> Implementation) -> Self {
        let entries = std::mem::take(&mut self.entries);
        entries.into_values().map(change).fold(self, Self::add)
    }

    /// Tells what is wrong, all at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSetup`] with every fault on a line of its own.
    pub fn check(&self) -> Result<()> {
        let mut faults = self.faults.clone();
        self.implementations().for_each(|implementation| implementation.check(&mut faults));
        let lanes: usize = self.templates().map(|template| template.lanes().len()).sum();
        if lanes > MAX_LANES {
            faults.push(format!("{lanes} lanes (functions times qualities) are over the limit of {MAX_LANES} of one worker; start several"));
        }
        if faults.is_empty() {
            return Ok(());
        }
        let message = format!("the registry has {} fault(s)\n  {}", faults.len(), faults.join("\n  "));
        Err(Error::new(ErrorKind::InvalidSetup, message))
    }

    /// The implementation that serves this function at this major version.
    #[must_use]
    pub fn find(&self, function: &str, major: u32) -> Option<&Implementation> {
        self.entries.get(&(Name::new(function).ok()?, major))
    }

    /// All implementations, by name and major version.
    pub fn implementations(&self) -> impl Iterator<Item = &Implementation> {
        self.entries.values()
    }

    /// All templates, by name and major version.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.entries.values().map(Implementation::template)
    }

    /// What a worker of this registry has on a machine that has this: its implementations bring the rest.
    ///
    /// A count the machine names itself stands; of two implementations that bring the same the larger does.
    #[must_use]
    pub fn equip(&self, mut capacity: Capacity) -> Capacity {
        let mut brought: BTreeMap<&String, u64> = BTreeMap::new();
        for (name, &count) in self.implementations().flat_map(|implementation| &implementation.brings) {
            let most = brought.entry(name).or_default();
            *most = count.max(*most);
        }
        for (name, count) in brought {
            capacity.custom.entry(name.clone()).or_insert(count);
        }
        capacity
    }

    /// Whether it serves nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
