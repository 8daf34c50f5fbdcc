//! `fnr doctor`: what this machine has and lacks for running functions.

use std::{collections::BTreeMap, env, io, io::Write as _, path::Path};

use function_runner_client::capacity;
use function_runner_core::{
    Amounts, Capacity, Pool, Quality, Registry, ResourceRequirement, Result, Template,
};
use serde_json::{Value, json};

use crate::{
    exit::Exit,
    layout::{mib, table},
    models, out,
};

/// What is written to learn whether the artifact store can be.
const PROBE: usize = 1 << 20;

/// Under so much room on disk no image of any size can be enlarged.
const LITTLE_DISK_MIB: u64 = 1024;

/// One thing that was looked at.
#[derive(Debug, PartialEq)]
struct Check {
    name: &'static str,
    ok: bool,
    /// Whether something that is built in needs it.
    needed: bool,
    found: String,
    /// What can be done about it, where it is lacking.
    remedy: Option<String>,
}

impl Check {
    fn new(name: &'static str, ok: bool, found: String, remedy: impl Into<String>) -> Self {
        Self { name, ok, needed: true, found, remedy: (!ok).then(|| remedy.into()) }
    }

    fn not_needed(self) -> Self {
        Self { needed: false, ..self }
    }

    fn row(&self) -> Vec<String> {
        let state = if self.ok { "ok" } else { "lack" };
        let remedy = self.remedy.iter().map(|remedy| format!("; {remedy}"));
        vec![state.to_owned(), self.name.to_owned(), self.found.clone() + &remedy.collect::<String>()]
    }

    fn document(&self) -> Value {
        json!({
            "kind": "check",
            "name": self.name,
            "state": if self.ok { "ok" } else { "lack" },
            "needed": self.needed,
            "found": self.found,
            "remedy": self.remedy,
        })
    }
}

/// Looks at this machine and says what it found; [`Exit::Failed`] where something needed is lacking.
///
/// # Errors
///
/// `io` where stdout cannot be written.
pub(crate) fn examine(registry: &Registry, json: bool) -> Result<Exit> {
    registry.check()?;
    let (machine, folder) = (registry.equip(capacity::measure()), env::temp_dir());
    let mut checks = of_machine(&machine, registry, &folder);
    checks.push(of_store(&folder, machine.disk_mib));
    if json {
        checks.iter().try_for_each(|check| out::document(&check.document()))?;
    } else {
        out::line(&table(&checks.iter().map(Check::row).collect::<Vec<_>>(), 0))?;
    }
    let lacking = checks.iter().any(|check| check.needed && !check.ok);
    Ok(if lacking { Exit::Failed } else { Exit::Succeeded })
}

fn of_machine(machine: &Capacity, registry: &Registry, folder: &Path) -> Vec<Check> {
    let (threads, wanted) = (machine.cpu_millis / 1000, need(registry, |amounts| amounts.cpu_millis));
    let memory = need(registry, |amounts| amounts.memory_mib);
    vec![
        Check::new(
            "threads",
            machine.cpu_millis >= wanted,
            threads.to_string(),
            format!("{} are needed: give this process more cores", wanted.div_ceil(1000)),
        ),
        Check::new(
            "memory",
            machine.memory_mib >= memory,
            mib(machine.memory_mib),
            format!("{} are needed: use a larger machine or raise the limit of this process", mib(memory)),
        ),
        of_disk(machine.disk_mib, folder),
        of_gpus(&machine.gpus),
        of_models(machine, registry),
        of_functions(machine, registry),
    ]
}

fn of_disk(free_mib: u64, folder: &Path) -> Check {
    let found = format!("{} free in {}", mib(free_mib), folder.display());
    let remedy = "free some room there or set TMPDIR to a folder with more: images pass through it";
    Check::new("scratch disk", free_mib >= LITTLE_DISK_MIB, found, remedy).not_needed()
}

