//! The functions of these runs, and random tasks of them.

use std::{sync::Arc, time::Duration};

use function_runner_core::{
    Context, Dedupe, Failure, FollowUp, Function, Lane, Payload, Priority, Quality, Registry,
    ResourceRequirement, RetryPolicy, Task, TaskId, Template, Weight, When, schedule::increment,
};
use serde_json::{Value, json};

use crate::dice::Dice;

const LIGHT: Function<Value, Value> = Function::new("history.light");
const HEAVY: Function<Value, Value> = Function::new("history.heavy");
const AFTER: Function<Value, Value> = Function::new("history.after");

/// Everything a worker serves: light tasks of one slot, heavy ones of three, and what follows others.
pub(crate) fn registry() -> Registry {
    let retry = RetryPolicy::exponential(3).first_delay(Duration::from_millis(20));
    let slots = |count| ResourceRequirement::new().slots(count);
    Registry::new()
        .add(LIGHT.implement(run).requires(slots(1)).retry(retry).timeout(Duration::from_millis(150)))
        .add(HEAVY.implement(run).requires(slots(3)).retry(retry))
        .add(AFTER.implement(|_, _| async { Ok(Value::Null) }).requires(slots(1)))
}

/// Does what its input says: takes some steps, fails its first attempts, hangs until it is stopped.
async fn run(ctx: Context, plan: Value) -> Result<Value, Failure> {
    let number = |name: &str| plan[name].as_u64().unwrap_or(0);
    let steps = number("steps");
    for step in 1..=steps {
        ctx.check()?;
        ctx.progress(step as f32 / steps as f32, "a step");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    if number("hangs") > 0 {
        ctx.cancelled().await;
        return Err(Failure::cancelled());
    }
    if number("permanent") > 0 {
        return Err(Failure::permanent("as planned"));
    }
    if u64::from(ctx.attempt()) <= number("fails") {
        return Err(Failure::transient("as planned"));
    }
    Ok(json!(steps))
}

/// What tasks are made of.
#[derive(Clone)]
pub(crate) struct Work {
    light: Template,
    heavy: Template,
    after: Template,
}

impl Work {
    pub(crate) fn new() -> Self {
        let registry = registry();
        let of =
            |function: &Function<Value, Value>| registry.find(function.name(), 1).unwrap().template().clone();
        Self { light: of(&LIGHT), heavy: of(&HEAVY), after: of(&AFTER) }
    }

    pub(crate) fn templates(&self) -> Vec<Template> {
        vec![self.light.clone(), self.heavy.clone(), self.after.clone()]
    }

    pub(crate) fn light_lane(&self) -> Lane {
        self.light.lane(&Quality::Standard)
    }

    pub(crate) fn after_lane(&self) -> Lane {
        self.after.lane(&Quality::Standard)
    }

    /// A light task that ends at once.
    pub(crate) fn plain(&self, id: TaskId) -> Task {
        task(&LIGHT, &self.light, id, &json!({}))
    }

    /// A task as the dice will have it; heavy ones only where somebody takes them.
    pub(crate) fn random(&self, id: TaskId, dice: &mut Dice, with_heavy: bool) -> Task {
        let mut plan = json!({ "steps": dice.below(6) });
        match dice.below(12) {
            0 => plan["fails"] = json!(1),
            1 => plan["fails"] = json!(9),
            2 => plan["permanent"] = json!(1),
            3 if dice.one_in(4) => plan["hangs"] = json!(1),
            _ => {}
        }
        let heavy = with_heavy && plan["hangs"].is_null() && dice.one_in(6);
        let mut task =
            if heavy { task(&HEAVY, &self.heavy, id, &plan) } else { task(&LIGHT, &self.light, id, &plan) };
        task.priority = Priority::new(1 + dice.below(10) as u8).unwrap();
        task.increment = increment(1, task.priority, Weight::default());
        match dice.below(16) {
            0 => task.delay = Some(When::In(Duration::from_millis(dice.below(80)))),
            1 => task.deadline = Some(When::In(Duration::from_millis(dice.below(80)))),
            2 => task.dedupe = Some(Dedupe::new(format!("key {}", dice.below(4)), Duration::from_secs(5))),
            3 => task.follow_ups = vec![self.follow_up()],
            _ => {}
        }
        task
    }

    fn follow_up(&self) -> FollowUp {
        let envelope = Arc::new(self.after.envelope(&Quality::Standard));
        let increment = increment(1, Priority::default(), Weight::default());
        let function = AFTER.reference().unwrap();
        FollowUp::new(function, Default::default(), self.after_lane(), increment, envelope)
    }
}

fn task(function: &Function<Value, Value>, template: &Template, id: TaskId, plan: &Value) -> Task {
    let envelope = Arc::new(template.envelope(&Quality::Standard));
    let (function, lane) = (function.reference().unwrap(), template.lane(&Quality::Standard));
    Task::new(id, function, lane, Payload::encode(plan).unwrap(), envelope)
}
