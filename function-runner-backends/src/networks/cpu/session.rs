//! Running a network on tiles.

use super::{
    kernels::Job,
    layout::{Layout, Line},
    network::Network,
    step::Step,
};
use rayon::{
    ThreadPool, ThreadPoolBuilder,
    iter::{IndexedParallelIterator as _, ParallelIterator as _},
    slice::ParallelSliceMut as _,
};
use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// The caller asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped")]
pub struct Stopped;

/// Runs a network on tiles, with a thread pool and an arena of its own.
pub struct Session {
    network: Network,
    /// How many threads compute; one is the caller's own.
    threads: usize,
    pool: Option<ThreadPool>,
    layout: Option<Layout>,
    arena: Vec<Line>,
    scratch: Vec<Line>,
}

/// The first line of memory that threads write to at places of their own.
#[derive(Clone, Copy)]
struct Shared(*mut Line);

// SAFETY: it is only an address; who writes through it says why nobody else does
unsafe impl Send for Shared {}
// SAFETY: likewise
unsafe impl Sync for Shared {}

impl Shared {
    /// The first number behind so many lines.
    ///
    /// # Safety
    ///
    /// There are that many lines.
    unsafe fn line(self, lines: usize) -> *mut f32 {
        // SAFETY: the caller promises so
        unsafe { self.0.add(lines) }.cast()
    }
}

impl Session {
    pub(super) fn new(network: Network, threads: usize) -> Self {
        let pool = (threads > 1).then(|| {
            ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|index| format!("network-{index}"))
                .build()
        });
        // A machine that gives no threads still computes, on the caller's.
        let pool = pool.and_then(Result::ok);
        let threads = pool.as_ref().map_or(1, ThreadPool::current_num_threads);
        Self { network, threads, pool, layout: None, arena: Vec::new(), scratch: Vec::new() }
    }

    /// Runs the network on one tile.
    ///
    /// `input` is `[height][width][3]`, red green blue, 0 to 1; `output` is `[height · scale][width · scale][3]` and
    /// may go beyond 0 to 1. `report` is told the share of the tile that is done, 1 at last. The result is the same
    /// to the bit for any number of threads.
    ///
    /// # Errors
    ///
    /// [`Stopped`] soon after `stopped` says so, which is asked every few milliseconds; the output is then unfinished.
    ///
    /// # Panics
    ///
    /// If `input` or `output` is not as long as the size says.
    pub fn run(
        &mut self,
        width: u32,
        height: u32,
        input: &[f32],
        output: &mut [f32],
        stopped: &(dyn Fn() -> bool + Sync),
        report: &mut dyn FnMut(f32),
    ) -> Result<(), Stopped> {
        let scale = self.network.plan().scale as usize;
        let pixels = width as usize * height as usize;
        assert_eq!(input.len(), pixels * 3, "the input has three numbers per pixel");
        assert_eq!(output.len(), pixels * 3 * scale * scale, "the output has three numbers per pixel");
        if pixels == 0 {
            report(1.0);
            return Ok(());
        }
        let layout = self.lay(width, height);
        self.read(&layout, input);
        let network = self.network.clone();
        let total: f32 = network.steps().iter().map(|step| step.cost).sum();
        let mut done = 0.0;
        for step in network.steps() {
            self.step(&layout, step, stopped)?;
            done += step.cost;
            report(done / total);
        }
        self.write(&layout, output);
        Ok(())
    }

    /// Bytes that it has allocated.
    #[cfg(test)]
    pub(super) fn held(&self) -> u64 {
        ((self.arena.capacity() + self.scratch.capacity()) * size_of::<Line>()) as u64
    }

    /// Makes room for tiles of this size, with zeros around them.
    fn lay(&mut self, width: u32, height: u32) -> Layout {
        let layout = self.network.layout(width, height);
        if self.layout == Some(layout) {
            return layout;
        }
        self.layout = None;
        let lines = self.network.arena_lines(&layout);
        if lines > self.arena.len() {
            // the old one is freed first, so that there are never two
            self.arena = Vec::new();
            self.arena = vec![Line::ZERO; lines];
        } else {
            self.arena[..lines].fill(Line::ZERO);
        }
        if self.scratch.is_empty() {
            self.scratch = vec![Line::ZERO; self.network.scratch_lines() * self.threads];
        }
        self.layout = Some(layout);
        layout
    }

    fn read(&mut self, layout: &Layout, input: &[f32]) {
        let range = self.network.plan().range;
        let plane = self.network.arena().first[0] * layout.plane;
        for (row, pixels) in input.chunks_exact(layout.width * 3).enumerate() {
            let first = plane + layout.line(row, 0);
            let lines = &mut self.arena[first..first + layout.width];
            for (line, pixel) in lines.iter_mut().zip(pixels.chunks_exact(3)) {
                *line = Line::ZERO;
                for (number, sample) in line.0.iter_mut().zip(pixel) {
                    *number = sample * range;
                }
            }
        }
    }

    /// Runs one convolution on all threads.
    fn step(
        &mut self,
        layout: &Layout,
        step: &Step,
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), Stopped> {
        let (arena, scratch) = (Shared(self.arena.as_mut_ptr()), Shared(self.scratch.as_mut_ptr()));
        let each = self.network.scratch_lines();
        let squares = step.squares(layout);
        let share = step.share(squares, self.threads);
        let (next, halted) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = |thread: usize| {
            loop {
                let begin = next.fetch_add(share, Ordering::Relaxed);
                if begin >= squares || halted.load(Ordering::Relaxed) {
                    return;
                }
                if stopped() {
                    halted.store(true, Ordering::Relaxed);
                    return;
                }
                // SAFETY: the arena was laid out like this for all planes of the network; each share of squares is
                // given once, and no other step runs; every thread has a scratch of its own, large enough for each
                // step's largest share
                unsafe {
                    let job = Job { step, layout, arena: arena.line(0) };
                    job.run(begin..squares.min(begin + share), scratch.line(thread * each));
                }
            }
        };
        match &self.pool {
            // waking threads for one share takes longer than computing it
            Some(pool) if squares > share => drop(pool.broadcast(|context| work(context.index()))),
            _ => work(0),
        }
        if halted.into_inner() { Err(Stopped) } else { Ok(()) }
    }

    fn write(&self, layout: &Layout, output: &mut [f32]) {
        let (network, arena) = (&self.network, &self.arena);
        let plan = network.plan();
        let (scale, over) = (plan.scale as usize, plan.range.recip());
        let plane = network.arena().first[plan.output.0] * layout.plane;
        let row = |(row, block): (usize, &mut [f32])| {
            for (below, line) in block.chunks_exact_mut(layout.width * scale * 3).enumerate() {
                for (column, pixels) in line.chunks_exact_mut(scale * 3).enumerate() {
                    let from = plane + layout.line(row, column);
                    for (channel, number) in pixels.iter_mut().enumerate() {
                        let channel = below * scale * 3 + channel;
                        *number = arena[from + channel / 16 * layout.plane].0[channel % 16] * over;
                    }
                }
            }
        };
        let size = layout.width * scale * scale * 3;
        match &self.pool {
            Some(pool) => pool.install(|| output.par_chunks_exact_mut(size).enumerate().for_each(row)),
            None => output.chunks_exact_mut(size).enumerate().for_each(row),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("network", &self.network)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