fn of_gpus(gpus: &[u64]) -> Check {
    let found = match gpus {
        [] => "no NVIDIA GPU".to_owned(),
        gpus => gpus.iter().map(|memory| format!("NVIDIA, {}", mib(*memory))).collect::<Vec<_>>().join("; "),
    };
    let remedy = "nothing that is built in needs one; for functions that do, install NVIDIA's driver";
    Check::new("GPUs", !gpus.is_empty(), found, remedy).not_needed()
}

/// Which models are there and right, and which functions lack some at which qualities.
fn of_models(machine: &Capacity, registry: &Registry) -> Check {
    // a machine that has nothing lacks all that is named
    let (named, lacking) = (lacks(&Capacity::new(), registry), lacks(machine, registry));
    let there = named.iter().filter(|(model, _)| !lacking.contains_key(*model));
    let wrong = there.filter_map(|(model, lanes)| Some((model, lanes, models::fault(model)?)));
    let missing = lacking.iter().map(|(model, lanes)| (model, lanes, format!("{model} is missing")));
    let (models, faults): (Vec<_>, Vec<_>) = missing
        .chain(wrong)
        .map(|(model, lanes, fault)| (model.clone(), format!("{fault} (for {})", lanes.join(", "))))
        .unzip();
    let found = match (named.is_empty(), faults.is_empty()) {
        (true, _) => "nothing that is built in needs any".to_owned(),
        (_, true) => {
            format!("all that are needed are there: {}", named.keys().cloned().collect::<Vec<_>>().join(", "))
        }
        _ => faults.join("; "),
    };
    let remedy = format!("{} installs what is missing", models::commands(&models));
    Check::new("models", models.is_empty(), found, remedy)
}

/// The models that a machine which has this lacks, and for which functions at which qualities.
fn lacks(machine: &Capacity, registry: &Registry) -> BTreeMap<String, Vec<String>> {
    let mut lacks: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for template in registry.templates() {
        for quality in qualities(template) {
            for model in models::lacking(template.requires_at(quality), machine) {
                lacks.entry(model).or_default().push(format!("{} {quality}", template.function));
            }
        }
    }
    lacks
}

/// The qualities it has; `standard` where it takes any.
fn qualities(template: &Template) -> Vec<&Quality> {
    const STANDARD: &Quality = &Quality::Standard;
    let mut qualities = template.qualities();
    if qualities.is_empty() {
        qualities.push(STANDARD);
    }
    qualities
}

/// Which built-in functions fit this machine, at which qualities.
fn of_functions(machine: &Capacity, registry: &Registry) -> Check {
    let pool = Pool::new(machine.clone());
    let (mut can, mut cannot) = (Vec::new(), Vec::new());
    for template in registry.templates() {
        let (fit, large): (Vec<_>, Vec<_>) = qualities(template)
            .into_iter()
            .partition(|quality| pool.fits_ever(template.requires_at(quality)));
        let named = |qualities: &[&Quality]| {
            let names: Vec<_> = qualities.iter().map(|quality| quality.as_str()).collect();
            format!("{} ({})", template.function, names.join(", "))
        };
        can.extend((!fit.is_empty()).then(|| named(&fit)));
        cannot.extend((!large.is_empty()).then(|| named(&large)));
    }
    let found = match can.is_empty() {
        true => "none can run here".to_owned(),
        false => format!("{} can run here", can.join(", ")),
    };
    let remedy = format!("{} cannot: see the lines above, or choose a lower quality", cannot.join(", "));
    Check::new("functions", cannot.is_empty(), found, remedy)
}

/// The most that any built-in function needs of something, at the least of its alternatives.
fn need(registry: &Registry, amount: impl Fn(&Amounts) -> u64) -> u64 {
    let lanes = registry.templates().flat_map(|template| template.lanes());
    let least = |(_, needs): (_, ResourceRequirement)| {
        needs.options().map(|option| amount(&option.each) + amount(&option.shared)).min()
    };
    lanes.filter_map(least).max().unwrap_or(0)
}

