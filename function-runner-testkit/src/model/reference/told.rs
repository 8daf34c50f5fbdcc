//! What a watcher of a task must hear.

use function_runner_core::{EventKind, Payload, Seen, TaskId, Timestamp, turn_of};

use super::{Model, Row};

/// One item that a watcher must get.
#[derive(Clone, Debug)]
pub(in crate::model) struct Told {
    pub(in crate::model) seq: u64,
    pub(in crate::model) at: Timestamp,
    pub(in crate::model) attempt: u32,
    /// None for a snapshot of the task as it is in `row`.
    pub(in crate::model) kind: Option<EventKind>,
    /// The task when its snapshot was taken, with its place in line.
    pub(in crate::model) row: Option<(Box<Row>, Option<u64>)>,
}

/// An open watch.
#[derive(Clone, Debug)]
pub(in crate::model) struct Hearing {
    pub(in crate::model) number: u64,
    pub(in crate::model) id: TaskId,
    /// What it must get next.
    pub(in crate::model) told: Vec<Told>,
    /// Whether it ends behind that.
    pub(in crate::model) ends: bool,
    /// What its reader had seen when it came.
    seen: u64,
}

impl Model {
    /// A reader comes who has seen so much; it is the hearing of this number.
    pub(in crate::model) fn watch(&mut self, id: &TaskId, after: Seen, number: u64) {
        let Some(row) = self.find(id) else { return };
        let (seq, attempt, at) = (row.seq(), row.attempt, self.now);
        let ends = row.state.is_terminal();
        let mut told = Vec::new();
        if seq > after.seq {
            let row = Some((Box::new(row.clone()), self.ahead(row)));
            told.push(Told { seq, at, attempt, kind: None, row });
        }
        let from = if turn_of(after.seq) == row.turns { after.parts as usize } else { 0 };
        for (index, part) in row.parts.iter().enumerate().skip(from) {
            let kind = Some(part_of(row.turns, index, part));
            told.push(Told { seq, at, attempt, kind, row: None });
        }
        self.hearings.push(Hearing { number, id: id.clone(), told, ends, seen: after.seq });
    }

    /// Something happened to a task.
    pub(super) fn say(&mut self, at: usize, kind: EventKind) {
        let row = &self.rows[at];
        let told = Told { seq: row.seq(), at: self.now, attempt: row.attempt, kind: Some(kind), row: None };
        let is_part = matches!(told.kind, Some(EventKind::OutputPart { .. }));
        let of = |hearing: &&mut Hearing| hearing.id == row.task.id && !hearing.ends;
        let open = self.hearings.iter_mut().filter(of);
        // parts are told apart by turn and index, never by their number
        let new = open.filter(|hearing| is_part || told.seq > hearing.seen);
        new.for_each(|hearing| hearing.told.push(told.clone()));
    }

    /// A task has ended.
    pub(super) fn say_end(&mut self, at: usize, kind: EventKind) {
        let row = &self.rows[at];
        let told = Told { seq: row.seq(), at: self.now, attempt: row.attempt, kind: Some(kind), row: None };
        let of = |hearing: &&mut Hearing| hearing.id == row.task.id && !hearing.ends;
        for hearing in self.hearings.iter_mut().filter(of) {
            hearing.told.push(told.clone());
            hearing.ends = true;
        }
    }

    pub(super) fn say_part(&mut self, at: usize, part: &Payload) {
        let row = &self.rows[at];
        self.say(at, part_of(row.turns, row.parts.len() - 1, part));
    }
}

fn part_of(turn: u64, index: usize, part: &Payload) -> EventKind {
    EventKind::OutputPart { turn, index: index as u64, part: part.clone() }
}
