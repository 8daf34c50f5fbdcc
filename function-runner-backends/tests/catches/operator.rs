//! What can be wrong with what an operator looks at and does.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
    time::Duration,
};

use async_trait::async_trait;
use function_runner_core::{
    Amounts, ErrorKind, Executor as _, Inspect as _, Lane, LaneStatus, LeaseReply, LeaseRequest,
    Operate as _, Page, Queue as _, Result, State, Task, TaskFilter, TaskId, TaskRecord, Tenant, Timestamp,
    Weight, WorkerId, WorkerStatus,
};

use super::broken::{Broken, Good, lock};

/// Counts twins with their lanes.
#[derive(Debug, Default)]
pub(crate) struct TwinsCountedTogether;

#[async_trait]
impl Broken for TwinsCountedTogether {
    async fn lanes(&self, good: &Good) -> Result<Vec<LaneStatus>> {
        let mut together = BTreeMap::<Lane, LaneStatus>::new();
        for lane in good.queue.lanes().await? {
            let plain = lane.lane.plain();
            let sum = together.entry(plain.clone()).or_insert_with(|| LaneStatus::new(plain));
            sum.queued += lane.queued;
            sum.delayed += lane.delayed;
            sum.running += lane.running;
            sum.paused |= lane.paused;
        }
        Ok(together.into_values().collect())
    }
}

/// Forgets how much of a worker is taken.
#[derive(Debug, Default)]
pub(crate) struct WorkersWithoutLoad;

#[async_trait]
impl Broken for WorkersWithoutLoad {
    async fn workers(&self, good: &Good) -> Result<Vec<WorkerStatus>> {
        let mut workers = good.queue.workers().await?;
        workers.iter_mut().for_each(|worker| worker.load = Amounts::default());
        Ok(workers)
    }
}

/// Lists workers that died.
#[derive(Debug, Default)]
pub(crate) struct DeadWorkersListed(Mutex<BTreeMap<WorkerId, WorkerStatus>>);

#[async_trait]
impl Broken for DeadWorkersListed {
    async fn workers(&self, good: &Good) -> Result<Vec<WorkerStatus>> {
        let workers = good.queue.workers().await?;
        let mut all = lock(&self.0);
        all.extend(workers.into_iter().map(|worker| (worker.worker.clone(), worker)));
        Ok(all.values().cloned().collect())
    }
}

/// Lists each page the oldest first.
#[derive(Debug, Default)]
pub(crate) struct OldestFirst;

#[async_trait]
impl Broken for OldestFirst {
    async fn tasks(&self, good: &Good, filter: TaskFilter) -> Result<Page<TaskRecord>> {
        let mut page = good.queue.tasks(filter).await?;
        page.items.reverse();
        Ok(page)
    }
}

/// Goes on behind so many tasks, whatever came meanwhile.
#[derive(Debug, Default)]
pub(crate) struct CursorIsAnOffset;

#[async_trait]
impl Broken for CursorIsAnOffset {
    async fn tasks(&self, good: &Good, mut filter: TaskFilter) -> Result<Page<TaskRecord>> {
        let offset = match filter.cursor.take().map(|cursor| cursor.parse::<u32>()) {
            None => 0,
            Some(Ok(offset)) => offset as usize,
            // what is none is refused as it should be
            Some(Err(_)) => {
                filter.cursor = Some("no cursor".to_owned());
                return good.queue.tasks(filter).await;
            }
        };
        let limit = filter.limit.replace(500).unwrap_or(50);
        let mut items = Vec::new();
        loop {
            let page = good.queue.tasks(filter.clone()).await?;
            items.extend(page.items);
            filter.cursor = page.next;
            if filter.cursor.is_none() {
                break;
            }
        }
        let next = (items.len() > offset + limit).then(|| (offset + limit).to_string());
        Ok(Page { items: items.into_iter().skip(offset).take(limit).collect(), next })
    }
}

