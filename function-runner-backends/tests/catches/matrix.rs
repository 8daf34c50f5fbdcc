//! Which cases a broken thing trips, and the snapshot of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::PathBuf,
    sync::{
        Mutex, Once,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use function_runner_testkit::conformance::{self, Failed, artifacts, queue};

use super::broken::lock;

/// What was known to trip a case does so within this, or waits for what never comes.
const SHORT: Duration = Duration::from_secs(2);

/// How many cases run side by side: most of those that fail wait.
const SIDE_BY_SIDE: usize = 8;

/// How many of all cases of all things do.
const ALL_SIDE_BY_SIDE: usize = 16;

/// How often in a row a pair must differ from the snapshot: cases with a worker of their own depend on the moment.
const IN_A_ROW: usize = 5;

/// A name, what opens it, and the cases that name its fault.
pub(crate) struct Thing {
    pub(crate) name: &'static str,
    pub(crate) subject: Subject,
    pub(crate) must_trip: &'static [&'static str],
}

/// What a suite runs over.
#[derive(Clone, Copy)]
pub(crate) enum Subject {
    Store(queue::Open),
    Artifacts(artifacts::Open),
}

/// A case of one suite, ready to run.
struct Ready {
    suite: &'static str,
    name: &'static str,
    run: Box<dyn Fn(Option<Duration>) -> Result<(), Failed> + Send + Sync>,
}

impl Ready {
    fn all<O: Copy + Send + Sync + 'static>(
        suite: &'static str,
        cases: Vec<conformance::NamedCase<O>>,
        open: O,
    ) -> impl Iterator<Item = Self> {
        cases.into_iter().map(move |case| {
            let run = move |limit: Option<Duration>| match limit {
                Some(limit) => case.run_within(limit, open),
                None => case.run(open),
            };
            Self { suite, name: case.name, run: Box::new(run) }
        })
    }

    fn label(&self) -> String {
        format!("{}::{}", self.suite, self.name)
    }
}

impl Subject {
    fn is_store(&self) -> bool {
        matches!(self, Self::Store(_))
    }

    fn is_artifacts(&self) -> bool {
        matches!(self, Self::Artifacts(_))
    }

    /// Every case of the suites that fit it.
    fn cases(self) -> Vec<Ready> {
        match self {
            Self::Store(open) => Ready::all("executor", queue::executor_cases(), open)
                .chain(Ready::all("queue", queue::cases(), open))
                .chain(Ready::all("inspect", conformance::inspect::cases(), open))
                .chain(Ready::all("operate", conformance::operate::cases(), open))
                .collect(),
            Self::Artifacts(open) => Ready::all("artifacts", artifacts::cases(), open).collect(),
        }
    }
}

/// Runs each of these on one of so many threads.
fn side_by_side<T: Sync>(threads: usize, items: &[T], run: impl Fn(&T) + Sync) {
    silence_panics();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            run(item);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            let named = thread::Builder::new().name(QUIET.to_owned());
            named.spawn_scoped(scope, work).expect("the machine has a few threads more");
        }
    });
}

impl Ready {
    /// How it fails, if it does: what is known to is not waited for long, anything else has its own time.
    fn trips(&self, is_known: bool) -> Option<Failed> {
        (self.run)(is_known.then_some(SHORT)).err()
    }
}

/// How these cases fail.
fn trips(cases: &[Ready], known: &BTreeSet<String>) -> BTreeMap<String, Failed> {
    let tripped = Mutex::new(BTreeMap::new());
    side_by_side(SIDE_BY_SIDE, cases, |case| {
        let label = case.label();
        if let Some(failed) = case.trips(known.contains(&label)) {
            lock(&tripped).insert(label, failed);
        }
    });
    tripped.into_inner().unwrap_or_default()
}

/// The threads that cases run on, whose panics are verdicts and not news.
const QUIET: &str = "catches";

fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // cases run on the first, the bodies of their functions on the others
            let is_quiet =
                |name: &str| name == QUIET || name.starts_with("tokio-") || name.starts_with("fnr-");
            if !thread::current().name().is_some_and(is_quiet) {
                loud(panic);
            }
        }));
    });
}

