//! Ends of attempts.

use std::time::Duration;

use function_runner_core::{
    Failure, Finish, LeaseKey, MAX_EVENT_OUTPUT, Outcome, Payload, Queue as _, Usage,
};

use super::{Drive, check, poll::complete};
use crate::model::{
    difference::{Differs, differs},
    op::Ending,
};

impl Drive<'_> {
    /// Ends some of what one worker holds.
    pub(super) fn finish(&mut self, ends: &[Ending], twice: bool) -> Result<(), Differs> {
        let mut done: Vec<Finish> = Vec::new();
        for end in ends {
            // one worker's own claims: those of the first that is named
            let holder = |key: &LeaseKey| {
                self.actors.iter().position(|actor| actor.held.iter().any(|held| held.key == *key))
            };
            let first = done.first().and_then(|finish| holder(&finish.key));
            let holders = self
                .actors
                .iter()
                .enumerate()
                .filter(|(at, actor)| actor.lives() && first.is_none_or(|first| first == *at));
            let held: Vec<(usize, usize)> = holders
                .flat_map(|(at, actor)| (0..actor.held.len()).map(move |index| (at, index)))
                .filter(|(at, index)| {
                    let key = &self.actors[*at].held[*index].key;
                    done.iter().all(|finish| finish.key != *key)
                })
                .collect();
            let Some((at, index)) = held.get(usize::from(end.which) % held.len().max(1)) else { break };
            let finish = self.ending(*at, *index, end, &done);
            done.push(finish);
        }
        if done.is_empty() {
            return Ok(());
        }
        if twice {
            done.push(done[0].clone());
        }
        for finish in &done {
            self.actors.iter_mut().for_each(|actor| actor.held.retain(|held| held.key != finish.key));
        }
        self.finished.extend(done.iter().cloned());
        self.send_finish(done)
    }

    fn ending(&mut self, at: usize, index: usize, end: &Ending, beside: &[Finish]) -> Finish {
        let held = &mut self.actors[at].held[index];
        let last = check::report(end.tells, &mut held.n);
        let key = held.key.clone();
        let after = self.after(end.after, beside);
        let outcome = match end.outcome % 6 {
            _ if end.outcome == 255 => Outcome::Succeeded(large()),
            0 | 1 => Outcome::Succeeded(Payload::encode(&key.fence).expect("a number is JSON")),
            2 => Outcome::Failed(Failure::permanent("it cannot be done")),
            3 => Outcome::Cancelled,
            4 => Outcome::Retry { failure: Failure::transient("try again"), after },
            _ => Outcome::Released { after },
        };
        let mut finish = Finish::new(key, outcome);
        finish.usage = Usage::of_run(Duration::from_millis(7));
        finish.last = last;
        finish
    }

    /// How long a task waits: to a moment at which nothing else becomes due.
    fn after(&self, number: u8, beside: &[Finish]) -> Duration {
        let millis = [0, 500, 3_000, 30_000][usize::from(number) % 4];
        if millis == 0 {
            return Duration::ZERO;
        }
        let now = self.model.now;
        let apart = (self.tolerance * 2).max(Duration::from_millis(1));
        let begin = now.after(self.millis(millis) + apart * beside.len() as u32 * 4);
        self.own_moment(begin, &[]).since(now)
    }

    /// An end that was told before, once more.
    pub(super) fn finish_again(&mut self, which: u8) -> Result<(), Differs> {
        let Some(finish) = self.finished.get(usize::from(which) % self.finished.len().max(1)) else {
            return Ok(());
        };
        let finish = finish.clone();
        self.send_finish(vec![finish])
    }

    /// An end by a claim that is over.
    pub(super) fn finish_late(&mut self, key: LeaseKey) -> Result<(), Differs> {
        if self.finished.iter().any(|finish| finish.key == key) {
            return Ok(());
        }
        let mut finish =
            Finish::new(key, Outcome::Succeeded(Payload::encode("late").expect("a text is JSON")));
        finish.last = check::report(0xff, &mut 50);
        self.send_finish(vec![finish])
    }

    fn send_finish(&mut self, done: Vec<Finish>) -> Result<(), Differs> {
        let words: Vec<String> = done.iter().map(words_of).collect();
        self.say(format_args!("finish {}", words.join("; and ")));
        let expected: Vec<_> = done.iter().map(|finish| self.model.finish(finish)).collect();
        let answer = match complete(self.queue.finish(done)) {
            Some(Ok(answer)) => answer,
            other => return differs("finish", "an answer", other),
        };
        let may = answer.len() == expected.len()
            && expected.iter().zip(&answer).all(|(may, answer)| may.contains(answer));
        if may {
            Ok(())
        } else {
            differs("what became of each finish (one of those listed)", expected, answer)
        }
    }
}

/// An output that no event carries.
fn large() -> Payload {
    Payload::encode(&"x".repeat(MAX_EVENT_OUTPUT)).expect("a text is JSON")
}

fn words_of(finish: &Finish) -> String {
    let outcome = match &finish.outcome {
        Outcome::Succeeded(_) => "succeeded".to_owned(),
        Outcome::Failed(_) => "failed".to_owned(),
        Outcome::Cancelled => "cancelled".to_owned(),
        Outcome::Retry { after, .. } => format!("to be tried again after {}", super::words_of(*after)),
        Outcome::Released { after } => format!("released, to wait {}", super::words_of(*after)),
    };
    let told = check::words_of_report(&finish.last);
    format!("{}{told}: {outcome} (fence {})", finish.key.id, finish.key.fence)
}
