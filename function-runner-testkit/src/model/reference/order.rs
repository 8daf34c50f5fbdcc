//! The order of work, by the formulas of the design alone: plain lists, searched whole.

use function_runner_core::{Lane, Priority, TaskId, Tenant};

/// The largest tag there is.
const LAST_TAG: i64 = (1 << 53) - 1;

/// How far behind a lane may be and keep its credit.
const MOST_LAG: i64 = 1 << 20;

/// A tenant at a priority.
pub(in crate::model) type Flow = (Option<Tenant>, Priority);

/// Every lane that has a task ready or a pause mark.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    lines: Vec<Line>,
    reach: i64,
}

/// One lane: its ready tasks, and its clock.
#[derive(Clone, Debug)]
struct Line {
    lane: Lane,
    paused: bool,
    virtual_time: i64,
    shift: i64,
    flows: Vec<(Flow, i64)>,
    ready: Vec<Ready>,
}

#[derive(Clone, Debug)]
struct Ready {
    tag: i64,
    increment: i64,
    id: TaskId,
}

/// A task that a call gives, with its place among all lanes as it was compared.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) lane: Lane,
    pub(super) id: TaskId,
    pub(super) place: i64,
}

/// What a task adds to its flow's last tag: `ceil(cost · 2^(10−priority) · 2^14 / weight)`.
pub(in crate::model) fn increment(cost: u64, priority: u8, weight: u64) -> u64 {
    ((cost << (10 - priority)) << 14).div_ceil(weight)
}

impl Order {
    /// `F = min(max(F_prev or 0, V) + inc, 2^53−1)`; flows below V go when one comes that the clock does not hold.
    pub(super) fn ready(&mut self, lane: &Lane, flow: &Flow, increment: u64, id: TaskId) {
        let increment = increment as i64;
        let line = self.awake(lane);
        let virtual_time = line.virtual_time;
        if line.flows.iter().all(|(held, _)| held != flow) {
            line.flows.retain(|(_, last)| *last >= virtual_time);
            line.flows.push((flow.clone(), 0));
        }
        let Some((_, last)) = line.flows.iter_mut().find(|(held, _)| held == flow) else { return };
        *last = ((*last).max(virtual_time) + increment).min(LAST_TAG);
        let tag = *last;
        line.ready.push(Ready { tag, increment, id });
    }

    /// A task that has paid returns with the virtual time as its tag.
    pub(super) fn front(&mut self, lane: &Lane, id: TaskId) {
        let line = self.awake(lane);
        let tag = line.virtual_time;
        line.ready.push(Ready { tag, increment: 0, id });
    }

    /// Takes a task out unserved.
    pub(super) fn remove(&mut self, lane: &Lane, id: &TaskId) {
        if let Some(line) = self.find_mut(lane) {
            line.ready.retain(|ready| ready.id != *id);
            line.rest();
        }
    }

    pub(super) fn pause(&mut self, lane: &Lane) {
        for lane in [lane, &lane.twin()] {
            self.line(lane).paused = true;
        }
    }

    /// On resume `shift = W − head`.
    pub(super) fn resume(&mut self, lane: &Lane) {
        let reach = self.reach;
        for lane in [lane, &lane.twin()] {
            let Some(line) = self.find_mut(lane).filter(|line| line.paused) else { continue };
            line.paused = false;
            if let Some(tag) = line.first().map(|first| first.tag) {
                line.shift = reach - tag;
            }
        }
    }

    pub(super) fn is_paused(&self, lane: &Lane) -> bool {
        self.find(lane).is_some_and(|line| line.paused)
    }

    pub(super) fn paused(&self) -> impl Iterator<Item = &Lane> {
        self.lines.iter().filter(|line| line.paused).map(|line| &line.lane)
    }

    pub(super) fn is_empty(&self, lane: &Lane) -> bool {
        self.find(lane).is_none_or(|line| line.ready.is_empty())
    }

