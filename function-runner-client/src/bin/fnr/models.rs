//! `fnr models`: what models there are, what is missing, and putting a model in its place.

use std::{
    io::{self, IsTerminal as _},
    path::Path,
    time::Duration,
};

use clap::Subcommand;
use function_runner_backends::models::{
    self, Folders, Install, Manifest, Mismatch, ModelError, ModelFile, State,
};
use function_runner_core::{
    Capacity, Error, ErrorKind, Quality, Registry, ResourceRequirement, Result, Template,
};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::{
    exit::Exit,
    fetch::Origin,
    layout::{paragraph, table},
    out,
    stop::{Second, Stop},
};

/// How long the program waits at its end for a read that does not come back.
const LEAVING: Duration = Duration::from_millis(200);

/// Show the models that functions use, or one in full, or install one.
///
/// Models are looked for in the folder that FUNCTION_RUNNER_MODELS names; where it is not set, in the user's data
/// folder and then in the repository that fnr was built in. Nothing is ever downloaded while a function runs.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// Show this one in full: where it comes from, its licence, its files with their checksums.
    name: Option<String>,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    Install(InstallArgs),
}

/// Put a model's file into the models folder, after its size and SHA-256 were checked.
///
/// It is there whole or not at all. Without FUNCTION_RUNNER_MODELS it goes into the user's data folder.
#[derive(Debug, clap::Args)]
struct InstallArgs {
    /// Which model.
    name: String,
    /// The file, a folder that has it, or an http(s) URL of the file or, ending in /, of the folder.
    #[arg(long, value_name = "PATH-OR-URL")]
    from: String,
}

/// Does what the arguments say.
///
/// # Errors
///
/// [`ErrorKind::InvalidCall`] with the nearest name; where one is installed, what [`Origin::open`] says,
/// [`ErrorKind::DigestMismatch`] for another file, and [`ErrorKind::Io`].
pub(crate) fn models(args: &Args, json: bool) -> Result<Exit> {
    match (&args.action, &args.name) {
        (Some(Action::Install(install)), _) => self::install(install, json),
        (None, Some(name)) => show(models::find(name).map_err(told)?, json),
        (None, None) => list(json),
    }
}

fn list(json: bool) -> Result<Exit> {
    let folders = Folders::usual();
    let all: Vec<_> = models::known().iter().map(|model| (model, folders.state(model))).collect();
    if json {
        all.iter().try_for_each(|(model, state)| out::document(&document(model, state)))?;
        return Ok(Exit::Succeeded);
    }
    let mut rows: Vec<_> = all.iter().map(|(model, state)| row(model, state)).collect();
    rows.insert(0, ["model", "state", "size", "licence", "where"].map(str::to_owned).to_vec());
    out::line(&table(&rows, 0))?;
    if all.iter().any(|(_, state)| !matches!(state, State::Present { .. })) {
        out::line(&format!("\n{}", paragraph(&how_to_get())))?;
    }
    Ok(Exit::Succeeded)
}

fn row(model: &Manifest, state: &State) -> Vec<String> {
    let place = match state {
        State::Present { path } => path.display().to_string(),
        State::Wrong { path, what } => format!("{}: {what}", path.display()),
        _ => String::new(),
    };
    let size = HumanBytes(model.size()).to_string();
    vec![model.name.clone(), word(state).to_owned(), size, model.licence.clone(), place]
}

fn how_to_get() -> String {
    format!(
        "A model is installed by `fnr models install MODEL --from PATH-OR-URL`. The files are in examples/models of \
         the source repository, {}, with the script that makes them from the package that `fnr models MODEL` names.",
        env!("CARGO_PKG_REPOSITORY")
    )
}

const fn word(state: &State) -> &'static str {
    match state {
        State::Present { .. } => "present",
        State::Missing => "missing",
        _ => "wrong",
    }
}

/// One in full; its files are read and their checksums compared.
fn show(model: &Manifest, json: bool) -> Result<Exit> {
    let state = examined(model);
    if json {
        out::document(&document(model, &state))?;
    } else {
        out::line(&in_full(model, &state))?;
    }
    Ok(Exit::Succeeded)
}

