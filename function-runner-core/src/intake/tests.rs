//! Intake over an executor that only publishes.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::*;
use crate::{
    Capabilities, Capacity, Dedupe, Durability, EventStream, Largest, Name, Priority, QualityPreset,
    ResourceRequirement, Retention, RetryPolicy, Seen, Submitted, TaskId, TaskRecord, Template, Tenant,
    Times, When,
};

/// Publishes what it is given, and counts how often it was asked.
#[derive(Debug, Default)]
struct Publisher {
    set: Mutex<TemplateSet>,
    asked: AtomicUsize,
}

impl Publisher {
    fn of(templates: Vec<Template>) -> Arc<Self> {
        let publisher = Self::default();
        publisher.publish(TemplateSet::of_templates(templates, None));
        Arc::new(publisher)
    }

    fn publish(&self, set: TemplateSet) {
        *self.set.lock().unwrap() = set;
    }
}

#[async_trait]
impl Executor for Publisher {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Durability::None, Times::default())
    }

    async fn templates(&self, known: u64) -> Result<Option<TemplateSet>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let set = self.set.lock().unwrap().clone();
        Ok((set.revision != known).then_some(set))
    }

    async fn submit(&self, _: Vec<Task>) -> Result<Vec<Submitted>> {
        unreachable!("intake submits nothing")
    }

    async fn record(&self, _: &TaskId) -> Result<TaskRecord> {
        unreachable!("intake reads no record")
    }

    async fn watch(&self, _: &TaskId, _: Seen) -> Result<EventStream> {
        unreachable!("intake watches nothing")
    }

    async fn cancel(&self, _: &TaskId) -> Result<()> {
        unreachable!("intake cancels nothing")
    }
}

fn template(version: &str) -> Template {
    let input = json!({
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "factor": {"type": "integer", "enum": [2, 4], "default": 2},
        },
        "required": ["text"],
        "additionalProperties": false,
    });
    Template::new(Name::new("shout").unwrap(), version.parse().unwrap(), input, json!(true))
}

fn request(function: &str, input: &Value) -> Request {
    Request::new(function.parse().unwrap(), Payload::encode(input).unwrap())
}

fn good() -> Value {
    json!({"text": "hi", "factor": 2})
}

async fn version_of(intake: &Intake, function: &str) -> String {
    match intake.admit(request(function, &good())).await {
        Ok(task) => task.envelope.version.to_string(),
        Err(error) => error.kind().to_string(),
    }
}

#[tokio::test]
async fn a_reference_goes_to_the_version_the_design_says() {
    let publisher = Publisher::of(["1.0.0", "1.2.0", "1.2.3", "1.4.0", "2.1.0"].map(template).to_vec());
    let mut set = publisher.set.lock().unwrap().clone();
    set.defaults.insert(Name::new("shout").unwrap(), "1.2.3".parse().unwrap());
    publisher.publish(TemplateSet::new(set.templates, set.defaults, set.weights, None));
    let intake = Intake::new(publisher);
    for (written, version) in [
        ("shout", "1.2.3"),     // the default
        ("shout@1", "1.2.3"),   // the default, as it is of that major
        ("shout@2", "2.1.0"),   // the newest of that major
        ("shout@1.0", "1.0.0"), // its own minor
        ("shout@1.2", "1.2.3"), // its newest patch
        ("shout@1.3", "1.4.0"), // the next newer minor
        ("shout@1.5", "unknown_function"),
        ("shout@1.2.0", "1.2.0"), // that one and no other
        ("shout@1.2.1", "unknown_function"),
    ] {
        assert_eq!(version_of(&intake, written).await, version, "{written}");
    }
}

#[tokio::test]
async fn every_fault_is_listed_and_nothing_is_guessed() {
    let intake = Intake::new(Publisher::of(vec![template("1.0.0")]));
    let error = intake
        .admit(request("shout", &json!({"txt": "hi", "factor": 5, "qualty": "high"})))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let pointers: Vec<_> = error.faults().iter().map(|fault| fault.pointer.as_str()).collect();
    for pointer in ["/text", "/txt", "/factor", "/qualty"] {
        assert!(pointers.contains(&pointer), "{pointer} in {error}");
    }
    let text = error.to_string();
    assert!(text.contains("5 is not one of 2, 4"), "{text}");
    assert!(
        text.contains("did you mean `quality`? (quality is set on the call, not in the input)"),
        "{text}"
    );
    assert!(text.contains("did you mean `text`?"), "{text}");
    assert!(text.contains("help: `fnr functions shout` shows the schema and an example"), "{text}");
    assert!(error.task().is_some());
}

#[tokio::test]
async fn defaults_are_filled_in_and_the_written_input_stays_its_content() {
    let intake = Intake::new(Publisher::of(vec![template("1.0.0")]));
    let id = TaskId::unique();
    let admit = async |input: Value| {
        let mut request = request("shout", &input);
        request.id = id.clone();
        intake.admit(request).await.unwrap()
    };
    let (short, long) = (admit(json!({"text": "hi"})).await, admit(json!({"text": "hi", "factor": 2})).await);
    assert_eq!(short.input.decode::<Value>().unwrap()["factor"], 2);
    assert_eq!(short.input.decode::<Value>().unwrap(), long.input.decode::<Value>().unwrap());
    assert_ne!(short.content(), long.content(), "what the caller wrote differs");
}

