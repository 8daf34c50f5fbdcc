//! Which faults strike: by chance from a seed, or at a call that is named.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use function_runner_core::Clock;

use super::{Answer, Call, Fault, Planted};
use crate::dice::Dice;

/// The most items of a watch before chance cuts it.
const MOST_ITEMS: u64 = 6;

/// How many times chance halves or doubles the number of bytes before it cuts them: up to 64 KiB.
const MOST_DOUBLINGS: u64 = 17;

/// Which faults strike, and a switch that stops them; clones share the switch, the counts and what was told.
///
/// What strikes the n-th call of a kind depends on the seed, the kind and n alone, by a hash: the same seed plants the
/// same faults, and how threads interleave changes only which caller makes the n-th call. One caller with `Faults` of
/// its own therefore meets the same faults in every run. The builders change this value, not the clones made before.
///
/// Of refusal, lost reply and the three kinds of doubling one strikes a call at most; a delay and a cut may come on top.
///
/// # Examples
///
/// ```
/// use function_runner_testkit::faults::{Call, Fault, Faults};
/// use std::time::Duration;
///
/// // by chance: 5 % of the calls do not arrive, of 5 % the reply is lost, and a third is up to 2 ms late
/// let storm = Faults::new(7).refuse(0.05).lose_replies(0.05).delay(0.3, Duration::ZERO..Duration::from_millis(2));
/// // or exactly one
/// let one = Faults::none().at(Call::Finish, 3, Fault::ReplyLost);
/// assert!(storm.told().is_empty() && one.told().is_empty());
/// ```
#[derive(Clone)]
#[must_use = "faults strike through `Faulty::new`"]
pub struct Faults {
    seed: u64,
    refuse: f64,
    lose: f64,
    double: f64,
    resend: f64,
    straggle: f64,
    delay: (f64, Range<Duration>),
    cut: f64,
    reconnect: f64,
    only: Option<Vec<Call>>,
    named: Vec<(Call, u64, Fault)>,
    clock: Option<Arc<dyn Clock>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    healed: AtomicBool,
    counts: [AtomicU64; Call::COUNT],
    told: Mutex<Vec<Planted>>,
}

