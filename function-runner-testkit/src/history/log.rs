//! Where a history is kept: in memory, and in a file that a `kill -9` costs its last line at most.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use function_runner_core::{Error, ErrorKind, Result};

use super::{
    entry::{Entry, Moment},
    line::{Call, Event, FORMAT, Line, Reply},
};

/// Everything noted so far.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) entries: Vec<Entry>,
    /// How many logs it was read from; 1 where it was noted here.
    pub(super) logs: u32,
    lines: u64,
    file: Option<File>,
    failed: Option<io::Error>,
}

impl Log {
    pub(super) fn in_memory() -> Self {
        Self { logs: 1, ..Self::default() }
    }

    pub(super) fn in_file(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let torn = file.seek(SeekFrom::End(-1)).is_ok() && {
            let mut last = [0];
            file.read_exact(&mut last)?;
            last != *b"\n"
        };
        let mut log = Self { file: Some(file), ..Self::in_memory() };
        if torn {
            // the process before was killed in the middle of a line
            log.append(b"\n".to_vec());
        }
        log.write(&Line::Format(FORMAT, std::process::id()));
        log.failed.take().map_or(Ok(log), Err)
    }

    pub(super) fn called(&mut self, at: u64, call: Call) -> u64 {
        let number = self.entries.len() as u64;
        if self.file.is_some() {
            self.write(&Line::Called { n: number, at, call: call.clone() });
        }
        let start = self.moment(at);
        self.entries.push(Entry::called(number, 0, start, call));
        number
    }

    pub(super) fn came(&mut self, n: u64, at: u64, to: Reply) {
        if self.file.is_some() {
            self.write(&Line::Came { n, at, to: to.clone() });
        }
        let end = self.moment(at);
        if let Some(entry) = self.entries.get_mut(n as usize) {
            entry.came(end, to);
        }
    }

    pub(super) fn gave(&mut self, watch: u64, at: u64, event: Event) {
        if self.file.is_some() {
            self.write(&Line::Gave { n: watch, at, event: event.clone() });
        }
        let (number, at) = (self.entries.len() as u64, self.moment(at));
        self.entries.push(Entry::gave(number, 0, at, watch, event));
    }

    /// What kept a line from its file.
    pub(super) const fn failed(&self) -> Option<&io::Error> {
        self.failed.as_ref()
    }

    fn moment(&mut self, at: u64) -> Moment {
        self.lines += 1;
        Moment { at, line: self.lines }
    }

    fn write(&mut self, line: &Line) {
        match serde_json::to_vec(line) {
            Ok(mut bytes) => {
                bytes.push(b'\n');
                self.append(bytes);
            }
            Err(error) => self.failed = self.failed.take().or(Some(error.into())),
        }
    }

    /// One write per line and no buffer of ours: what was written outlives this process.
    fn append(&mut self, bytes: Vec<u8>) {
        if let Some(Err(error)) = self.file.as_mut().map(|file| file.write_all(&bytes)) {
            self.failed = self.failed.take().or(Some(error));
        }
    }
}

impl Log {
    /// What these files hold, in the order of their clocks.
    pub(super) fn read(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Self> {
        let mut log = Self::default();
        for path in paths {
            log.add(path.as_ref())?;
        }
        // stable: lines of one log stay in their order
        log.entries.sort_by_key(|entry| entry.start.at);
        Ok(log)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let context = |error: Error| error.with_context("file", path.display());
        let bytes = fs::read(path).map_err(|error| {
            context(Error::new(ErrorKind::Io, "the log of a history cannot be read").with_source(error))
        })?;
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        let lines: Vec<serde_json::Result<Line>> = lines.into_iter().map(serde_json::from_slice).collect();
        // call numbers of the process that is read, and the entries they have become
        let mut calls: Option<HashMap<u64, usize>> = None;
        for (index, line) in lines.iter().enumerate() {
            match (line, &mut calls) {
                (Ok(Line::Format(FORMAT, _)), calls) => {
                    *calls = Some(HashMap::new());
                    self.logs += 1;
                }
                (Ok(Line::Format(other, _)), _) => {
                    let message =
                        format!("the log has format {other}, and this version reads format {FORMAT}");
                    let error = Error::new(ErrorKind::Unsupported, message);
                    return Err(context(error.with_help("read it with the version that wrote it")));
                }
                (Ok(line), Some(calls)) => self.take(line, calls),
                // torn by a kill: it is the last of its process
                (Err(_), Some(_)) if matches!(lines.get(index + 1), None | Some(Ok(Line::Format(..)))) => {}
                (Err(_), _) | (Ok(_), None) => {
                    let message = format!("line {} of the log is none", index + 1);
                    let error = Error::new(ErrorKind::Corrupt, message);
                    return Err(context(error.with_help("give only files that `History::to_file` wrote")));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, line: &Line, calls: &mut HashMap<u64, usize>) {
        let (number, log) = (self.entries.len() as u64, self.logs - 1);
        match line.clone() {
            Line::Format(..) => {}
            Line::Called { n, at, call } => {
                calls.insert(n, self.entries.len());
                let start = self.moment(at);
                self.entries.push(Entry::called(number, log, start, call));
            }
            Line::Came { n, at, to } => {
                let end = self.moment(at);
                if let Some(entry) = calls.get(&n).and_then(|at| self.entries.get_mut(*at)) {
                    entry.came(end, to);
                }
            }
            Line::Gave { n, at, event } => {
                let at = self.moment(at);
                // a number of its own stands for a watch that the log does not have
                let watch = calls.get(&n).map_or(number, |at| self.entries[*at].number);
                self.entries.push(Entry::gave(number, log, at, watch, event));
            }
        }
    }
}