fn of_store(folder: &Path, free_mib: u64) -> Check {
    let probe = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix("fnr-").tempfile_in(folder)?;
        file.write_all(&vec![0; PROBE])?;
        file.as_file().sync_all()
    };
    let written = probe();
    let found = match &written {
        Ok(()) => format!("files can be kept in {}, {} free", folder.display(), mib(free_mib)),
        Err(error) => {
            let (cause, folder) = (error.to_string(), folder.display());
            // a temporary file's name is no help
            format!(
                "no file can be kept in {folder}: {}",
                cause.split(" at path ").next().unwrap_or_default()
            )
        }
    };
    Check::new("artifact store", written.is_ok(), found, "set TMPDIR to a folder that can be written")
}

#[cfg(test)]
mod tests {
    use function_runner_backends::functions::registry;
    use function_runner_core::{Function, QualityPreset};

    use super::*;

    fn states(machine: &Capacity) -> Vec<(&'static str, bool)> {
        of_machine(&registry().equip(machine.clone()), &registry(), Path::new("/tmp"))
            .iter()
            .map(|check| (check.name, check.ok))
            .collect()
    }

    #[test]
    fn a_machine_is_judged_by_what_the_built_in_functions_need() {
        let machine = Capacity::new().cpu_millis(2000).memory_mib(4000).disk_mib(9000);
        let mut expected = vec![
            ("threads", true),
            ("memory", true),
            ("scratch disk", true),
            ("GPUs", false),
            ("models", true),
            ("functions", true),
        ];
        assert_eq!(states(&machine), expected);
        expected[3].1 = true;
        assert_eq!(states(&machine.clone().gpu(8000)), expected);
        let small = registry().equip(machine.memory_mib(500).disk_mib(10));
        let checks = of_machine(&small, &registry(), Path::new("/tmp"));
        let lacking: Vec<_> =
            checks.iter().filter(|check| check.needed && !check.ok).map(|check| check.name).collect();
        assert_eq!(lacking, ["memory", "functions"]);
        assert!(checks.iter().all(|check| check.ok != check.remedy.is_some()));
    }

    #[test]
    fn a_model_that_is_missing_is_told_with_the_functions_that_need_it() {
        const PAINT: Function<u32, u32> = Function::new("paint");
        let preset = |model| {
            QualityPreset::new().requires(ResourceRequirement::new().custom(format!("model.{model}"), 1))
        };
        let paint = PAINT
            .implement(|_, n| async move { Ok(n) })
            .preset(Quality::High, preset("a"))
            .preset(Quality::Ultra, preset("a"))
            .preset(Quality::Draft, preset("b"));
        let registry = Registry::new().add(paint.clone().brings("model.b", 1));
        let check = of_models(&registry.equip(Capacity::new()), &registry);
        assert_eq!((check.ok, check.needed), (false, true));
        assert_eq!(check.found, "a is missing (for paint high, paint ultra)");
        let remedy = "`fnr models install a --from PATH-OR-URL` installs what is missing";
        assert_eq!(check.remedy.as_deref(), Some(remedy));
        let registry = Registry::new().add(paint.brings("model.a", 1).brings("model.b", 1));
        let check = of_models(&registry.equip(Capacity::new()), &registry);
        assert_eq!((check.ok, check.found.as_str()), (true, "all that are needed are there: a, b"));
        let none = Registry::new().add(PAINT.implement(|_, n| async move { Ok(n) }));
        assert_eq!(of_models(&Capacity::new(), &none).found, "nothing that is built in needs any");
    }

    #[test]
    fn a_store_that_cannot_be_written_is_told_with_the_cause() {
        let folder = tempfile::tempdir().unwrap();
        assert!(of_store(folder.path(), 9).ok);
        let check = of_store(&folder.path().join("missing"), 9);
        assert!(!check.ok && check.needed && check.found.contains("missing: "), "{check:?}");
    }
}
