//! The loop: waits until something is heard, steps, and does what comes out.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context as Task, Poll},
    time::Instant,
};

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::{
    alarm::Alarm,
    bodies::Body,
    body::{End, Job, Runner},
    calls::{Calls, Kind, within},
    desk::{Desk, Todo},
    models::Models,
    served::Served,
    step::{Action, Heard, Seat, Start},
};
use crate::{ArtifactStore, Attempt, Context, MakeScratch, Result, runtime::yield_now};

/// How many rounds in a row may find something to do before the runtime's other tasks have a turn.
const MOST_ROUNDS: u32 = 32;

/// How often the loop tries whether letting others go first makes its rounds larger.
const TRY_EVERY: u32 = 16;

/// For how many rounds it goes on with that after the last one in which it did.
const GATHERS: u32 = 64;

/// The most runners that are kept without a body.
const MOST_IDLE: usize = 1024;

/// What every attempt of a worker gets.
pub(super) struct Equipment {
    pub(super) artifacts: Option<Arc<dyn ArtifactStore>>,
    pub(super) scratch: Option<MakeScratch>,
}

pub(super) struct Driver {
    desk: Arc<Desk>,
    equipment: Equipment,
    served: Vec<Arc<Served>>,
    models: Models,
    /// Runners whose bodies are over.
    idle: Vec<Runner>,
    calls: Calls,
    alarm: Alarm,
    news: Option<BoxFuture<'static, ()>>,
    hears_news: bool,
    /// For how many rounds others go first when the loop is woken, as more of them end together.
    gathers: u32,
    rounds: u32,
    /// While it lives, the heart does.
    _heart: oneshot::Sender<()>,
}

impl Driver {
    pub(super) fn new(
        desk: Arc<Desk>,
        served: Vec<Served>,
        equipment: Equipment,
        heart: oneshot::Sender<()>,
    ) -> Self {
        Self {
            alarm: Alarm::new(),
            desk,
            equipment,
            served: served.into_iter().map(Arc::new).collect(),
            models: Models::default(),
            idle: Vec::new(),
            calls: Calls::default(),
            news: None,
            hears_news: true,
            gathers: 0,
            rounds: 0,
            _heart: heart,
        }
    }

    pub(super) async fn drive(mut self) -> Result<()> {
        let mut heard = vec![Heard::Timer];
        loop {
            let Todo { actions, wake, hears_news } = self.desk.step(heard.drain(..));
            for action in actions {
                match action {
                    Action::Exit(result) => return result,
                    action => self.perform(action),
                }
            }
            self.hears_news = hears_news;
            self.alarm.set(&self.desk, wake);
            self.listen(&mut heard).await;
        }
    }

