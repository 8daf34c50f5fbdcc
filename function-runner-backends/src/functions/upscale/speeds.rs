//! How long models take: as measured once on a machine of ours, or by a calibration on this one.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Instant,
};

use function_runner_core::Failure;
use serde::{Deserialize, Serialize};

use super::model;
use crate::{models::Folders, networks::Session};

/// The format of calibration files that is read and written; a file of another one counts as none.
const FORMAT: u32 = 1;

/// The calibration's name in the models folder.
const FILE: &str = "calibration.json";

/// Seconds per source megapixel of each model, on one thread and on two: on two cores of an AMD EPYC of the fourth
/// generation (AVX-512), by `fnr calibrate`.
const BUILT_IN: [(&str, f64, f64); 6] = [
    ("esrgan-medium-x2", 7.3, 3.6),
    ("esrgan-medium-x4", 7.1, 3.4),
    ("esrgan-slim-x2", 1.7, 0.9),
    ("esrgan-slim-x4", 1.85, 0.95),
    ("esrgan-thick-x4", 37.5, 21.0),
    ("realesr-animevideov3-x4", 3.3, 1.65),
];

/// How many seconds models take for a million source pixels that they compute, by the number of threads.
///
/// # Examples
///
/// ```
/// use function_runner_backends::functions::upscale::Speeds;
///
/// let mut speeds = Speeds::built_in();
/// speeds.set("esrgan-slim-x4", 1, 9.0);
/// speeds.set("esrgan-slim-x4", 3, 3.0);
/// assert_eq!(speeds.of("esrgan-slim-x4", 1), Some(9.0));
/// assert_eq!(speeds.of("esrgan-slim-x4", 8), Some(3.0), "no more than was measured is promised");
/// assert_eq!(speeds.of("no-such-model", 1), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Speeds(BTreeMap<String, BTreeMap<usize, f64>>);

/// A calibration as it is stored.
#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    speeds: Vec<Speed>,
}

#[derive(Serialize, Deserialize)]
struct Speed {
    model: String,
    threads: usize,
    seconds_per_megapixel: f64,
}

impl Speeds {
    /// What was measured once, on a machine of ours.
    #[must_use]
    pub fn built_in() -> Self {
        let mut speeds = Self::default();
        for (model, one, two) in BUILT_IN {
            speeds.set(model, 1, one);
            speeds.set(model, 2, two);
        }
        speeds
    }

    /// What counts on this machine: the calibration, and for models that it has not, what is built in. A calibration
    /// that cannot be read counts as none.
    #[must_use]
    pub fn here() -> Self {
        let calibrated = Self::path().and_then(|path| Self::read(&path).ok()).unwrap_or_default();
        let mut speeds = Self::built_in();
        speeds.0.extend(calibrated.0);
        speeds
    }

    /// Where this machine's calibration is: `calibration.json` in the folder that models are installed into.
    #[must_use]
    pub fn path() -> Option<PathBuf> {
        Some(Folders::usual().target().ok()?.join(FILE))
    }

    /// Reads a calibration.
    ///
    /// # Errors
    ///
    /// What keeps the file from being read; [`io::ErrorKind::InvalidData`] where it is no calibration of a format
    /// that is known.
    pub fn read(path: &Path) -> io::Result<Self> {
        let document: Document = serde_json::from_slice(&fs::read(path)?)?;
        if document.format != FORMAT {
            let message =
                format!("the calibration has format {}; this version reads {FORMAT}", document.format);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let mut speeds = Self::default();
        for speed in document.speeds {
            speeds.set(speed.model, speed.threads, speed.seconds_per_megapixel);
        }
        Ok(speeds)
    }

    /// Writes it as a calibration, whole or not at all; the folder is made where it is missing.
    ///
    /// # Errors
    ///
    /// What keeps it from being written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let rows = self.0.iter().flat_map(|(model, by_threads)| {
            by_threads.iter().map(|(threads, seconds)| Speed {
                model: model.clone(),
                threads: *threads,
                seconds_per_megapixel: *seconds,
            })
        });
        let document = Document { format: FORMAT, speeds: rows.collect() };
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut builder = tempfile::Builder::new();
        // whoever runs the worker may read what whoever runs the machine measured
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        serde_json::to_writer_pretty(&mut file, &document)?;
        file.persist(path)?;
        Ok(())
    }

    /// Sets a speed; one that is no positive number, or beyond a million seconds, is passed over.
    pub fn set(&mut self, model: impl Into<String>, threads: usize, seconds_per_megapixel: f64) {
        if threads > 0 && seconds_per_megapixel > 0.0 && seconds_per_megapixel <= 1e6 {
            self.0.entry(model.into()).or_default().insert(threads, seconds_per_megapixel);
        }
    }

    /// Seconds per million source pixels on so many threads. Between two numbers of threads that were measured the
    /// pixels a second rise evenly; beyond them it is as at the nearest.
    #[must_use]
    pub fn of(&self, model: &str, threads: usize) -> Option<f64> {
        let measured = self.0.get(model)?;
        let below = measured.range(..=threads).next_back();
        let above = measured.range(threads..).next();
        match (below, above) {
            (Some((low, slow)), Some((high, fast))) if high > low => {
                let share = (threads - low) as f64 / (high - low) as f64;
                Some(1.0 / ((1.0 - share) / slow + share / fast))
            }
            (Some((_, seconds)), _) | (None, Some((_, seconds))) => Some(*seconds),
            (None, None) => None,
        }
    }
}

