//! Where files of models are looked for, in which order, and what is there.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Manifest, Mismatch, ModelError, ModelFile, verify::verify};

/// The environment variable that names the one folder to look in.
pub const FOLDER_VARIABLE: &str = "FUNCTION_RUNNER_MODELS";

/// The folder of this crate as it was compiled; in the repository, `examples/models` is beside it.
const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// The folders that files of models are looked for in.
///
/// The environment variable [`FOLDER_VARIABLE`] names one that is the only one then. Otherwise they are
/// `function-runner/models` in the user's data folder (`$XDG_DATA_HOME` or `~/.local/share`; on macOS
/// `~/Library/Application Support`; on Windows `%APPDATA%`), and `examples/models` of the repository that the program
/// was compiled in, where it is there.
///
/// The first folder that has any file of a model decides, even if the file is wrong: what a user put there is not
/// passed over in silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    target: Option<PathBuf>,
    others: Vec<PathBuf>,
}

/// What there is of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Its files are in their place, of the right size; whether of the right content is only known once they are
    /// opened.
    Present {
        /// The first of its files.
        path: PathBuf,
    },
    /// No folder has any of its files.
    Missing,
    /// A file in its place is another, or cannot be looked at.
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, in words.
        what: String,
    },
}

impl Folders {
    /// The folders of this user on this machine.
    #[must_use]
    pub fn usual() -> Self {
        let set = env::var_os(FOLDER_VARIABLE).filter(|value| !value.is_empty());
        let own = Path::new(CRATE).parent().map(|repository| repository.join("examples").join("models"));
        Self::of(set, data_folder(), own.filter(|own| own.is_dir()))
    }

    /// This folder alone.
    pub fn only(folder: impl Into<PathBuf>) -> Self {
        Self { target: Some(folder.into()), others: Vec::new() }
    }

    fn of(set: Option<OsString>, data: Option<PathBuf>, own: Option<PathBuf>) -> Self {
        match set {
            Some(folder) => Self::only(folder),
            None => Self {
                target: data.map(|data| data.join("function-runner").join("models")),
                others: own.into_iter().collect(),
            },
        }
    }

    /// The folder that models are installed into; it need not be there yet.
    ///
    /// # Errors
    ///
    /// [`ModelError::NoFolder`] where the variable is not set and the user has no home folder.
    pub fn target(&self) -> Result<&Path, ModelError> {
        self.target.as_deref().ok_or(ModelError::NoFolder)
    }

    /// All of them, in the order of looking.
    pub fn iter(&self) -> impl Iterator<Item = &Path> {
        self.target.iter().chain(&self.others).map(PathBuf::as_path)
    }

    /// What there is of this model; no file is read.
    #[must_use]
    pub fn state(&self, manifest: &Manifest) -> State {
        let Some(folder) = self.holding(manifest) else { return State::Missing };
        for file in &manifest.files {
            let path = folder.join(&file.name);
            if let Err(what) = look(&path, file) {
                return State::Wrong { path, what };
            }
        }
        State::Present { path: folder.join(&manifest.files[0].name) }
    }

    /// The path of the first of this model's files, once all of them are known to be the right ones.
    ///
    /// # Errors
    ///
    /// [`ModelError::Missing`], [`ModelError::Wrong`], [`ModelError::Read`].
    pub fn verified(&self, manifest: &Manifest) -> Result<PathBuf, ModelError> {
        let missing = || ModelError::Missing { name: manifest.name.clone() };
        let folder = self.holding(manifest).ok_or_else(missing)?;
        for file in &manifest.files {
            verify(&manifest.name, &folder.join(&file.name), file)?;
        }
        Ok(folder.join(&manifest.files[0].name))
    }

    /// The first folder that has anything under the name of one of its files.
    fn holding(&self, manifest: &Manifest) -> Option<&Path> {
        // a folder that may not be looked into holds it, as far as anybody can tell
        let is_there = |path: PathBuf| match fs::symlink_metadata(path) {
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
        };
        self.iter().find(|folder| manifest.files.iter().any(|file| is_there(folder.join(&file.name))))
    }
}

/// Whether this may be that file, by its size alone.
fn look(path: &Path, file: &ModelFile) -> Result<(), String> {
    let found = fs::metadata(path).map_err(|error| format!("it cannot be read: {error}"))?;
    match (found.is_file(), found.len()) {
        (false, _) => Err(Mismatch::NoFile.to_string()),
        (true, size) if size == file.size => Ok(()),
        (true, found) => Err(Mismatch::Size { expected: file.size, found }.to_string()),
    }
}

/// Where programs keep the user's data: `$XDG_DATA_HOME` or `~/.local/share`; on macOS `~/Library/Application Support`,
/// on Windows `%APPDATA%`. None without a home folder.
#[must_use]
pub fn data_folder() -> Option<PathBuf> {
    let set = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        return set("APPDATA");
    }
    let home = env::home_dir().filter(|home| home.is_absolute());
    if cfg!(target_os = "macos") {
        return home.map(|home| home.join("Library").join("Application Support"));
    }
    set("XDG_DATA_HOME").or_else(|| home.map(|home| home.join(".local").join("share")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_named_is_the_only_one() {
        let data = || Some(PathBuf::from("/home/ada/data"));
        let own = || Some(PathBuf::from("/repository/examples/models"));
        let all = |folders: &Folders| folders.iter().map(Path::to_owned).collect::<Vec<_>>();
        let named = Folders::of(Some("/models".into()), data(), own());
        assert_eq!(all(&named), [Path::new("/models")]);
        let usual = Folders::of(None, data(), own());
        let expected = ["/home/ada/data/function-runner/models", "/repository/examples/models"];
        assert_eq!(all(&usual), expected.map(PathBuf::from));
        assert_eq!(usual.target().unwrap(), Path::new(expected[0]));
    }

    #[test]
    fn without_a_home_there_is_nowhere_to_install_and_the_repository_is_still_looked_at() {
        let folders = Folders::of(None, None, Some(PathBuf::from("/repository/examples/models")));
        assert!(matches!(folders.target(), Err(ModelError::NoFolder)));
        assert_eq!(folders.iter().count(), 1);
        assert_eq!(Folders::of(None, None, None).state(&super::super::known()[0]), State::Missing);
    }
}
