//! What the workers of the fire tests serve, and tasks of it.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    process,
    sync::Arc,
    thread,
    time::Duration,
};

use function_runner_core::{
    Context, Failure, FollowUp, Function, Lane, Payload, Priority, Quality, Registry, ResourceRequirement,
    RetryPolicy, Task, TaskId, Template, Weight, When, schedule::increment,
};
use serde_json::{Value, json};

use crate::dice::Dice;

/// Takes some steps; fails, hangs or kills its process as its input says.
pub(crate) const QUICK: Function<Value, Value> = Function::new("fire.quick");
/// Goes on until its gate is open, and leaves after each step how far it came.
pub(crate) const LONG: Function<Value, Value> = Function::new("fire.long");
/// Blocks the thread that it runs on.
pub(crate) const BLOCK: Function<Value, Value> = Function::new("fire.block");

/// The label of a task whose body kills its worker.
pub(crate) const POISON: &str = "poison";

/// How long an attempt of [`QUICK`] may take: within the lease of every store here.
const TIMEOUT: Duration = Duration::from_millis(250);

pub(crate) fn registry() -> Registry {
    let retry = RetryPolicy::exponential(3).first_delay(Duration::from_millis(20));
    let slot = ResourceRequirement::new().slots(1);
    Registry::new()
        .add(QUICK.implement(quick).requires(slot.clone()).retry(retry).timeout(TIMEOUT))
        .add(LONG.implement(long).requires(slot.clone()))
        .add(BLOCK.implement(block).requires(slot))
}

async fn quick(ctx: Context, plan: Value) -> Result<Value, Failure> {
    let number = |name: &str| plan[name].as_u64().unwrap_or(0);
    if ctx.labels().contains_key(POISON) {
        process::abort();
    }
    let steps = number("steps");
    for step in 1..=steps {
        ctx.check()?;
        ctx.progress(step as f32 / steps as f32, "a step");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    if number("hangs") > 0 {
        std::future::pending::<()>().await;
    }
    if number("permanent") > 0 {
        return Err(Failure::permanent("as planned"));
    }
    if u64::from(ctx.attempt()) <= number("fails") {
        return Err(Failure::transient("as planned"));
    }
    Ok(plan["echo"].clone())
}

async fn long(ctx: Context, plan: Value) -> Result<Value, Failure> {
    let gate = plan["gate"].as_str().unwrap_or_default();
    let trace = Trace::of(&plan);
    let resumed = ctx.resumed().map_or("0", |step| std::str::from_utf8(step).unwrap_or("?"));
    let mut step: u64 = resumed.parse()?;
    trace.note(&format!("from {step}"));
    while !Path::new(gate).exists() {
        ctx.check()?;
        step += 1;
        ctx.checkpoint(step.to_string())?;
        trace.note(&format!("step {step}"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(json!(step))
}

async fn block(_: Context, plan: Value) -> Result<Value, Failure> {
    let trace = Trace::of(&plan);
    trace.note("from 0");
    // not in tokio's time: nothing else runs on this thread
    thread::sleep(Duration::from_millis(plan["millis"].as_u64().unwrap_or(0)));
    drop(trace);
    Ok(Value::Null)
}

/// A file in which a body notes how far it is, and, however it ends, that it is gone. The lines of all processes stand
/// in it, each behind its process id.
struct Trace(String);

impl Trace {
    fn of(plan: &Value) -> Self {
        Self(plan["trace"].as_str().unwrap_or_default().to_owned())
    }

    /// In one write, so that a kill tears no line.
    fn note(&self, what: &str) {
        let file = OpenOptions::new().create(true).append(true).open(&self.0);
        file.unwrap().write_all(format!("{} {what}\n", process::id()).as_bytes()).unwrap();
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.note("gone");
    }
}

/// What the bodies of one process have noted in this file.
pub(crate) fn traced(trace: &Path, process: i32) -> Vec<String> {
    let text = fs::read_to_string(trace).unwrap_or_default();
    let mine = format!("{process} ");
    text.lines().filter_map(|line| line.strip_prefix(&mine)).map(str::to_owned).collect()
}

/// A task of one of the functions with this input.
pub(crate) fn task(function: &Function<Value, Value>, id: &TaskId, plan: &Value) -> Task {
    let template = template(function);
    let envelope = Arc::new(template.envelope(&Quality::Standard));
    let (function, lane) = (function.reference().unwrap(), template.lane(&Quality::Standard));
    Task::new(id.clone(), function, lane, Payload::encode(plan).unwrap(), envelope)
}

pub(crate) fn quick_task(id: &TaskId) -> Task {
    task(&QUICK, id, &json!({}))
}

pub(crate) fn lane(function: &Function<Value, Value>) -> Lane {
    template(function).lane(&Quality::Standard)
}

pub(crate) fn template(function: &Function<Value, Value>) -> Template {
    registry().find(function.name(), 1).unwrap().template().clone()
}

/// A task as the dice will have it.
pub(crate) fn random(id: &TaskId, dice: &mut Dice) -> Task {
    let mut plan = json!({ "steps": dice.below(6), "echo": dice.next() });
    match dice.below(12) {
        0 => plan["fails"] = json!(1),
        1 => plan["fails"] = json!(9),
        2 => plan["permanent"] = json!(1),
        3 if dice.one_in(4) => plan["hangs"] = json!(1),
        _ => {}
    }
    let mut task = task(&QUICK, id, &plan);
    task.priority = Priority::new(1 + dice.below(10) as u8).unwrap();
    task.increment = increment(1, task.priority, Weight::default());
    match dice.below(16) {
        0 => task.delay = Some(When::In(Duration::from_millis(dice.below(80)))),
        1 => task.deadline = Some(When::In(Duration::from_millis(dice.below(80)))),
        2 => task.follow_ups = vec![follow_up()],
        _ => {}
    }
    task
}

fn follow_up() -> FollowUp {
    let template = template(&QUICK);
    let envelope = Arc::new(template.envelope(&Quality::Standard));
    let increment = increment(1, Priority::default(), Weight::default());
    let (function, lane) = (QUICK.reference().unwrap(), template.lane(&Quality::Standard));
    FollowUp::new(function, BTreeMap::default(), lane, increment, envelope)
}
