//! Watching: what an event costs for 1, 100 and 10,000 readers of one task, beside a broadcast channel; and what 10,000
//! watchers of other tasks cost the path of a task.

use std::{sync::Arc, time::Instant};

use function_runner_backends::memory::MemoryQueue;
use function_runner_benches::{Figure, KEEP, Note, ROUNDS, keep, table};
use function_runner_client::prelude::*;
use function_runner_core::{
    AskedLane, Beat, Capacity, EventStream, Executor, Heartbeat, LeaseKey, LeaseRequest, LogLevel, LogLine,
    Numbered, Payload, Queue, Report, Seen, Task, TaskId, Template, WorkerId, WorkerInfo,
    schedule::lane_cost,
};
use futures::StreamExt as _;
use tokio::sync::broadcast;

const READERS: [usize; 3] = [1, 100, 10_000];

/// How many watchers look on while tasks run.
const WATCHERS: usize = 10_000;

/// A task that runs on a worker which tells its watchers whatever it is made to.
struct Running {
    queue: MemoryQueue,
    worker: WorkerId,
    key: LeaseKey,
    told: u32,
}

impl Running {
    async fn new() -> Result<Self> {
        let (queue, worker) = (MemoryQueue::new(), WorkerId::unique());
        let template = KEEP.template()?;
        let capacity = Capacity::new().cpu_millis(1000);
        queue.join(WorkerInfo::new(worker.clone(), capacity, vec![template.clone()])).await?;
        let task = task_of(&template)?;
        let lane = task.lane.clone();
        queue.submit(vec![task]).await?;
        let cost = lane_cost(1).expect("one fits");
        let asked = AskedLane { lane, cost, warm: false };
        let reply = queue.lease(LeaseRequest::new(worker.clone(), 1, vec![asked])).await?;
        let key = reply.leases[0].key.clone();
        Ok(Self { queue, worker, key, told: 0 })
    }

    async fn reader(&self) -> Result<EventStream> {
        let mut events = self.queue.watch(&self.key.id, Seen::default()).await?;
        events.next().await.expect("a snapshot comes first")?;
        Ok(events)
    }

    async fn tell(&mut self) -> Result<()> {
        self.told += 1;
        let line = LogLine { level: LogLevel::Info, message: "a line".to_owned() };
        let mut report = Report::default();
        report.logs.push(Numbered::new(self.told, line));
        let beat = Beat::new(self.key.clone(), report);
        self.queue.renew(Heartbeat::new(self.worker.clone(), 1, vec![beat])).await?;
        Ok(())
    }
}

fn task_of(template: &Template) -> Result<Task> {
    let envelope = Arc::new(template.envelope(&Quality::Standard));
    let input = Payload::encode(&Note::of_500_bytes())?;
    let lane = template.lane(&Quality::Standard);
    Ok(Task::new(TaskId::unique(), KEEP.reference()?, lane, input, envelope))
}

/// So many readers of one task, each of which reads each event.
async fn fan_out(figure: &mut Figure, readers: usize, events: usize) -> Result<()> {
    let mut running = Running::new().await?;
    let mut streams = Vec::new();
    for _ in 0..readers {
        streams.push(running.reader().await?);
    }
    let begin = Instant::now();
    for _ in 0..events {
        running.tell().await?;
        for stream in &mut streams {
            stream.next().await.expect("the task goes on")?;
        }
    }
    figure.add(events * readers, begin.elapsed());
    Ok(())
}

/// The same by a channel that hands every reader a share of the event.
async fn limit(figure: &mut Figure, readers: usize, events: usize) {
    let (send, _) = broadcast::channel(16);
    let mut receivers: Vec<_> = (0..readers).map(|_| send.subscribe()).collect();
    let begin = Instant::now();
    for n in 0..events {
        send.send(Arc::new((n, "a line".to_owned()))).expect("somebody reads");
        for receiver in &mut receivers {
            receiver.recv().await.expect("it was sent");
        }
    }
    figure.add(events * readers, begin.elapsed());
}

/// Runs tasks with 64 callers.
async fn run(runner: &Runner, tasks: usize) -> Duration {
    let note = Note::of_500_bytes();
    let begin = Instant::now();
    let calls = futures::stream::iter(0..tasks).map(|_| runner.call(KEEP, note.clone()));
    let ended = calls.buffer_unordered(64).filter(|end| std::future::ready(end.is_ok())).count().await;
    assert_eq!(ended, tasks, "every task gave its answer");
    begin.elapsed()
}

/// A runner of its own, with ten thousand tasks that wait and so many watchers of them.
async fn watched(watchers: usize) -> Result<(Runner, Vec<EventStream>)> {
    const LATER: Function<Note, u32> = Function::new("bench.later");
    let runner = Runner::local(Registry::new().add(KEEP.implement(keep)).add(LATER.implement(keep)))?;
    let mut streams = Vec::new();
    for number in 0..WATCHERS {
        let later = runner.call(LATER, Note::of_500_bytes()).delay(Duration::from_secs(3600));
        let handle = later.submit().await?;
        if number < watchers {
            streams.push(runner.executor().watch(handle.id(), Seen::default()).await?);
        }
    }
    Ok((runner, streams))
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut limits = READERS.map(|count| Figure::new(format!("limit: a broadcast channel, {count} readers")));
    let mut figures = READERS.map(|count| Figure::new(format!("watch: an event to each of {count} readers")));
    let mut alone = Figure::new("limit: submit → result, 64 callers, nobody watches");
    let mut looked_at = Figure::new(format!("submit → result, {WATCHERS} watchers of other tasks"));
    let (quiet, _none) = watched(0).await?;
    let (busy, _streams) = watched(WATCHERS).await?;
    for _ in 0..ROUNDS {
        for (place, readers) in READERS.into_iter().enumerate() {
            let events = (200_000 / readers).min(50_000);
            limit(&mut limits[place], readers, events).await;
            fan_out(&mut figures[place], readers, events).await?;
        }
        // in turns, as what is measured first may find the machine in another state
        for _ in 0..4 {
            alone.add(25_000, run(&quiet, 25_000).await);
            looked_at.add(25_000, run(&busy, 25_000).await);
        }
    }
    let mut rows = Vec::new();
    for (limit, figure) in limits.iter().zip(&figures) {
        rows.extend([(limit, None), (figure, Some(limit))]);
    }
    rows.extend([(&alone, None), (&looked_at, Some(&alone))]);
    println!("watching, median of {ROUNDS} interleaved rounds");
    print!("{}", table(&rows));
    Ok(())
}
