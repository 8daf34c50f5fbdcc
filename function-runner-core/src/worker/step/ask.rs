//! The open lease call: there always is one, and it names every lane that could start now.

use std::{mem, time::Duration};

use super::{Action, NEVER, Stage, Steps, lanes::Served};
use crate::{AskedLane, Lane, LeaseReply, LeaseRequest, Result, schedule::lane_cost};

/// How many empty replies in a row may come at once before the next ask waits for the flush time.
const MOST_HASTY: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct Asks {
    /// How many there were; the last one's number.
    calls: u64,
    open: Option<Open>,
    due: Duration,
    /// A beat has to tell the end of this ask before there is another.
    must_tell: u64,
    pub(super) drain_for: Option<Lane>,
    /// Whether more may be free than when the open call was made.
    pub(super) changed: bool,
    hasty: u32,
    /// Of each lane by number, whether the open call names it, and its twin.
    named: Vec<[bool; 2]>,
}

#[derive(Debug)]
struct Open {
    call: u64,
    at: Duration,
    wait: Duration,
    /// Whether it names all that it could at any time.
    is_whole: bool,
    is_empty: bool,
}

/// A lane that may be asked for, by number: itself, its twin, or both.
#[derive(Clone, Copy)]
struct Wanted {
    number: usize,
    plain: bool,
    twin: bool,
}

impl Asks {
    /// The latest ask that has ended, answered or given up.
    pub(super) fn ended(&self) -> u64 {
        self.open.as_ref().map_or(self.calls, |open| open.call - 1)
    }

    /// There may be lanes by now that the open call could not name.
    pub(super) fn widen(&mut self) {
        self.changed = true;
        if let Some(open) = &mut self.open {
            open.is_whole = false;
        }
    }
}

impl Steps {
    pub(super) fn leased(&mut self, call: u64, reply: Result<LeaseReply>) {
        // an answer that crossed its own replacement says nothing about the call that is open
        let open = self.asks.open.take_if(|open| open.call == call);
        let Ok(reply) = reply else {
            if open.is_some() {
                self.fail_ask();
            }
            return;
        };
        if let Some(open) = open {
            self.lanes.rotate();
            if !self.is_stopping() {
                self.asks.drain_for = reply.drain_for;
            }
            if reply.leases.is_empty() {
                self.tell_at_once();
            }
            let hasty = reply.leases.is_empty() && self.now - open.at < self.times.flush;
            self.asks.hasty = if hasty { self.asks.hasty + 1 } else { 0 };
            if self.asks.hasty > MOST_HASTY {
                self.asks.due = self.now.saturating_add(self.times.flush);
            }
        }
        for lease in reply.leases {
            self.admit(lease);
        }
    }

    fn fail_ask(&mut self) {
        self.asks.due = self.now.saturating_add(self.times.retry());
        self.tell_at_once();
    }

    /// An ask brought nothing: there is something to hear of, or its reply was lost on the way.
    fn tell_at_once(&mut self) {
        self.asks.must_tell = self.asks.calls;
        self.beats.due = self.now;
    }

    /// Gives up a call that has not come back long after it should have.
    pub(super) fn give_up_ask(&mut self) {
        if self.asks.open.as_ref().is_some_and(|open| self.overdue(open) <= self.now) {
            self.asks.open = None;
            self.fail_ask();
        }
    }

    pub(super) fn ask(&mut self, actions: &mut Vec<Action>) {
        let due = match &self.asks.open {
            None => self.next_ask() <= self.now,
            Some(open) if self.is_stopping() => !open.is_empty,
            Some(open) => !open.is_whole && self.asks.changed && self.lacks(),
        };
        self.asks.changed = false;
        if due {
            let request = self.request();
            actions.push(Action::Lease(request));
        }
    }

    fn request(&mut self) -> LeaseRequest {
        let wanted = self.wanted();
        let mut open = Open {
            call: self.asks.calls + 1,
            at: self.now,
            wait: Duration::ZERO,
            is_whole: true,
            is_empty: true,
        };
        let (mut lanes, mut would_fit) = (Vec::with_capacity(2 * wanted.len()), Vec::new());
        let mut named = mem::take(&mut self.asks.named);
        named.clear();
        named.resize(self.lanes.len(), [false; 2]);
        {
            let (left, twins) = (self.left_for_new(), !self.seats.has_suspect());
            for Wanted { number, plain, twin } in wanted {
                let Served { lane, twin: its_twin, needs, .. } = self.lanes.get(number);
                let Some(cost) = lane_cost(left.how_many(lane, needs)) else {
                    would_fit.extend(
                        plain.then(|| lane.clone()).into_iter().chain(twin.then(|| its_twin.clone())),
                    );
                    open.is_whole = false;
                    continue;
                };
                let warm = left.is_warm(lane);
                named[number] = [plain, twin && twins];
                open.is_whole &= twins || !twin;
                lanes.extend(plain.then(|| AskedLane { lane: lane.clone(), cost, warm }));
                lanes.extend((twin && twins).then(|| AskedLane { lane: its_twin.clone(), cost, warm }));
            }
        }
        let mut request = LeaseRequest::new(self.info.worker.clone(), open.call, lanes);
        request.would_fit = would_fit;
        open.wait = request.wait;
        open.is_empty = request.lanes.is_empty() && request.would_fit.is_empty();
        self.asks.calls = open.call;
        self.asks.named = named;
        self.asks.open = Some(open);
        request
    }

    /// Whether a lane could start now that the open call does not name.
    fn lacks(&self) -> bool {
        let (left, twins) = (self.left_for_new(), !self.seats.has_suspect());
        self.wanted().into_iter().any(|Wanted { number, plain, twin }| {
            let [has_plain, has_twin] = self.asks.named.get(number).copied().unwrap_or_default();
            let served = self.lanes.get(number);
            (plain && !has_plain || twin && twins && !has_twin)
                && left.how_many(&served.lane, &served.needs) > 0
        })
    }

    /// What an ask may name: all it serves, or what it drains for and nothing else.
    fn wanted(&self) -> Vec<Wanted> {
        if self.is_stopping() {
            return Vec::new();
        }
        if let Some(lane) = &self.asks.drain_for {
            let twin = lane.is_twin();
            let number = self.lanes.number(lane);
            return number.into_iter().map(|number| Wanted { number, plain: !twin, twin }).collect();
        }
        let fits = self.lanes.selected().filter(|&number| self.lanes.get(number).fits_ever);
        fits.map(|number| Wanted { number, plain: true, twin: true }).collect()
    }

    /// When the next ask may be made.
    pub(super) fn next_ask(&self) -> Duration {
        let asks = match self.stage {
            Stage::Working => self.member.joined,
            // an open call hears of cancels; with nothing held there are none
            Stage::Stopping { .. } => self.member.joined && self.seats.open() > 0,
            Stage::Leaving { .. } | Stage::Gone => false,
        };
        match &self.asks.open {
            Some(open) => self.overdue(open),
            None if asks && self.beats.told >= self.asks.must_tell => self.asks.due,
            None => NEVER,
        }
    }

    fn overdue(&self, open: &Open) -> Duration {
        open.at.saturating_add(open.wait).saturating_add(self.times.lease)
    }
}