/// What every broken thing trips, as the repository has it.
#[derive(Default)]
pub(crate) struct Snapshot {
    trips: BTreeMap<String, BTreeSet<String>>,
    /// What a thing trips on some runs only.
    unsteady: BTreeSet<(String, String)>,
}

/// The section of cases that nothing trips.
const BY_NONE: &str = "tripped by none";

impl Snapshot {
    fn path() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/catches/trips.txt")
    }

    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(Self::path()).unwrap_or_default();
        let (mut snapshot, mut thing) = (Self::default(), "");
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if let Some(case) = line.strip_prefix("? ") {
                snapshot.unsteady.insert((thing.to_owned(), case.to_owned()));
            } else if let Some(case) = line.strip_prefix("  ") {
                snapshot.trips.entry(thing.to_owned()).or_default().insert(case.to_owned());
            } else {
                thing = line;
                snapshot.trips.entry(thing.to_owned()).or_default();
            }
        }
        snapshot
    }

    fn of(&self, thing: &str) -> BTreeSet<String> {
        self.trips.get(thing).cloned().unwrap_or_default()
    }

    fn is_unsteady(&self, thing: &str, label: &str) -> bool {
        self.unsteady.contains(&(thing.to_owned(), label.to_owned()))
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "# Every broken thing of this folder, and the cases of the conformance suites that it trips.\n\
             # Compared and, with FUNCTION_RUNNER_BLESS=1, written by\n\
             # cargo test -p function-runner-backends --all-features --test catches -- --ignored\n\
             # A `?`, written by hand: on some runs only, where the body may be done before its reader comes.\n",
        );
        for (thing, cases) in &self.trips {
            let _ = writeln!(text, "\n{thing}");
            cases.iter().for_each(|case| _ = writeln!(text, "  {case}"));
            let unsteady = self.unsteady.iter().filter(|(unsteady, _)| unsteady == thing);
            unsteady.for_each(|(_, case)| _ = writeln!(text, "? {case}"));
        }
        text
    }

    /// The same with what these things trip, and nothing of what is no more.
    fn with<'a>(mut self, found: impl Iterator<Item = (&'a str, &'a BTreeMap<String, Failed>)>) -> Self {
        for (thing, tripped) in found {
            let steady = tripped.keys().filter(|label| !self.is_unsteady(thing, label)).cloned().collect();
            self.trips.insert(thing.to_owned(), steady);
        }
        self
    }

    /// Writes it, where the section of what nothing trips is as the others make it.
    fn write(mut self, things: &[Thing]) {
        self.trips.retain(|name, _| things.iter().any(|thing| thing.name == name));
        let by_none = self.by_none(things);
        self.trips.insert(BY_NONE.to_owned(), by_none);
        fs::write(Self::path(), self.text()).expect("the repository can be written");
    }

    /// The cases that no thing trips.
    fn by_none(&self, things: &[Thing]) -> BTreeSet<String> {
        // what fits one store fits all
        let mut all = BTreeSet::new();
        for is_kind in [Subject::is_store, Subject::is_artifacts] {
            let one = things.iter().find(|thing| is_kind(&thing.subject));
            all.extend(one.into_iter().flat_map(|thing| thing.subject.cases()).map(|case| case.label()));
        }
        let tripped = self.trips.iter().filter(|(thing, _)| *thing != BY_NONE).flat_map(|(_, cases)| cases);
        let tripped: BTreeSet<&String> = tripped.collect();
        all.into_iter().filter(|case| !tripped.contains(case)).collect()
    }

    /// That it names each thing, each trips what it must, and the section of the rest is right.
    pub(crate) fn check(&self, things: &[Thing]) {
        let named: BTreeSet<&str> = things.iter().map(|thing| thing.name).collect();
        let known: BTreeSet<&str> =
            self.trips.keys().map(String::as_str).filter(|name| *name != BY_NONE).collect();
        assert_eq!(known, named, "the snapshot has each thing; {HOW}");
        for thing in things {
            let missing = missing(thing, &self.of(thing.name));
            assert!(missing.is_empty(), "`{}` does not trip {missing:?}", thing.name);
        }
        assert_eq!(self.of(BY_NONE), self.by_none(things), "{BY_NONE}; {HOW}");
    }
}

const HOW: &str = "FUNCTION_RUNNER_BLESS=1 and the long form write it anew";

