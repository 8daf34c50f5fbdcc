//! The work of the tests that drop futures and that shuttle schedules.

use std::sync::Arc;

use function_runner_core::{Function, Lane, Payload, Quality, ResourceRequirement, Task, TaskId};

pub(crate) const WORK: Function<u32, u32> = Function::new("work");

pub(crate) fn id(name: &str) -> TaskId {
    TaskId::new(name).unwrap()
}

pub(crate) fn lane() -> Lane {
    WORK.template().unwrap().lane(&Quality::Standard)
}

pub(crate) fn task(name: &str) -> Task {
    let mut template = WORK.template().unwrap();
    // as a registry resolves it: one of a worker's slots
    template.requires = ResourceRequirement::new().slots(1);
    let envelope = Arc::new(template.envelope(&Quality::Standard));
    let input = Payload::encode(&7).unwrap();
    Task::new(id(name), WORK.reference().unwrap(), lane(), input, envelope)
}