/// What there is of it, with its files read.
fn examined(model: &Manifest) -> State {
    let folders = Folders::usual();
    match folders.verified(model) {
        Err(ModelError::Wrong { path, fault, .. }) => State::Wrong { path, what: fault.to_string() },
        _ => folders.state(model),
    }
}

fn in_full(model: &Manifest, state: &State) -> String {
    let source = &model.source;
    let mut rows = vec![
        ("state", words(model, state)),
        ("does", model.kind.clone()),
        ("licence", format!("{}, in {}", model.licence, model.licence_file)),
        ("source", format!("{} of {}, version {}", source.package, source.registry, source.version)),
        ("made from", source.files.join(", ")),
    ];
    for file in &model.files {
        rows.push(("file", format!("{}, {} ({} bytes)", file.name, HumanBytes(file.size), file.size)));
        rows.push(("SHA-256", file.sha256.to_string()));
    }
    let rows: Vec<_> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    format!("{} · {}\n\n{}", model.name, model.title, table(&rows, 2))
}

fn words(model: &Manifest, state: &State) -> String {
    let command = command(&model.name);
    match state {
        State::Present { path } => format!("present, the checksum is right: {}", path.display()),
        State::Wrong { path, what } => {
            format!("wrong, {}: {what}; {command} puts the right one in its place", path.display())
        }
        _ => format!("missing; {command} installs it"),
    }
}

fn document(model: &Manifest, state: &State) -> Value {
    let mut document = json!(model);
    let (path, what) = match state {
        State::Present { path } => (Some(path.display().to_string()), None),
        State::Wrong { path, what } => (Some(path.display().to_string()), Some(what)),
        _ => (None, None),
    };
    document["does"] = document["kind"].take();
    document["kind"] = "model".into();
    document["state"] = word(state).into();
    document["path"] = json!(path);
    document["fault"] = json!(what);
    document["remedy"] = match state {
        State::Present { .. } => Value::Null,
        _ => format!("fnr models install {} --from PATH-OR-URL", model.name).into(),
    };
    document
}

fn install(args: &InstallArgs, json: bool) -> Result<Exit> {
    let model = models::find(&args.name).map_err(told)?;
    let (folders, origin) = (Folders::usual(), Origin::parse(&args.from)?);
    let folder = folders.target().map_err(told)?;
    if let Ok(path) = Folders::only(folder).verified(model) {
        return installed(model, &path, false, json);
    }
    if model.files.len() > 1 && !origin.is_folder() {
        let message = format!("the model `{}` has {} files", model.name, model.files.len());
        return Err(Error::new(ErrorKind::InvalidCall, message).with_help("give the folder that has them"));
    }
    let cannot = |error| Error::new(ErrorKind::Io, "cannot start what reads files").with_source(error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    let stop = Stop::listen(None, Second::Ends)?;
    let brought = runtime.block_on(stop.unless(bring(model, &origin, folder, json)));
    runtime.shutdown_timeout(LEAVING);
    match brought {
        Ok(brought) => {
            brought.and_then(|()| installed(model, &folder.join(&model.files[0].name), true, json))
        }
        Err(why) if json => {
            out::document(&json!({ "kind": "cancelled", "model": model.name, "reason": "asked" }))?;
            Ok(why.exit())
        }
        Err(why) => {
            out::aside("cancelled; nothing was installed");
            Ok(why.exit())
        }
    }
}

/// Brings every file of the model into the folder.
async fn bring(model: &Manifest, origin: &Origin, folder: &Path, json: bool) -> Result<()> {
    for file in &model.files {
        let origin = origin.of_file(&file.name);
        let place = |error: Error| error.with_context("from", &origin);
        let mut content = origin.open().await?;
        if let Some(found) = content.size().filter(|found| *found != file.size) {
            let fault = Mismatch::Size { expected: file.size, found };
            let (name, file) = (model.name.clone(), file.name.clone());
            return Err(place(told(ModelError::Refused { name, file, fault })));
        }
        let mut install = Install::begin(model, file, folder).map_err(told)?;
        let bar = bar(file, json);
        while let Some(part) = content.next().await.map_err(place)? {
            install.write(&part).map_err(|error| place(told(error)))?;
            bar.inc(part.len() as u64);
        }
        install.finish().map_err(|error| place(told(error)))?;
        bar.finish_and_clear();
    }
    Ok(())
}

/// How far a file is; hidden where nobody looks on.
fn bar(file: &ModelFile, json: bool) -> ProgressBar {
    if json || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(file.size), ProgressDrawTarget::stderr());
    let template = "  {msg}  {bar:10} {percent} %  {bytes} of {total_bytes}";
    // the template is a constant; without it the line would merely look different
    let bar = ProgressStyle::with_template(template)
        .map_or(bar.clone(), |style| bar.with_style(style.progress_chars("█░")));
    bar.with_message(file.name.clone())
}

