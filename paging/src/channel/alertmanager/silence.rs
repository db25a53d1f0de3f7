//! Silences that mirror snoozes: found again by what they match, so that nothing has to be remembered.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::payload::WAKE_LABEL;
use crate::labels::LabelSet;
use crate::notification::QuietedBy;

/// Whose silences are ours.
pub const CREATED_BY: &str = "fleetledger";

/// The matchers of one instance and nothing else, in the order of its labels. The wake label is always among them, empty
/// where there is none: a silence must not cover the alert that comes after it.
#[must_use]
pub fn matchers(labels: &LabelSet) -> Vec<Value> {
    let mut exact = labels.clone();
    exact.entry(WAKE_LABEL.to_owned()).or_default();
    let one = |(name, value): (&String, &String)| json!({"name": name, "value": value, "isRegex": false, "isEqual": true});
    exact.iter().map(one).collect()
}

/// The silence for `POST /api/v2/silences`.
#[must_use]
pub fn silence(labels: &LabelSet, by: &QuietedBy, from: Timestamp, until: Timestamp) -> Value {
    json!({
        "matchers": matchers(labels),
        "startsAt": from.to_string(),
        "endsAt": until.to_string(),
        "createdBy": CREATED_BY,
        "comment": format!("snoozed by {}: {}", by.who, by.reason),
    })
}

/// A silence as Alertmanager tells it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlertmanagerSilence {
    pub(super) id: String,
    pub(super) created_by: String,
    pub(super) matchers: Vec<SilenceMatcher>,
    pub(super) starts_at: Timestamp,
    pub(super) status: SilenceStatus,
}

#[derive(Debug, Deserialize)]
pub(super) struct SilenceStatus {
    pub(super) state: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SilenceMatcher {
    name: String,
    value: String,
    is_regex: bool,
    #[serde(default = "equal")]
    is_equal: bool,
}

fn equal() -> bool {
    true
}

impl AlertmanagerSilence {
    /// Whether it is ours, not over, and of exactly these labels.
    pub(super) fn mirrors(&self, labels: &LabelSet) -> bool {
        let mut exact = labels.clone();
        exact.entry(WAKE_LABEL.to_owned()).or_default();
        let same = |matcher: &SilenceMatcher| {
            !matcher.is_regex && matcher.is_equal && exact.get(&matcher.name) == Some(&matcher.value)
        };
        self.created_by == CREATED_BY
            && self.status.state != "expired"
            && self.matchers.len() == exact.len()
            && self.matchers.iter().all(same)
    }
}
