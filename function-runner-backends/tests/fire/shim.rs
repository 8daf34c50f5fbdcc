//! The library that stands between a child and its files: built here, told through a file what to do.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::child::Start;

/// The library, built once per program.
fn library() -> PathBuf {
    static BUILT: OnceLock<TempDir> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("shim.c");
        fs::write(&source, include_str!("shim.c")).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-o"]).arg(folder.path().join("shim.so")).arg(&source);
        let built = compiler.args(["-ldl", "-lpthread"]).output();
        let built = built.unwrap_or_else(|error| panic!("cc: {error}; install build-essential"));
        let errors = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "the shim was not built; install build-essential\n{errors}");
        folder
    });
    folder.path().join("shim.so")
}

/// Which calls a fault counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

impl Kinds {
    pub(crate) const WRITES: Self = Self(1);
    /// Everything that changes a file, makes one, or brings it to the disk.
    pub(crate) const ALL: Self = Self(15);
}

/// A call that fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) error: Errno,
    /// From 1 on.
    pub(crate) call: i64,
    pub(crate) kinds: Kinds,
    /// All calls after it fail too, until the fault is gone.
    pub(crate) lasting: bool,
    /// A write that fails has written half of its bytes.
    pub(crate) torn: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errno {
    /// `EIO`: the device failed.
    Broken = 5,
    /// `ENOSPC`: the disk is full.
    Full = 28,
}

/// What the library is told and tells, in a file that both sides see. The layout stands in `shim.c`.
#[derive(Debug)]
pub(crate) struct Control(File);

impl Control {
    pub(crate) fn create(path: &Path) -> Self {
        fs::write(path, [0; 64]).unwrap();
        Self::open(path)
    }

    pub(crate) fn open(path: &Path) -> Self {
        Self(OpenOptions::new().read(true).write(true).open(path).unwrap())
    }

    /// Counts from now on, and fails what this says.
    pub(crate) fn fail(&self, fault: &Fault) {
        self.clear();
        self.set(2, i64::from(fault.lasting));
        self.set(3, i64::from(fault.kinds.0));
        self.set(4, i64::from(fault.torn));
        self.set(1, fault.call);
        self.set(0, fault.error as i64);
    }

    /// Nothing fails any more.
    pub(crate) fn mend(&self) {
        self.set(0, 0);
    }

    /// How many calls were failed since [`fail`](Self::fail).
    pub(crate) fn failed(&self) -> i64 {
        self.number(6)
    }

    /// How many calls of the chosen kinds there were since.
    pub(crate) fn seen(&self) -> i64 {
        self.number(5)
    }

    /// Sets the wall clock of whoever shares this: so many seconds ahead of the machine's.
    pub(crate) fn set_clock(&self, ahead: i64) {
        self.set(7, ahead);
    }

    fn clear(&self) {
        (0..7).for_each(|place| self.set(place, 0));
    }

    fn set(&self, place: u64, number: i64) {
        self.0.write_all_at(&number.to_ne_bytes(), place * 8).unwrap();
    }

    fn number(&self, place: u64) -> i64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, place * 8).unwrap();
        i64::from_ne_bytes(bytes)
    }
}

/// A folder for files whose faults are all made up: in memory, where syncs cost nothing, if there is such a place.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A child whose files under this folder go through the shim.
pub(crate) fn shimmed(start: Start, folder: &Path) -> Start {
    start.with("LD_PRELOAD", library()).with("FIRE_FOLDER", folder)
}

/// Where a shimmed child finds its control.
pub(crate) const CONTROL: &str = "FIRE_CONTROL";

/// Where the shim writes down what the child does to its files.
pub(crate) const RECORD: &str = "FIRE_RECORD";