impl Faults {
    /// None so far; those that are added by chance come from this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            refuse: 0.0,
            lose: 0.0,
            double: 0.0,
            resend: 0.0,
            straggle: 0.0,
            delay: (0.0, Duration::ZERO..Duration::ZERO),
            cut: 0.0,
            reconnect: 0.0,
            only: None,
            named: Vec::new(),
            clock: None,
            shared: Arc::default(),
        }
    }

    /// None by chance: for those that are [named](Self::at).
    pub fn none() -> Self {
        Self::new(0)
    }

    /// A little of everything that a bad network does, with delays of up to 2 ms.
    pub fn storm(seed: u64) -> Self {
        let delays = Duration::ZERO..Duration::from_millis(2);
        let lossy = Self::new(seed).refuse(0.06).lose_replies(0.06).delay(0.2, delays);
        lossy.duplicate(0.03).resend(0.03).straggle(0.03).reconnect(0.3)
    }

    /// Calls that do not arrive: so many of 1.
    ///
    /// # Panics
    ///
    /// As every builder that takes one: where it is no probability, from 0 to 1.
    pub fn refuse(mut self, probability: f64) -> Self {
        self.refuse = checked(probability);
        self
    }

    /// Replies that are lost after the effect: so many of 1.
    pub fn lose_replies(mut self, probability: f64) -> Self {
        self.lose = checked(probability);
        self
    }

    /// Calls that arrive twice, of which the first answer is given: so many of 1.
    pub fn duplicate(mut self, probability: f64) -> Self {
        self.double = checked(probability);
        self
    }

    /// Calls whose answer is lost and which are sent again on the way, so that the second is given: so many of 1.
    pub fn resend(mut self, probability: f64) -> Self {
        self.resend = checked(probability);
        self
    }

    /// Calls of which a copy arrives after the answer, by a time of the range of [`delay`](Self::delay): so many of 1.
    pub fn straggle(mut self, probability: f64) -> Self {
        self.straggle = checked(probability);
        self
    }

    /// Calls that are late: so many of 1, each by a time of this range, spread over both ways by chance.
    pub fn delay(mut self, probability: f64, range: Range<Duration>) -> Self {
        self.delay = (checked(probability), range);
        self
    }

    /// Streams that break off with an error: so many of 1, watches after up to five items, artifacts after up to 64 KiB.
    pub fn cut(mut self, probability: f64) -> Self {
        self.cut = checked(probability);
        self
    }

    /// Connections of watches that break and are made again unseen: so many of 1; each may break again. The gap between
    /// takes a delay of the range of [`delay`](Self::delay).
    pub fn reconnect(mut self, probability: f64) -> Self {
        self.reconnect = checked(probability);
        self
    }

    /// By chance at these calls alone.
    pub fn only(mut self, calls: impl IntoIterator<Item = Call>) -> Self {
        self.only = Some(calls.into_iter().collect());
        self
    }

    /// Plants this at the n-th call of a kind, from 1: nothing strikes that call by chance then. Several may be planted at
    /// one call; where they exclude each other the first counts.
    ///
    /// # Panics
    ///
    /// Where it cannot happen to such a call: see [`Fault::fits`].
    pub fn at(mut self, call: Call, nth: u64, fault: Fault) -> Self {
        assert!(fault.fits(call), "{fault:?} cannot happen to {call}; a cut is for watch, put and get");
        assert!(nth > 0, "the first {call} has the number 1, not 0");
        self.named.push((call, nth, fault));
        self
    }

    /// Delays by this clock, by tokio's time unless said.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Plants nothing more, in streams that are open neither: so that a run can end. Calls are counted on.
    pub fn heal(&self) {
        self.shared.healed.store(true, Ordering::Release);
    }

    /// Plants again.
    pub fn resume(&self) {
        self.shared.healed.store(false, Ordering::Release);
    }

    /// Whether nothing is planted now.
    #[must_use]
    pub fn is_healed(&self) -> bool {
        self.shared.healed.load(Ordering::Acquire)
    }

    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Every fault that struck so far, in order; each reads as a sentence.
    #[must_use]
    pub fn told(&self) -> Vec<Planted> {
        self.log().clone()
    }

    /// How many calls of this kind there were.
    #[must_use]
    pub fn calls(&self, call: Call) -> u64 {
        self.shared.counts[call as usize].load(Ordering::Acquire)
    }

    fn log(&self) -> MutexGuard<'_, Vec<Planted>> {
        self.shared.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and says what is to strike it.
    pub(super) fn next(&self, call: Call) -> Struck {
        let nth = self.shared.counts[call as usize].fetch_add(1, Ordering::AcqRel) + 1;
        let mut struck = Struck::unharmed(self.clone(), call, nth);
        if self.is_healed() {
            return struck;
        }
        let named: Vec<Fault> = self
            .named
            .iter()
            .filter(|named| (named.0, named.1) == (call, nth))
            .map(|named| named.2)
            .collect();
        if !named.is_empty() {
            named.into_iter().for_each(|fault| struck.plant(fault));
        } else if self.only.as_ref().is_none_or(|only| only.contains(&call)) {
            self.draw(&mut struck);
        }
        struck
    }

    fn draw(&self, struck: &mut Struck) {
        let (call, nth) = (struck.call, struck.nth);
        let mut dice = Dice::of(self.seed, &[call as u64 + 1, nth]);
        let late = (dice.fraction() < self.delay.0).then(|| dice.within(&self.delay.1));
        if let Some(whole) = late {
            let there = whole.mul_f64(dice.fraction());
            struck.plant(Fault::Delayed { there, back: whole.saturating_sub(there) });
        }
        let mut chance = dice.fraction();
        let straggler = Fault::Straggler(dice.within(&self.delay.1));
        for (probability, fault) in [
            (self.refuse, Fault::Refused),
            (self.lose, Fault::ReplyLost),
            (self.double, Fault::Doubled(Answer::First)),
            (self.resend, Fault::Doubled(Answer::Second)),
            (self.straggle, straggler),
        ] {
            if (0.0..probability).contains(&chance) {
                struck.plant(fault);
            }
            chance -= probability;
        }
        struck.by_chance = true;
    }

    /// What breaks the stream of a call, and where, when it has broken so often before.
    fn break_of(&self, struck: &Struck, round: u64) -> Option<Fault> {
        if !struck.by_chance {
            return struck.breaks.filter(|_| round == 0);
        }
        let mut dice = Dice::of(self.seed, &[struck.call as u64 + 1, struck.nth, round + 1]);
        let chance = dice.fraction();
        let is_watch = struck.call == Call::Watch;
        let after = if is_watch {
            dice.below(MOST_ITEMS)
        } else {
            let size = 1_u64 << dice.below(MOST_DOUBLINGS);
            dice.below(size + 1)
        };
        if chance < self.cut && (Fault::Cut { after }).fits(struck.call) {
            Some(Fault::Cut { after })
        } else if is_watch && chance < self.cut + self.reconnect {
            Some(Fault::Reconnected { after })
        } else {
            None
        }
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        match &self.clock {
            _ if duration.is_zero() => {}
            Some(clock) => clock.sleep_until(clock.now().after(duration)).await,
            None => tokio::time::sleep(duration).await,
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("seed", &self.seed)
            .field("named", &self.named)
            .field("healed", &self.is_healed())
            .field("told", &self.log().len())
            .finish_non_exhaustive()
    }
}

