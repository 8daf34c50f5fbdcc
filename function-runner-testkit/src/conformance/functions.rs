//! The functions that run behind the subject of an executor's suite.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use function_runner_core::{
    Context, Failure, Function, Handler, LogLevel, Payload, Quality, QualityPreset, Registry,
    ResourceRequirement, RetryPolicy, TaskEnded,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::board::Board;

/// Gives its input back.
pub(super) const ECHO: Function<Value, Value> = Function::new("conformance.echo");
/// Gives progress in so many steps, one for each signal.
pub(super) const STEPS: Function<u32, u32> = Function::new("conformance.steps");
/// Tells its progress thousands of times, for this many milliseconds; gives how long it really took.
pub(super) const TALK: Function<u64, u64> = Function::new("conformance.talk");
/// Fails until the attempt of this number, which it gives.
pub(super) const FLAKY: Function<u32, u32> = Function::new("conformance.flaky");
/// Fails for good.
pub(super) const REFUSE: Function<(), ()> = Function::new("conformance.refuse");
/// Panics.
pub(super) const PANIC: Function<(), ()> = Function::new("conformance.panic");
/// Ends when it is cancelled and not before.
pub(super) const HANG: Function<(), ()> = Function::new("conformance.hang");
/// Takes no notice of a cancel, and succeeds at a signal.
pub(super) const STUBBORN: Function<(), ()> = Function::new("conformance.stubborn");
/// Blocks a thread until a signal.
pub(super) const BLOCK: Function<u32, u32> = Function::new("conformance.block");
/// Async; its first attempt never ends, its second gives its number.
pub(super) const SLOW: Function<(), u32> = Function::new("conformance.slow");
/// Blocking; its first attempt ignores its token until a signal, its second gives its number.
pub(super) const STUCK: Function<(), u32> = Function::new("conformance.stuck");
/// Leaves two checkpoints and fails; its second attempt gives what it was handed.
pub(super) const RESUME: Function<(), String> = Function::new("conformance.resume");
/// Gives so many parts, one for each signal, and ends at one more; with the label `again` its first attempt fails.
pub(super) const PARTS: Function<u32, u32> = Function::new("conformance.parts");
/// Writes three lines after a signal.
pub(super) const LOGS: Function<(), ()> = Function::new("conformance.logs");
/// Gives a text of so many characters.
pub(super) const LARGE: Function<usize, String> = Function::new("conformance.large");
/// Gives a text where it promised a number.
pub(super) const BROKEN: Function<(), u32> = Function::new("conformance.broken");
/// Takes an input that its schema allows and its type may refuse.
pub(super) const PICKY: Function<Picky, ()> = Function::new("conformance.picky");
/// Gives what it sees of its context.
pub(super) const SIGHT: Function<(), Sight> = Function::new("conformance.sight");
/// Follows other tasks, and gives what it was told of their end.
pub(super) const ENDED: Function<TaskEnded, TaskEnded> = Function::new("conformance.ended");

/// The lines that [`LOGS`] writes.
pub(super) const LINES: [(LogLevel, &str); 3] =
    [(LogLevel::Debug, "first"), (LogLevel::Warn, "second, with ünïcode"), (LogLevel::Error, "third")];

/// A text that its schema allows and its type refuses unless it is `good`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Picky(pub(super) String);

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "good" { Ok(Self(text)) } else { Err(serde::de::Error::custom("not what I take")) }
    }
}

impl JsonSchema for Picky {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Picky".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// What a body sees of its context.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Sight {
    pub(super) id: String,
    pub(super) quality: String,
    pub(super) strength: u32,
    pub(super) attempt: u32,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) tenant: Option<String>,
    pub(super) has_deadline: bool,
}

/// A body that does not keep to its template.
struct Breaks;

#[async_trait]
impl Handler for Breaks {
    async fn run(&self, _: Context, _: Payload) -> Result<Payload, Failure> {
        Ok(Payload::encode("no number")?)
    }
}

/// All of them; their bodies tell this board.
pub(super) fn registry(board: &Board) -> Registry {
    let registry =
        Registry::new().add(BROKEN.implement_with(Breaks).requires(ResourceRequirement::new().slots(1)));
    enduring(talking(ending(registry, board), board), board)
}

/// Retries that wait for no clock.
const fn at_once(attempts: u32) -> RetryPolicy {
    RetryPolicy::exponential(attempts).first_delay(Duration::ZERO)
}

