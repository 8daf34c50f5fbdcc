//! Any task survives being stored, and no bytes do harm.

use std::collections::BTreeMap;

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};
use serde_json::{Value, json};

use super::*;
use crate::{
    Amounts, AttemptEnd, Envelope, Failure, FailureClass, Name, PastAttempt, ResourceRequirement, Retention,
    RetryPolicy, Version, Wanted, WorkerId,
};

fn name() -> impl Strategy<Value = Name> {
    "[a-z0-9._-]{1,64}".prop_map(|name| Name::new(name).unwrap())
}

fn version() -> impl Strategy<Value = Version> {
    let number = || prop_oneof![0_u32..4, any::<u32>()];
    (number(), number(), number()).prop_map(|(major, minor, patch)| Version::new(major, minor, patch))
}

fn function() -> impl Strategy<Value = FunctionRef> {
    (name(), version(), 0..4).prop_map(|(name, version, form)| {
        let wanted = match form {
            0 => Wanted::Any,
            1 => Wanted::Major(version.major),
            2 => Wanted::Minor(version.major, version.minor),
            _ => Wanted::Exact(version),
        };
        FunctionRef::new(name, wanted)
    })
}

fn quality() -> impl Strategy<Value = Quality> {
    "standard|draft|high|ultra|[a-z0-9._-]{1,64}".prop_map(|name| Quality::custom(name).unwrap())
}

fn lane() -> impl Strategy<Value = Lane> {
    (name(), version(), quality(), any::<bool>()).prop_map(|(name, version, quality, twin)| {
        let lane = Lane::new(&name, version, &quality);
        if twin { lane.twin() } else { lane }
    })
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![0_u64..5000, any::<u64>()].prop_map(Duration::from_millis)
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        duration().prop_map(When::In),
        any::<u64>().prop_map(|millis| When::At(Timestamp::from_millis(millis))),
    ]
}

fn labels() -> impl Strategy<Value = Labels> {
    btree_map(any::<String>(), any::<String>(), 0..4)
}

/// A number of few digits is read back as it was; serde_json may round one of seventeen.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 1024.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

fn amounts() -> impl Strategy<Value = Amounts> {
    let counts = btree_map(any::<String>(), any::<u64>(), 0..3);
    (any::<[u8; 6]>(), any::<u64>(), counts).prop_map(|(which, amount, custom)| {
        let some = |index: usize| if which[index] % 2 == 0 { 0 } else { amount };
        let all = Amounts::new().cpu_millis(some(0)).memory_mib(some(1)).disk_mib(some(2)).slots(some(3));
        let mut all = all.gpus(some(4) as u32).gpu_memory_mib(some(5));
        all.custom = custom;
        all
    })
}

fn requirement() -> impl Strategy<Value = ResourceRequirement> {
    let plain = || {
        (amounts(), amounts()).prop_map(|(shared, each)| {
            let mut needs = ResourceRequirement::new();
            (needs.shared, needs.each) = (shared, each);
            needs
        })
    };
    let full = (plain(), vec(plain(), 0..4)).prop_map(|(mut needs, otherwise)| {
        needs.otherwise = otherwise;
        needs
    });
    prop_oneof![Just(ResourceRequirement::new()), full]
}

fn policy() -> impl Strategy<Value = RetryPolicy> {
    let any =
        (any::<u32>(), duration(), duration(), any::<u32>()).prop_map(|(attempts, first, max, crashes)| {
            RetryPolicy::exponential(attempts).first_delay(first).max_delay(max).max_crashes(crashes)
        });
    prop_oneof![Just(RetryPolicy::default()), any]
}

fn retention() -> impl Strategy<Value = Retention> {
    let any = (duration(), duration()).prop_map(|(result, dead)| Retention { result, dead });
    prop_oneof![Just(Retention::default()), any]
}

fn envelope() -> impl Strategy<Value = Arc<Envelope>> {
    let parameters = btree_map(any::<String>(), value(), 0..4);
    (version(), parameters, requirement(), option::of(duration()), policy(), retention()).prop_map(
        |(version, parameters, requires, timeout, retry, retention)| {
            Arc::new(Envelope { version, parameters, requires, timeout, retry, retention })
        },
    )
}

