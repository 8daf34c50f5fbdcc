//! What can be wrong with heartbeats, with who serves, and with what is told of it.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use function_runner_core::{
    Beat, BeatReply, Capacity, ErrorKind, Executor as _, Finish, Finished, Heartbeat, Largest, Name,
    Queue as _, Renewal, Report, Result, TemplateSet, Version, WorkerId, WorkerInfo,
};

use super::broken::{Broken, Good, lock};

/// Answers the last first.
#[derive(Debug, Default)]
pub(crate) struct AnswersReversed;

#[async_trait]
impl Broken for AnswersReversed {
    fn answers(&self, reply: &mut BeatReply) {
        reply.tasks.reverse();
    }

    async fn finish(&self, good: &Good, done: Vec<Finish>) -> Result<Vec<Finished>> {
        let mut ended = good.queue.finish(done).await?;
        ended.reverse();
        Ok(ended)
    }
}

/// Takes what a body told again for something new.
#[derive(Debug, Default)]
pub(crate) struct ReportAgainIsNew(AtomicU32);

impl Broken for ReportAgainIsNew {
    fn hears(&self, report: &mut Report) {
        let next = || self.0.fetch_add(1, Ordering::Relaxed) + 1;
        report.logs.iter_mut().for_each(|line| line.n = next());
        report.parts.iter_mut().for_each(|part| part.n = next());
        report.progress.iter_mut().for_each(|progress| progress.n = next());
    }
}

/// Keeps one claim of a heartbeat, the first.
#[derive(Debug, Default)]
pub(crate) struct FirstClaimRenewed;

#[async_trait]
impl Broken for FirstClaimRenewed {
    async fn renew(&self, good: &Good, mut beat: Heartbeat) -> Result<BeatReply> {
        let rest = beat.tasks.split_off(beat.tasks.len().min(1));
        let mut reply = good.queue.renew(beat).await?;
        reply.tasks.extend(rest.iter().map(|_| Renewal::Held));
        Ok(reply)
    }
}

/// Answers a heartbeat and keeps none of its claims.
#[derive(Debug, Default)]
pub(crate) struct RenewalLost;

#[async_trait]
impl Broken for RenewalLost {
    async fn renew(&self, good: &Good, mut beat: Heartbeat) -> Result<BeatReply> {
        let said = |beat: &Beat| !beat.report.is_empty();
        let kept = beat.tasks.iter().any(said);
        if kept {
            return good.queue.renew(beat).await;
        }
        let count = std::mem::take(&mut beat.tasks).len();
        // claims that are left out of a beat whose asks have ended were lost on their way
        beat.ended = 0;
        let mut reply = good.queue.renew(beat).await?;
        reply.tasks = vec![Renewal::Held; count];
        Ok(reply)
    }
}

/// Takes every worker for one that it knows.
#[derive(Debug, Default)]
pub(crate) struct StrangerIsKnown;

impl Broken for StrangerIsKnown {
    fn answers(&self, reply: &mut BeatReply) {
        reply.joined = true;
    }
}

/// Knows no worker.
#[derive(Debug, Default)]
pub(crate) struct EveryoneIsAStranger;

impl Broken for EveryoneIsAStranger {
    fn answers(&self, reply: &mut BeatReply) {
        reply.joined = false;
    }
}

/// Lets a worker go on with a claim that is another's.
#[derive(Debug, Default)]
pub(crate) struct LostNotTold;

impl Broken for LostNotTold {
    fn answers(&self, reply: &mut BeatReply) {
        for answer in reply.tasks.iter_mut().filter(|answer| **answer == Renewal::Lost) {
            *answer = Renewal::Held;
        }
    }
}

/// Forgets a worker that drains for a large task although it beats.
#[derive(Debug, Default)]
pub(crate) struct DrainNotExtended;

#[async_trait]
impl Broken for DrainNotExtended {
    async fn renew(&self, good: &Good, mut beat: Heartbeat) -> Result<BeatReply> {
        beat.drains_for = None;
        good.queue.renew(beat).await
    }
}

/// Does not tell a worker that it is to stop.
#[derive(Debug, Default)]
pub(crate) struct DrainNotTold;

impl Broken for DrainNotTold {
    fn answers(&self, reply: &mut BeatReply) {
        reply.drain = false;
    }
}

/// Tells of a drain once, and not again.
#[derive(Debug, Default)]
pub(crate) struct DrainToldOnce(AtomicU32);

impl Broken for DrainToldOnce {
    fn answers(&self, reply: &mut BeatReply) {
        reply.drain &= !reply.drain || self.0.fetch_add(1, Ordering::Relaxed) == 0;
    }
}

/// Keeps no checkpoint that came with a heartbeat or an end.
#[derive(Debug, Default)]
pub(crate) struct CheckpointDropped;

