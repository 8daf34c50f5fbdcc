//! Rows on their way from the filter to the encoder: on one thread by a call, on more through a short pipe.

use std::{
    mem,
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
};

use super::{error::EnlargeError, watched::Stopped};

/// Batches that may wait in the pipe; with the one being made and the one being written that is four.
const PIPE: usize = 2;

/// Fills its argument with the next rows; leaves it empty at the end.
type Make<'a> = dyn FnMut(&mut Vec<u8>) -> Result<(), EnlargeError> + 'a;

/// The encoder's end.
pub(super) struct Feed<'a> {
    supply: Supply<'a>,
    progress: Progress<'a>,
    batch: Vec<u8>,
    used: usize,
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

pub(super) fn pipe() -> (Filler, Pipe) {
    let (full, filled) = sync_channel(PIPE);
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
        Self { supply: Supply::Made(make), progress, batch: Vec::new(), used: 0 }
    }

    pub(super) fn piped(pipe: Pipe, progress: Progress<'a>) -> Self {
        Self { supply: Supply::Piped(pipe), progress, batch: Vec::new(), used: 0 }
    }

    /// The next rows, several at a time.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, EnlargeError> {
        self.used = 0;
        match &mut self.supply {
            Supply::Made(make) => make(&mut self.batch)?,
            Supply::Piped(pipe) => pipe.next(&mut self.batch)?,
        }
        if self.batch.is_empty() {
            return Ok(None);
        }
        self.progress.add(self.batch.len())?;
        Ok(Some(&self.batch))
    }

    /// The next row; past the last one it leaves the row as it was.
    pub(super) fn read_row(&mut self, row: &mut [u8]) -> Result<(), EnlargeError> {
        if self.used == self.batch.len() && self.next()?.is_none() {
            return Ok(());
        }
        row.copy_from_slice(&self.batch[self.used..][..row.len()]);
        self.used += row.len();
        Ok(())
    }
}

impl Pipe {
    fn next(&mut self, batch: &mut Vec<u8>) -> Result<(), EnlargeError> {
        // A filler that is gone without a word has panicked, and its thread's scope says so.
        let filled = self.full.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
        let _ = self.empty.send(mem::replace(batch, filled));
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