/// Measures how many seconds a model takes for a million source pixels on so many threads: the median of three tiles
/// that each take about a second on a machine like ours.
///
/// `stopped` is asked often.
///
/// # Errors
///
/// A permanent failure where the model is not installed or its file is not the right one; `cancelled`.
pub fn measure(model: &str, threads: usize, stopped: &(dyn Fn() -> bool + Sync)) -> Result<f64, Failure> {
    let network = model::open(model)?;
    let guess = Speeds::built_in().of(model, threads).unwrap_or(10.0);
    let side = ((1e6 / guess).sqrt() as u32).clamp(64, 640);
    let scale = network.plan().scale;
    // smooth in parts and grainy in others, as images are
    let input: Vec<f32> = (0..side * side * 3).map(|at| (at % 251) as f32 / 250.0).collect();
    let mut output = vec![0.0; input.len() * (scale * scale) as usize];
    let mut session = network.session(threads);
    let mut run = |session: &mut Session| {
        let begin = Instant::now();
        let ran = session.run(side, side, &input, &mut output, stopped, &mut |_| {});
        ran.map_err(|_| Failure::cancelled())?;
        Ok::<_, Failure>(begin.elapsed().as_secs_f64() * 1e6 / f64::from(side * side))
    };
    // memory is touched and threads are started
    run(&mut session)?;
    let mut all = [run(&mut session)?, run(&mut session)?, run(&mut session)?];
    all.sort_by(f64::total_cmp);
    Ok(all[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speeds(measured: &[(usize, f64)]) -> Speeds {
        let mut speeds = Speeds::default();
        measured.iter().for_each(|(threads, seconds)| speeds.set("m", *threads, *seconds));
        speeds
    }

    #[test]
    fn between_two_measured_numbers_of_threads_the_rate_rises_evenly() {
        let speeds = speeds(&[(1, 10.0), (3, 5.0)]);
        let of = |threads| speeds.of("m", threads).unwrap();
        assert_eq!((of(1), of(3), of(64)), (10.0, 5.0, 5.0));
        assert!((of(2) - 1.0 / 0.15).abs() < 1e-9);
        assert_eq!(Speeds::default().of("m", 1), None);
    }

    #[test]
    fn a_calibration_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("calibration.json");
        let speeds = speeds(&[(1, 10.25), (2, 5.125)]);
        speeds.write(&path).unwrap();
        assert_eq!(Speeds::read(&path).unwrap(), speeds);
        speeds.write(&path).unwrap();
    }

    #[test]
    fn what_is_no_calibration_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.json");
        assert_eq!(Speeds::read(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        for text in ["", "{", r#"{"format":2,"speeds":[]}"#, r#"{"format":1}"#] {
            fs::write(&path, text).unwrap();
            assert!(Speeds::read(&path).is_err(), "{text}");
        }
        let odd = r#"{"format":1,"speeds":[{"model":"m","threads":1,"seconds_per_megapixel":-1.0}]}"#;
        fs::write(&path, odd).unwrap();
        assert_eq!(Speeds::read(&path).unwrap(), Speeds::default(), "a speed below zero is passed over");
    }

    #[test]
    fn every_model_has_a_built_in_speed() {
        for model in crate::models::known() {
            assert!(Speeds::built_in().of(&model.name, 1).is_some(), "{}", model.name);
        }
    }
}
