//! Forgetting files that nobody used for long: in bounded steps, and never one that is being put or renewed.

use std::{
    fs::{self, File, FileTimes, ReadDir},
    io,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, SystemTime},
};

/// How many files one step looks at, at most.
const STEP: usize = 64;

/// How many folders there are: one for each of the two characters that digests begin with, and that of arrivals.
const FOLDERS: usize = 257;

/// What forgets the files of one artifact folder, as far as it has come.
///
/// Whoever puts or uses a file holds the folder's lock with others, whoever removes one holds it alone: so no file
/// goes between the moment in which it was found old and that in which it is new again. The lock is the system's own,
/// on a file beside the content, so it counts between processes.
#[derive(Debug)]
pub(super) struct Sweep {
    folder: PathBuf,
    /// What nobody used for so long goes.
    unused: Duration,
    at: Mutex<At>,
}

/// Where the next step goes on.
#[derive(Debug)]
struct At {
    folder: usize,
    files: Option<ReadDir>,
}

impl Sweep {
    pub(super) fn new(folder: &Path, unused: Duration) -> Self {
        // programs that live for a moment would else look at the first files alone
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at = At { folder: now.subsec_micros() as usize % FOLDERS, files: None };
        Self { folder: folder.to_owned(), unused, at: Mutex::new(at) }
    }

    /// Does this while no file goes.
    pub(super) fn keeping<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let lock = self.lock()?;
        // where the system knows no such locks nobody removes anything either
        let held = lock.lock_shared();
        let done = work();
        if held.is_ok() {
            // closing the file gives it back as well
            let _ = lock.unlock();
        }
        done
    }

    /// Marks a file as used now. A folder of somebody else's is read all the same, so this may fail.
    pub(super) fn renew(&self, path: &Path) {
        let renewed = self.keeping(|| {
            let file = File::options().read(true).write(cfg!(windows)).open(path)?;
            file.set_times(FileTimes::new().set_modified(SystemTime::now()))
        });
        // what is not there is told by whoever reads it
        drop(renewed);
    }

    /// Looks at the next few files, of one round at most, and removes those that are due. What cannot be read or
    /// removed is passed over: whoever may, will.
    pub(super) fn step(&self) {
        // another thread is at it
        let Ok(mut at) = self.at.try_lock() else { return };
        let (mut files, mut ends) = (0, 0);
        while files < STEP && ends <= FOLDERS {
            let Some(path) = self.next(&mut at) else {
                ends += 1;
                continue;
            };
            files += 1;
            if self.is_due(&path) {
                self.remove(&path);
            }
        }
    }

    /// The next file; none at the end of a folder, behind which another begins.
    fn next(&self, at: &mut At) -> Option<PathBuf> {
        if at.files.is_none() {
            at.files = fs::read_dir(self.place(at.folder)).ok();
            at.folder = (at.folder + 1) % FOLDERS;
        }
        let next = at.files.as_mut()?.next();
        if next.is_none() {
            at.files = None;
        }
        next?.ok().map(|entry| entry.path())
    }

    fn place(&self, folder: usize) -> PathBuf {
        match folder {
            0..256 => self.folder.join("sha256").join(format!("{folder:02x}")),
            // uploads whose process died
            _ => self.folder.join("arriving"),
        }
    }

    fn is_due(&self, path: &Path) -> bool {
        let modified = fs::symlink_metadata(path).and_then(|file| file.modified());
        // one that was modified in the future is new
        modified.is_ok_and(|at| at.elapsed().is_ok_and(|unused| unused > self.unused))
    }

    fn remove(&self, path: &Path) {
        let Ok(lock) = self.lock() else { return };
        // somebody puts or uses a file: the next round is soon enough
        if lock.try_lock().is_ok() && self.is_due(path) {
            let _ = fs::remove_file(path);
        }
    }

    fn lock(&self) -> io::Result<File> {
        File::options().create(true).truncate(false).write(true).open(self.folder.join("lock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn aged(path: PathBuf, age: Duration) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::create(&path).unwrap();
        file.set_times(FileTimes::new().set_modified(SystemTime::now() - age)).unwrap();
        path
    }

    #[test]
    fn what_nobody_used_for_long_goes_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let old = aged(folder.path().join("sha256/00/old"), DAY * 9);
        let last = aged(folder.path().join("sha256/ff/old"), DAY * 9);
        let torn = aged(folder.path().join("arriving/torn"), DAY * 9);
        let new = aged(folder.path().join("sha256/00/new"), DAY * 7);
        let future = File::create(folder.path().join("sha256/00/future")).unwrap();
        future.set_times(FileTimes::new().set_modified(SystemTime::now() + DAY)).unwrap();
        let other = aged(folder.path().join("another's"), DAY * 9);
        let sweep = Sweep::new(folder.path(), DAY * 8);
        sweep.step();
        assert!(!old.exists() && !last.exists() && !torn.exists());
        assert!(new.exists() && other.exists() && folder.path().join("sha256/00/future").exists());
    }

    #[test]
    fn a_step_looks_at_so_many_and_the_next_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<_> =
            (0..STEP + 10).map(|n| aged(folder.path().join(format!("sha256/00/{n}")), DAY * 9)).collect();
        let left = || files.iter().filter(|path| path.exists()).count();
        let sweep = Sweep::new(folder.path(), DAY);
        sweep.step();
        assert_eq!(left(), 10);
        sweep.step();
        assert_eq!(left(), 0);
    }

    #[test]
    fn what_is_renewed_stays_and_nothing_goes_while_somebody_keeps() {
        let folder = tempfile::tempdir().unwrap();
        let path = aged(folder.path().join("sha256/00/file"), DAY * 9);
        let sweep = Sweep::new(folder.path(), DAY);
        sweep
            .keeping(|| {
                sweep.step();
                Ok(())
            })
            .unwrap();
        assert!(path.exists(), "its lock was held");
        sweep.renew(&path);
        sweep.step();
        assert!(path.exists(), "it is new again");
        sweep.renew(&folder.path().join("sha256/00/missing"));
    }
}
