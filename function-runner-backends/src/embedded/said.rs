//! What a task's bodies said and left, and what the task is: read where somebody asks.

use std::sync::Arc;

use function_runner_core::{Checkpoint, Failure, PastAttempt, Payload, Progress, Task, Usage};
use rusqlite::{OptionalExtension as _, params};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    fault::{Broken, Fault, Step},
    row::Row,
    store::Store,
};

/// The most past attempts that are listed.
const MAX_HISTORY: usize = 32;

/// What few tasks have while they wait, and most when they have ended.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) progress: Option<Progress>,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) failure: Option<Failure>,
    pub(super) attempts: Vec<PastAttempt>,
    pub(super) usage: Option<Usage>,
    pub(super) output: Option<Payload>,
}

impl Said {
    /// An attempt is over, and another follows.
    pub(super) fn remember(&mut self, past: PastAttempt) {
        if self.attempts.len() >= MAX_HISTORY {
            self.attempts.remove(0);
        }
        self.attempts.push(past);
    }
}

impl Store {
    /// What was said of a task that has this row.
    pub(super) fn said_of(&self, row: &Row) -> Step<Said> {
        if row.said { self.said(row.number) } else { Ok(Said::default()) }
    }

    fn said(&self, number: i64) -> Step<Said> {
        let query =
            "SELECT progress, checkpoint, failure, attempts, usage, output FROM said WHERE number = ?1";
        let mut statement = self.sql.prepare_cached(query)?;
        let said = statement.query_row([number], |sql| {
            let blob = |at| sql.get::<_, Option<Vec<u8>>>(at);
            Ok((blob(0)?, blob(1)?, blob(2)?, blob(3)?, blob(4)?, blob(5)?))
        });
        let Some((progress, checkpoint, failure, attempts, usage, output)) = said.optional()? else {
            return Ok(Said::default());
        };
        Ok(Said {
            progress: read(progress)?,
            checkpoint: checkpoint.map(Checkpoint::from),
            failure: read(failure)?,
            attempts: match attempts {
                Some(stored) => PastAttempt::list_from_stored(&stored).map_err(Broken::corrupt)?,
                None => Vec::new(),
            },
            usage: read(usage)?,
            output: output.map(Payload::from_stored),
        })
    }

    pub(super) fn save_said(&self, row: &mut Row, said: &Said) -> Step<()> {
        row.said = true;
        let attempts = (!said.attempts.is_empty()).then(|| PastAttempt::list_to_stored(&said.attempts));
        self.sql.prepare_cached("INSERT OR REPLACE INTO said VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(
            params![
                row.number,
                write(said.progress.as_ref())?,
                said.checkpoint.as_deref(),
                write(said.failure.as_ref())?,
                attempts,
                write(said.usage.as_ref())?,
                said.output.as_ref().map(Payload::as_bytes),
            ],
        )?;
        Ok(())
    }

    pub(super) fn save_progress(&self, number: i64, progress: &Progress) -> Step<()> {
        let query = "INSERT INTO said (number, progress) VALUES (?1, ?2) \
            ON CONFLICT (number) DO UPDATE SET progress = excluded.progress";
        self.sql.prepare_cached(query)?.execute(params![number, write(Some(progress))?])?;
        Ok(())
    }

    pub(super) fn save_checkpoint(&self, number: i64, checkpoint: &Checkpoint) -> Step<()> {
        let query = "INSERT INTO said (number, checkpoint) VALUES (?1, ?2) \
            ON CONFLICT (number) DO UPDATE SET checkpoint = excluded.checkpoint";
        self.sql.prepare_cached(query)?.execute(params![number, checkpoint.as_ref()])?;
        Ok(())
    }

    pub(super) fn checkpoint(&self, number: i64) -> Step<Option<Checkpoint>> {
        let mut statement = self.sql.prepare_cached("SELECT checkpoint FROM said WHERE number = ?1")?;
        let stored: Option<Option<Vec<u8>>> = statement.query_row([number], |sql| sql.get(0)).optional()?;
        Ok(stored.flatten().map(Checkpoint::from))
    }

