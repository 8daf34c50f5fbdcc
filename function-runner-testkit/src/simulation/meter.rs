//! How busy the machines are, beside the most that they could be.

use super::plan::Plan;

/// Sums over time of what is there and what is used, a second each.
#[derive(Debug)]
pub(super) struct Meters {
    seconds: usize,
    /// Thousandths of cores, of all live workers and of all bodies that run.
    pub(super) cores: Gauge,
    pub(super) cores_used: Gauge,
    /// GPUs, of all live workers and those on which a body runs.
    pub(super) cards: Gauge,
    pub(super) cards_used: Gauge,
    /// The work in thousandths of core milliseconds that came in each second.
    offered: Vec<f64>,
    overload: (u64, u64),
}

#[derive(Debug)]
pub(super) struct Gauge {
    now: i64,
    since: u64,
    sums: Vec<f64>,
}

impl Gauge {
    fn new(seconds: usize) -> Self {
        Self { now: 0, since: 0, sums: vec![0.0; seconds] }
    }

    pub(super) fn add(&mut self, at: u64, change: i64) {
        self.run_to(at);
        self.now += change;
    }

    fn run_to(&mut self, at: u64) {
        while self.since < at {
            let second = (self.since / 1000) as usize;
            let until = at.min((self.since / 1000 + 1) * 1000);
            if let Some(sum) = self.sums.get_mut(second) {
                *sum += self.now as f64 * (until - self.since) as f64;
            } else {
                self.since = at;
                return;
            }
            self.since = until;
        }
    }

    fn sum(&self, from: u64, to: u64) -> f64 {
        self.sums[(from / 1000) as usize..(to / 1000) as usize].iter().sum()
    }
}

impl Meters {
    pub(super) fn new(plan: &Plan) -> Self {
        let seconds = (plan.length() / 1000) as usize;
        let gauge = || Gauge::new(seconds);
        Self {
            seconds,
            cores: gauge(),
            cores_used: gauge(),
            cards: gauge(),
            cards_used: gauge(),
            offered: vec![0.0; seconds],
            overload: plan.overload(),
        }
    }

    pub(super) fn offer(&mut self, at: u64, work: f64) {
        if let Some(second) = self.offered.get_mut((at / 1000) as usize) {
            *second += work;
        }
    }

    /// What was used of the cores and of the GPUs while more had come than they could do, in thousandths.
    pub(super) fn busy(&mut self) -> [u64; 2] {
        let end = self.seconds as u64 * 1000;
        let gauges = [&mut self.cores, &mut self.cores_used, &mut self.cards, &mut self.cards_used];
        gauges.into_iter().for_each(|gauge| gauge.run_to(end));
        let (from, to) = self.overload;
        // it takes a while until something waits for every machine
        let from = from + (to - from) / 5;
        let part =
            |used: &Gauge, all: &Gauge| (used.sum(from, to) / all.sum(from, to).max(1.0) * 1000.0) as u64;
        [part(&self.cores_used, &self.cores), part(&self.cards_used, &self.cards)]
    }

    /// The core work that was done until the overload ended, of the most that any schedule could have done: that of a
    /// fluid that is served at the speed of all cores together as soon as it comes. In thousandths.
    pub(super) fn of_best(&mut self) -> u64 {
        self.busy();
        let until = (self.overload.1 / 1000) as usize;
        let (mut waiting, mut best) = (0.0, 0.0);
        for second in 0..until {
            waiting += self.offered[second];
            let served = f64::min(waiting, self.cores.sums[second]);
            (waiting, best) = (waiting - served, best + served);
        }
        (self.cores_used.sum(0, self.overload.1) / f64::max(best, 1.0) * 1000.0) as u64
    }
}
