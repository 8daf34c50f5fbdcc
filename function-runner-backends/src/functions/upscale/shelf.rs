//! What an attempt leaves for the next one: its finished bands, each an artifact, and their list as a checkpoint.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use function_runner_core::{Context, Digest, FailureClass, LogLevel, MAX_CHECKPOINT};
use serde::{Deserialize, Serialize};

use super::{
    band,
    encode::Picture,
    error::EnlargeError,
    files::{copy, keep},
    pixels::Layout,
    watched::Stopped,
};

/// The format of checkpoints that is read and written.
///
/// A reader takes no other: the work of an older or newer one is done again, which costs time and nothing else.
const FORMAT: u32 = 1;

/// The most bands that a checkpoint lists, each in 67 bytes; those past it are computed again.
const MOST: usize = (MAX_CHECKPOINT - 256) / 67;

/// A checkpoint as it is stored.
#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    /// What the bands are of; those of another work are of no use.
    work: Digest,
    /// The first bands of the result, each a PNG.
    bands: Vec<Digest>,
}

/// All that decides what the samples of the bands are.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Work<'a> {
    pub(super) image: Digest,
    pub(super) model: &'a str,
    pub(super) weights: Digest,
    pub(super) ensemble: bool,
    pub(super) factor: u32,
}

/// The bands of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bands {
    /// Pixels across, and how their samples lie.
    pub(super) width: u32,
    pub(super) layout: Layout,
    /// How many rows each has.
    pub(super) rows: Vec<u32>,
    /// How many tiles stand side by side.
    pub(super) columns: usize,
}

impl Bands {
    /// A band as an image.
    fn picture(&self, at: usize) -> Picture {
        Picture { width: self.width, height: self.rows[at], layout: self.layout }
    }
}

/// To be raised with every change by which the same image gets other samples from the same weights: bands of before
/// and after do not go together.
const SAMPLES: u32 = 1;

/// Why a band is not there.
enum Missing {
    /// It never will be.
    Lost(String),
    /// It may be another time.
    Away(String),
}

/// Where finished bands are kept for another attempt.
///
/// A band that cannot be kept, or is lost, is one that is computed again. Where the store cannot be reached for one
/// that is kept, the attempt ends: the next one finds what this one did not.
pub(super) struct Shelf<'a> {
    ctx: &'a Context,
    work: Work<'a>,
    file: PathBuf,
    bands: Option<Bands>,
    id: Digest,
    kept: Vec<Digest>,
}

impl<'a> Shelf<'a> {
    /// A shelf whose bands pass through a file of this folder.
    pub(super) fn new(ctx: &'a Context, work: Work<'a>, folder: &Path) -> Self {
        let file = folder.join("band.png");
        Self { ctx, work, file, bands: None, id: Digest::of(b""), kept: Vec::new() }
    }

    /// Hears what the bands are to be, and says how many of the first are kept.
    pub(super) fn open(&mut self, bands: Bands) -> usize {
        let Bands { width, rows, columns, layout } = &bands;
        let all = (FORMAT, SAMPLES, self.work, width, rows, columns, format!("{layout:?}"));
        // numbers and names: nothing of it fails to be JSON
        self.id = Digest::of(&serde_json::to_vec(&all).unwrap_or_default());
        self.kept = match self.ctx.resumed().map(|bytes| self.read(bytes)) {
            Some(Ok(kept)) => kept,
            Some(Err(why)) => {
                self.warn(format!("the checkpoint of the attempt before is not used: {why}"));
                Vec::new()
            }
            None => Vec::new(),
        };
        self.kept.truncate(rows.len());
        if !self.kept.is_empty() {
            self.ctx.log(format!("goes on after {} of {} rows of tiles", self.kept.len(), rows.len()));
        }
        self.bands = Some(bands);
        self.kept.len()
    }

    fn read(&self, bytes: &[u8]) -> Result<Vec<Digest>, String> {
        let document: Document = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        match document {
            Document { format, .. } if format != FORMAT => Err(format!("it has format {format}")),
            Document { work, .. } if work != self.id => Err("it is of other work".to_owned()),
            Document { bands, .. } => Ok(bands),
        }
    }

    /// Fills `samples` with a kept band; `false` says that it is lost, and with it all behind it.
    pub(super) fn load(&mut self, at: usize, samples: &mut Vec<u8>) -> Result<bool, EnlargeError> {
        match self.fetch(at, samples) {
            Ok(()) => Ok(true),
            Err(_) if self.ctx.is_cancelled() => Err(EnlargeError::Stopped),
            Err(Missing::Away(why)) => Err(EnlargeError::Kept { why }),
            Err(Missing::Lost(why)) => {
                self.warn(format!("a kept row of tiles is lost and computed again: {why}"));
                self.kept.truncate(at);
                Ok(false)
            }
        }
    }

    fn fetch(&self, at: usize, samples: &mut Vec<u8>) -> Result<(), Missing> {
        let (Some(content), Some(bands)) = (self.kept.get(at), &self.bands) else {
            return Err(Missing::Lost("nothing of it is kept".to_owned()));
        };
        let copied = copy(self.ctx, content, &self.file, &mut |_| {});
        let file = copied.map_err(|failure| match failure.class {
            FailureClass::InvalidInput => Missing::Lost(failure.message),
            _ => Missing::Away(failure.message),
        })?;
        band::read(BufReader::new(file), bands.picture(at), samples).map_err(Missing::Lost)
    }

    /// Keeps a band, and leaves a checkpoint that lists it.
    pub(super) fn save(
        &mut self,
        at: usize,
        samples: &[u8],
        stopped: Stopped<'_>,
    ) -> Result<(), EnlargeError> {
        let Some(bands) = &self.bands else { return Ok(()) };
        // where one is missing, those behind it are of no use
        if at != self.kept.len() || at >= MOST {
            return Ok(());
        }
        let written = self.write(bands.picture(at), samples, stopped);
        if stopped() {
            return Err(EnlargeError::Stopped);
        }
        let kept = written
            .map_err(|error| error.to_string())
            .and_then(|()| keep(self.ctx, &self.file, "image/png").map_err(|failure| failure.message));
        match kept {
            Ok(artifact) => {
                self.kept.push(artifact.sha256);
                self.leave();
                Ok(())
            }
            Err(_) if self.ctx.is_cancelled() => Err(EnlargeError::Stopped),
            Err(why) => {
                self.warn(format!(
                    "a row of tiles, and those after it, cannot be kept for another attempt: {why}"
                ));
                Ok(())
            }
        }
    }

    fn write(&self, picture: Picture, samples: &[u8], stopped: Stopped<'_>) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(&self.file)?);
        band::write(&mut file, picture, samples, stopped)?;
        file.flush()
    }

    fn leave(&self) {
        let document = Document { format: FORMAT, work: self.id, bands: self.kept.clone() };
        let left = serde_json::to_vec(&document).map_err(|error| error.to_string());
        let left = left.and_then(|bytes| self.ctx.checkpoint(bytes).map_err(|failure| failure.message));
        if let Err(why) = left {
            self.warn(format!("no checkpoint is left: {why}"));
        }
    }

    fn warn(&self, line: String) {
        self.ctx.log_at(LogLevel::Warn, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_checkpoint_is_taken() {
        let digest = Digest::of(b"");
        let document = Document { format: FORMAT, work: digest, bands: vec![digest; MOST] };
        let bytes = serde_json::to_vec(&document).unwrap();
        assert!(bytes.len() <= MAX_CHECKPOINT, "{} bytes", bytes.len());
    }
}
