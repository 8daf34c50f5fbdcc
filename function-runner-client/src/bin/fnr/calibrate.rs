//! `fnr calibrate`: how long models take on this machine, for the estimates of later runs.

use std::io;

use function_runner_backends::{
    functions::upscale::{Speeds, measure},
    models::{self, Manifest},
};
use function_runner_client::capacity;
use function_runner_core::{Error, ErrorKind, FailureClass, Result};
use serde_json::json;

use crate::{
    exit::Exit,
    layout::table,
    out,
    stop::{Second, Stop},
};

/// Measure how long models take on this machine, so that later estimates are right.
///
/// Each model that is installed is run on one thread and on all, three times on a tile that takes about a second, and
/// the median is kept in calibration.json of the models folder. It takes about ten seconds a model; let the machine do
/// nothing else meanwhile.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The models to measure; all that are installed where none is named.
    models: Vec<String>,
}

/// Measures, and keeps what it measured.
///
/// # Errors
///
/// [`ErrorKind::InvalidCall`] for a name that is no model; [`ErrorKind::InvalidSetup`] where there is nothing to
/// measure; what a model's file fails with; [`ErrorKind::Io`] where the calibration cannot be kept.
pub(crate) fn calibrate(args: &Args, json: bool) -> Result<Exit> {
    let (chosen, path) = (chosen(&args.models)?, path()?);
    let stop = Stop::listen(None, Second::Ends)?;
    let threads = threads();
    let mut rows = vec![heads(&threads)];
    let mut speeds = match Speeds::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Speeds::default(),
        read => read.map_err(|error| {
            let message = format!("the calibration {} cannot be read", path.display());
            let help = "remove it to measure everything anew, or use the version of fnr that wrote it";
            Error::new(ErrorKind::Io, message).with_help(help).with_source(error)
        })?,
    };
    for model in chosen {
        let mut row = vec![model.name.clone()];
        for &threads in &threads {
            if !json {
                out::aside(&format!("measuring {} on {}", model.name, counted(threads)));
            }
            let seconds = match measure(&model.name, threads, &|| stop.is_told()) {
                Ok(seconds) => seconds,
                Err(failure) if failure.class == FailureClass::Cancelled => return stopped(json),
                Err(failure) => return Err(Error::of_failure(failure)),
            };
            speeds.set(&model.name, threads, seconds);
            row.push(format!("{seconds:.2} s"));
            if json {
                out::document(&json!({
                    "kind": "speed",
                    "model": model.name,
                    "threads": threads,
                    "seconds_per_megapixel": seconds,
                }))?;
            }
        }
        rows.push(row);
    }
    speeds.write(&path).map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot write {}", path.display())).with_source(error)
    })?;
    if json {
        out::document(&json!({ "kind": "calibrated", "path": path }))?;
    } else {
        out::line(&table(&rows, 0))?;
        out::line(&format!("\nfor a million source pixels each; kept in {}", path.display()))?;
    }
    Ok(Exit::Succeeded)
}

fn stopped(json: bool) -> Result<Exit> {
    if json {
        out::document(&json!({ "kind": "cancelled", "reason": "asked" }))?;
    } else {
        out::aside("cancelled; nothing was kept");
    }
    Ok(Exit::Cancelled)
}

/// One, and all that this machine has.
fn threads() -> Vec<usize> {
    let all = (capacity::measure().cpu_millis / 1000).max(1) as usize;
    if all == 1 { vec![1] } else { vec![1, all] }
}

fn heads(threads: &[usize]) -> Vec<String> {
    let counts = threads.iter().map(|threads| counted(*threads));
    std::iter::once("model".to_owned()).chain(counts).collect()
}

fn counted(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}

fn chosen(names: &[String]) -> Result<Vec<&'static Manifest>> {
    if names.is_empty() {
        let present: Vec<_> =
            models::known().iter().filter(|model| models::is_present(&model.name)).collect();
        return if present.is_empty() {
            Err(Error::new(ErrorKind::InvalidSetup, "no model is installed, so there is nothing to measure")
                .with_help("install one: fnr models install MODEL --from PATH-OR-URL"))
        } else {
            Ok(present)
        };
    }
    let find = |name: &String| {
        models::find(name)
            .map_err(|error| Error::new(ErrorKind::InvalidCall, error.to_string()).with_help(error.remedy()))
    };
    names.iter().map(find).collect()
}

fn path() -> Result<std::path::PathBuf> {
    Speeds::path().ok_or_else(|| {
        Error::new(ErrorKind::InvalidSetup, "there is no folder for models: this user has no home folder")
            .with_help("set FUNCTION_RUNNER_MODELS to a folder")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_model_is_told_with_the_nearest() {
        let error = chosen(&["esrgan-thick-x5".to_owned()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidCall);
        assert!(error.message().contains("did you mean `esrgan-thick-x4`?"), "{error}");
    }

    #[test]
    fn columns_are_headed_by_their_threads() {
        assert_eq!(heads(&[1, 8]), ["model", "1 thread", "8 threads"]);
    }
}
