//! A watch whose connection breaks: cut off, or made again from what was seen.

use std::sync::Arc;

use function_runner_core::{Event, EventKind, EventStream, Executor, Result, Seen, TaskId, turn_of};
use futures::{StreamExt as _, stream};

use super::{Fault, plan::Struck};

/// A watch over a bad network, from its first connection on.
pub(super) fn follow<E: Executor>(
    inner: Arc<E>,
    struck: Struck,
    events: EventStream,
    id: TaskId,
    seen: Seen,
) -> EventStream {
    let breaks = struck.breaks(0);
    let first = Following { inner, struck, events, id, seen, breaks, items: 0, round: 0, ended: false };
    stream::unfold(first, |mut following| async {
        let item = following.next().await?;
        Some((item, following))
    })
    .boxed()
}

struct Following<E> {
    inner: Arc<E>,
    struck: Struck,
    events: EventStream,
    id: TaskId,
    /// Where its reader is.
    seen: Seen,
    /// What breaks this connection, and where.
    breaks: Option<Fault>,
    /// How many items this connection gave.
    items: u64,
    /// How many connections broke before.
    round: u64,
    ended: bool,
}

impl<E: Executor> Following<E> {
    async fn next(&mut self) -> Option<Result<Event>> {
        if self.ended {
            return None;
        }
        while let Some(fault) = self.breaks.filter(|fault| self.is_due(*fault)) {
            self.breaks = None;
            let Some(planted) = self.struck.strike(fault) else { break };
            if matches!(fault, Fault::Cut { .. }) {
                self.ended = true;
                return Some(Err(planted.error().with_task(&self.id)));
            }
            if let Err(error) = self.connect().await {
                self.ended = true;
                return Some(Err(error));
            }
        }
        let item = self.events.next().await;
        match &item {
            Some(Ok(event)) => {
                self.items += 1;
                move_on(&mut self.seen, event);
                // whoever heard the end needs no connection any more
                self.ended = event.is_terminal();
            }
            Some(Err(_)) | None => self.ended = true,
        }
        item
    }

    fn is_due(&self, fault: Fault) -> bool {
        matches!(fault, Fault::Cut { after } | Fault::Reconnected { after } if after <= self.items)
    }

    /// Connects anew, after a gap in which nothing is heard.
    async fn connect(&mut self) -> Result<()> {
        self.events = stream::empty().boxed();
        self.struck.gap(self.round).await;
        self.events = self.inner.watch(&self.id, self.seen).await?;
        self.round += 1;
        self.items = 0;
        self.breaks = self.struck.breaks(self.round);
        Ok(())
    }
}

/// Where a reader is after this item: the latest number, and the parts of its turn.
pub(super) fn move_on(seen: &mut Seen, event: &Event) {
    let turn = turn_of(event.seq);
    if turn > turn_of(seen.seq) {
        seen.parts = 0;
    }
    seen.seq = seen.seq.max(event.seq);
    if let EventKind::OutputPart { turn, index, .. } = event.kind
        && turn == turn_of(seen.seq)
    {
        seen.parts = index + 1;
    }
}