#[tokio::test]
async fn unknown_names_and_qualities_are_told_apart_with_the_nearest() {
    let presets = template("1.0.0");
    let intake = Intake::new(Publisher::of(vec![Template {
        presets: [(Quality::High, QualityPreset::new())].into(),
        ..presets
    }]));
    let error = intake.admit(request("shuot", &good())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownFunction);
    assert!(error.message().contains("did you mean `shout`?"), "{error}");
    let mut odd = request("shout", &good());
    odd.quality = Quality::custom("hihg").unwrap();
    let error = intake.admit(odd).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownQuality);
    assert!(
        error.message().contains("did you mean `high`?") && error.remedy().contains("standard, high"),
        "{error}"
    );
}

#[tokio::test]
async fn what_no_worker_could_hold_is_refused_and_what_none_was_seen_for_waits() {
    let mut large = template("1.0.0");
    large.requires = ResourceRequirement::new().gpu_memory_mib(24_000);
    let publisher = Publisher::of(vec![large.clone()]);
    let intake = Intake::new(publisher.clone());
    assert!(intake.admit(request("shout", &good())).await.is_ok(), "no worker was seen: it waits for one");
    let mut largest = Largest::default();
    largest.merge(&Capacity::new().cpu_millis(2000).gpu(12_288));
    let intake = Intake::new(Publisher::of(Vec::new()));
    intake.shared.learn(TemplateSet::of_templates(vec![large], Some(largest)));
    let error = resolve(&intake.shared.known(), &request("shout", &good())).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImpossibleRequirement);
    assert!(
        error.message().contains("it needs 24000 MiB of GPU memory, the largest GPU known has 12288 MiB"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_patient_intake_waits_for_a_function_that_comes() {
    let publisher = Publisher::of(Vec::new());
    let patient = Intake::new(publisher.clone()).patient(Duration::from_secs(10));
    let (admitted, ()) = tokio::join!(patient.admit(request("shout", &good())), async {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        publisher.publish(TemplateSet::of_templates(vec![template("1.0.0")], None));
    });
    assert!(admitted.is_ok());
    assert!(publisher.asked.load(Ordering::SeqCst) <= 5, "about once a second");
    let never = Intake::new(Publisher::of(Vec::new())).patient(Duration::from_secs(10));
    assert_eq!(never.admit(request("shout", &good())).await.unwrap_err().kind(), ErrorKind::UnknownFunction);
}

#[tokio::test(start_paused = true)]
async fn templates_are_read_once_and_again_when_they_are_old() {
    let publisher = Publisher::of(vec![template("1.0.0")]);
    let intake = Intake::new(publisher.clone());
    for _ in 0..100 {
        intake.admit(request("shout", &good())).await.unwrap();
    }
    assert_eq!(publisher.asked.load(Ordering::SeqCst), 1);
    publisher.publish(TemplateSet::of_templates(vec![template("1.0.0"), template("1.1.0")], None));
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(version_of(&intake, "shout").await, "1.0.0", "what is known answers at once");
    while publisher.asked.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    assert_eq!(version_of(&intake, "shout").await, "1.1.0", "and was read again behind it");
}

#[tokio::test]
async fn settings_out_of_range_are_refused_by_name() {
    type Change = fn(&mut Request);
    let hour = Duration::from_secs(3600);
    assert!(hour < Retention::default().result);
    let cases: [(&str, Change); 9] = [
        ("deadline", |r| r.deadline = Some(When::In(Duration::ZERO))),
        ("deadline", |r| {
            (r.delay, r.deadline) =
                (Some(When::In(Duration::from_secs(9))), Some(When::In(Duration::from_secs(9))))
        }),
        ("delay", |r| r.delay = Some(When::In(Duration::from_secs(31 * 24 * 3600)))),
        ("max_attempts", |r| r.retry = Some(RetryPolicy::exponential(0))),
        ("max_crashes", |r| r.retry = Some(RetryPolicy::exponential(1).max_crashes(0))),
        ("label", |r| _ = r.labels.insert("k".into(), "v".repeat(257))),
        ("label", |r| r.labels = (0..33).map(|i| (i.to_string(), String::new())).collect()),
        ("deduplication window", |r| r.dedupe = Some(Dedupe::new("k", Duration::from_secs(25 * 3600)))),
        ("deduplication key", |r| r.dedupe = Some(Dedupe::new("", Duration::from_secs(1)))),
    ];
    let intake = Intake::new(Publisher::of(vec![template("1.0.0")]));
    for (word, change) in cases {
        let mut odd = request("shout", &good());
        change(&mut odd);
        let error = intake.admit(odd).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidCall, "{error}");
        assert!(error.message().contains(word), "`{word}` in {error}");
    }
}

#[tokio::test]
async fn weight_priority_and_cost_decide_the_increment() {
    let tenant = Tenant::new("acme").unwrap();
    let mut dear = template("1.0.0");
    dear.cost = 4;
    let weights = [(tenant.clone(), Weight::new(256).unwrap())].into();
    let set = TemplateSet::of_templates(vec![dear], None);
    let publisher = Publisher::of(Vec::new());
    publisher.publish(TemplateSet::new(set.templates, set.defaults, weights, None));
    let intake = Intake::new(publisher);
    let mut request = request("shout", &good());
    (request.tenant, request.priority) = (Some(tenant), Priority::new(7).unwrap());
    let task = intake.admit(request).await.unwrap();
    assert_eq!(task.increment, schedule::increment(4, Priority::new(7).unwrap(), Weight::new(256).unwrap()));
}
