//! That these schedules find what they are for: an inbox as the worker's, right and twice wrong.

use std::{future::poll_fn, mem, sync::Arc, task::Poll};

use futures::task::AtomicWaker;
use shuttle::{
    scheduler::{PctScheduler, RandomScheduler},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::stage::{beside, play};

/// How soon a fault has to be found at the latest.
const SOON: usize = 1000;

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    LooksBeforeItRegisters,
    WakesBeforeItPuts,
}

struct Inbox {
    fault: Fault,
    heard: Mutex<Vec<u32>>,
    waker: AtomicWaker,
    /// Before the waker is looked at, as in core: where others may go first.
    point: AtomicBool,
}

impl Inbox {
    fn put(&self, heard: u32) {
        if self.fault == Fault::WakesBeforeItPuts {
            self.wake();
            self.heard.lock().unwrap().push(heard);
        } else {
            self.heard.lock().unwrap().push(heard);
            self.wake();
        }
    }

    fn wake(&self) {
        self.point.load(Ordering::SeqCst);
        self.waker.wake();
    }

    fn take(&self) -> Vec<u32> {
        mem::take(&mut self.heard.lock().unwrap())
    }

    async fn next(&self) -> Vec<u32> {
        poll_fn(|context| {
            let early = if self.fault == Fault::LooksBeforeItRegisters { self.take() } else { Vec::new() };
            self.point.load(Ordering::SeqCst);
            self.waker.register(context.waker());
            let heard = if self.fault == Fault::LooksBeforeItRegisters { early } else { self.take() };
            if heard.is_empty() { Poll::Pending } else { Poll::Ready(heard) }
        })
        .await
    }
}

/// One reads what two write.
fn scenario(fault: Fault) -> impl Fn() + Send + Sync + Clone + 'static {
    move || {
        let inbox = Arc::new(Inbox {
            fault,
            heard: Mutex::default(),
            waker: AtomicWaker::new(),
            point: AtomicBool::new(false),
        });
        let reads = inbox.clone();
        let reader = beside(async move {
            let mut count = 0;
            while count < 2 {
                count += reads.next().await.len();
            }
        });
        let writes = inbox.clone();
        let writer = thread::spawn(move || writes.put(1));
        inbox.put(2);
        writer.join().unwrap();
        reader.join();
    }
}

#[test]
fn a_right_inbox_passes() {
    play(RandomScheduler::new_from_seed(0, SOON), scenario(Fault::None));
    play(PctScheduler::new_from_seed(0, 3, SOON), scenario(Fault::None));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_that_looks_before_it_registers_is_found_by_chance() {
    play(RandomScheduler::new_from_seed(0, SOON), scenario(Fault::LooksBeforeItRegisters));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_that_looks_before_it_registers_is_found_by_priorities() {
    play(PctScheduler::new_from_seed(0, 3, SOON), scenario(Fault::LooksBeforeItRegisters));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_that_wakes_before_it_puts_is_found_by_chance() {
    play(RandomScheduler::new_from_seed(0, SOON), scenario(Fault::WakesBeforeItPuts));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_that_wakes_before_it_puts_is_found_by_priorities() {
    play(PctScheduler::new_from_seed(0, 3, SOON), scenario(Fault::WakesBeforeItPuts));
}
