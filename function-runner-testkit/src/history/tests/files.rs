//! Logs of many processes: written line by line, torn by a kill, put together.

use std::{fs, path::PathBuf, time::Duration};

use function_runner_core::{ErrorKind, State};

use super::script::{ask, done, leased, rules, sent, standing};
use crate::history::{
    History, Invariant,
    line::{Call, Id, Outcome, Reply, Stored},
};

/// A folder of this test alone.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("history-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn note(history: &History, call: Call, reply: Reply) {
    history.open(call).close(reply);
}

#[test]
fn what_is_written_is_read() {
    let folder = Folder::new("read");
    let (one, other) = (folder.file("one"), folder.file("other"));
    let (caller, worker) = (History::to_file(&one).unwrap(), History::to_file(&other).unwrap());
    note(&caller, Call::Submit(vec![sent("a")]), Reply::Stored(vec![Stored::New]));
    note(&worker, ask("w1"), Reply::Leased(vec![leased("a", 7, 1)]));
    note(&worker, done("a", 7, Outcome::Succeeded), Reply::Finished(vec![Some(State::Succeeded)]));
    note(&caller, Call::Record(Id::new("a")), Reply::Found(standing(State::Succeeded, 2)));
    caller.written().unwrap();
    let together = History::read([&one, &other]).unwrap();
    let summary = together.check(&rules().drained()).unwrap();
    assert_eq!((summary.tasks, summary.calls, summary.leases), (1, 4, 1));
    assert!(summary.checked(Invariant::AtMostOneTerminalEvent) > 0);
}

#[test]
fn a_torn_line_costs_that_line() {
    let folder = Folder::new("torn");
    let file = folder.file("log");
    let history = History::to_file(&file).unwrap();
    note(&history, Call::Submit(vec![sent("a")]), Reply::Stored(vec![Stored::New]));
    let whole = fs::read(&file).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    for length in ends[0]..=whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        let summary = History::read([&file]).unwrap().check(&rules()).unwrap();
        assert_eq!(summary.calls, u64::from(length >= ends[1]), "at {length} of {}", whole.len());
        let answered = length >= ends[2];
        assert_eq!(summary.unknown, summary.calls - u64::from(answered), "at {length} of {}", whole.len());
    }
}

#[test]
fn a_process_that_starts_again_goes_on_behind_a_torn_line() {
    let folder = Folder::new("again");
    let file = folder.file("log");
    note(&History::to_file(&file).unwrap(), Call::Lanes, Reply::Lanes { waiting: 0, running: 0 });
    let mut whole = fs::read(&file).unwrap();
    whole.truncate(whole.len() - 5);
    fs::write(&file, &whole).unwrap();
    note(&History::to_file(&file).unwrap(), Call::Lanes, Reply::Lanes { waiting: 0, running: 0 });
    let summary = History::read([&file]).unwrap().check(&rules()).unwrap();
    assert_eq!((summary.calls, summary.unknown), (2, 1));
}

#[test]
fn what_is_no_log_is_refused() {
    let folder = Folder::new("refused");
    let file = folder.file("log");
    let kind = |text: &str| {
        fs::write(&file, text).unwrap();
        History::read([&file]).unwrap_err().kind()
    };
    assert_eq!(kind("hello\n{\"format\":[1,1]}\n"), ErrorKind::Corrupt);
    assert_eq!(
        kind("{\"format\":[1,1]}\nhello\n{\"came\":{\"n\":0,\"at\":0,\"to\":\"ok\"}}\n"),
        ErrorKind::Corrupt
    );
    assert_eq!(kind("{\"format\":[2,1]}\n"), ErrorKind::Unsupported);
    assert_eq!(History::read([folder.file("none")]).unwrap_err().kind(), ErrorKind::Io);
}

/// What two logs say of the same moment is concurrent, whichever line has the lower time.
#[test]
fn logs_that_are_close_together_accuse_nobody() {
    let folder = Folder::new("close");
    let (one, other) = (folder.file("one"), folder.file("other"));
    let (caller, reader) = (History::to_file(&one).unwrap(), History::to_file(&other).unwrap());
    note(&caller, Call::Submit(vec![sent("a")]), Reply::Stored(vec![Stored::New]));
    let unknown = Reply::Refused { kind: Id::new("unknown_task"), task: None };
    // the clock of one may be a little behind the other's: the last of many is later all the same
    (0..200).for_each(|_| note(&reader, Call::Record(Id::new("a")), unknown.clone()));
    let together = History::read([&one, &other]).unwrap();
    together.check(&rules().skew(Duration::from_secs(600))).unwrap();
    let violation = together.check(&rules().skew(Duration::ZERO)).unwrap_err();
    assert_eq!(violation.invariant(), Invariant::AcknowledgedSubmitIsKept);
}
