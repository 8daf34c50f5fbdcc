//! The embedded backend beside what carries it, in one run: syncs of the same file system, bare SQLite.
//!
//! `embedded [FOLDER [PART…]]` measures in a folder of its own in FOLDER, the current one unless said: what a disk
//! takes to sync is the disk's. Parts are `rates`, `leases`, `idle` and `size`, all unless said.

use std::path::{Path, PathBuf};

use function_runner_benches::KEEP;
use function_runner_client::prelude::*;
use function_runner_core::{Lane, Payload, Task, TaskId, Version};

mod idle;
mod leases;
mod limits;
mod rates;
mod size;

/// A task as intake makes it of a 500-byte note, with nothing else.
fn task(input: &Payload) -> Task {
    let version = Version::new(1, 0, 0);
    let envelope = function_runner_core::Envelope::new(version);
    let function = "bench.keep@1.0".parse().expect("a reference");
    Task::new(TaskId::unique(), function, lane(), input.clone(), envelope.into())
}

fn lane() -> Lane {
    "bench.keep@1.0:standard".parse().expect("a lane")
}

fn input() -> Payload {
    Payload::encode(&function_runner_benches::Note::of_500_bytes()).expect("a note is JSON")
}

/// A runner over the queue in this file, for calls of the no-op function.
async fn runner(file: &Path) -> Runner {
    let queue = function_runner_backends::embedded::EmbeddedQueue::open(file).await.expect("the file opens");
    Runner::over(queue.connection())
}

/// The worker's registry.
fn registry() -> Registry {
    Registry::new().add(KEEP.implement(function_runner_benches::keep))
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("--worker") {
        let file = arguments.next().expect("--worker FILE");
        return idle::work(&PathBuf::from(file));
    }
    let parent = first.map_or_else(|| PathBuf::from("."), PathBuf::from);
    let folder = tempfile::Builder::new()
        .prefix("bench-embedded-")
        .tempdir_in(parent)
        .expect("the folder can be written");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let parts: Vec<String> = arguments.collect();
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    runtime.block_on(async {
        if wants("rates") {
            rates::measure(folder.path()).await;
        }
        if wants("leases") {
            leases::measure(folder.path()).await;
        }
        if wants("idle") {
            idle::measure(folder.path()).await;
        }
        if wants("size") {
            size::measure(folder.path()).await;
        }
    });
}
