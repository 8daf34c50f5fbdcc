//! Histories written by hand: each line takes a tenth of a second.

use std::{fs, path::PathBuf, time::Duration};

use function_runner_core::{Phase, State, Times, seq};

use crate::history::{
    Invariant, Rules, Summary, Violation, check,
    line::{
        Call, Done, Event, Id, Key, Kind, Leased, Outcome, Renewal, Reply, Room, Sent, Share, Standing,
        Stored,
    },
    log::Log,
};

pub(super) const LANE: &str = "work@1.0:standard";

/// A history written by hand, at a clock that it turns itself.
pub(super) struct Script {
    log: Log,
    now: u64,
    /// The number of the latest watch.
    watch: u64,
}

impl Script {
    pub(super) fn new() -> Self {
        Self { log: Log::in_memory(), now: 1_000_000_000, watch: 0 }
    }

    pub(super) fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now += seconds * 1_000_000;
        self
    }

    fn tick(&mut self) -> u64 {
        self.now += 100_000;
        self.now
    }

    /// A call that takes a tenth of a second.
    pub(super) fn call(&mut self, call: Call, reply: Reply) -> &mut Self {
        let number = self.begin(call);
        self.end(number, reply)
    }

    pub(super) fn begin(&mut self, call: Call) -> u64 {
        let at = self.tick();
        self.log.called(at, call)
    }

    pub(super) fn end(&mut self, number: u64, reply: Reply) -> &mut Self {
        let at = self.tick();
        self.log.came(number, at, reply);
        self
    }

    pub(super) fn submit(&mut self, task: &str) -> &mut Self {
        self.submit_as(sent(task), Reply::Stored(vec![Stored::New]))
    }

    pub(super) fn submit_as(&mut self, sent: Sent, reply: Reply) -> &mut Self {
        self.call(Call::Submit(vec![sent]), reply)
    }

    pub(super) fn lease(&mut self, worker: &str, task: &str, fence: u64) -> &mut Self {
        self.lease_as(worker, leased(task, fence, 1))
    }

    pub(super) fn lease_as(&mut self, worker: &str, lease: Leased) -> &mut Self {
        self.call(ask(worker), Reply::Leased(vec![lease]))
    }

    pub(super) fn renew(&mut self, worker: &str, task: &str, fence: u64, answer: Renewal) -> &mut Self {
        let keys = vec![Key { task: Id::new(task), fence }];
        let call = Call::Renew { worker: Id::new(worker), ended: 1, keys };
        self.call(call, Reply::Renewed { tasks: vec![answer], joined: true })
    }

    pub(super) fn finish(
        &mut self,
        task: &str,
        fence: u64,
        outcome: Outcome,
        state: Option<State>,
    ) -> &mut Self {
        self.call(done(task, fence, outcome), Reply::Finished(vec![state]))
    }

    pub(super) fn succeed(&mut self, task: &str, fence: u64) -> &mut Self {
        self.finish(task, fence, Outcome::Succeeded, Some(State::Succeeded))
    }

    pub(super) fn record(&mut self, task: &str, standing: Standing) -> &mut Self {
        self.call(Call::Record(Id::new(task)), Reply::Found(standing))
    }

    pub(super) fn watch(&mut self, task: &str, after: u64) -> &mut Self {
        self.watch = self.begin(Call::Watch { task: Id::new(task), after });
        self.end(self.watch, Reply::Ok)
    }

    /// The latest watch gives this.
    pub(super) fn gives(&mut self, task: &str, seq: u64, kind: Kind) -> &mut Self {
        let at = self.tick();
        self.log.gave(self.watch, at, Event { task: Id::new(task), seq, kind });
        self
    }

    pub(super) fn join(&mut self, worker: &str, slots: u64) -> &mut Self {
        let capacity = Room { amounts: [("slots".to_owned(), slots)].into(), gpus: Vec::new() };
        self.call(Call::Join { worker: Id::new(worker), capacity, serves: 1 }, Reply::Ok)
    }

    pub(super) fn body(&mut self, worker: &str, task: &str, slots: u64) -> u64 {
        let granted = Share { own: [("slots".to_owned(), slots)].into(), ..Share::default() };
        let (worker, task, lane) = (Id::new(worker), Id::new(task), Id::new(LANE));
        self.begin(Call::Body { worker, task, attempt: 1, lane, granted })
    }

    pub(super) fn check(&self, rules: &Rules) -> Result<Summary, Violation> {
        check::check(&self.log.entries, rules)
    }

    /// It breaks this invariant, and its shortest history is the one in the file of that name.
    #[track_caller]
    pub(super) fn breaks(&self, invariant: Invariant, rules: &Rules, file: &str) {
        let violation = self.check(rules).expect_err("the planted bug is found");
        assert_eq!(violation.invariant(), invariant, "{violation}");
        let path: PathBuf =
            [env!("CARGO_MANIFEST_DIR"), "src/history/tests/violations", file].iter().collect();
        let path = path.with_extension("txt");
        let text = format!("{violation}\n");
        if std::env::var_os("FUNCTION_RUNNER_BLESS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, kept, "{}: FUNCTION_RUNNER_BLESS=1 writes it anew", path.display());
    }
}

pub(super) fn rules() -> Rules {
    Rules::new(Times::default())
}

pub(super) fn sent(task: &str) -> Sent {
    Sent {
        task: Id::new(task),
        content: 7,
        lane: Id::new(LANE),
        max_attempts: 3,
        max_crashes: 3,
        delay_ms: Some(0),
        has_deadline: false,
        has_dedupe: false,
        kept_ms: 3_600_000,
        kept_at_most_ms: 3_600_000,
    }
}

pub(super) fn leased(task: &str, fence: u64, attempt: u32) -> Leased {
    Leased {
        task: Id::new(task),
        fence,
        attempt,
        suspect: false,
        lane: Id::new(LANE),
        max_attempts: 3,
        max_crashes: 3,
    }
}

pub(super) fn suspect(task: &str, fence: u64) -> Leased {
    Leased { suspect: true, ..leased(task, fence, 1) }
}

pub(super) fn ask(worker: &str) -> Call {
    let lanes = vec![Id::new(LANE), Id::new(format!("{LANE}!"))];
    Call::Lease { worker: Id::new(worker), ask: 1, lanes, would_fit: 0, wait_ms: 20_000 }
}

pub(super) fn done(task: &str, fence: u64, outcome: Outcome) -> Call {
    Call::Finish(vec![Done { task: Id::new(task), fence, outcome }])
}

pub(super) fn retry() -> Outcome {
    Outcome::Retry { after_ms: 0 }
}

pub(super) fn cancel(task: &str) -> Call {
    Call::Cancel(Id::new(task))
}

pub(super) fn unknown() -> Reply {
    Reply::Unknown(Id::new("backend_timeout"))
}

pub(super) fn refused(kind: &str, task: &str) -> Reply {
    Reply::Refused { kind: Id::new(kind), task: Some(Id::new(task)) }
}

/// A record in this state in this turn.
pub(super) fn standing(state: State, turn: u64) -> Standing {
    let phase = if state == State::Running { Phase::Running } else { Phase::Still };
    Standing { state, seq: seq(turn, phase, 0), attempt: 1, crashes: 0, cancel_asked: false, fraction: None }
}

pub(super) fn started(worker: &str) -> Kind {
    Kind::Started(Id::new(worker))
}

/// The number of the store's own event in this turn and phase.
pub(super) const fn at(turn: u64, phase: Phase) -> u64 {
    seq(turn, phase, 0)
}

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
