//! What may happen, in the abstract: which task or worker is meant is settled when it happens, by what there is then,
//! so a sequence that is cut short still means something. Zero is the simplest everywhere: that is where shrinking goes.

use proptest::{
    collection::vec,
    num::u8::ANY,
    option, prop_oneof,
    strategy::{BoxedStrategy, Just, Strategy as _},
};

/// Something that happens.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// New tasks; whether calls that this wakes are dropped before they look.
    Submit {
        tasks: Vec<Wish>,
        drop_woken: bool,
    },
    /// A task sent again: with other content, beside a new one, twice in one batch.
    Again {
        which: u8,
        changed: bool,
        beside: Option<Wish>,
        twice: bool,
    },
    Join {
        worker: u8,
        serves: u8,
        capacity: u8,
    },
    Leave {
        worker: u8,
    },
    Lease {
        worker: u8,
        ask: Ask,
    },
    /// The open lease call of a worker is dropped.
    Hang {
        worker: u8,
    },
    /// A heartbeat: what bodies tell, whether the last report is sent once more, which claim is left out.
    Beat {
        worker: u8,
        tells: u8,
        again: bool,
        leaves_out: Option<u8>,
    },
    /// Ends of attempts; the first twice in the same call if so said.
    Finish {
        ends: Vec<Ending>,
        twice: bool,
    },
    FinishAgain {
        which: u8,
    },
    /// A finish or a heartbeat by a claim that is over.
    Stale {
        which: u8,
        beat: bool,
    },
    /// A worker is never heard of again.
    Crash {
        worker: u8,
    },
    Cancel {
        which: u8,
    },
    Record {
        which: u8,
    },
    Watch {
        which: u8,
        seen: u8,
    },
    Unwatch {
        which: u8,
    },
    Pause {
        lane: u8,
    },
    Resume {
        lane: u8,
    },
    Drain {
        worker: u8,
    },
    Requeue {
        which: u8,
    },
    Purge {
        which: u8,
    },
    Weigh {
        tenant: u8,
        weight: u8,
    },
    Templates,
    Lanes,
    Workers,
    Tasks {
        state: u8,
        lane: u8,
        tenant: u8,
        limit: u8,
    },
    Pass(Step),
}

/// A new task.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) lane: u8,
    pub(super) tenant: u8,
    pub(super) priority: u8,
    pub(super) delay: u8,
    pub(super) deadline: u8,
    pub(super) dedupe: u8,
    pub(super) follow_ups: u8,
    pub(super) retention: u8,
    pub(super) cost: u8,
}

/// What a worker asks for.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// Which lanes, a bit each; the twins in the upper half.
    pub(super) lanes: u8,
    pub(super) would_fit: u8,
    pub(super) warm: u8,
    /// How many tasks of a lane would fit.
    pub(super) fits: u8,
    pub(super) waits: u8,
    /// Whether its reply is lost on the way.
    pub(super) lost: bool,
}

/// The end of an attempt.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) which: u8,
    pub(super) outcome: u8,
    pub(super) after: u8,
    pub(super) tells: u8,
}

/// How time passes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Millis(u8),
    /// Parts of a third of a lease.
    Beats(u8),
    /// To the n-th moment ahead at which something may change; one millisecond before, at, or after it.
    To {
        moment: u8,
        offset: u8,
    },
    /// An hour, a day, …: every retention ends.
    Long(u8),
}

/// Whole sequences.
pub(super) fn sequences() -> BoxedStrategy<Vec<Op>> {
    vec(ops(), 1..70).boxed()
}

fn rare(odds: f64) -> BoxedStrategy<u8> {
    prop_oneof![
        (1000 - (odds * 1000.0) as u32) => Just(0u8),
        (odds * 1000.0) as u32 => ANY,
    ]
    .boxed()
}

fn flag(odds: f64) -> BoxedStrategy<bool> {
    proptest::bool::weighted(odds).boxed()
}

fn wish() -> BoxedStrategy<Wish> {
    let first = (rare(0.4), rare(0.4), rare(0.5), rare(0.25), rare(0.15));
    let second = (rare(0.2), rare(0.2), rare(0.3), rare(0.2));
    (first, second)
        .prop_map(|((lane, tenant, priority, delay, deadline), (dedupe, follow_ups, retention, cost))| Wish {
            lane,
            tenant,
            priority,
            delay,
            deadline,
            dedupe,
            follow_ups,
            retention,
            cost,
        })
        .boxed()
}

