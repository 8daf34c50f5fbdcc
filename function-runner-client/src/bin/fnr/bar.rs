//! The live line of a task, on a terminal: stages that are over, and how far the present one is.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use function_runner_core::{Progress, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    layout::{left, time},
    out,
};

/// How many characters the bar itself has.
const BAR: usize = 10;

/// A stage that took less is not worth a word when it is over.
const BRIEF: Duration = Duration::from_millis(50);

/// The live line; where stderr is no terminal it shows nothing.
#[derive(Debug)]
pub(crate) struct Bar {
    shown: Option<ProgressBar>,
    line: Line,
}

impl Bar {
    /// A line that shows nothing yet, or never where it is not wanted.
    pub(crate) fn new(wanted: bool) -> Self {
        let shown = (wanted && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            // the template is a constant; without it the line would merely look different
            ProgressStyle::with_template("{wide_msg}").map_or(bar.clone(), |style| bar.with_style(style))
        });
        Self { shown, line: Line::new(Instant::now()) }
    }

    /// Whether anybody sees it.
    pub(crate) const fn is_shown(&self) -> bool {
        self.shown.is_some()
    }

    pub(crate) fn set(&mut self, progress: Progress) {
        self.line.set(progress, Instant::now());
        self.draw();
    }

    /// Says that the task was asked to stop.
    pub(crate) fn stopping(&mut self) {
        self.line.stopping = true;
        self.draw();
    }

    /// Shows what has changed by time alone.
    pub(crate) fn draw(&self) {
        if let Some(shown) = &self.shown {
            shown.set_message(self.line.text(Instant::now()));
        }
    }

    /// Leaves what the line says in the end, for what is written below it.
    pub(crate) fn finish(mut self, succeeded: bool) {
        if succeeded {
            self.line.end(Instant::now());
        }
        if let Some(shown) = self.shown {
            shown.finish_and_clear();
            out::aside(&self.line.text(Instant::now()));
        }
    }
}

/// What the line says: pure.
#[derive(Debug)]
struct Line {
    /// The stages that are over, with how long each took.
    over: Vec<(Stage, Duration)>,
    /// The present one, and since when.
    present: Option<(Progress, Instant)>,
    since: Instant,
    stopping: bool,
}

impl Line {
    const fn new(now: Instant) -> Self {
        Self { over: Vec::new(), present: None, since: now, stopping: false }
    }

    fn set(&mut self, progress: Progress, now: Instant) {
        match &self.present {
            // another attempt begins at the beginning
            Some((before, _)) if progress.stage < before.stage => {
                self.over.clear();
                self.since = now;
            }
            Some((before, _)) if progress.stage > before.stage => {
                self.over.push((before.stage, now.duration_since(self.since)));
                self.since = now;
            }
            _ => {}
        }
        self.present = Some((progress, now));
    }

    fn end(&mut self, now: Instant) {
        if let Some((last, _)) = self.present.take() {
            self.over.push((last.stage, now.duration_since(self.since)));
        }
    }

    fn text(&self, now: Instant) -> String {
        let long = self.over.iter().filter(|(_, took)| *took >= BRIEF);
        let mut parts: Vec<_> =
            long.map(|(stage, took)| format!("{} ✓ {}", word(*stage), time(*took))).collect();
        if let Some((progress, told)) = &self.present {
            parts.push(present(progress, now.duration_since(*told)));
        }
        let stopping = if self.stopping { " · stopping" } else { "" };
        format!("  {}{stopping}", parts.join("   "))
    }
}

fn present(progress: &Progress, ago: Duration) -> String {
    let mut text = word(progress.stage).to_owned();
    if let Some(fraction) = progress.fraction.filter(|_| progress.stage == Stage::Running) {
        let full = ((fraction * BAR as f32) as usize).min(BAR);
        text = format!(
            "{text}  {}{} {:.0} %",
            "█".repeat(full),
            "░".repeat(BAR - full),
            (fraction * 100.0).floor()
        );
    }
    if !progress.message.is_empty() {
        text = format!("{text}  {}", progress.message.escape_debug());
    }
    let begun = progress.fraction.is_some_and(|fraction| fraction > 0.0 && fraction < 1.0);
    match progress.eta.filter(|_| begun) {
        Some(eta) => format!("{text} · {}", left(eta.saturating_sub(ago))),
        None => text,
    }
}

const fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Queued => "queued",
        Stage::Preparing => "preparing",
        Stage::Running => "running",
        Stage::Finalizing => "finalizing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(done: u32) -> Progress {
        Progress::new(done as f32 / 1024.0, format!("row {done} of 1024")).stage(Stage::Running)
    }

    #[test]
    fn it_says_what_is_over_how_far_the_rest_is_and_how_long_it_takes() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut line = Line::new(start);
        line.set(Progress::at(Stage::Queued, "waits for a worker"), at(1));
        assert_eq!(line.text(at(1)), "  queued  waits for a worker");
        line.set(Progress::at(Stage::Preparing, "reading the image"), at(20));
        assert_eq!(line.text(at(20)), "  preparing  reading the image");
        line.set(rows(0).eta(Duration::ZERO), at(120));
        assert_eq!(line.text(at(120)), "  preparing ✓ 0.1 s   running  ░░░░░░░░░░ 0 %  row 0 of 1024");
        line.set(rows(650).eta(Duration::from_secs(3)), at(5_120));
        let text = "  preparing ✓ 0.1 s   running  ██████░░░░ 63 %  row 650 of 1024 · 3 s left";
        assert_eq!(line.text(at(5_120)), text);
        assert_eq!(line.text(at(6_920)), text.replace("3 s left", "2 s left"));
        line.stopping = true;
        assert!(line.text(at(6_920)).ends_with(" · stopping"));
        line.stopping = false;
        line.end(at(8_020));
        assert_eq!(line.text(at(8_020)), "  preparing ✓ 0.1 s   running ✓ 7.9 s");
    }

    #[test]
    fn another_attempt_begins_at_the_beginning_and_a_message_stays_in_its_line() {
        let start = Instant::now();
        let mut line = Line::new(start);
        line.set(rows(1024), start);
        let later = start + Duration::from_secs(2);
        line.set(Progress::at(Stage::Finalizing, ""), later);
        line.set(Progress::at(Stage::Queued, "is tried again:\nno\u{1b}[2J"), later);
        assert_eq!(line.text(later), r"  queued  is tried again:\nno\u{1b}[2J");
    }
}
