//! Request → task: what reading, checking and resolving an input of 500 bytes costs, beside reading it at all.

use std::{hint::black_box, sync::Arc, time::Instant};

use function_runner_backends::memory::MemoryQueue;
use function_runner_benches::{Figure, KEEP, Note, ROUNDS, keep, table};
use function_runner_core::{
    Intake, Payload, Registry, Request, Result, TemplateSet,
    schema::{self, Schema},
};
use futures::FutureExt as _;
use serde_json::Value;

const CALLS: usize = 50_000;

/// How many functions are known beside the one that is called.
const KNOWN: [usize; 3] = [1, 100, 1_000];

/// An intake that knows so many functions.
fn knowing(count: usize) -> Result<Intake> {
    let registry = Registry::new().add(KEEP.implement(keep));
    let model = registry.templates().next().expect("the registry has one").clone();
    let mut templates = vec![model.clone()];
    for n in 1..count {
        let mut other = model.clone();
        other.function = format!("bench.other-{n}").parse()?;
        templates.push(other);
    }
    let intake = Intake::new(Arc::new(MemoryQueue::new()));
    Ok(intake.knowing(TemplateSet::of_templates(templates, None)))
}

fn timed(figure: &mut Figure, mut call: impl FnMut()) {
    let begin = Instant::now();
    (0..CALLS).for_each(|_| call());
    figure.add(CALLS, begin.elapsed());
}

fn main() -> Result<()> {
    let input = Payload::encode(&Note::of_500_bytes())?;
    let value = schema::parse(input.as_bytes())?;
    let template = KEEP.template()?;
    let schema = Schema::compile(&template.input)?;
    let intakes = KNOWN.map(|count| knowing(count).map(|intake| (count, intake)));
    let intakes = intakes.into_iter().collect::<Result<Vec<_>>>()?;
    let mut limit = Figure::new("limit: serde_json reads the input into a value");
    let mut parse = Figure::new("schema::parse: reads it, bounded");
    let mut check = Figure::new("Schema::check: checks it, when it is valid");
    let mut admit: Vec<_> = KNOWN
        .iter()
        .map(|count| Figure::new(format!("Intake::admit: all of it, {count} templates")))
        .collect();
    let reference = KEEP.reference()?;
    for _ in 0..ROUNDS {
        timed(&mut limit, || {
            let value: Value = serde_json::from_slice(black_box(input.as_bytes())).expect("it is JSON");
            drop(black_box(value));
        });
        timed(&mut parse, || drop(black_box(schema::parse(black_box(input.as_bytes())))));
        timed(&mut check, || assert!(black_box(schema.check(black_box(&value))).is_empty()));
        for ((_, intake), figure) in intakes.iter().zip(&mut admit) {
            timed(figure, || {
                let request = Request::new(reference.clone(), input.clone());
                let task = intake.admit(request).now_or_never().expect("it is known").expect("it is valid");
                drop(black_box(task));
            });
        }
    }
    let mut rows = vec![(&limit, None), (&parse, Some(&limit)), (&check, Some(&limit))];
    rows.extend(admit.iter().map(|figure| (figure, Some(&limit))));
    println!("an input of {} bytes, median of {ROUNDS} interleaved rounds", input.len());
    print!("{}", table(&rows));
    Ok(())
}