/// Functions told apart by how they end.
fn ending(registry: Registry, board: &Board) -> Registry {
    let (echo, flaky, refuse, picky) = (board.clone(), board.clone(), board.clone(), board.clone());
    registry
        .add(ECHO.implement(move |ctx, input| {
            echo.began(ctx.id());
            async move { Ok(input) }
        }))
        .add(
            FLAKY
                .implement(move |ctx, succeeds| {
                    flaky.began(ctx.id());
                    async move {
                        let attempt = ctx.attempt();
                        ctx.log(format!("attempt {attempt}"));
                        if attempt < succeeds {
                            Err(format!("attempt {attempt} failed"))?
                        } else {
                            Ok(attempt)
                        }
                    }
                })
                .retry(at_once(4)),
        )
        .add(
            REFUSE
                .implement(move |ctx, ()| {
                    refuse.began(ctx.id());
                    async move {
                        Err(Failure::permanent("refused on purpose").code("refused").remedy("ask another"))
                    }
                })
                .retry(at_once(3)),
        )
        .add(PANIC.implement(|_, ()| async move { panic!("on purpose") }).retry(RetryPolicy::never()))
        .add(PICKY.implement(move |ctx, _| {
            picky.began(ctx.id());
            async move { Ok(()) }
        }))
        .add(RESUME.implement(resume).retry(at_once(2)))
        .add(LARGE.implement(|_, size| async move { Ok("x".repeat(size)) }))
        .add(ENDED.implement(|_, ended| async move { Ok(ended) }))
        .add(
            SIGHT
                .implement(|ctx, ()| async move { sight(&ctx) })
                .set("strength", 5)
                .preset(Quality::High, QualityPreset::new().set("strength", 9)),
        )
}

async fn resume(ctx: Context, (): ()) -> Result<String, Failure> {
    if let Some(left) = ctx.resumed() {
        return Ok(String::from_utf8_lossy(left).into_owned());
    }
    ctx.checkpoint("a quarter")?;
    ctx.progress(0.25, "left one");
    ctx.checkpoint("half")?;
    Err("died half way")?
}

fn sight(ctx: &Context) -> Result<Sight, Failure> {
    Ok(Sight {
        id: ctx.id().to_string(),
        quality: ctx.quality().to_string(),
        strength: ctx.parameter("strength")?,
        attempt: ctx.attempt(),
        labels: ctx.labels().clone(),
        tenant: ctx.tenant().map(ToString::to_string),
        has_deadline: ctx.deadline().is_some(),
    })
}

/// Functions that tell something on their way.
fn talking(registry: Registry, board: &Board) -> Registry {
    let (steps, parts, logs) = (board.clone(), board.clone(), board.clone());
    registry
        .add(STEPS.implement(move |ctx, count| {
            let board = steps.clone();
            board.began(ctx.id());
            async move {
                for step in 1..=count {
                    board.has_signals(ctx.id(), step).await;
                    ctx.progress(step as f32 / count as f32, format!("step {step} of {count}"));
                }
                Ok(count)
            }
        }))
        .add(TALK.implement(|ctx, millis| async move {
            let begin = tokio::time::Instant::now();
            let long = Duration::from_millis(millis);
            while begin.elapsed() < long {
                for _ in 0..100 {
                    ctx.progress(begin.elapsed().as_secs_f32() / long.as_secs_f32(), "talking");
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            ctx.progress(0.1, "never falls");
            ctx.progress(1.0, "done");
            Ok(u64::try_from(begin.elapsed().as_millis())?)
        }))
        .add(
            PARTS
                .implement(move |ctx, count| {
                    let board = parts.clone();
                    board.began(ctx.id());
                    async move {
                        let before = (ctx.attempt() - 1) * (count + 1);
                        for part in 0..count {
                            board.has_signals(ctx.id(), before + part + 1).await;
                            ctx.part(&format!("{part} of attempt {}", ctx.attempt()))?;
                        }
                        board.has_signals(ctx.id(), before + count + 1).await;
                        let again = ctx.attempt() == 1 && ctx.labels().contains_key("again");
                        if again { Err("once more")? } else { Ok(count) }
                    }
                })
                .retry(at_once(2)),
        )
        .add(LOGS.implement(move |ctx, ()| {
            let board = logs.clone();
            board.began(ctx.id());
            async move {
                board.has_signals(ctx.id(), 1).await;
                LINES.into_iter().for_each(|(level, line)| ctx.log_at(level, line));
                Ok(())
            }
        }))
}

/// Functions that do not end by themselves.
fn enduring(registry: Registry, board: &Board) -> Registry {
    let (hang, stubborn, block, stuck) = (board.clone(), board.clone(), board.clone(), board.clone());
    let short = Duration::from_millis(100);
    registry
        .add(HANG.implement(move |ctx, ()| {
            let board = hang.clone();
            board.began(ctx.id());
            async move {
                ctx.cancelled().await;
                board.heard_cancel(ctx.id());
                Err(Failure::cancelled())
            }
        }))
        .add(STUBBORN.implement(move |ctx, ()| {
            let board = stubborn.clone();
            board.began(ctx.id());
            async move {
                board.has_signals(ctx.id(), 1).await;
                Ok(())
            }
        }))
        .add(BLOCK.implement_blocking(move |ctx, number| {
            block.began(ctx.id());
            block.block(ctx.id(), || ctx.is_cancelled());
            ctx.check()?;
            Ok(number)
        }))
        .add(
            SLOW.implement(|ctx, ()| async move {
                if ctx.attempt() == 1 {
                    std::future::pending::<()>().await;
                }
                Ok(ctx.attempt())
            })
            .timeout(short)
            .retry(at_once(9)),
        )
        .add(
            STUCK
                .implement_blocking(move |ctx, ()| {
                    if ctx.attempt() == 1 {
                        stuck.began(ctx.id());
                        stuck.block(ctx.id(), || false);
                    }
                    Ok(ctx.attempt())
                })
                .timeout(short)
                .retry(at_once(9)),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_put_together_rightly() {
        registry(&Board::default()).check().unwrap();
    }
}
