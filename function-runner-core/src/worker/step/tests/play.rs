//! Plays a queue's part by hand, one step at a time.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    BeatReply, Capacity, Envelope, Finished, Heartbeat, Lane, Lease, LeaseKey, LeaseReply, LeaseRequest,
    Name, Outcome, Payload, Renewal, ResourceRequirement, State, Task, TaskId, Template, Times, Version,
    WorkerId, WorkerInfo,
    worker::step::{Action, Heard, Seat, Start, Steps},
};

pub(super) fn needs() -> ResourceRequirement {
    ResourceRequirement::new()
}

pub(super) fn lane(text: &str) -> Lane {
    text.parse().unwrap()
}

pub(super) fn template(name: &str, version: &str, requires: ResourceRequirement) -> Template {
    let mut template = Template::new(
        Name::new(name).unwrap(),
        version.parse().unwrap(),
        Value::Bool(true),
        Value::Bool(true),
    );
    template.requires = requires;
    template
}

pub(super) fn info(capacity: Capacity, templates: Vec<Template>) -> WorkerInfo {
    WorkerInfo::new(WorkerId::new("w").unwrap(), capacity, templates)
}

pub(super) fn ok() -> Payload {
    Payload::encode("ok").unwrap()
}

pub(super) fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(super) struct Play {
    pub(super) steps: Steps,
    pub(super) now: Duration,
    fences: u64,
}

/// What came out of one step.
pub(super) struct Said(pub(super) Vec<Action>);

impl Play {
    /// A worker of one core and four slots that serves `small` (a slot) and `big` (the core), both at 1.0.
    pub(super) fn new() -> Self {
        let templates = vec![
            template("big", "1.0.0", needs().cpu_millis(1000)),
            template("small", "1.0.0", needs().slots(1)),
        ];
        Self::of(Steps::new(info(Capacity::new().cpu_millis(1000).slots(4), templates), Times::default()))
    }

    pub(super) fn of(steps: Steps) -> Self {
        Self { steps, now: Duration::ZERO, fences: 0 }
    }

    pub(super) fn hear(&mut self, heard: impl IntoIterator<Item = Heard>) -> Said {
        Said(self.steps.step(self.now, heard))
    }

    pub(super) fn after(&mut self, ms: u64, heard: impl IntoIterator<Item = Heard>) -> Said {
        self.now += millis(ms);
        self.hear(heard)
    }

    /// Joins and reads the templates; answers with the first ask.
    pub(super) fn join(&mut self) -> LeaseRequest {
        assert!(self.hear([Heard::Timer]).joins());
        let said = self.hear([Heard::Joined(Ok(()))]);
        assert!(said.0.iter().any(|action| matches!(action, Action::Templates { known: 0 })));
        self.hear([Heard::Templates(Ok(None))]);
        said.asks()
    }

    pub(super) fn task(&mut self, lane: &str, envelope: impl FnOnce(&mut Envelope)) -> Arc<Task> {
        let lane: Lane = lane.parse().unwrap();
        let mut resolved = Envelope::new(Version::new(lane.major(), lane.minor(), 0));
        resolved.requires =
            if lane.function() == "big" { needs().cpu_millis(1000) } else { needs().slots(1) };
        envelope(&mut resolved);
        self.fences += 1;
        let id = TaskId::new(format!("t{}", self.fences)).unwrap();
        Arc::new(Task::new(
            id,
            lane.function().parse().unwrap(),
            lane,
            Payload::encode(&()).unwrap(),
            Arc::new(resolved),
        ))
    }

    pub(super) fn lease_of(&self, task: Arc<Task>) -> Lease {
        Lease::new(LeaseKey { id: task.id.clone(), fence: self.fences }, task, 1)
    }

    pub(super) fn lease(&mut self, lane: &str) -> Lease {
        let task = self.task(lane, |_| {});
        self.lease_of(task)
    }

    /// Answers the open ask with these leases.
    pub(super) fn give(&mut self, leases: Vec<Lease>) -> Said {
        let call = self.steps.asks.ended() + 1;
        self.hear([Heard::Leased { call, reply: Ok(LeaseReply::new(leases)) }])
    }

    /// Starts one task of this lane.
    pub(super) fn start(&mut self, lane: &str) -> Seat {
        let lease = self.lease(lane);
        self.give(vec![lease]).starts()[0].seat
    }

