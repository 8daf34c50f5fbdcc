//! The shim and the replay on a plain file: what they say of a process and of a disk is so.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    process,
    sync::mpsc,
};

use function_runner_testkit::seeds;
use tempfile::TempDir;

use crate::{
    child::{Child, Start, say, told},
    dice::Dice,
    record::{Change, Record, Step},
    replay::{Disk, Loss},
    shim::{CONTROL, Control, Errno, Fault, Kinds, RECORD, shimmed},
};

/// The child: does to a file what its parent tells, and says how that went.
pub(crate) fn play() {
    let (heard, lines) = mpsc::channel();
    told(move |line| _ = heard.send(line));
    let path = std::env::var("FIRE_PLAIN").unwrap();
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path).unwrap();
    say("ready");
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let done = match words[..] {
            ["write", offset, text] => file.write_all_at(text.as_bytes(), offset.parse().unwrap()),
            ["sync"] => file.sync_all(),
            ["cut", length] => file.set_len(length.parse().unwrap()),
            _ => process::exit(0),
        };
        match done {
            Ok(()) => say("done"),
            Err(error) => say(format_args!("failed {}", error.raw_os_error().unwrap())),
        }
    }
}

/// A child on one plain file.
struct Plain {
    folder: TempDir,
    control: Control,
    child: Child,
}

impl Plain {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("files");
        fs::create_dir(&files).unwrap();
        let control = Control::create(&folder.path().join("control"));
        let start = shimmed(Start::new("plain", folder.path(), "plain"), &files)
            .with("FIRE_PLAIN", files.join("a"))
            .with(CONTROL, folder.path().join("control"))
            .with(RECORD, folder.path().join("record"));
        let mut child = start.go();
        child.is_ready();
        Self { folder, control, child }
    }

    fn does(&mut self, what: &str) -> Result<(), i32> {
        self.child.tell(what);
        let said = self.child.hears("");
        said.strip_prefix("failed ").map_or(Ok(()), |errno| Err(errno.parse().unwrap()))
    }

    fn file(&self) -> io::Result<Vec<u8>> {
        fs::read(self.folder.path().join("files/a"))
    }

    fn record(&self) -> Record {
        Record::read(&self.folder.path().join("record"))
    }
}

#[test]
fn a_call_fails_as_told_and_the_others_do_not() {
    let mut plain = Plain::new();
    let once = Fault { error: Errno::Full, call: 2, kinds: Kinds::WRITES, lasting: false, torn: false };
    plain.control.fail(&once);
    assert_eq!(plain.does("write 0 first"), Ok(()));
    assert_eq!(plain.does("sync"), Ok(()), "it is no write");
    assert_eq!(plain.does("write 5 second"), Err(28));
    assert_eq!(plain.does("write 5 third"), Ok(()));
    assert_eq!((plain.control.seen(), plain.control.failed()), (3, 1));
    assert_eq!(plain.file().unwrap(), b"firstthird");

    let lasting = Fault { error: Errno::Broken, call: 1, kinds: Kinds::ALL, lasting: true, torn: true };
    plain.control.fail(&lasting);
    assert_eq!(plain.does("sync"), Err(5));
    assert_eq!(plain.does("cut 3"), Err(5));
    assert_eq!(plain.does("write 0 ABCD"), Err(5));
    assert_eq!(plain.file().unwrap(), b"ABrstthird", "half of it was written");
    plain.control.mend();
    assert_eq!(plain.does("cut 3"), Ok(()));
    assert_eq!(plain.file().unwrap(), b"ABr");
    plain.child.tell("end");
    plain.child.ends_well();
}

#[test]
fn a_record_tells_what_became_of_a_file() {
    let mut plain = Plain::new();
    for step in ["write 0 hello", "sync", "write 600 far", "cut 602", "sync"] {
        assert_eq!(plain.does(step), Ok(()));
    }
    plain.child.signal(rustix::process::Signal::KILL);
    plain.child.wait();
    let record = plain.record();
    let changes: Vec<&Change> = record.steps().iter().map(|step| &step.change).collect();
    assert!(matches!(
        changes[..],
        [
            Change::Created,
            Change::Wrote { offset: 0, .. },
            Change::Synced,
            Change::Wrote { offset: 600, .. },
            Change::Cut { length: 602 },
            Change::Synced
        ]
    ));
    let mut disk = Disk::default();
    record.steps().iter().for_each(|step| disk.apply(step));
    assert_eq!(disk.now("a"), plain.file().unwrap());
}

fn step(change: Change) -> Step {
    Step { path: "a".to_owned(), change }
}

/// What a cut leaves of file `a`, nothing where it is not even listed.
fn left(disk: &Disk, loss: Loss, seed: u64) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    disk.cut(&["a"], loss, &mut Dice::new(seed), folder.path());
    fs::read(folder.path().join("a")).ok()
}

#[test]
fn what_was_synced_outlives_every_cut() {
    let folder = Step { path: String::new(), change: Change::Synced };
    let wrote = |offset, byte: u8| step(Change::Wrote { offset, bytes: vec![byte; 3000] });
    let mut disk = Disk::default();
    [step(Change::Created), folder, wrote(0, 1), step(Change::Synced)]
        .iter()
        .for_each(|step| disk.apply(step));
    let synced = vec![1; 3000];
    disk.apply(&wrote(3000, 2));
    let mut torn = 0;
    seeds(0..200, |seed| {
        for loss in Loss::ANY {
            let left = left(&disk, loss, seed).unwrap();
            assert!(left.starts_with(&synced), "{loss:?} lost what was synced");
            let later = left[3000..].iter().filter(|byte| **byte == 2).count();
            torn += usize::from(later > 0 && later < 3000 && loss == Loss::Sectors);
            match loss {
                Loss::All => assert_eq!(left.len(), 3000),
                Loss::None => assert_eq!(later, 3000),
                _ => assert!(later <= 3000),
            }
        }
    });
    assert!(torn > 0 || std::env::var_os("FUNCTION_RUNNER_SEED").is_some(), "no write was torn");
}

#[test]
fn a_file_that_no_folder_was_synced_for_may_be_gone() {
    let mut disk = Disk::default();
    let made =
        [step(Change::Created), step(Change::Wrote { offset: 0, bytes: vec![1] }), step(Change::Synced)];
    made.iter().for_each(|step| disk.apply(step));
    assert_eq!(left(&disk, Loss::All, 0), None);
    assert_eq!(left(&disk, Loss::None, 0), Some(vec![1]));
    disk.apply(&Step { path: String::new(), change: Change::Synced });
    assert_eq!(left(&disk, Loss::All, 0), Some(vec![1]));
    disk.apply(&step(Change::Removed));
    assert_eq!(left(&disk, Loss::None, 0), None);
    assert_eq!(left(&disk, Loss::All, 0), Some(vec![1]), "its removal was not synced");
    disk.apply(&step(Change::Created));
    assert_eq!(left(&disk, Loss::None, 0), Some(Vec::new()), "a new file of an old name");
}