    /// The lane's first task and its place among all lanes; none where it is paused.
    pub(super) fn head(&self, lane: &Lane) -> Option<(i64, &TaskId)> {
        let line = self.find(lane).filter(|line| !line.paused)?;
        line.first().map(|first| (first.tag + line.shift, &first.id))
    }

    /// How many tasks of its lane come before this one; none where it is not ready there.
    pub(super) fn ahead(&self, lane: &Lane, id: &TaskId) -> Option<u64> {
        let line = self.find(lane)?;
        let own = line.ready.iter().find(|ready| ready.id == *id)?;
        let before = line.ready.iter().filter(|ready| (ready.tag, &ready.id) < (own.tag, &own.id));
        Some(before.count() as u64)
    }

    /// What a call with this room gives that asks for these lanes at these costs.
    pub(super) fn take(&mut self, room: u64, asked: &[(Lane, u64)]) -> Vec<Given> {
        let (mut room, mut suspects, mut given) = (room, 0, Vec::new());
        let reach = self.reach;
        loop {
            let fits = |(lane, cost): &&(Lane, u64)| *cost <= room && !(lane.is_twin() && suspects == 1);
            let heads = asked.iter().filter(fits);
            let heads = heads.filter_map(|(lane, cost)| Some((self.head(lane)?.0, lane, *cost)));
            let Some((place, lane, cost)) = heads.min_by_key(|(place, lane, _)| (*place, *lane)) else {
                return given;
            };
            room -= cost;
            suspects += u32::from(lane.is_twin());
            let Some(line) = self.find_mut(lane) else { return given };
            let Some(id) = line.give(reach) else { return given };
            let left = line.virtual_time + line.shift;
            line.rest();
            self.reach = self.reach.max(left);
            given.push(Given { lane: lane.clone(), id, place });
        }
    }

    fn find(&self, lane: &Lane) -> Option<&Line> {
        self.lines.iter().find(|line| line.lane == *lane)
    }

    fn find_mut(&mut self, lane: &Lane) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.lane == *lane)
    }

    fn line(&mut self, lane: &Lane) -> &mut Line {
        let at = self.lines.iter().position(|line| line.lane == *lane).unwrap_or_else(|| {
            let (flows, ready) = (Vec::new(), Vec::new());
            let lane = lane.clone();
            self.lines.push(Line { lane, paused: false, virtual_time: 0, shift: 0, flows, ready });
            self.lines.len() - 1
        });
        &mut self.lines[at]
    }

    /// A lane with nothing ready wakes with V = 0 and shift = W.
    fn awake(&mut self, lane: &Lane) -> &mut Line {
        let reach = self.reach;
        let line = self.line(lane);
        if line.ready.is_empty() {
            (line.virtual_time, line.shift) = (0, reach);
        }
        line
    }
}

impl Line {
    fn first(&self) -> Option<&Ready> {
        self.ready.iter().min_by_key(|ready| (ready.tag, &ready.id))
    }

    /// Gives the first task: `S = F − inc; V := max(V, min(F, max(S, V + ceil(inc / flows))))`, and before it
    /// `if W − (F + shift) > bound then shift := W − F`.
    fn give(&mut self, reach: i64) -> Option<TaskId> {
        let Ready { tag, increment, id } = self.first()?.clone();
        if reach - (tag + self.shift) > MOST_LAG {
            self.shift = reach - tag;
        }
        let flows = (self.flows.len() as u64).max(1);
        let share = (increment as u64).div_ceil(flows) as i64;
        let begin = tag - increment;
        self.virtual_time = self.virtual_time.max(tag.min(begin.max(self.virtual_time + share)));
        self.ready.retain(|ready| ready.id != id);
        Some(id)
    }

    /// A lane that runs empty loses its clock, not its pause mark.
    fn rest(&mut self) {
        if self.ready.is_empty() {
            self.flows.clear();
            (self.virtual_time, self.shift) = (0, 0);
        }
    }
}