    /// Starts one task with this envelope.
    pub(super) fn start_with(&mut self, lane: &str, envelope: impl FnOnce(&mut Envelope)) -> Seat {
        let task = self.task(lane, envelope);
        let lease = self.lease_of(task);
        self.give(vec![lease]).starts()[0].seat
    }

    /// Waits for the next beat and answers it.
    pub(super) fn beat(&mut self, answer: impl Fn(&Heartbeat) -> BeatReply) -> Said {
        self.now += Times::default().beat();
        let said = self.hear([Heard::Timer]);
        let reply = answer(said.beat().expect("it is time"));
        self.hear([Heard::Beaten(Ok(reply))])
    }

    /// Waits for the next beat and answers this for every task of it.
    pub(super) fn renew(&mut self, renewal: Renewal) -> Said {
        self.beat(|beat| BeatReply::new(vec![renewal; beat.tasks.len()], 0))
    }
}

pub(super) fn ended(seat: Seat, result: Result<Payload, crate::Failure>) -> Heard {
    Heard::Ended { seat, result: Some(result), vacant: true }
}

pub(super) fn finished(count: usize) -> Heard {
    Heard::Finished(Ok(vec![Finished::Done(State::Succeeded); count]))
}

impl Said {
    pub(super) fn asks(&self) -> LeaseRequest {
        self.ask().expect("an ask").clone()
    }

    pub(super) fn ask(&self) -> Option<&LeaseRequest> {
        self.0.iter().find_map(|action| if let Action::Lease(ask) = action { Some(ask) } else { None })
    }

    pub(super) fn starts(&self) -> &[Start] {
        self.0
            .iter()
            .find_map(|action| if let Action::Start(starts) = action { Some(&starts[..]) } else { None })
            .unwrap_or(&[])
    }

    pub(super) fn beat(&self) -> Option<&Heartbeat> {
        self.0
            .iter()
            .find_map(|action| if let Action::Beat { beat, .. } = action { Some(beat) } else { None })
    }

    pub(super) fn reports(&self) -> Option<bool> {
        self.0
            .iter()
            .find_map(|action| if let Action::Beat { reports, .. } = action { Some(*reports) } else { None })
    }

    pub(super) fn done(&self) -> Vec<Outcome> {
        let done = self
            .0
            .iter()
            .filter_map(|action| if let Action::Finish { done, .. } = action { Some(done) } else { None });
        done.flatten().map(|finish| finish.outcome.clone()).collect()
    }

    pub(super) fn joins(&self) -> bool {
        self.0.iter().any(|action| matches!(action, Action::Join(_)))
    }

    pub(super) fn leaves(&self) -> bool {
        self.0.iter().any(|action| matches!(action, Action::Leave(_)))
    }

    pub(super) fn cancels(&self) -> Vec<Seat> {
        self.0
            .iter()
            .filter_map(|action| if let Action::Cancel(seat) = action { Some(*seat) } else { None })
            .collect()
    }

    pub(super) fn drops(&self) -> Vec<Seat> {
        self.0
            .iter()
            .filter_map(|action| if let Action::Drop(seat) = action { Some(*seat) } else { None })
            .collect()
    }

    pub(super) fn forgets(&self) -> Vec<Seat> {
        let forgotten = self
            .0
            .iter()
            .filter_map(|action| if let Action::Forget(seats) = action { Some(seats) } else { None });
        forgotten.flatten().copied().collect()
    }

    pub(super) fn wake(&self) -> Duration {
        let wake =
            self.0.iter().find_map(|action| if let Action::Wake(at) = action { Some(*at) } else { None });
        wake.expect("every step but the last asks for a wake")
    }

    pub(super) fn exit(self) -> Option<crate::Result<()>> {
        self.0
            .into_iter()
            .find_map(|action| if let Action::Exit(result) = action { Some(result) } else { None })
    }
}

/// The lanes an ask names, and those that would fit, as text.
pub(super) fn names(ask: &LeaseRequest) -> (Vec<&str>, Vec<&str>) {
    let lanes = ask.lanes.iter().map(|asked| asked.lane.as_str()).collect();
    (lanes, ask.would_fit.iter().map(Lane::as_str).collect())
}
