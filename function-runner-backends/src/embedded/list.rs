//! What an operator looks at: lanes, workers, tasks.

use function_runner_core::{
    By, Error, ErrorKind, LaneStatus, Result, TaskFilter, TaskRecord, Tenant, WorkerStatus,
};
use rusqlite::params;

use super::{fault::Step, row::Row, store::Store};

const USUAL_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;

/// How many tasks are looked at in one transaction.
const STEP: i64 = 1000;

/// What a step of a list found, and where the next goes on.
pub(super) struct Found {
    pub(super) records: Vec<(i64, TaskRecord)>,
    pub(super) next: Option<i64>,
}

impl Store {
    /// Every lane that has tasks or is paused, by name.
    pub(super) fn lane_list(&mut self) -> Step<Vec<LaneStatus>> {
        self.serve(By::Caller)?;
        let mut list: Vec<LaneStatus> = self
            .all_lanes()?
            .into_iter()
            .filter(|row| row.waiting + row.running > 0 || row.named)
            .map(|row| {
                let mut status = LaneStatus::new(row.name);
                status.queued = (row.waiting - row.delayed).unsigned_abs();
                status.delayed = row.delayed.unsigned_abs();
                status.running = row.running.unsigned_abs();
                status.paused = row.paused;
                status
            })
            .collect();
        list.sort_by(|one, other| one.lane.cmp(&other.lane));
        Ok(list)
    }

    /// Every live worker, by id.
    pub(super) fn worker_list(&mut self) -> Step<Vec<WorkerStatus>> {
        self.serve(By::Caller)?;
        let (now, times) = (self.steady, self.times);
        let mut list: Vec<WorkerStatus> = self
            .all_workers()?
            .into_iter()
            .filter(|worker| worker.is_live(now, &times))
            .map(|worker| {
                let mut status = WorkerStatus::new(worker.id, worker.capacity, worker.seen_at);
                status.load = worker.load;
                status.functions =
                    worker.own.iter().map(|(name, version)| format!("{name}@{version}")).collect();
                status.running = worker.held.unsigned_abs();
                status.draining = worker.draining;
                status.drains_for = worker.drains_for;
                status
            })
            .collect();
        list.sort_by(|one, other| one.worker.cmp(&other.worker));
        Ok(list)
    }

    /// Looks at the next tasks before this number, for a page that lacks so many.
    pub(super) fn list_step(&mut self, filter: &TaskFilter, limit: usize, before: i64) -> Step<Found> {
        let lane = match &filter.lane {
            None => None,
            // a lane that is not known has no tasks
            Some(lane) => Some(self.find_lane(lane)?.unwrap_or(-1)),
        };
        let numbers: Vec<(i64, bool)> = {
            let query = "SELECT number, (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR lane = ?3) \
                AND (?4 IS NULL OR tenant IS ?4) FROM task WHERE number < ?1 ORDER BY number DESC LIMIT ?5";
            let mut statement = self.sql.prepare_cached(query)?;
            let (state, tenant) =
                (filter.state.map(|state| state as i64), filter.tenant.as_ref().map(Tenant::as_str));
            let rows = statement.query_map(params![before, state, lane, tenant, STEP], |sql| {
                Ok((sql.get(0)?, sql.get(1)?))
            })?;
            rows.collect::<Result<_, _>>()?
        };
        let mut found = Found { records: Vec::new(), next: None };
        for (number, wanted) in numbers {
            found.next = Some(number);
            let row = if wanted { self.row(number)? } else { None };
            if let Some(row) = row.filter(|row: &Row| !row.is_over(self.wall)) {
                found.records.push((number, self.record_of(&row)?));
            }
            if found.records.len() == limit {
                break;
            }
        }
        Ok(found)
    }
}

/// How many tasks a page has.
pub(super) fn limit_of(filter: &TaskFilter) -> usize {
    filter.limit.unwrap_or(USUAL_LIMIT).clamp(1, MAX_LIMIT)
}

/// Where the page begins: before the number of the last task of the page before.
pub(super) fn start_of(filter: &TaskFilter) -> Result<i64> {
    let Some(cursor) = &filter.cursor else { return Ok(i64::MAX) };
    let digits = cursor.strip_prefix('n').filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        let shown: String = cursor.chars().take(40).flat_map(char::escape_default).collect();
        Error::new(ErrorKind::InvalidCall, format!("`{shown}` is not a cursor"))
            .with_help("give the `next` of the page before, or none for the first page")
    })
}

pub(super) fn cursor(number: i64) -> String {
    format!("n{number}")
}