fn checked(probability: f64) -> f64 {
    assert!((0.0..=1.0).contains(&probability), "{probability} is no probability; give it one from 0 to 1");
    probability
}

/// What strikes one call.
#[derive(Clone)]
pub(super) struct Struck {
    pub(super) faults: Faults,
    call: Call,
    nth: u64,
    delay: Option<(Duration, Duration)>,
    effect: Option<Fault>,
    breaks: Option<Fault>,
    by_chance: bool,
}

impl Struck {
    const fn unharmed(faults: Faults, call: Call, nth: u64) -> Self {
        Self { faults, call, nth, delay: None, effect: None, breaks: None, by_chance: false }
    }

    fn plant(&mut self, fault: Fault) {
        match fault {
            Fault::Delayed { there, back } => self.delay = self.delay.or(Some((there, back))),
            Fault::Cut { .. } | Fault::Reconnected { .. } => self.breaks = self.breaks.or(Some(fault)),
            _ => self.effect = self.effect.or(Some(fault)),
        }
    }

    /// Tells that this struck now; `None` where the faults were healed meanwhile.
    pub(super) fn strike(&self, fault: Fault) -> Option<Planted> {
        if self.faults.is_healed() {
            return None;
        }
        let mut log = self.faults.log();
        let number = log.len() as u64 + 1;
        let planted = Planted { number, seed: self.faults.seed, call: self.call, nth: self.nth, fault };
        log.push(planted);
        Some(planted)
    }

    /// Waits on the way there; says whether the call arrives at all.
    pub(super) async fn arrives(&self) -> Result<(), function_runner_core::Error> {
        if let Some((there, back)) = self.delay
            && self.strike(Fault::Delayed { there, back }).is_some()
        {
            self.faults.sleep(there).await;
        }
        match self.effect {
            Some(Fault::Refused) => {
                self.strike(Fault::Refused).map_or(Ok(()), |planted| Err(planted.error()))
            }
            _ => Ok(()),
        }
    }

    /// Whether a copy of the call arrives too, and which.
    pub(super) fn copy(&self) -> Option<Fault> {
        let copy = self.effect.filter(|fault| matches!(fault, Fault::Doubled(_) | Fault::Straggler(_)))?;
        self.strike(copy).map(|planted| planted.fault)
    }

    /// Waits on the way back; says whether the reply comes.
    pub(super) async fn returns(&self) -> Result<(), function_runner_core::Error> {
        if let Some((_, back)) = self.delay.filter(|_| !self.faults.is_healed()) {
            self.faults.sleep(back).await;
        }
        match self.effect {
            Some(Fault::ReplyLost) => {
                self.strike(Fault::ReplyLost).map_or(Ok(()), |planted| Err(planted.error()))
            }
            _ => Ok(()),
        }
    }

    /// What breaks its stream, when it has broken so often before.
    pub(super) fn breaks(&self, round: u64) -> Option<Fault> {
        self.faults.break_of(self, round)
    }

    /// How long it takes until a connection that broke is made again.
    pub(super) async fn gap(&self, round: u64) {
        let mut dice = Dice::of(self.faults.seed ^ 1, &[self.call as u64 + 1, self.nth, round + 1]);
        // things happen meanwhile, also where no time passes
        for _ in 0..dice.below(8) {
            tokio::task::yield_now().await;
        }
        if self.faults.delay.0 > 0.0 {
            self.faults.sleep(dice.within(&self.faults.delay.1)).await;
        }
    }
}
