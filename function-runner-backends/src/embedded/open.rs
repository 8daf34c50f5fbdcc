//! How a queue's file is opened, and what is known of it once it is.

use std::path::{Path, PathBuf};

use function_runner_core::{Capabilities, Durability, ErrorKind, Result, Times};

use super::{
    clock::{Clocks, Reading},
    fault::Broken,
};

/// When what was accepted is on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sync {
    /// Before it is acknowledged: it survives the loss of power.
    #[default]
    Full,
    /// A moment later: it survives the death of every process, and a loss of power costs the last moments before it.
    /// The file stays sound all the same.
    Normal,
}

/// What a file is opened with.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) path: PathBuf,
    pub(super) times: Times,
    pub(super) clocks: Clocks,
    pub(super) depth: usize,
    pub(super) sync: Sync,
}

impl Plan {
    /// The path as every process knows it: whole, and text, since it names sockets too.
    pub(super) fn whole_path(&self) -> Result<PathBuf, Broken> {
        let about = |message: String| {
            Broken::new(ErrorKind::Io, message, "give the path of a file in a folder that exists")
        };
        let name = self.path.file_name().ok_or_else(|| about("the queue's path names no file".into()))?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize();
        let folder = folder.map_err(|error| about(format!("the folder of the queue's file: {error}")))?;
        let path = folder.join(name);
        match path.to_str() {
            Some(_) => Ok(path),
            None => Err(about("the path of the queue's file is not UTF-8".into())),
        }
    }
}

/// What every handle knows of an open file.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) times: Times,
    pub(super) clocks: Clocks,
    pub(super) sync: Sync,
}

impl Opened {
    pub(super) fn capabilities(&self) -> Capabilities {
        let durability = match self.sync {
            Sync::Full => Durability::PowerLoss,
            Sync::Normal => Durability::ProcessCrash,
        };
        Capabilities::new(durability, self.times)
    }

    /// When a call is made, by a clock that a test turns: it may be turned on before the thread looks.
    pub(super) fn hand(&self) -> Option<Reading> {
        self.clocks.hand().map(|_| self.clocks.read())
    }
}
