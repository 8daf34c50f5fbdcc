//! Scratch folders whose leftovers can be seen.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use function_runner_core::{Error, ErrorKind, MakeScratch, Scratch, TaskId};

/// Makes scratch folders, and sees what is left when they are gone.
#[derive(Clone)]
pub(super) struct Folders {
    make: MakeScratch,
    made: Arc<Mutex<Vec<PathBuf>>>,
    /// Where they are made, if they are ours.
    root: Option<Arc<Root>>,
}

/// A folder that goes with whoever has it.
struct Root(PathBuf);

impl Drop for Root {
    fn drop(&mut self) {
        // one that is gone needs no removing
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Folders {
    pub(super) fn new(given: Option<MakeScratch>) -> Self {
        let (make, root) = match given {
            Some(make) => (make, None),
            None => {
                let root =
                    Arc::new(Root(std::env::temp_dir().join(format!("fnr-exercise-{}", TaskId::unique()))));
                (within(&root), Some(root))
            }
        };
        Self { make, made: Arc::default(), root }
    }

    /// For one more attempt.
    pub(super) fn maker(&self) -> MakeScratch {
        let (make, made) = (self.make.clone(), self.made.clone());
        MakeScratch::new(move || {
            let scratch = make.make()?;
            made.lock().unwrap_or_else(PoisonError::into_inner).push(scratch.path().to_owned());
            Ok(scratch)
        })
    }

    /// What is left of the attempts so far.
    pub(super) fn left(&self) -> Vec<PathBuf> {
        match &self.root {
            Some(root) => entries(&root.0),
            None => self.made().iter().filter(|path| path.exists()).cloned().collect(),
        }
    }

    /// Forgets what is left, and removes it where the folders are ours.
    pub(super) fn clear(&self) {
        self.made().clear();
        if let Some(root) = &self.root {
            entries(&root.0).iter().for_each(|path| remove(path));
        }
    }

    fn made(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn within(root: &Arc<Root>) -> MakeScratch {
    let root = root.0.clone();
    MakeScratch::new(move || {
        let path = root.join(TaskId::unique().as_str());
        fs::create_dir_all(&path).map_err(|error: io::Error| {
            Error::new(ErrorKind::Io, "cannot make a scratch folder")
                .with_context("folder", path.display())
                .with_source(error)
        })?;
        Ok(Scratch::new(path.clone(), Root(path)))
    })
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn remove(path: &Path) {
    // what is gone by now was not left
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}