/// The cases that name this thing's fault and are not among these.
fn missing(thing: &Thing, tripped: &BTreeSet<String>) -> Vec<&'static str> {
    let is_in = |case: &&&str| {
        tripped.iter().any(|label| label.rsplit("::").next().is_some_and(|name| name == **case))
    };
    thing.must_trip.iter().filter(|case| !is_in(case)).copied().collect()
}

/// What differs from the snapshot, in words.
fn difference(
    thing: &Thing,
    known: &Snapshot,
    tripped: &BTreeMap<String, Failed>,
    wavering: &BTreeSet<(&str, String)>,
) -> String {
    let expected = known.of(thing.name);
    let is_unsteady = |label: &str| {
        known.is_unsteady(thing.name, label) || wavering.contains(&(thing.name, label.to_owned()))
    };
    let mut text = String::new();
    for label in expected.iter().filter(|label| !tripped.contains_key(*label) && !is_unsteady(label)) {
        let _ = writeln!(text, "`{}` does not trip {label} any more", thing.name);
    }
    for (label, failed) in
        tripped.iter().filter(|(label, _)| !expected.contains(*label) && !is_unsteady(label))
    {
        let _ = writeln!(text, "`{}` trips {label} now: {failed}", thing.name);
    }
    text
}

/// Runs the cases that name a thing's fault: each must trip.
pub(crate) fn check_named(thing: &Thing) {
    let cases: Vec<Ready> =
        thing.subject.cases().into_iter().filter(|case| thing.must_trip.contains(&case.name)).collect();
    let tripped = trips(&cases, &Snapshot::read().of(thing.name));
    let missing = missing(thing, &tripped.keys().cloned().collect());
    assert!(missing.is_empty(), "`{}` does not trip {missing:?}, which name its fault", thing.name);
}

/// That a thing trips no case at all.
pub(crate) fn trips_nothing(subject: Subject) {
    let tripped = trips(&subject.cases(), &BTreeSet::new());
    let told: String = tripped.values().map(|failed| format!("{failed}\n")).collect();
    assert!(told.is_empty(), "{told}");
}

/// Runs everything and compares, or writes the snapshot anew.
pub(crate) fn check_all(things: &[Thing]) {
    let only = std::env::var("FUNCTION_RUNNER_CATCH").unwrap_or_default();
    let chosen: Vec<&Thing> = things.iter().filter(|thing| thing.name.contains(&only)).collect();
    let ready = |thing: &&Thing| {
        let name = thing.name;
        thing.subject.cases().into_iter().map(move |case| (name, case))
    };
    let all: Vec<(&str, Ready)> = chosen.iter().flat_map(ready).collect();
    let (known, found) = (Snapshot::read(), Mutex::new(BTreeMap::<&str, BTreeMap<String, Failed>>::new()));
    side_by_side(ALL_SIDE_BY_SIDE, &all, |(thing, case)| {
        let label = case.label();
        if let Some(failed) = case.trips(known.of(thing).contains(&label)) {
            lock(&found).entry(thing).or_default().insert(label, failed);
        }
    });
    let (found, none) = (found.into_inner().unwrap_or_default(), BTreeMap::new());
    let of = |thing: &str| found.get(thing).unwrap_or(&none);
    if std::env::var_os("FUNCTION_RUNNER_BLESS").is_some() {
        return known.with(chosen.iter().map(|thing| (thing.name, of(thing.name)))).write(things);
    }
    let differs = |thing: &str, label: &str| known.of(thing).contains(label) != of(thing).contains_key(label);
    let different: Vec<_> = all.iter().filter(|(thing, case)| differs(thing, &case.label())).collect();
    let wavering = Mutex::new(BTreeSet::new());
    side_by_side(ALL_SIDE_BY_SIDE, &different, |(thing, case)| {
        let label = case.label();
        let is_known = known.of(thing).contains(&label);
        if (1..IN_A_ROW).any(|_| case.trips(is_known).is_some() == is_known) {
            lock(&wavering).insert((*thing, label));
        }
    });
    let wavering = wavering.into_inner().unwrap_or_default();
    let differ = |thing: &&Thing| difference(thing, &known, of(thing.name), &wavering);
    let differences: String = chosen.iter().map(differ).collect();
    assert!(differences.is_empty(), "{differences}{HOW}");
}