fn ask() -> BoxedStrategy<Ask> {
    // most workers ask for all ordinary lanes
    let lanes = prop_oneof![5 => Just(0x0f_u8), 3 => Just(0xff_u8), 4 => ANY];
    let fields = (lanes, rare(0.5), rare(0.5), ANY, ANY, flag(0.08));
    fields
        .prop_map(|(lanes, would_fit, warm, fits, waits, lost)| Ask {
            lanes,
            would_fit,
            warm,
            fits,
            waits,
            lost,
        })
        .boxed()
}

fn ending() -> BoxedStrategy<Ending> {
    (ANY, ANY, rare(0.6), rare(0.3))
        .prop_map(|(which, outcome, after, tells)| Ending { which, outcome, after, tells })
        .boxed()
}

fn step() -> BoxedStrategy<Step> {
    prop_oneof![
        3 => ANY.prop_map(Step::Millis),
        6 => ANY.prop_map(Step::Beats),
        10 => (ANY, ANY).prop_map(|(moment, offset)| Step::To { moment, offset }),
        1 => ANY.prop_map(Step::Long),
    ]
    .boxed()
}

fn ops() -> BoxedStrategy<Op> {
    prop_oneof![
        60 => calls(),
        24 => step().prop_map(Op::Pass),
        16 => looks(),
        12 => operations(),
    ]
    .boxed()
}

/// What callers and workers do.
fn calls() -> BoxedStrategy<Op> {
    let lease = (ANY, ask()).prop_map(|(worker, ask)| Op::Lease { worker, ask });
    let beat = (ANY, rare(0.4), flag(0.15), option::weighted(0.12, ANY))
        .prop_map(|(worker, tells, again, leaves_out)| Op::Beat { worker, tells, again, leaves_out });
    let submit =
        (vec(wish(), 1..5), flag(0.05)).prop_map(|(tasks, drop_woken)| Op::Submit { tasks, drop_woken });
    let finish = (vec(ending(), 1..4), flag(0.1)).prop_map(|(ends, twice)| Op::Finish { ends, twice });
    let again = (ANY, flag(0.4), option::weighted(0.4, wish()), flag(0.1))
        .prop_map(|(which, changed, beside, twice)| Op::Again { which, changed, beside, twice });
    prop_oneof![
        14 => submit,
        16 => lease,
        11 => beat,
        12 => finish,
        3 => again,
        3 => ANY.prop_map(|which| Op::FinishAgain { which }),
        3 => (ANY, flag(0.5)).prop_map(|(which, beat)| Op::Stale { which, beat }),
        3 => ANY.prop_map(|worker| Op::Crash { worker }),
        2 => ANY.prop_map(|worker| Op::Hang { worker }),
        4 => ANY.prop_map(|which| Op::Cancel { which }),
        4 => (ANY, rare(0.3), rare(0.3))
            .prop_map(|(worker, serves, capacity)| Op::Join { worker, serves, capacity }),
        1 => ANY.prop_map(|worker| Op::Leave { worker }),
    ]
    .boxed()
}

/// What only looks.
fn looks() -> BoxedStrategy<Op> {
    prop_oneof![
        4 => ANY.prop_map(|which| Op::Record { which }),
        5 => (ANY, rare(0.6)).prop_map(|(which, seen)| Op::Watch { which, seen }),
        1 => ANY.prop_map(|which| Op::Unwatch { which }),
        2 => Just(Op::Templates),
        1 => Just(Op::Lanes),
        1 => Just(Op::Workers),
        1 => (rare(0.5), rare(0.5), rare(0.5), rare(0.5))
            .prop_map(|(state, lane, tenant, limit)| Op::Tasks { state, lane, tenant, limit }),
    ]
    .boxed()
}

/// What operators do.
fn operations() -> BoxedStrategy<Op> {
    prop_oneof![
        3 => ANY.prop_map(|lane| Op::Pause { lane }),
        4 => ANY.prop_map(|lane| Op::Resume { lane }),
        1 => ANY.prop_map(|worker| Op::Drain { worker }),
        4 => ANY.prop_map(|which| Op::Requeue { which }),
        2 => ANY.prop_map(|which| Op::Purge { which }),
        1 => (ANY, ANY).prop_map(|(tenant, weight)| Op::Weigh { tenant, weight }),
    ]
    .boxed()
}
