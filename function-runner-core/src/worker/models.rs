//! What the tasks of each lane share on this worker: loaded models, dropped when their room is needed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Amounts, SharedModel};

/// By lane number, then by what of the machine the model takes: an alternative has a model of its own.
#[derive(Debug, Default)]
pub(super) struct Models(Vec<Vec<Model>>);

#[derive(Debug)]
struct Model {
    takes: Amounts,
    shared: SharedModel,
    tasks: usize,
}

/// Which model a task has; it is to [`leave`](Models::leave) it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ModelId {
    lane: usize,
    place: usize,
}

impl Models {
    /// The model of this lane that takes this much of the machine, for one more task.
    pub(super) fn enter(&mut self, lane: usize, takes: &Amounts) -> (ModelId, SharedModel) {
        if self.0.len() <= lane {
            self.0.resize_with(lane + 1, Vec::new);
        }
        let models = &mut self.0[lane];
        let place = models.iter().position(|model| model.takes == *takes).unwrap_or_else(|| {
            models.push(Model { takes: takes.clone(), shared: SharedModel::default(), tasks: 0 });
            models.len() - 1
        });
        let model = &mut models[place];
        model.tasks += 1;
        (ModelId { lane, place }, model.shared.clone())
    }

    pub(super) fn leave(&mut self, id: ModelId) {
        let model = &mut self.0[id.lane][id.place];
        model.tasks = model.tasks.saturating_sub(1);
    }

    /// Drops the models of this lane that no task has.
    pub(super) fn evict(&mut self, lane: usize) {
        for model in self.0.get_mut(lane).into_iter().flatten().filter(|model| model.tasks == 0) {
            let gone = std::mem::take(&mut model.shared);
            // a model is the user's own type: a panic in its end is nobody else's
            let _ = catch_unwind(AssertUnwindSafe(|| drop(gone)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Attempt, Context, Envelope, Failure, Lane, Payload, Task, TaskId, Version};

    fn context(shared: SharedModel) -> Context {
        let lane: Lane = "f@1.0:standard".parse().unwrap();
        let envelope = Arc::new(Envelope::new(Version::new(1, 0, 0)));
        let task =
            Task::new(TaskId::unique(), "f".parse().unwrap(), lane, Payload::encode(&()).unwrap(), envelope);
        let mut attempt = Attempt::new(Arc::new(task), 1);
        attempt.shared = shared;
        Context::new(attempt).0
    }

    fn load(shared: SharedModel, name: &str) -> String {
        let loaded = context(shared).shared(|| Ok::<_, Failure>(name.to_owned())).unwrap();
        loaded.as_str().to_owned()
    }

    #[test]
    fn a_model_is_shared_until_it_is_evicted_and_each_alternative_has_its_own() {
        let mut models = Models::default();
        let (gpu, cpu) = (Amounts::new().gpu_memory_mib(9), Amounts::new().memory_mib(9));
        let (first, shared) = models.enter(3, &gpu);
        assert_eq!(load(shared, "a"), "a");
        let (second, shared) = models.enter(3, &gpu);
        assert_eq!(load(shared, "b"), "a");
        assert_eq!(load(models.enter(3, &cpu).1, "c"), "c");
        models.leave(first);
        models.evict(3);
        models.leave(second);
        assert_eq!(load(models.enter(3, &gpu).1, "d"), "a", "one that a task had stayed");
        models.leave(first);
        models.evict(3);
        assert_eq!(load(models.enter(3, &gpu).1, "e"), "e");
    }
}
