//! What intake resolved of a task, as it is stored.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Amounts, Envelope, ResourceRequirement, Retention, RetryPolicy, Version, clock::millis};

/// The retry policy that is left out.
const RETRY: StoredRetry =
    StoredRetry { max_attempts: 3, first_delay_ms: 1000, max_delay_ms: 300_000, max_crashes: 3 };

/// The retention that is left out.
const RETENTION: StoredRetention = StoredRetention { result_ms: 24 * 3_600_000, dead_ms: 7 * 24 * 3_600_000 };

#[derive(Serialize, Deserialize)]
pub(super) struct StoredEnvelope<'a> {
    version: Version,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Cow<'a, BTreeMap<String, Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requires: Option<StoredNeeds<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<StoredRetry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<StoredRetention>,
}

impl<'a> StoredEnvelope<'a> {
    pub(super) fn of(envelope: &'a Envelope) -> Self {
        let (retry, retention) = (StoredRetry::of(&envelope.retry), StoredRetention::of(envelope.retention));
        Self {
            version: envelope.version,
            parameters: (!envelope.parameters.is_empty()).then_some(Cow::Borrowed(&envelope.parameters)),
            requires: (envelope.requires != ResourceRequirement::default())
                .then(|| StoredNeeds::of(&envelope.requires)),
            timeout_ms: envelope.timeout.map(millis),
            retry: (retry != RETRY).then_some(retry),
            retention: (retention != RETENTION).then_some(retention),
        }
    }

    pub(super) fn into_envelope(self) -> Envelope {
        let mut envelope = Envelope::new(self.version);
        envelope.parameters = self.parameters.map(Cow::into_owned).unwrap_or_default();
        envelope.requires = self.requires.map(StoredNeeds::into_requirement).unwrap_or_default();
        envelope.timeout = self.timeout_ms.map(Duration::from_millis);
        envelope.retry = self.retry.unwrap_or(RETRY).into_policy();
        envelope.retention = self.retention.unwrap_or(RETENTION).into_retention();
        envelope
    }
}

/// A requirement; its amounts are the JSON that [`Amounts`] documents.
#[derive(Serialize, Deserialize)]
struct StoredNeeds<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<Cow<'a, Amounts>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    each: Option<Cow<'a, Amounts>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    otherwise: Vec<Self>,
}

impl<'a> StoredNeeds<'a> {
    fn of(needs: &'a ResourceRequirement) -> Self {
        let some = |amounts: &'a Amounts| (*amounts != Amounts::default()).then_some(Cow::Borrowed(amounts));
        Self {
            shared: some(&needs.shared),
            each: some(&needs.each),
            otherwise: needs.otherwise.iter().map(Self::of).collect(),
        }
    }

    fn into_requirement(self) -> ResourceRequirement {
        let mut needs = ResourceRequirement::new();
        needs.shared = self.shared.map(Cow::into_owned).unwrap_or_default();
        needs.each = self.each.map(Cow::into_owned).unwrap_or_default();
        needs.otherwise = self.otherwise.into_iter().map(Self::into_requirement).collect();
        needs
    }
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredRetry {
    max_attempts: u32,
    first_delay_ms: u64,
    max_delay_ms: u64,
    max_crashes: u32,
}

impl StoredRetry {
    pub(super) fn of(policy: &RetryPolicy) -> Self {
        Self {
            max_attempts: policy.max_attempts,
            first_delay_ms: millis(policy.first_delay),
            max_delay_ms: millis(policy.max_delay),
            max_crashes: policy.max_crashes,
        }
    }

    pub(super) const fn into_policy(self) -> RetryPolicy {
        RetryPolicy::exponential(self.max_attempts)
            .first_delay(Duration::from_millis(self.first_delay_ms))
            .max_delay(Duration::from_millis(self.max_delay_ms))
            .max_crashes(self.max_crashes)
    }
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
struct StoredRetention {
    result_ms: u64,
    dead_ms: u64,
}

impl StoredRetention {
    fn of(retention: Retention) -> Self {
        Self { result_ms: millis(retention.result), dead_ms: millis(retention.dead) }
    }

    const fn into_retention(self) -> Retention {
        let (result, dead) = (Duration::from_millis(self.result_ms), Duration::from_millis(self.dead_ms));
        Retention { result, dead }
    }
}