fn follow_up() -> impl Strategy<Value = FollowUp> {
    (function(), labels(), lane(), any::<u64>(), envelope()).prop_map(
        |(function, labels, lane, increment, envelope)| FollowUp {
            function,
            labels,
            lane,
            increment,
            envelope,
        },
    )
}

fn task() -> impl Strategy<Value = Task> {
    let dedupe = (any::<String>(), duration()).prop_map(|(key, window)| Dedupe::new(key, window));
    let tenant = "[a-z0-9._-]{1,32}".prop_map(|tenant| Tenant::new(tenant).unwrap());
    let resolved = (function(), lane(), any::<u64>(), envelope(), vec(follow_up(), 0..3));
    let plain = (quality(), 1_u8..=10, option::of(tenant), labels());
    let rare = (option::of(when()), option::of(when()), option::of(policy()), option::of(dedupe));
    (resolved, plain, rare, option::of(any::<u128>())).prop_map(|(resolved, plain, rare, written)| {
        let (function, lane, increment, envelope, follow_ups) = resolved;
        let (quality, priority, tenant, labels) = plain;
        let (delay, deadline, retry, dedupe) = rare;
        let (id, input) = (TaskId::unique(), Payload::encode("x").unwrap());
        let priority = Priority::new(priority).unwrap();
        // every field by its name: a new one is stored or said to be not
        Task {
            id,
            function,
            input,
            quality,
            priority,
            tenant,
            labels,
            delay,
            deadline,
            retry,
            dedupe,
            follow_ups,
            lane,
            increment,
            envelope,
            written,
        }
    })
}

fn attempt() -> impl Strategy<Value = PastAttempt> {
    let class = prop_oneof![
        Just(FailureClass::Transient),
        Just(FailureClass::Permanent),
        Just(FailureClass::Resource),
        Just(FailureClass::InvalidInput),
        Just(FailureClass::Cancelled),
    ];
    let text = || option::of(any::<String>());
    let failure = (class, text(), any::<String>(), text())
        .prop_map(|(class, code, message, remedy)| Failure { class, code, message, remedy });
    let end = prop_oneof![
        Just(AttemptEnd::Released),
        Just(AttemptEnd::Lost),
        failure.prop_map(AttemptEnd::Failed),
    ];
    (any::<u32>(), "[A-Za-z0-9_-]{1,64}", end, any::<u64>()).prop_map(|(attempt, worker, end, at)| {
        PastAttempt::new(attempt, WorkerId::new(worker).unwrap(), end, Timestamp::from_millis(at))
    })
}

fn read_task(stored: &[u8]) -> Result<Task> {
    let id = TaskId::new("a").unwrap();
    Task::from_stored(id, stored, Payload::from_stored("7"), 7)
}