/// Takes what is no cursor for the begin.
#[derive(Debug, Default)]
pub(crate) struct BadCursorIsTheBegin;

#[async_trait]
impl Broken for BadCursorIsTheBegin {
    async fn tasks(&self, good: &Good, mut filter: TaskFilter) -> Result<Page<TaskRecord>> {
        match good.queue.tasks(filter.clone()).await {
            Err(error) if error.kind() == ErrorKind::InvalidCall => {
                filter.cursor = None;
                good.queue.tasks(filter).await
            }
            answer => answer,
        }
    }
}

/// Lists dead letters without what was tried.
#[derive(Debug, Default)]
pub(crate) struct DeadLettersWithoutAttempts;

#[async_trait]
impl Broken for DeadLettersWithoutAttempts {
    async fn tasks(&self, good: &Good, filter: TaskFilter) -> Result<Page<TaskRecord>> {
        let mut page = good.queue.tasks(filter).await?;
        page.items.iter_mut().for_each(|record| record.attempts.clear());
        Ok(page)
    }
}

/// Answers a pause and gives on.
#[derive(Debug, Default)]
pub(crate) struct PauseLost;

#[async_trait]
impl Broken for PauseLost {
    async fn pause(&self, _: &Good, _: &Lane) -> Result<()> {
        Ok(())
    }
}

/// Answers a resume and gives nothing.
#[derive(Debug, Default)]
pub(crate) struct ResumeLost;

#[async_trait]
impl Broken for ResumeLost {
    async fn resume(&self, _: &Good, _: &Lane) -> Result<()> {
        Ok(())
    }
}

/// Forgets a pause when its lane is empty.
#[derive(Debug, Default)]
pub(crate) struct PauseEndsWithItsLane;

#[async_trait]
impl Broken for PauseEndsWithItsLane {
    async fn cancel(&self, good: &Good, id: &TaskId) -> Result<()> {
        good.queue.cancel(id).await?;
        let empty = |lane: &LaneStatus| lane.queued + lane.delayed + lane.running == 0;
        for lane in good.queue.lanes().await?.iter().filter(|lane| empty(lane)) {
            good.queue.resume(&lane.lane).await?;
        }
        Ok(())
    }
}

/// Lets no deadline end a task whose lane is paused.
#[derive(Debug, Default)]
pub(crate) struct PauseStopsDeadlines(Mutex<Vec<Lane>>);

#[async_trait]
impl Broken for PauseStopsDeadlines {
    fn stores(&self, task: &mut Task) {
        if lock(&self.0).contains(&task.lane) {
            task.deadline = None;
        }
    }

    async fn pause(&self, good: &Good, lane: &Lane) -> Result<()> {
        lock(&self.0).push(lane.clone());
        good.queue.pause(lane).await
    }
}

/// Answers a drain of a worker that does not live.
#[derive(Debug, Default)]
pub(crate) struct DrainOfAStrangerAnswered;

#[async_trait]
impl Broken for DrainOfAStrangerAnswered {
    async fn drain(&self, good: &Good, worker: &WorkerId) -> Result<()> {
        good.queue.drain(worker).await.or_else(|error| match error.kind() {
            ErrorKind::InvalidCall => Ok(()),
            _ => Err(error),
        })
    }
}

/// Answers a requeue and does nothing.
#[derive(Debug, Default)]
pub(crate) struct RequeueLost;

#[async_trait]
impl Broken for RequeueLost {
    async fn requeue(&self, good: &Good, id: &TaskId) -> Result<()> {
        good.queue.record(id).await.map(|_| ())
    }
}

/// Gives a dead letter another life with its old deadline.
#[derive(Debug, Default)]
pub(crate) struct RequeueKeepsItsDeadline(Mutex<HashMap<TaskId, Timestamp>>);