fn installed(model: &Manifest, path: &Path, changed: bool, json: bool) -> Result<Exit> {
    let (name, place) = (&model.name, path.display().to_string());
    if json {
        out::document(&json!({ "kind": "installed", "name": name, "path": place, "changed": changed }))?;
    } else if changed {
        out::line(&format!("{name} is installed: {place}"))?;
    } else {
        out::line(&format!("{name} is installed already, and its checksum is right: {place}"))?;
    }
    Ok(Exit::Succeeded)
}

/// The error in the words of all other errors.
fn told(error: ModelError) -> Error {
    let kind = match &error {
        ModelError::Unknown { .. } => ErrorKind::InvalidCall,
        ModelError::Wrong { .. } => ErrorKind::Corrupt,
        ModelError::Refused { .. } => ErrorKind::DigestMismatch,
        _ => ErrorKind::Io,
    };
    let told = Error::new(kind, error.to_string()).with_help(error.remedy());
    match error {
        ModelError::Read { source, .. }
        | ModelError::Given { source, .. }
        | ModelError::Write { source, .. } => told.with_source(source),
        _ => told,
    }
}

/// The models that these needs name and a machine that has this lacks: of the alternatives the one that lacks least.
pub(crate) fn lacking(needs: &ResourceRequirement, machine: &Capacity) -> Vec<String> {
    let of_option = |option: &ResourceRequirement| {
        let counts = option.each.custom.iter().chain(&option.shared.custom);
        let lacks = counts.filter(|(name, count)| machine.custom.get(*name).is_none_or(|has| has < count));
        let mut names: Vec<_> = lacks
            .filter_map(|(name, _)| name.strip_prefix(models::COUNT_PREFIX))
            .map(str::to_owned)
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    needs.options().map(of_option).min_by_key(Vec::len).unwrap_or_default()
}

/// What is wrong with the file of a model that is there; it is read for that.
pub(crate) fn fault(name: &str) -> Option<String> {
    match models::verified(name) {
        Err(error @ (ModelError::Wrong { .. } | ModelError::Read { .. })) => Some(error.to_string()),
        _ => None,
    }
}

/// Whether the models are there that the function needs at this quality.
///
/// # Errors
///
/// [`ErrorKind::ImpossibleRequirement`] with what is missing and the command that installs it.
pub(crate) fn demand(registry: &Registry, template: &Template, quality: &Quality) -> Result<()> {
    let equipped = registry.equip(Capacity::new());
    let missing = lacking(template.requires_at(quality), &equipped);
    if missing.is_empty() {
        return Ok(());
    }
    let (names, these) = match &missing[..] {
        [one] => (format!("the model `{one}`, which is"), "it"),
        all => (format!("the models `{}`, which are", all.join("`, `")), "them"),
    };
    let message = format!("`{}` at {quality} needs {names} not installed", template.function);
    let fine = |other: &&Quality| lacking(template.requires_at(other), &equipped).is_empty();
    let others: Vec<_> = template.qualities().into_iter().filter(fine).map(Quality::to_string).collect();
    let instead = match others.is_empty() {
        true => String::new(),
        false => format!(", or choose a quality that needs none that is missing: {}", others.join(", ")),
    };
    let help = format!("{} installs {these}{instead}", commands(&missing));
    Err(Error::new(ErrorKind::ImpossibleRequirement, message).with_help(help))
}

/// The commands that install these models.
pub(crate) fn commands(missing: &[String]) -> String {
    missing.iter().map(|name| command(name)).collect::<Vec<_>>().join(" and ")
}

fn command(name: &str) -> String {
    format!("`fnr models install {name} --from PATH-OR-URL`")
}

#[cfg(test)]
mod tests {
    use function_runner_core::{Function, QualityPreset};

    use super::*;

    fn needs(models: &[&str]) -> ResourceRequirement {
        models.iter().fold(ResourceRequirement::new().cpu_millis(9000), |needs, name| needs.custom(*name, 1))
    }

    #[test]
    fn of_alternatives_the_one_counts_that_lacks_least() {
        let machine = Capacity::new().custom("model.a", 64);
        let lacking = |needs: ResourceRequirement| lacking(&needs, &machine);
        assert_eq!(lacking(needs(&["model.a"])), [""; 0]);
        assert_eq!(lacking(needs(&["model.b", "model.a", "camera"])), ["b"]);
        assert_eq!(lacking(needs(&[]).shared(needs(&["model.c"])).custom("model.c", 1)), ["c"]);
        assert_eq!(lacking(needs(&["model.b"]).or(needs(&["model.a"]))), [""; 0]);
        assert_eq!(lacking(needs(&["model.b", "model.c"]).or(needs(&["model.d"]))), ["d"]);
    }

    #[test]
    fn what_is_missing_is_told_with_its_command_and_the_qualities_that_do_without() {
        const PAINT: Function<u32, u32> = Function::new("paint");
        let preset = |models: &[&str]| QualityPreset::new().requires(needs(models));
        let paint = PAINT
            .implement(|_, n| async move { Ok(n) })
            .preset(Quality::Draft, preset(&[]))
            .preset(Quality::High, preset(&["model.a"]))
            .preset(Quality::Ultra, preset(&["model.a", "model.b"]));
        let template = paint.template().clone();
        let registry = Registry::new().add(paint.clone());
        let demand = |quality: &Quality| demand(&registry, &template, quality);
        assert!(demand(&Quality::Draft).is_ok() && demand(&Quality::Standard).is_ok());
        let error = demand(&Quality::High).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ImpossibleRequirement);
        assert_eq!(error.message(), "`paint` at high needs the model `a`, which is not installed");
        let help = "`fnr models install a --from PATH-OR-URL` installs it, or choose a quality that needs none that \
                    is missing: draft, standard";
        assert_eq!(error.remedy(), help);
        let error = demand(&Quality::Ultra).unwrap_err();
        assert_eq!(error.message(), "`paint` at ultra needs the models `a`, `b`, which are not installed");
        let equipped = Registry::new().add(paint.brings("model.a", 64));
        assert!(super::demand(&equipped, &template, &Quality::High).is_ok());
        assert!(super::demand(&equipped, &template, &Quality::Ultra).is_err());
    }

    #[test]
    fn a_model_in_full_says_where_it_comes_from_and_how_it_is_had() {
        let model = models::find("esrgan-thick-x4").unwrap();
        let text = in_full(model, &State::Missing);
        for part in [
            "esrgan-thick-x4 · ",
            "\n  state      missing; `fnr models install esrgan-thick-x4 --from PATH-OR-URL` installs it\n",
            "\n  licence    MIT, in ",
            "\n  source     @upscalerjs/esrgan-thick of npm, version 1.0.0\n",
            &format!("\n  SHA-256    {}", model.files[0].sha256),
        ] {
            assert!(text.contains(part), "{text}\nlacks {part}");
        }
        let wrong = State::Wrong { path: "/a.bin".into(), what: "it is no file".to_owned() };
        assert_eq!(document(model, &wrong)["fault"], "it is no file");
        assert!(row(model, &wrong)[4].starts_with("/a.bin: it is no file"));
    }
}