    /// Adds a part of the output of this turn; answers its place.
    pub(super) fn add_part(&self, number: i64, part: &Payload) -> Step<u64> {
        let query = "INSERT INTO part SELECT ?1, coalesce(max(place) + 1, 0), ?2 FROM part WHERE number = ?1 \
            RETURNING place";
        let mut statement = self.sql.prepare_cached(query)?;
        let place: i64 = statement.query_row(params![number, part.as_bytes()], |sql| sql.get(0))?;
        Ok(place.unsigned_abs())
    }

    /// The parts from this place on.
    pub(super) fn parts(&self, number: i64, from: u64) -> Step<Vec<(u64, Payload)>> {
        let query = "SELECT place, part FROM part WHERE number = ?1 AND place >= ?2 ORDER BY place";
        let mut statement = self.sql.prepare_cached(query)?;
        let parts = statement.query_map(params![number, super::row::number(from)], |sql| {
            let part: Vec<u8> = sql.get(1)?;
            Ok((sql.get::<_, i64>(0)?.unsigned_abs(), Payload::from_stored(part)))
        })?;
        Ok(parts.collect::<Result<_, _>>()?)
    }

    pub(super) fn drop_parts(&self, number: i64) -> Step<()> {
        self.sql.prepare_cached("DELETE FROM part WHERE number = ?1")?.execute([number])?;
        Ok(())
    }

    pub(super) fn insert_body(&self, number: i64, task: &Task) -> Step<()> {
        let content = task.content().to_be_bytes();
        self.sql.prepare_cached("INSERT INTO body VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            number,
            content,
            task.to_stored(),
            task.input.as_bytes()
        ])?;
        Ok(())
    }

    /// What the task is, for who takes it.
    pub(super) fn take_task(&mut self, row: &Row) -> Step<Arc<Task>> {
        self.recent.remove(&row.number).map_or_else(|| self.task(row), Ok)
    }

    /// What the task is.
    pub(super) fn task(&self, row: &Row) -> Step<Arc<Task>> {
        if let Some(task) = self.recent.get(&row.number) {
            return Ok(task.clone());
        }
        let mut statement =
            self.sql.prepare_cached("SELECT content, task, input FROM body WHERE number = ?1")?;
        let body = statement.query_row([row.number], |sql| {
            Ok((sql.get::<_, [u8; 16]>(0)?, sql.get::<_, Vec<u8>>(1)?, sql.get::<_, Vec<u8>>(2)?))
        });
        let Some((content, task, input)) = body.optional()? else {
            return Err(Broken::corrupt(format_args!("the task {} has no body", row.id)).into());
        };
        let input = Payload::from_stored(input);
        let task = Task::from_stored(row.id.clone(), &task, input, u128::from_be_bytes(content));
        Ok(Arc::new(task.map_err(Broken::corrupt)?))
    }

    /// The hash of what the caller wrote.
    pub(super) fn content(&self, number: i64) -> Step<Option<u128>> {
        let mut statement = self.sql.prepare_cached("SELECT content FROM body WHERE number = ?1")?;
        let content: Option<[u8; 16]> = statement.query_row([number], |sql| sql.get(0)).optional()?;
        Ok(content.map(u128::from_be_bytes))
    }
}

/// A stored document of this kind.
pub(super) fn read<T: DeserializeOwned>(stored: Option<Vec<u8>>) -> Result<Option<T>, Broken> {
    stored.map(|stored| serde_json::from_slice(&stored).map_err(Broken::corrupt)).transpose()
}

/// A document to be stored.
pub(super) fn write<T: Serialize>(value: Option<&T>) -> Result<Option<Vec<u8>>, Fault> {
    let written = value.map(|value| serde_json::to_vec(value).map_err(Broken::corrupt));
    Ok(written.transpose()?)
}
