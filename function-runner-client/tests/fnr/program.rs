//! A program that runs beside the test, heard line by line.

use std::{
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::Value;

/// A program that prints JSON documents; it is killed with the test.
pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next document of this kind; those before are passed over.
    #[track_caller]
    pub(crate) fn next(&mut self, kind: &str) -> Value {
        let mut seen = Vec::new();
        for line in self.lines.by_ref() {
            let document: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if document["kind"] == kind {
                return document;
            }
            seen.push(document);
        }
        panic!("it ended without `{kind}`, having said {seen:?}");
    }

    /// Sends a signal, such as `-TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Hears it to its end, and gives its exit code.
    pub(crate) fn ends(mut self) -> Option<i32> {
        self.lines.by_ref().for_each(drop);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // it may have ended
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