#[async_trait]
impl Broken for RequeueKeepsItsDeadline {
    fn shows(&self, record: &mut TaskRecord) {
        record.deadline = record.deadline.or_else(|| lock(&self.0).get(&record.task.id).copied());
    }

    async fn requeue(&self, good: &Good, id: &TaskId) -> Result<()> {
        let deadline = good.queue.record(id).await?.deadline;
        lock(&self.0).extend(deadline.map(|deadline| (id.clone(), deadline)));
        good.queue.requeue(id).await
    }
}

/// Gives a dead letter another life with its old counts.
#[derive(Debug, Default)]
pub(crate) struct RequeueKeepsItsCounts(Mutex<HashMap<TaskId, u32>>);

#[async_trait]
impl Broken for RequeueKeepsItsCounts {
    fn shows(&self, record: &mut TaskRecord) {
        record.crashes += lock(&self.0).get(&record.task.id).copied().unwrap_or_default();
    }

    async fn requeue(&self, good: &Good, id: &TaskId) -> Result<()> {
        let crashes = good.queue.record(id).await?.crashes;
        lock(&self.0).insert(id.clone(), crashes);
        good.queue.requeue(id).await
    }
}

/// Takes a requeue of any task.
#[derive(Debug, Default)]
pub(crate) struct LivingRequeued;

#[async_trait]
impl Broken for LivingRequeued {
    async fn requeue(&self, good: &Good, id: &TaskId) -> Result<()> {
        good.queue.requeue(id).await.or_else(|error| match error.kind() {
            ErrorKind::NotDead => Ok(()),
            _ => Err(error),
        })
    }
}

/// Answers a purge and keeps the dead letter.
#[derive(Debug, Default)]
pub(crate) struct PurgeLost;

#[async_trait]
impl Broken for PurgeLost {
    async fn purge(&self, good: &Good, id: &TaskId) -> Result<()> {
        good.queue.record(id).await.map(|_| ())
    }
}

/// Forgets all dead letters with one.
#[derive(Debug, Default)]
pub(crate) struct PurgeTakesAll;

#[async_trait]
impl Broken for PurgeTakesAll {
    async fn purge(&self, good: &Good, id: &TaskId) -> Result<()> {
        good.queue.purge(id).await?;
        let mut dead = TaskFilter::default();
        dead.state = Some(State::Failed);
        for record in good.queue.tasks(dead).await?.items {
            good.queue.purge(&record.task.id).await?;
        }
        Ok(())
    }
}

/// Gives on of the twin of a lane that is paused.
#[derive(Debug, Default)]
pub(crate) struct TwinNotPaused(Mutex<Vec<Lane>>);

#[async_trait]
impl Broken for TwinNotPaused {
    async fn pause(&self, good: &Good, lane: &Lane) -> Result<()> {
        lock(&self.0).push(lane.plain());
        good.queue.pause(lane).await
    }

    async fn lease(&self, good: &Good, ask: LeaseRequest) -> Result<LeaseReply> {
        let paused = lock(&self.0).clone();
        let mut twins = ask.clone();
        twins.wait = Duration::ZERO;
        twins.lanes.retain(|asked| asked.lane.is_twin() && paused.contains(&asked.lane.plain()));
        for twin in &twins.lanes {
            good.queue.resume(&twin.lane.plain()).await?;
        }
        let given = if twins.lanes.is_empty() {
            LeaseReply::default()
        } else {
            good.queue.lease(twins.clone()).await?
        };
        for twin in &twins.lanes {
            good.queue.pause(&twin.lane.plain()).await?;
        }
        if given.leases.is_empty() { good.queue.lease(ask).await } else { Ok(given) }
    }
}

/// Takes a weight and does not tell callers.
#[derive(Debug, Default)]
pub(crate) struct WeightIgnored;

#[async_trait]
impl Broken for WeightIgnored {
    async fn set_weight(&self, _: &Good, _: &Tenant, _: Weight) -> Result<()> {
        Ok(())
    }
}
