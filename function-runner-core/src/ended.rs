//! What follows the end of a task: its terminal event, and the tasks that are queued in the same move.

use crate::{EventKind, Payload, Task, TaskEnded, TaskRecord};

impl TaskRecord {
    /// The terminal event of this task, which has ended.
    #[must_use]
    pub fn end_event(&self) -> EventKind {
        EventKind::of_end(self.state, self.output.as_ref(), self.failure.as_ref())
    }

    /// The tasks that are queued with the end of this one, in order; none before it has ended.
    ///
    /// Their ids are the same wherever they are worked out ([`TaskId::follow_up`](crate::TaskId::follow_up)), so a
    /// store that finds one queues it no second time. They have this task's tenant and priority, and [`TaskEnded`]
    /// as their input.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use function_runner_core::{
    ///     Envelope, FollowUp, Labels, Payload, Phase, State, Task, TaskEnded, TaskId, TaskRecord, Timestamp,
    ///     Version, seq,
    /// };
    ///
    /// # let envelope = Arc::new(Envelope::new(Version::new(1, 0, 0)));
    /// let lane = "work@1.0:standard".parse()?;
    /// let mut task = Task::new(TaskId::new("a")?, "work".parse()?, lane, Payload::encode(&7)?, envelope.clone());
    /// let lane = "notify@1.0:standard".parse()?;
    /// task.follow_ups = vec![FollowUp::new("notify".parse()?, Labels::new(), lane, 1, envelope)];
    ///
    /// let ends = seq(2, Phase::Still, 0);
    /// let mut record = TaskRecord::new(Arc::new(task), ends, Timestamp::default());
    /// assert!(record.follow_ups().is_empty());
    /// record.state = State::Cancelled;
    /// let next = record.follow_ups();
    /// assert_eq!(next[0].id, record.task.id.follow_up(ends, 0));
    /// assert_eq!(next[0].input.decode::<TaskEnded>()?.state, State::Cancelled);
    /// # Ok::<(), function_runner_core::Error>(())
    /// ```
    #[must_use]
    pub fn follow_ups(&self) -> Vec<Task> {
        let task = &*self.task;
        if task.follow_ups.is_empty() || !self.state.is_terminal() {
            return Vec::new();
        }
        // what ended is names, numbers and at most 64 KiB of JSON: it is always written
        let Ok(input) = Payload::encode(&TaskEnded::of(self)) else { return Vec::new() };
        let follow = |(index, follow_up): (usize, &crate::FollowUp)| {
            let id = task.id.follow_up(self.seq, index);
            let (function, lane) = (follow_up.function.clone(), follow_up.lane.clone());
            let mut next = Task::new(id, function, lane, input.clone(), follow_up.envelope.clone());
            next.tenant = task.tenant.clone();
            next.priority = task.priority;
            next.labels = follow_up.labels.clone();
            next.increment = follow_up.increment;
            next
        };
        task.follow_ups.iter().enumerate().map(follow).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        Envelope, Failure, FollowUp, Labels, MAX_EVENT_OUTPUT, Phase, Priority, State, TaskId, Tenant,
        Timestamp, Version, seq,
    };

    fn ended(state: State) -> TaskRecord {
        let envelope = |major| Arc::new(Envelope::new(Version::new(major, 0, 0)));
        let id = TaskId::scoped(&"acme".parse().unwrap(), &TaskId::new("a").unwrap());
        let lane = "work@1.0:standard".parse().unwrap();
        let input = Payload::encode(&7).unwrap();
        let mut task = Task::new(id, "work".parse().unwrap(), lane, input, envelope(1));
        (task.tenant, task.priority) = (Some(Tenant::new("acme").unwrap()), Priority::HIGHEST);
        let follow_up = |name: &str, increment| {
            let labels = Labels::from([("name".to_owned(), name.to_owned())]);
            let lane = format!("{name}@2.0:standard").parse().unwrap();
            FollowUp::new(name.parse().unwrap(), labels, lane, increment, envelope(2))
        };
        task.follow_ups = vec![follow_up("notify", 3), follow_up("tidy", 4)];
        let mut record = TaskRecord::new(Arc::new(task), seq(5, Phase::Still, 0), Timestamp::default());
        record.state = state;
        record
    }

    #[test]
    fn each_follow_up_has_its_own_words_and_its_tasks_tenant_and_priority() {
        let mut record = ended(State::Succeeded);
        record.output = Some(Payload::encode("done").unwrap());
        let next = record.follow_ups();
        assert_eq!(next.len(), 2);
        for (index, (next, follow_up)) in next.iter().zip(&record.task.follow_ups).enumerate() {
            assert_eq!(next.id, record.task.id.follow_up(record.seq, index));
            assert_eq!((&next.function, &next.lane), (&follow_up.function, &follow_up.lane));
            assert_eq!((&next.labels, next.increment), (&follow_up.labels, follow_up.increment));
            assert_eq!((&next.tenant, next.priority), (&record.task.tenant, record.task.priority));
            assert!(Arc::ptr_eq(&next.envelope, &follow_up.envelope) && next.follow_ups.is_empty());
            assert_eq!(next.input.decode::<TaskEnded>().unwrap(), TaskEnded::of(&record));
        }
    }

    #[test]
    fn what_has_not_ended_is_followed_by_nothing() {
        assert_eq!(ended(State::Queued).follow_ups(), []);
        assert_eq!(ended(State::Running).follow_ups(), []);
    }

    #[test]
    fn an_end_tells_its_output_up_to_a_bound_or_its_failure() {
        let mut record = ended(State::Succeeded);
        for (letters, told) in [(MAX_EVENT_OUTPUT - 2, true), (MAX_EVENT_OUTPUT - 1, false)] {
            record.output = Some(Payload::encode(&"x".repeat(letters)).unwrap());
            assert_eq!(record.end_event(), EventKind::Succeeded(record.output.clone().filter(|_| told)));
        }
        let mut record = ended(State::Failed);
        record.failure = Some(Failure::deadline());
        assert_eq!(record.end_event(), EventKind::Failed(Failure::deadline()));
        assert_eq!(ended(State::Cancelled).end_event(), EventKind::Cancelled);
    }
}
