//! Rows on their way from the filter to the encoder: on one thread by a call, on more through a short pipe.

use std::{
    mem,
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
};

use super::{error::EnlargeError, watched::Stopped};

/// The encoder gets about so many bytes at a time, so that it hears of a stop in the midst of a large batch.
const PIECE: usize = 1 << 20;

/// Fills its argument with the next rows; leaves it empty at the end.
type Make<'a> = dyn FnMut(&mut Vec<u8>) -> Result<(), EnlargeError> + 'a;

/// The encoder's end.
pub(super) struct Feed<'a> {
    supply: Supply<'a>,
    progress: Progress<'a>,
    batch: Vec<u8>,
    /// How much of the batch the encoder has taken, and how much of it there is to take.
    used: usize,
    open: usize,
}

enum Supply<'a> {
    Made(&'a mut Make<'a>),
    Piped(Pipe),
}

/// Who is told how many rows went to the encoder, and asked whether to go on.
pub(super) struct Progress<'a> {
    pub(super) stopped: Stopped<'a>,
    pub(super) report: &'a mut dyn FnMut(u32, u32),
    pub(super) line: usize,
    pub(super) rows: u32,
    pub(super) done: u32,
}

/// The near end of a pipe; what has been read goes back to be filled again.
pub(super) struct Pipe {
    full: Receiver<Result<Vec<u8>, EnlargeError>>,
    empty: Sender<Vec<u8>>,
}

/// The far end of a pipe.
pub(super) struct Filler {
    full: SyncSender<Result<Vec<u8>, EnlargeError>>,
    empty: Receiver<Vec<u8>>,
}

/// A pipe in which so many batches may wait; with the one being made and the one being written there are two more.
pub(super) fn pipe(depth: usize) -> (Filler, Pipe) {
    let (full, filled) = sync_channel(depth);
    let (emptied, empty) = channel();
    (Filler { full, empty }, Pipe { full: filled, empty: emptied })
}

impl Filler {
    /// Sends batches until the last one, an error, or until nobody reads any more.
    pub(super) fn run(self, mut make: impl FnMut(&mut Vec<u8>) -> Result<(), EnlargeError>) {
        loop {
            let mut batch = self.empty.try_recv().unwrap_or_default();
            let made = make(&mut batch).map(|()| batch);
            let more = made.as_ref().is_ok_and(|batch| !batch.is_empty());
            if self.full.send(made).is_err() || !more {
                return;
            }
        }
    }
}

impl<'a> Feed<'a> {
    pub(super) fn made(make: &'a mut Make<'a>, progress: Progress<'a>) -> Self {
        Self { supply: Supply::Made(make), progress, batch: Vec::new(), used: 0, open: 0 }
    }

    pub(super) fn piped(pipe: Pipe, progress: Progress<'a>) -> Self {
        Self { supply: Supply::Piped(pipe), progress, batch: Vec::new(), used: 0, open: 0 }
    }

    /// The next rows, several at a time.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, EnlargeError> {
        if !self.advance()? {
            return Ok(None);
        }
        let from = mem::replace(&mut self.used, self.open);
        Ok(Some(&self.batch[from..self.open]))
    }

    /// The next row; past the last one it leaves the row as it was.
    pub(super) fn read_row(&mut self, row: &mut [u8]) -> Result<(), EnlargeError> {
        if self.used == self.open && !self.advance()? {
            return Ok(());
        }
        row.copy_from_slice(&self.batch[self.used..][..row.len()]);
        self.used += row.len();
        Ok(())
    }

    /// Opens the next piece, of the next batch where this one is used up; `false` at the end.
    fn advance(&mut self) -> Result<bool, EnlargeError> {
        if self.open == self.batch.len() {
            (self.used, self.open) = (0, 0);
            match &mut self.supply {
                Supply::Made(make) => make(&mut self.batch)?,
                Supply::Piped(pipe) => pipe.next(&mut self.batch)?,
            }
        }
        let line = self.progress.line;
        let piece = (PIECE / line).max(1) * line;
        let opened = piece.min(self.batch.len() - self.open);
        self.open += opened;
        if opened > 0 {
            self.progress.add(opened)?;
        }
        Ok(opened > 0)
    }
}

impl Pipe {
    fn next(&mut self, batch: &mut Vec<u8>) -> Result<(), EnlargeError> {
        // First, so that the filler finds it when it goes on.
        let _ = self.empty.send(mem::take(batch));
        // A filler that is gone without a word has panicked, and its thread's scope says so.
        *batch = self.full.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
        Ok(())
    }
}

impl Progress<'_> {
    fn add(&mut self, bytes: usize) -> Result<(), EnlargeError> {
        if (self.stopped)() {
            return Err(EnlargeError::Stopped);
        }
        self.done += (bytes / self.line) as u32;
        (self.report)(self.done, self.rows);
        Ok(())
    }
}
