//! A folder in which the program runs, and what it said.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A folder of its own, with temporary files apart.
pub(crate) struct Bench {
    folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// The program, with its temporary files and its queue in this folder.
    pub(crate) fn command(&self) -> Command {
        self.prepared(Command::new(env!("CARGO_BIN_EXE_fnr")))
    }

    pub(crate) fn prepared(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
            .env("TMPDIR", self.path("tmp"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env_remove("FNR_QUEUE");
        // where there is no such folder by the environment, it is found by the home
        command.env("HOME", self.path("home")).env("APPDATA", self.path("data"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let ended = Ended::of(self.command().args(arguments).output().unwrap());
        self.is_clean();
        ended
    }

    /// The same with something on stdin.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // it may refuse before it has read all
        let _ = child.stdin.take().unwrap().write_all(input);
        let ended = Ended::of(child.wait_with_output().unwrap());
        self.is_clean();
        ended
    }

    /// Neither a temporary file nor the beginning of a result was left behind.
    pub(crate) fn is_clean(&self) {
        let names = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let temporary: Vec<_> = names(self.path("tmp")).collect();
        let begun: Vec<_> =
            names(self.path("")).filter(|name| name.to_string_lossy().starts_with(".fnr")).collect();
        assert!(temporary.is_empty() && begun.is_empty(), "left behind: {temporary:?} {begun:?}");
    }
}

/// What the program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// That it ended so, without a panic.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!self.err.contains("panicked"), "{self:#?}");
        self
    }

    /// Its stdout as JSON documents.
    #[track_caller]
    pub(crate) fn documents(&self) -> Vec<Value> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(read).collect()
    }

    /// The last of its JSON documents.
    #[track_caller]
    pub(crate) fn last(&self) -> Value {
        self.documents().pop().unwrap_or_else(|| panic!("no document: {self:#?}"))
    }
}
