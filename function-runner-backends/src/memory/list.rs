//! What an operator looks at: lanes, workers, tasks.

use function_runner_core::{
    By, Error, ErrorKind, LaneStatus, Page, Result, TaskFilter, TaskRecord, WorkerStatus,
};

use super::{
    row::Row,
    store::{Shared, Store},
};

const USUAL_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;

/// How many tasks are looked at in one hold of the lock.
const STEP: usize = 1000;

impl Store {
    /// Every lane that has tasks or is paused, by name.
    pub(super) fn lane_list(&mut self) -> Vec<LaneStatus> {
        self.serve(By::Caller);
        let rows = self.lanes.iter().filter(|row| row.waiting + row.running > 0);
        let mut list: Vec<LaneStatus> = rows
            .map(|row| {
                let mut status = LaneStatus::new(row.lane.clone());
                status.queued = (row.waiting - row.delayed) as u64;
                status.delayed = row.delayed as u64;
                status.running = row.running as u64;
                status.paused = self.order.is_paused(&row.lane);
                status
            })
            .collect();
        for lane in &self.paused {
            if list.iter().all(|status| status.lane != *lane) {
                let mut status = LaneStatus::new(lane.clone());
                status.paused = true;
                list.push(status);
            }
        }
        list.sort_by(|one, other| one.lane.cmp(&other.lane));
        list
    }

    /// Every live worker, by id.
    pub(super) fn worker_list(&mut self) -> Vec<WorkerStatus> {
        self.serve(By::Caller);
        let live = self.workers.iter().filter(|worker| worker.is_live(self.now, &self.times));
        let mut list: Vec<WorkerStatus> = live
            .map(|worker| {
                let mut status =
                    WorkerStatus::new(worker.id.clone(), worker.capacity.clone(), worker.seen_at);
                status.load = worker.load.clone();
                status.functions =
                    worker.own.iter().map(|(name, version)| format!("{name}@{version}")).collect();
                status.running = u64::from(worker.held);
                status.draining = worker.draining;
                status.drains_for = worker.drains_for.clone();
                status
            })
            .collect();
        list.sort_by(|one, other| one.worker.cmp(&other.worker));
        list
    }

    /// Looks at the next tasks before this number, for a page that lacks so many; answers where to go on.
    fn fill(
        &self,
        page: &mut Vec<(u64, TaskRecord)>,
        filter: &TaskFilter,
        limit: usize,
        before: u64,
    ) -> Option<u64> {
        let mut looked_at = None;
        for (number, at) in self.newest.before(before).take(STEP) {
            looked_at = Some(number);
            let row = &self.rows[at];
            if self.is_wanted(row, filter) {
                page.push((number, self.record_of(at)));
            }
            if page.len() == limit {
                break;
            }
        }
        looked_at
    }

    fn is_wanted(&self, row: &Row, filter: &TaskFilter) -> bool {
        filter.state.is_none_or(|state| row.state == state)
            && filter.lane.as_ref().is_none_or(|lane| self.lanes[row.lane].lane == *lane)
            && filter.tenant.as_ref().is_none_or(|tenant| row.task.tenant.as_ref() == Some(tenant))
            && row.kept_until().is_none_or(|until| self.now < until)
    }
}

impl Shared {
    /// A page of tasks, newest first. A list that finds little looks at every task, in steps between which others
    /// go on.
    pub(super) fn page(&self, filter: &TaskFilter) -> Result<Page<TaskRecord>> {
        let limit = filter.limit.unwrap_or(USUAL_LIMIT).clamp(1, MAX_LIMIT);
        let mut before = match &filter.cursor {
            None => u64::MAX,
            Some(cursor) => read(cursor)?,
        };
        // one more than the page has tells whether another follows
        let mut found = Vec::new();
        self.with(|store| store.serve(By::Caller));
        while found.len() <= limit
            && let Some(looked_at) = self.with(|store| store.fill(&mut found, filter, limit + 1, before))
        {
            before = looked_at;
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(number, _)| write(*number));
        Ok(Page { items: found.into_iter().map(|(_, record)| record).collect(), next })
    }
}

/// A cursor is the number of the last task of the page before.
fn write(number: u64) -> String {
    format!("n{number}")
}

fn read(cursor: &str) -> Result<u64> {
    let number = cursor.strip_prefix('n').filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    number.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        let shown: String = cursor.chars().take(40).flat_map(char::escape_default).collect();
        Error::new(ErrorKind::InvalidCall, format!("`{shown}` is not a cursor"))
            .with_help("give the `next` of the page before, or none for the first page")
    })
}
