//! The checker: every rule over every task and worker, and the shortest history of what is wrong.

mod ends;
mod events;
mod findings;
mod leases;
mod shorten;
mod story;
mod submits;
mod trace;
mod waits;
mod workers;

use findings::{Finding, Findings};
use trace::{Background, Trace};

use super::{Rules, Summary, Violation, entry::Entry, summary, violation};

/// Holds a history to its rules.
pub(super) fn check(entries: &[Entry], rules: &Rules) -> Result<Summary, Violation> {
    let background = Background::of(entries, rules.lease());
    let findings = find(&Trace::new(entries, rules, &background));
    match findings.first() {
        None => Ok(summary::of(entries, findings.checked)),
        Some(finding) => {
            let shown = shorten::shorten(entries, rules, &background, finding);
            let begin = entries.iter().map(|entry| entry.start.at).min().unwrap_or(0);
            Err(violation::of(finding.invariant, finding.message.clone(), shown, begin))
        }
    }
}

fn find(trace: &Trace<'_>) -> Findings {
    let mut findings = Findings::default();
    for (task, mentions) in trace.tasks() {
        let story = trace.story(task, &mentions);
        submits::check(trace, task, &story, &mut findings);
        leases::check(trace, task, &story, &mut findings);
        ends::check(trace, task, &story, &mut findings);
        events::check(task, &story, &mut findings);
        waits::check(trace, task, &story, &mut findings);
    }
    submits::lanes(trace, &mut findings);
    workers::check(trace, &mut findings);
    findings
}

/// Whether a part of a history still shows the same: the same invariant by the same entries.
fn still_shows(part: &[Entry], rules: &Rules, background: &Background, finding: &Finding) -> bool {
    let trace = Trace::new(part, rules, background);
    find(&trace).found.iter().any(|other| {
        other.invariant == finding.invariant
            && other.witnesses == finding.witnesses
            && other.task == finding.task
    })
}
