//! Whether a file is the one its manifest means, worked out once for each state of the file.

use std::{
    collections::HashMap,
    fs::{File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
    time::SystemTime,
};

use function_runner_core::Digest;
use sha2::{Digest as _, Sha256};

use super::{Mismatch, ModelError, ModelFile};

/// How much is read at once.
pub(super) const CHUNK: usize = 64 << 10;

/// What each file was found to be, so that a worker reads 15 MB once and not for every task.
static FOUND: LazyLock<Mutex<HashMap<PathBuf, Found>>> = LazyLock::new(Mutex::default);

/// The content of a file as long as its size and time stay the same.
#[derive(Clone, Copy)]
struct Found {
    modified: SystemTime,
    size: u64,
    sum: Digest,
}

/// Holds this file to its manifest.
pub(super) fn verify(model: &str, path: &Path, file: &ModelFile) -> Result<(), ModelError> {
    let unread = |source| ModelError::Read { path: path.to_owned(), source };
    let wrong = |fault| ModelError::Wrong { name: model.to_owned(), path: path.to_owned(), fault };
    // asked of the path first, since opening a pipe would wait for its other end
    let at = path.metadata().map_err(unread)?;
    if !at.is_file() {
        return Err(wrong(Mismatch::NoFile));
    }
    if at.len() != file.size {
        return Err(wrong(Mismatch::Size { expected: file.size, found: at.len() }));
    }
    let found = remembered(path, &at).map_or_else(|| read(path, file.size), Ok).map_err(unread)?;
    match found == file.sha256 {
        true => Ok(()),
        false => Err(wrong(Mismatch::Sum { expected: file.sha256, found })),
    }
}

fn remembered(path: &Path, at: &Metadata) -> Option<Digest> {
    let found = *FOUND.lock().unwrap_or_else(PoisonError::into_inner).get(path)?;
    let same = found.size == at.len() && at.modified().is_ok_and(|modified| modified == found.modified);
    same.then_some(found.sum)
}

/// Works out the sum and remembers it, unless the file changed meanwhile. One that grows is read no further than one
/// byte past its size, which makes its sum another.
fn read(path: &Path, size: u64) -> io::Result<Digest> {
    let mut opened = File::open(path)?;
    let before = opened.metadata()?;
    let sum = sum(&mut (&mut opened).take(size + 1))?;
    let after = opened.metadata()?;
    if let (Ok(modified), Ok(same)) = (before.modified(), after.modified())
        && modified == same
        && before.len() == after.len()
    {
        let found = Found { modified, size: after.len(), sum };
        FOUND.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), found);
    }
    Ok(sum)
}

fn sum(content: &mut impl Read) -> io::Result<Digest> {
    let (mut sum, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
    loop {
        match content.read(&mut chunk) {
            Ok(0) => return Ok(Digest::from_bytes(sum.finalize().into())),
            Ok(count) => sum.update(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