    /// Waits until something is heard.
    async fn listen(&mut self, heard: &mut Vec<Heard>) {
        self.rounds = self.rounds.wrapping_add(1);
        if self.rounds.is_multiple_of(MOST_ROUNDS) {
            yield_now().await;
        }
        let gathers = self.gathers > 0 || self.rounds.is_multiple_of(TRY_EVERY);
        loop {
            let mut slept = false;
            poll_fn(|cx| {
                if slept && gathers {
                    return Poll::Ready(());
                }
                self.poll(cx, heard);
                slept = heard.is_empty();
                if slept { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            if !heard.is_empty() {
                break;
            }
            // woken: what is ready by now goes first, and what it ends comes in one round
            yield_now().await;
        }
        self.gathers = if batch(heard) > 1 { GATHERS } else { self.gathers.saturating_sub(1) };
    }

    fn poll(&mut self, cx: &mut Task<'_>, heard: &mut Vec<Heard>) {
        self.desk.inbox.take(heard, cx.waker());
        self.calls.poll(cx, heard);
        if self.hears_news {
            let desk = &self.desk;
            let news = self.news.get_or_insert_with(|| Box::pin(desk.news.clone().notified_owned()));
            if news.as_mut().poll(cx).is_ready() {
                self.news = None;
                heard.push(Heard::News);
            }
        }
        if self.alarm.poll(cx) {
            heard.push(Heard::Timer);
        }
    }

    fn perform(&mut self, action: Action) {
        let queue = || self.desk.queue.clone();
        let limit = self.desk.times.lease;
        match action {
            Action::Forget(seats) => self.forget(&seats),
            Action::Start(starts) => self.start(starts),
            Action::Cancel(seat) => _ = self.desk.state().bodies.cancel(seat),
            Action::Drop(seat) => _ = self.desk.state().bodies.drop(seat),
            Action::Finish { seats, mut done } => {
                self.desk.state().bodies.report_last(&seats, &mut done);
                let queue = queue();
                let call = async move { Heard::Finished(within(limit, queue.finish(done)).await) };
                self.calls.make(Kind::Finish, call);
            }
            Action::Join(info) => {
                let queue = queue();
                let call = async move { Heard::Joined(within(limit, queue.join(info)).await) };
                self.calls.make(Kind::Join, call);
            }
            Action::Templates { known } => {
                let queue = queue();
                let call = async move { Heard::Templates(within(limit, queue.templates(known)).await) };
                self.calls.make(Kind::Templates, call);
            }
            Action::Lease(ask) => {
                let (queue, call) = (queue(), ask.call);
                self.calls
                    .make(Kind::Lease, async move { Heard::Leased { call, reply: queue.lease(ask).await } });
            }
            Action::Leave(info) => {
                let queue = queue();
                self.calls.make(Kind::Leave, async move {
                    // whether it hears of it or not, the worker goes
                    let _ = within(limit, queue.join(info)).await;
                    Heard::Left
                });
            }
            // done where they are decided: by the desk and by the loop's own round
            Action::Beat { .. } | Action::Wake(_) | Action::Exit(_) => {}
        }
    }

    fn start(&mut self, starts: Vec<Start>) {
        for lane in starts.iter().flat_map(|start| &start.evicted) {
            // outside the lock: what ends a model is the user's own code
            self.models.evict(*lane);
        }
        let (desk, now) = (self.desk.clone(), Instant::now());
        let mut state = desk.state();
        for start in starts {
            let body = self.begin(start, now);
            state.bodies.insert(body);
        }
    }

    fn begin(&mut self, start: Start, now: Instant) -> Body {
        let (seat, served) = (start.seat, self.served[start.function].clone());
        let (model, shared) = self.models.enter(start.lane, &start.grant.shared);
        let attempt = Attempt {
            task: start.task,
            number: start.attempt,
            parameters: start.parameters,
            checkpoint: start.checkpoint,
            grant: start.grant,
            deadline: start.deadline.map(|at| now + at.saturating_sub(self.desk.now())),
            artifacts: self.equipment.artifacts.clone(),
            scratch: self.equipment.scratch.clone(),
            shared,
        };
        let input = attempt.task.input.clone();
        let (context, control) = Context::begin(attempt, now);
        control.wakes(self.desk.news.clone());
        let end = End::new(seat, control.clone(), self.desk.clone());
        let runner = self.run(Job { end, served: served.clone(), context, input });
        Body { seat, served, control, runner, model, warned: false, aborted: false }
    }

    fn run(&mut self, mut job: Job) -> Runner {
        while let Some(runner) = self.idle.pop() {
            match runner.run(job) {
                Ok(()) => return runner,
                // its task has gone
                Err(back) => job = back,
            }
        }
        Runner::start(&self.desk.runtime, job)
    }

    fn forget(&mut self, seats: &[Seat]) {
        let desk = self.desk.clone();
        let gone: Vec<Body> = {
            let mut state = desk.state();
            seats.iter().filter_map(|&seat| state.bodies.remove(seat)).collect()
        };
        // dropped outside the lock: a scratch folder goes with the last of them
        for body in gone {
            self.models.leave(body.model);
            if !body.aborted && self.idle.len() < MOST_IDLE {
                self.idle.push(body.runner);
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.desk.state().bodies.abort_all();
    }
}

/// How many bodies ended or leases came in one round.
fn batch(heard: &[Heard]) -> usize {
    let count = |heard: &Heard| match heard {
        Heard::Ended { .. } => 1,
        Heard::Leased { reply: Ok(reply), .. } => reply.leases.len(),
        _ => 0,
    };
    heard.iter().map(count).sum()
}