proptest! {
    #[test]
    fn any_task_survives(task in task()) {
        let (stored, content) = (task.to_stored(), task.content());
        let back = Task::from_stored(task.id.clone(), &stored, task.input.clone(), content).unwrap();
        prop_assert_eq!(back.content(), content);
        prop_assert_eq!(back.to_stored(), stored);
        prop_assert_eq!(back, Task { written: Some(content), ..task });
    }

    #[test]
    fn any_attempts_survive(attempts in vec(attempt(), 0..5)) {
        let stored = PastAttempt::list_to_stored(&attempts);
        prop_assert_eq!(PastAttempt::list_from_stored(&stored).unwrap(), attempts);
    }

    #[test]
    fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(read_task(&bytes).unwrap_err().kind(), ErrorKind::Corrupt);
        prop_assert_eq!(PastAttempt::list_from_stored(&bytes).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn damage_does_no_harm(task in task(), attempt in attempt(), at in any::<usize>(), byte: u8, cut: bool) {
        for mut stored in [task.to_stored(), PastAttempt::list_to_stored(&[attempt])] {
            let at = at % stored.len();
            stored[at] = byte;
            stored.truncate(if cut { at } else { stored.len() });
            // a changed letter may well be another task; it is told by its own checks, or it is one
            for error in [read_task(&stored).err(), PastAttempt::list_from_stored(&stored).err()] {
                let kind = error.map_or(ErrorKind::Corrupt, |error| error.kind());
                prop_assert!(matches!(kind, ErrorKind::Corrupt | ErrorKind::Unsupported));
                prop_assert!(!cut || kind == ErrorKind::Corrupt);
            }
        }
    }
}

/// What format 1 says, word for word: a test that fails here has changed what lies in stores.
#[test]
fn format_one_stays_as_it_is() {
    let least = br#"{"v":1,"function":"work","lane":"work@1.2:standard","increment":4096,"envelope":{"version":"1.2.3"}}"#;
    let task = read_task(least).unwrap();
    assert_eq!(task.to_stored(), least);
    assert_eq!((&task.quality, task.priority.value(), task.increment), (&Quality::Standard, 5, 4096));
    let seconds = Duration::from_secs;
    let retry = RetryPolicy::exponential(3).first_delay(seconds(1)).max_delay(seconds(300)).max_crashes(3);
    let retention = Retention { result: seconds(86_400), dead: seconds(604_800) };
    assert_eq!((task.envelope.retry, task.envelope.retention), (retry, retention));

    let full = json!({
        "v": 1, "function": "work@1", "lane": "work@1.2:high!", "increment": 1,
        "envelope": {
            "version": "1.2.3", "parameters": { "steps": [7] }, "timeout_ms": 9,
            "requires": {
                "shared": { "gpu_memory_mib": 5 }, "each": { "custom": { "licence": 0 } },
                "otherwise": [{ "each": { "slots": 1 } }],
            },
            "retry": { "max_attempts": 1, "first_delay_ms": 2, "max_delay_ms": 3, "max_crashes": 4 },
            "retention": { "result_ms": 5, "dead_ms": 6 },
        },
        "quality": "high", "priority": 6, "tenant": "acme", "labels": { "a": "b" },
        "delay": { "in": 7 }, "deadline": { "at": 8 },
        "retry": { "max_attempts": 9, "first_delay_ms": 1, "max_delay_ms": 1, "max_crashes": 1 },
        "dedupe": { "key": "k", "window_ms": 10 },
        "follow_ups": [{
            "function": "tidy", "lane": "tidy@0.1:draft", "increment": 2, "envelope": { "version": "0.1.0" },
            "labels": { "c": "d" },
        }],
    });
    let task = read_task(full.to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&task.to_stored()).unwrap(), full);
    assert!(task.to_stored().starts_with(br#"{"v":1,"#), "the number comes first");
    assert_eq!(task.envelope.requires.each.custom, BTreeMap::from([("licence".to_owned(), 0)]));

    let list = br#"{"v":1,"attempts":[{"attempt":1,"worker":"w","at":2,"end":"lost"},{"attempt":1,"worker":"w","at":3,"end":{"failed":{"class":"transient","message":"m"}}}]}"#;
    assert_eq!(PastAttempt::list_to_stored(&PastAttempt::list_from_stored(list).unwrap()), list);
}

#[test]
fn a_newer_format_is_told_apart_from_damage() {
    let newer = br#"{"v":2,"steps":[]}"#;
    let error = read_task(newer).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Unsupported, "a stored task has format 2; this program reads format 1")
    );
    assert_eq!(error.task(), Some(&TaskId::new("a").unwrap()));
    assert_eq!(PastAttempt::list_from_stored(newer).unwrap_err().kind(), ErrorKind::Unsupported);
    let fits = br#"{"v":2,"function":"work","lane":"work@1.2:standard","increment":1,"envelope":{"version":"1.2.3"}}"#;
    assert_eq!(read_task(fits).unwrap_err().kind(), ErrorKind::Unsupported, "however well it fits");
    for damaged in ["", "{}", "[]", r#"{"v":0}"#, r#"{"v":-1}"#, r#"{"v":1}"#, r#"{"v":"2"}"#] {
        let error = read_task(damaged.as_bytes()).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Corrupt, "a stored task cannot be read"));
    }
    let deep = format!(r#"{{"v":1,"envelope":{}"#, r#"{"requires":{"otherwise":["#.repeat(100_000));
    assert_eq!(read_task(deep.as_bytes()).unwrap_err().kind(), ErrorKind::Corrupt);
}
