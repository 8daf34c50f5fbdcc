//! What a waiting task takes of memory above its input: the growth of the whole process, from ten thousand to a million
//! of them in one store, beside the kibibyte that it may take.

use std::{ops::Range, process, sync::Arc};

use function_runner_backends::memory::MemoryQueue;
use function_runner_core::{
    Executor as _, Function, Intake, MAX_BATCH, Payload, Request, Result, Task, TemplateSet,
};
use futures::FutureExt as _;
use sysinfo::{Pid, ProcessesToUpdate, System};

const COUNTS: [usize; 3] = [10_000, 100_000, 1_000_000];

/// The bytes of each input; what is in them differs, so that nothing is shared.
const INPUT: usize = 500;

/// What a task may take above that.
const MOST: usize = 1024;

const KEEP: Function<String, u32> = Function::new("bench.keep");

/// What this process has of the machine's memory, in bytes.
fn resident(system: &mut System) -> u64 {
    let own = Pid::from_u32(process::id());
    system.refresh_processes(ProcessesToUpdate::Some(&[own]), false);
    system.process(own).expect("this process runs").memory()
}

/// So many tasks as a caller's intake makes them.
fn tasks(intake: &Intake, numbers: Range<usize>) -> Result<Vec<Task>> {
    let task = |number| {
        let input = Payload::encode(&format!("{number:0>width$}", width = INPUT - 2))?;
        let admitted = intake.admit(Request::new(KEEP.reference()?, input));
        admitted.now_or_never().expect("its function is known")
    };
    numbers.map(task).collect()
}

#[tokio::main]
async fn main() -> Result<()> {
    let queue = MemoryQueue::new();
    let templates = TemplateSet::of_templates(vec![KEEP.template()?], None);
    let intake = Intake::new(Arc::new(queue.clone())).knowing(templates);
    let mut system = System::new().expect("the machine tells of its processes");
    let empty = resident(&mut system);
    println!("{:<20} {:>22} {:>12}", "queued", "bytes above the input", "of the most");
    let mut stored = 0;
    for count in COUNTS {
        while stored < count {
            let numbers = stored..(stored + MAX_BATCH).min(count);
            stored = numbers.end;
            queue.submit(tasks(&intake, numbers)?).await?;
        }
        let each = (resident(&mut system).saturating_sub(empty) as f64 / count as f64) - INPUT as f64;
        println!("{count:<20} {each:>22.0} {:>12.2}", each / MOST as f64);
    }
    Ok(())
}
