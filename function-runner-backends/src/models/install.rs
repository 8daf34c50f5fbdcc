//! Putting a model's file in its place, whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
};

use function_runner_core::Digest;
use sha2::{Digest as _, Sha256};
use tempfile::{Builder, NamedTempFile};

use super::{Manifest, Mismatch, ModelError, ModelFile, verify::CHUNK};

/// One file of a model on its way into a models folder.
///
/// What is written goes to a temporary file in the same folder. [`finish`](Self::finish) puts that in the place of
/// the model's file if it is the right one; dropped before, it is removed. Any number may be on their way at once,
/// also in several processes: the last one to finish stays, and all that finish are the same.
///
/// # Examples
///
/// ```no_run
/// use function_runner_backends::models::{self, Install};
///
/// let model = models::find("esrgan-slim-x4")?;
/// let mut install = Install::begin(model, &model.files[0], "/srv/models".as_ref())?;
/// for chunk in [&b"as"[..], b"it", b"arrives"] {
///     install.write(chunk)?; // more than the file may have is refused at once
/// }
/// let path = install.finish()?;
/// # Ok::<(), function_runner_backends::models::ModelError>(())
/// ```
#[derive(Debug)]
#[must_use = "what is not finished is removed"]
pub struct Install<'a> {
    model: &'a Manifest,
    file: &'a ModelFile,
    place: PathBuf,
    written: NamedTempFile,
    size: u64,
    sum: Sha256,
}

impl<'a> Install<'a> {
    /// Makes the folder if it is not there, and begins.
    ///
    /// # Errors
    ///
    /// [`ModelError::Write`] where the folder cannot be made or written.
    pub fn begin(model: &'a Manifest, file: &'a ModelFile, folder: &Path) -> Result<Self, ModelError> {
        let unwritable = |source| ModelError::Write { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(unwritable)?;
        let written = temporary(folder).map_err(|error| unwritable(plain(error)))?;
        let place = folder.join(&file.name);
        Ok(Self { model, file, place, written, size: 0, sum: Sha256::new() })
    }

    /// Takes the next part.
    ///
    /// # Errors
    ///
    /// [`ModelError::Refused`] once there is more than the file may have; [`ModelError::Write`].
    pub fn write(&mut self, part: &[u8]) -> Result<(), ModelError> {
        self.size += part.len() as u64;
        if self.size > self.file.size {
            return Err(self.refused(Mismatch::TooLong { expected: self.file.size }));
        }
        self.sum.update(part);
        self.written.as_file_mut().write_all(part).map_err(|source| self.unwritable(source))
    }

    /// Puts the file in its place, if it is the right one, and gives the path.
    ///
    /// # Errors
    ///
    /// [`ModelError::Refused`] where size or checksum are others; [`ModelError::Write`].
    pub fn finish(self) -> Result<PathBuf, ModelError> {
        let (expected, found) = (self.file.size, self.size);
        if found != expected {
            return Err(self.refused(Mismatch::Size { expected, found }));
        }
        let (expected, found) = (self.file.sha256, Digest::from_bytes(self.sum.clone().finalize().into()));
        if found != expected {
            return Err(self.refused(Mismatch::Sum { expected, found }));
        }
        self.written.as_file().sync_all().map_err(|source| self.unwritable(source))?;
        let place = self.place;
        match self.written.persist(&place) {
            Ok(_) => settle(&place),
            Err(error) => return Err(ModelError::Write { path: place, source: error.error }),
        }
        Ok(place)
    }

    fn refused(&self, fault: Mismatch) -> ModelError {
        ModelError::Refused { name: self.model.name.clone(), file: self.file.name.clone(), fault }
    }

    fn unwritable(&self, source: io::Error) -> ModelError {
        ModelError::Write { path: self.place.clone(), source }
    }
}

/// Installs one file of a model from a reader, which is read no further than one byte past the file's size.
///
/// # Errors
///
/// As [`Install`]; [`ModelError::Given`] where the reader fails.
pub fn install(
    model: &Manifest,
    file: &ModelFile,
    mut content: impl Read,
    folder: &Path,
) -> Result<PathBuf, ModelError> {
    let mut install = Install::begin(model, file, folder)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let most = (file.size - install.size).saturating_add(1).min(CHUNK as u64) as usize;
        match content.read(&mut chunk[..most]) {
            Ok(0) => return install.finish(),
            Ok(count) => install.write(&chunk[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(ModelError::Given { file: file.name.clone(), source }),
        }
    }
}

/// A file that others may read as far as the user's files are: weights are no secret.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".fnr-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// The cause without the temporary file's name, which is no help.
fn plain(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" at path ") {
        Some((cause, _)) => io::Error::new(error.kind(), cause.to_owned()),
        None => error,
    }
}

/// Makes the rename last through a power cut where the system lets a folder be synced; the file is whole either way.
fn settle(place: &Path) {
    if let Some(folder) = place.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
}
