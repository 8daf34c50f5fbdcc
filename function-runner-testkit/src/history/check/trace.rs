//! A history in the order in which it can be judged: who named which task, and what was before what.

use std::collections::BTreeMap;

use super::story::Story;
use crate::history::{
    Rules,
    entry::{Entry, Fact},
    line::{Call, Id},
    rules::micros,
};

/// A history, or a part of one, with what it is judged by.
pub(super) struct Trace<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) rules: &'a Rules,
    pub(super) background: &'a Background,
    skew: u64,
}

/// What of the whole history counts for every part of it.
#[derive(Debug, Default)]
pub(super) struct Background {
    /// When workers asked or beat and the store surely heard it: not before the one moment and not after the
    /// other, in order.
    pub(super) worker_calls: Vec<(u64, u64)>,
    /// Asks of these lanes without an answer, by their starts, and when each may have been given something at
    /// the latest.
    pub(super) unsure_asks: Vec<(u64, u64, Vec<Id>)>,
    /// When the history ends.
    pub(super) until: u64,
    /// From when to when a lane may have been paused.
    pauses: Vec<(Id, u64, u64)>,
}

impl Background {
    pub(super) fn of(entries: &[Entry], lease: u64) -> Self {
        let mut background = Self::default();
        for entry in entries {
            let last = entry.end.map_or(entry.start.at, |end| end.at);
            background.until = background.until.max(last);
            let Fact::Call { call, .. } = &entry.fact else { continue };
            match call {
                // one that waits is heard when it begins
                Call::Lease { .. } if entry.is_done() => {
                    background.worker_calls.push((entry.start.at, entry.start.at));
                }
                Call::Lease { lanes, .. } if entry.may_be_done() => {
                    let asked = lanes.iter().map(plain).collect();
                    background.unsure_asks.push((entry.start.at, entry.latest(lease), asked));
                }
                Call::Renew { .. } if entry.is_done() => {
                    background.worker_calls.push((entry.start.at, last));
                }
                Call::Pause(lane) if entry.may_be_done() => {
                    background.pauses.push((plain(lane), entry.start.at, resumed(entries, entry, lane)));
                }
                _ => {}
            }
        }
        background.worker_calls.sort_unstable();
        background.unsure_asks.sort_by_key(|(from, ..)| *from);
        background
    }

    /// Whether a lane may have been paused at some time between these.
    pub(super) fn may_be_paused(&self, lane: &Id, from: u64, to: u64) -> bool {
        let lane = plain(lane);
        self.pauses.iter().any(|(paused, begin, end)| *paused == lane && *begin <= to && from <= *end)
    }
}

/// When a lane that was paused by this call was surely resumed.
fn resumed(entries: &[Entry], pause: &Entry, paused: &Id) -> u64 {
    let after = |entry: &&Entry| pause.end.is_some_and(|end| entry.start.at > end.at) && entry.is_done();
    let resumes = entries.iter().filter(|entry| {
        matches!(&entry.fact, Fact::Call { call: Call::Resume(lane), .. } if plain(lane) == plain(paused))
    });
    resumes.filter(after).filter_map(|entry| entry.end.map(|end| end.at)).min().unwrap_or(u64::MAX)
}

/// The lane itself, of a twin's name too.
pub(super) fn plain(lane: &Id) -> Id {
    Id::new(lane.as_str().trim_end_matches('!'))
}

/// The name of a lane's twin.
pub(super) fn twin(lane: &Id) -> Id {
    Id::new(format!("{}!", plain(lane)))
}

impl<'a> Trace<'a> {
    pub(super) fn new(entries: &'a [Entry], rules: &'a Rules, background: &'a Background) -> Self {
        Self { entries, rules, background, skew: micros(rules.skew) }
    }

    /// Whether a call had surely ended when another began.
    pub(super) fn before(&self, one: &Entry, other: &Entry) -> bool {
        one.end.is_some_and(|end| {
            if one.log == other.log {
                end.line < other.start.line
            } else {
                end.at.saturating_add(self.skew) < other.start.at
            }
        })
    }

    /// The most by which two measured moments of different calls may be wrong against one another.
    pub(super) fn doubt(&self, one: &Entry, other: &Entry) -> u64 {
        self.rules.slack_micros() + if one.log == other.log { 0 } else { self.skew }
    }

    /// Every task that is named, with all that is said of it.
    pub(super) fn tasks(&self) -> BTreeMap<&'a Id, Vec<(u32, u32)>> {
        let mut tasks: BTreeMap<&'a Id, Vec<(u32, u32)>> = BTreeMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            entry.each_task(|task, place| {
                tasks.entry(task).or_default().push((index as u32, place as u32));
            });
        }
        tasks
    }

    pub(super) fn story(&self, task: &Id, mentions: &[(u32, u32)]) -> Story<'a> {
        let mentions =
            mentions.iter().map(|(entry, place)| (&self.entries[*entry as usize], *place as usize));
        Story::of(task, mentions)
    }
}
