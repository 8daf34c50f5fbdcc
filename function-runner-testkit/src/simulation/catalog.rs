//! What is simulated: the functions, the machines that serve them, and how long their bodies last.

use std::{sync::Arc, time::Duration};

use function_runner_core::{
    Capacity, Envelope, Lane, Name, Quality, ResourceRequirement, Result, Retention, RetryPolicy, Template,
    Version,
};
use serde_json::json;

use super::plan::Plan;

/// How long the record of a task that succeeded or was cancelled is kept.
const KEPT: Duration = Duration::from_secs(120);
/// How long the record of a dead letter is kept.
pub(super) const KEPT_DEAD: Duration = Duration::from_secs(2 * 3600);

/// The licence that some functions count.
const LICENCE: &str = "licence";

/// What the tasks of a function mainly take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    /// A place and nothing else.
    Slots,
    /// Cores; its work is counted in thousandths of one.
    Cpu,
    /// GPUs; its work is counted in thousandths of a card of 24 GiB.
    Gpu,
}

/// One function.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) template: Template,
    pub(super) envelope: Arc<Envelope>,
    pub(super) lane: Lane,
    pub(super) pool: Pool,
    /// What one body takes of its pool.
    pub(super) units: u64,
    /// How many of a thousand tasks are of it.
    pub(super) share: u64,
    /// How long a body lasts on average, in milliseconds.
    pub(super) mean: u64,
    /// The longest an attempt may take, in milliseconds.
    pub(super) timeout: u64,
    /// Whether it takes what only a worker that drains may have free.
    pub(super) large: bool,
}

/// A function as it is written here: name, pool, units, share, mean in milliseconds, large, requirement.
type Line = (&'static str, Pool, u64, u64, u64, bool, ResourceRequirement);

/// The function that is flooded to compare shares.
pub(super) const RENDER: usize = 2;
/// The function that poison is of.
pub(super) const SMALL: usize = 1;

fn needs() -> ResourceRequirement {
    ResourceRequirement::new()
}

fn lines() -> Vec<Line> {
    let image = needs().gpu_memory_mib(2048).shared(needs().gpu_memory_mib(8192));
    let video = needs().gpu_memory_mib(6144).shared(needs().gpu_memory_mib(12_288));
    let flexible = needs().gpu_memory_mib(1536).shared(needs().gpu_memory_mib(6144));
    let flexible = flexible.or(needs().cpu_millis(1000).memory_mib(2048).shared(needs().memory_mib(4096)));
    vec![
        ("cpu.tiny", Pool::Slots, 0, 250, 500, false, needs().slots(1)),
        ("cpu.small", Pool::Cpu, 500, 200, 10_000, false, needs().cpu_millis(500).memory_mib(512)),
        ("cpu.render", Pool::Cpu, 1000, 130, 30_000, false, needs().cpu_millis(1000).memory_mib(1024)),
        ("cpu.big", Pool::Cpu, 2000, 30, 30_000, true, needs().cpu_millis(2000).memory_mib(8192)),
        ("cpu.licensed", Pool::Cpu, 500, 30, 5000, false, needs().cpu_millis(500).custom(LICENCE, 1)),
        ("cpu.long", Pool::Cpu, 1000, 15, 120_000, false, needs().cpu_millis(1000)),
        ("gpu.image", Pool::Gpu, 125, 100, 10_000, false, image),
        ("gpu.video", Pool::Gpu, 500, 50, 15_000, false, video),
        ("gpu.one", Pool::Gpu, 1000, 60, 20_000, true, needs().gpus(1)),
        ("gpu.node", Pool::Gpu, 8000, 15, 30_000, true, needs().gpus(8)),
        ("gpu.flexible", Pool::Gpu, 100, 50, 10_000, false, flexible),
        ("gpu.long", Pool::Gpu, 1000, 10, 120_000, true, needs().gpus(1).gpu_memory_mib(16_384)),
    ]
}

/// All functions, with bodies as long as fits the plan: its load is to be a little under what its machines can do.
pub(super) fn kinds(plan: &Plan) -> Result<Vec<Kind>> {
    let lines = lines();
    let seconds = plan.length() as f64 / 1000.0;
    let stretch = |pool: Pool, capacity: f64, aim: f64| {
        let of_pool = lines.iter().enumerate().filter(|(_, line)| line.1 == pool);
        let work = of_pool.map(|(index, line)| {
            let extra = if index == RENDER { plan.flood_share() } else { 0 };
            (line.2 * (line.3 + extra) * line.4) as f64 / 1e9
        });
        aim * capacity * seconds / (work.sum::<f64>() * plan.tasks as f64)
    };
    let (cores, cards) = MACHINES.iter().fold((0.0, 0.0), |(cores, cards), machine| {
        let count = plan.workers as f64 * machine.share as f64 / 1000.0;
        (cores + count * machine.cores as f64, cards + count * machine.cards as f64)
    });
    let (cpu, gpu) = (stretch(Pool::Cpu, cores, 0.85), stretch(Pool::Gpu, cards, 0.7));
    lines
        .iter()
        .map(|line| {
            let stretch = match line.1 {
                Pool::Slots => 1.0,
                Pool::Cpu => cpu,
                Pool::Gpu => gpu,
            };
            Kind::new(line.clone(), stretch)
        })
        .collect()
}

impl Kind {
    fn new((name, pool, units, share, mean, large, requires): Line, stretch: f64) -> Result<Self> {
        let mean = ((mean as f64 * stretch) as u64).max(100);
        let timeout = 3 * mean;
        let version = Version::new(1, 0, 0);
        let mut template = Template::new(Name::new(name)?, version, json!({}), json!({}));
        template.requires = requires;
        template.timeout = Some(Duration::from_millis(timeout));
        template.retry = RetryPolicy::exponential(4).first_delay(Duration::from_secs(2));
        template.retention = Retention::of(KEPT);
        template.retention.dead = KEPT_DEAD;
        let lane = template.lane(&Quality::Standard);
        let envelope = Arc::new(template.envelope(&Quality::Standard));
        Ok(Self { template, envelope, lane, pool, units, share, mean, timeout, large })
    }
}

/// One sort of machine.
#[derive(Debug)]
pub(super) struct Machine {
    /// How many of a thousand workers are such.
    pub(super) share: u64,
    pub(super) cores: u64,
    pub(super) cards: u64,
    card_mib: u64,
    memory_mib: u64,
    licences: u64,
}

/// Machines without a GPU, with one, and with eight.
pub(super) const MACHINES: [Machine; 3] = [
    Machine { share: 600, cores: 2, cards: 0, card_mib: 0, memory_mib: 16_384, licences: 1 },
    Machine { share: 300, cores: 2, cards: 1, card_mib: 24_576, memory_mib: 32_768, licences: 0 },
    Machine { share: 100, cores: 16, cards: 8, card_mib: 81_920, memory_mib: 524_288, licences: 2 },
];

impl Machine {
    pub(super) fn capacity(&self) -> Capacity {
        let plain = Capacity::new().cpu_millis(self.cores * 1000).memory_mib(self.memory_mib);
        let licensed = if self.licences > 0 { plain.custom(LICENCE, self.licences) } else { plain };
        (0..self.cards).fold(licensed, |capacity, _| capacity.gpu(self.card_mib))
    }
}
