//! A reader that remembers what happened to it, because decoders forget, and that stops when asked.

use std::{
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{error::EnlargeError, format::Format};

/// Asks whether to stop.
pub(super) type Stopped<'a> = &'a (dyn Fn() -> bool + Sync);

const BUFFER: usize = 64 * 1024;

/// What happened to a reader, readable while a decoder owns it.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ended: AtomicBool,
    overrun: AtomicBool,
    stopped: AtomicBool,
    error: Mutex<Option<io::Error>>,
    budget: AtomicU64,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            ended: AtomicBool::new(false),
            overrun: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            error: Mutex::new(None),
            budget: AtomicU64::new(u64::MAX),
        }
    }
}

impl Notes {
    /// The true cause of a decoder's error: what the reader met, else the file's end, else `otherwise`.
    pub(super) fn cause(&self, format: Format, otherwise: EnlargeError) -> EnlargeError {
        if self.0.stopped.load(Ordering::Relaxed) {
            return EnlargeError::Stopped;
        }
        if let Some(error) = self.0.error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return EnlargeError::Read(error);
        }
        if self.0.ended.load(Ordering::Relaxed) {
            return EnlargeError::Truncated { format };
        }
        otherwise
    }

    /// Whether a decoder looked for more where there was none, which is no more than a last try for some of them.
    pub(super) fn overrun(&self) -> bool {
        self.0.overrun.load(Ordering::Relaxed)
    }

    /// From now on at most so many bytes may be read; what a decoder keeps of a header is bounded by it.
    pub(super) fn allow(&self, bytes: u64) {
        self.0.budget.store(bytes, Ordering::Relaxed);
    }
}

/// A buffered reader, as decoders want it.
pub(super) struct Watched<'a, R> {
    inner: BufReader<Gate<'a, R>>,
    notes: Notes,
    /// Kept here because asking the source for it is a system call.
    position: u64,
}

impl<'a, R: Read + Seek> Watched<'a, R> {
    /// The source stands at its start.
    pub(super) fn new(source: R, stopped: Stopped<'a>) -> (Self, Notes) {
        let notes = Notes::default();
        let gate = Gate { source, stopped, notes: notes.clone() };
        (Self { inner: BufReader::with_capacity(BUFFER, gate), notes: notes.clone(), position: 0 }, notes)
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl<R: Read> BufRead for Watched<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.inner.fill_buf()?;
        if bytes.is_empty() {
            self.notes.0.overrun.store(true, Ordering::Relaxed);
        }
        Ok(bytes)
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
        self.position += amount as u64;
    }
}

impl<R: Read + Seek> Seek for Watched<'_, R> {
    /// Keeps the buffer on small steps: the JPEG decoder takes back a few bytes again and again.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Current(step) => {
                self.inner.seek_relative(step)?;
                self.position.saturating_add_signed(step)
            }
            to => self.inner.seek(to)?,
        };
        Ok(self.position)
    }
}

/// The unbuffered side, entered once per buffer.
struct Gate<'a, R> {
    source: R,
    stopped: Stopped<'a>,
    notes: Notes,
}

impl<R: Read> Read for Gate<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let notes = &self.notes.0;
        if (self.stopped)() {
            notes.stopped.store(true, Ordering::Relaxed);
            return Err(io::Error::other("stopped"));
        }
        let left = notes.budget.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::Error::other("too many bytes before the image"));
        }
        let read = match self.source.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let twin = io::Error::new(error.kind(), error.to_string());
                *notes.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                return Err(twin);
            }
            Ok(read) => read,
        };
        if read == 0 && !buffer.is_empty() {
            notes.ended.store(true, Ordering::Relaxed);
        }
        if left != u64::MAX {
            notes.budget.store(left.saturating_sub(read as u64), Ordering::Relaxed);
        }
        Ok(read)
    }
}

impl<R: Seek> Seek for Gate<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.source.seek(to)
    }
}