impl Broken for CheckpointDropped {
    fn hears(&self, report: &mut Report) {
        report.checkpoint = None;
    }
}

/// Counts every join as a change of what is served.
#[derive(Debug, Default)]
pub(crate) struct RevisionIsACounter(AtomicU64);

#[async_trait]
impl Broken for RevisionIsACounter {
    fn publishes(&self, set: &mut TemplateSet) {
        set.revision += self.0.load(Ordering::Relaxed);
    }

    fn answers(&self, reply: &mut BeatReply) {
        reply.revision += self.0.load(Ordering::Relaxed);
    }

    async fn templates(&self, good: &Good, known: u64) -> Result<Option<TemplateSet>> {
        good.queue.templates(known.saturating_sub(self.0.load(Ordering::Relaxed))).await
    }

    async fn join(&self, good: &Good, worker: WorkerInfo) -> Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        good.queue.join(worker).await
    }
}

/// Does not tell of new templates.
#[derive(Debug, Default)]
pub(crate) struct RevisionStandsStill;

#[async_trait]
impl Broken for RevisionStandsStill {
    fn publishes(&self, set: &mut TemplateSet) {
        set.revision = 1;
    }

    fn answers(&self, reply: &mut BeatReply) {
        reply.revision = 1;
    }

    async fn templates(&self, good: &Good, known: u64) -> Result<Option<TemplateSet>> {
        if known == 1 { Ok(None) } else { good.queue.templates(0).await }
    }
}

/// Takes other content under a version that is served.
#[derive(Debug, Default)]
pub(crate) struct OtherContentAccepted;

#[async_trait]
impl Broken for OtherContentAccepted {
    async fn join(&self, good: &Good, worker: WorkerInfo) -> Result<()> {
        good.queue.join(worker).await.or_else(|error| match error.kind() {
            ErrorKind::Conflict => Ok(()),
            _ => Err(error),
        })
    }
}

/// Takes a worker that leaves for one that serves on.
#[derive(Debug, Default)]
pub(crate) struct LeavingIgnored;

#[async_trait]
impl Broken for LeavingIgnored {
    async fn join(&self, good: &Good, worker: WorkerInfo) -> Result<()> {
        if worker.templates.is_empty() { Ok(()) } else { good.queue.join(worker).await }
    }
}

/// Sends a call by name to the newest version there is.
#[derive(Debug, Default)]
pub(crate) struct DefaultIsTheNewest;

impl Broken for DefaultIsTheNewest {
    fn publishes(&self, set: &mut TemplateSet) {
        for (name, version) in &mut set.defaults {
            let versions = set.templates.iter().filter(|template| template.function == *name);
            *version = versions.map(|template| template.version).max().unwrap_or(*version);
        }
    }
}

/// Forgets what a worker published when it leaves or serves something else.
#[derive(Debug, Default)]
pub(crate) struct UnservedForgotten(Mutex<HashMap<WorkerId, Vec<(Name, Version)>>>);

#[async_trait]
impl Broken for UnservedForgotten {
    fn publishes(&self, set: &mut TemplateSet) {
        let served = lock(&self.0);
        let is_served = |name: &Name, version: Version| {
            served.values().flatten().any(|(own, at)| own == name && *at == version)
        };
        set.templates.retain(|template| is_served(&template.function, template.version));
    }

    async fn join(&self, good: &Good, worker: WorkerInfo) -> Result<()> {
        let own = worker.templates.iter().map(|template| (template.function.clone(), template.version));
        let own = (worker.worker.clone(), own.collect());
        good.queue.join(worker).await?;
        lock(&self.0).extend([own]);
        Ok(())
    }
}

/// Tells of the latest worker as the largest.
#[derive(Debug, Default)]
pub(crate) struct LargestIsTheLatest(Mutex<Capacity>);

#[async_trait]
impl Broken for LargestIsTheLatest {
    fn publishes(&self, set: &mut TemplateSet) {
        let mut latest = Largest::default();
        latest.merge(&lock(&self.0));
        set.largest = Some(latest);
    }

    async fn join(&self, good: &Good, worker: WorkerInfo) -> Result<()> {
        if !worker.templates.is_empty() {
            lock(&self.0).clone_from(&worker.capacity);
        }
        good.queue.join(worker).await
    }
}

/// Forgets that a beat said which asks have ended.
#[derive(Debug, Default)]
pub(crate) struct ReplyLostIsACrash;

#[async_trait]
impl Broken for ReplyLostIsACrash {
    async fn renew(&self, good: &Good, mut beat: Heartbeat) -> Result<BeatReply> {
        beat.ended = 0;
        good.queue.renew(beat).await
    }
}
