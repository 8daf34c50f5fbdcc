//! A folder of an attempt's own, made by whoever has files and removed when the attempt is over.

use std::{
    any::Any,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::Result;

/// A folder of an attempt's own; dropping it removes the folder.
pub struct Scratch {
    path: PathBuf,
    _guard: Box<dyn Any + Send + Sync>,
}

impl Scratch {
    /// A folder that is removed when this guard is dropped.
    pub fn new(path: PathBuf, guard: impl Any + Send + Sync) -> Self {
        Self { path, _guard: Box::new(guard) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scratch").field(&self.path).finish()
    }
}

/// Makes scratch folders: core itself touches no files.
#[derive(Clone)]
pub struct MakeScratch(Arc<dyn Fn() -> Result<Scratch> + Send + Sync>);

impl MakeScratch {
    /// Makes folders by this.
    pub fn new(make: impl Fn() -> Result<Scratch> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// Makes one, empty.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) where it cannot be made.
    pub fn make(&self) -> Result<Scratch> {
        (self.0)()
    }
}

impl fmt::Debug for MakeScratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MakeScratch")
    }
}
