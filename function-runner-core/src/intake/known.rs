//! What an intake knows of the functions: templates with their validators, found by what a caller wrote.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    Envelope, Error, ErrorKind, Excess, FunctionRef, Lane, Largest, Name, Quality, Result, Schema, Template,
    TemplateSet, Tenant, Version, Wanted, Weight, schema::nearest,
};

/// How many lanes of qualities that stand in no template are kept worked out.
const MAX_PLACES: usize = 64;

/// The templates of one revision.
#[derive(Debug, Default)]
pub(super) struct Known {
    set: TemplateSet,
    functions: HashMap<Name, BTreeMap<Version, Served>>,
    read: Mutex<Option<Instant>>,
}

impl Known {
    pub(super) fn new(set: TemplateSet) -> Self {
        let mut functions = HashMap::<_, BTreeMap<_, _>>::new();
        for template in &set.templates {
            let versions = functions.entry(template.function.clone()).or_default();
            versions.insert(template.version, Served::new(template.clone()));
        }
        Self { set, functions, read: Mutex::new(Some(Instant::now())) }
    }

    pub(super) const fn set(&self) -> &TemplateSet {
        &self.set
    }

    pub(super) const fn largest(&self) -> Option<&Largest> {
        self.set.largest.as_ref()
    }

    /// How long ago it was read or found unchanged.
    pub(super) fn age(&self) -> Duration {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.map_or(Duration::MAX, |read| read.elapsed())
    }

    pub(super) fn is_read(&self) -> bool {
        self.set.revision != 0
    }

    pub(super) fn touch(&self) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn weight(&self, tenant: Option<&Tenant>) -> Weight {
        tenant.and_then(|tenant| self.set.weights.get(tenant)).copied().unwrap_or_default()
    }

    /// The version a reference goes to: a minor version goes to itself or the next newer one of its major, a name
    /// to its default version.
    pub(super) fn find(&self, wanted: &FunctionRef) -> Result<&Served> {
        let versions = self.functions.get(&wanted.name).ok_or_else(|| self.unknown(&wanted.name))?;
        let allowed = || versions.iter().filter(|(version, _)| wanted.version.allows(**version));
        let found = match wanted.version {
            Wanted::Exact(version) => versions.get(&version),
            Wanted::Minor(..) => {
                let minor = allowed().next().map(|(version, _)| version.minor);
                allowed()
                    .take_while(|(version, _)| Some(version.minor) == minor)
                    .last()
                    .map(|(_, served)| served)
            }
            Wanted::Any | Wanted::Major(_) => {
                let default =
                    self.set.defaults.get(&wanted.name).filter(|default| wanted.version.allows(**default));
                default
                    .and_then(|default| versions.get(default))
                    .or_else(|| allowed().last().map(|(_, served)| served))
            }
        };
        found.ok_or_else(|| {
            let all: Vec<_> = versions.keys().map(Version::to_string).collect();
            Error::new(
                ErrorKind::UnknownFunction,
                format!("`{wanted}` is not served here; there are: {}", all.join(", ")),
            )
        })
    }

    fn unknown(&self, name: &Name) -> Error {
        let names: Vec<_> = self.functions.keys().map(Name::as_str).collect();
        let near =
            nearest(name.as_str(), names.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
        let error = Error::new(
            ErrorKind::UnknownFunction,
            format!("no worker has served `{name}` here{}", near.unwrap_or_default()),
        );
        let mut names = names;
        names.sort_unstable();
        match names.len() {
            0 => error.with_help("start a worker that serves it; none has served anything here"),
            count => {
                let more = if count > 10 { format!(" and {} more", count - 10) } else { String::new() };
                let shown = names[..count.min(10)].join(", ");
                error.with_help(format!(
                    "there are: {shown}{more}; check the name, or start a worker that serves it"
                ))
            }
        }
    }
}

/// Where tasks of one quality go.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) lane: Lane,
    pub(super) envelope: Arc<Envelope>,
    /// What they need of which no worker has so much.
    pub(super) excess: Option<Excess>,
}

/// A template with what is worked out of it once.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) template: Template,
    schema: OnceLock<Result<Schema, String>>,
    places: Mutex<HashMap<Quality, Arc<Placed>>>,
}

impl Served {
    fn new(template: Template) -> Self {
        Self { template, schema: OnceLock::new(), places: Mutex::default() }
    }

    pub(super) fn schema(&self) -> Result<&Schema> {
        let compile = || Schema::compile(&self.template.input).map_err(|error| error.message().to_owned());
        self.schema.get_or_init(compile).as_ref().map_err(|message| {
            Error::new(
                ErrorKind::InvalidSetup,
                format!("the published input schema cannot be used: {message}"),
            )
            .with_context("function", &self.template.function)
        })
    }

    /// Where tasks of this quality go, if the most that any worker has is so much.
    pub(super) fn place(&self, quality: &Quality, largest: Option<&Largest>) -> Result<Arc<Placed>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(placed) = places.get(quality) {
            return Ok(placed.clone());
        }
        if !self.template.takes(quality) {
            return Err(self.unknown(quality));
        }
        let envelope = self.template.envelope(quality);
        let placed = Arc::new(Placed {
            lane: self.template.lane(quality),
            excess: largest.and_then(|largest| largest.excess(&envelope.requires)),
            envelope: Arc::new(envelope),
        });
        if places.len() < MAX_PLACES {
            places.insert(quality.clone(), placed.clone());
        }
        Ok(placed)
    }

    fn unknown(&self, quality: &Quality) -> Error {
        let known: Vec<_> = self.template.qualities().into_iter().map(Quality::as_str).collect();
        let near =
            nearest(quality.as_str(), known.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
        let name = &self.template.function;
        let message = format!("`{name}` has no quality `{quality}`{}", near.unwrap_or_default());
        Error::new(ErrorKind::UnknownQuality, message).with_help(format!("it has: {}", known.join(", ")))
    }

    /// The next lower quality that needs less, with what it needs in words.
    pub(super) fn smaller_than(&self, quality: &Quality) -> Option<(&Quality, String)> {
        let qualities = self.template.qualities();
        let lower = qualities.into_iter().rev().filter(|other| *other < quality);
        let needs = self.template.requires_at(quality);
        lower
            .map(|other| (other, self.template.requires_at(other)))
            .find(|(_, other)| *other != needs)
            .map(|(q, r)| (q, r.to_string()))
    }
}
