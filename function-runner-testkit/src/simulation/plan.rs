//! How large a simulation is, and what comes when.

/// How large a simulation is; everything else follows from the seed.
///
/// It spans eight minutes of arrivals: a usual load with bursts, then two minutes of twice what the machines can do, then
/// less. Bodies last as long as makes that so, whatever the numbers of workers and tasks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// What everything is drawn from.
    pub seed: u64,
    /// How many workers there are at first, and about how many later.
    pub workers: usize,
    /// How many tasks are submitted.
    pub tasks: usize,
}

/// What the store does to calls for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weather {
    /// They get through.
    Clear,
    /// Some fail before they have an effect, some after it.
    Lossy,
    /// All fail before they have an effect.
    Dark,
}

impl Plan {
    /// 100 workers and 10,000 tasks.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, workers: 100, tasks: 10_000 }
    }

    /// With this many workers, from 20.
    #[must_use]
    pub const fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// With this many tasks.
    #[must_use]
    pub const fn tasks(mut self, tasks: usize) -> Self {
        self.tasks = tasks;
        self
    }

    /// How long tasks arrive, in milliseconds.
    pub(super) const fn length(&self) -> u64 {
        480_000
    }

    /// How many tenants there are: few enough that each has tasks to compare.
    pub(super) const fn tenants(&self) -> usize {
        if self.tasks >= 200_000 { 50 } else { 8 }
    }

    /// How many of a thousand tasks are the flood in which shares are compared.
    pub(super) const fn flood_share(&self) -> u64 {
        60
    }

    /// How many times the average arrives at this time, in milliseconds.
    pub(super) const fn rate(&self, at: u64) -> f64 {
        match at * 100 / self.length() {
            ..35 => 0.7,
            35..60 => 2.0,
            60..100 => 0.6,
            _ => 0.0,
        }
    }

    /// From when to when more arrives than the machines can do.
    pub(super) const fn overload(&self) -> (u64, u64) {
        (self.length() * 35 / 100, self.length() * 60 / 100)
    }

    /// The store's bad times: from when, for how long, how bad.
    pub(super) fn weathers(&self) -> [(u64, u64, Weather); 6] {
        let at = |percent: u64| self.length() * percent / 100;
        [
            (at(12), 1_000, Weather::Dark),
            (at(22), 10_000, Weather::Dark),
            (at(30), 8_000, Weather::Lossy),
            (at(50), 5_000, Weather::Lossy),
            (at(70), 30_000, Weather::Dark),
            (at(85), 10_000, Weather::Lossy),
        ]
    }
}
