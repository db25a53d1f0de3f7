//! What a test file says.

use std::collections::BTreeMap;
use std::path::Path;

use fleetledger_queries::Period;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

use super::TestError;

/// A file `<rule>.test.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    /// Rules under test, relative to the file.
    pub rule_files: Vec<String>,
    /// Distance of two slots; without it each rule's own interval.
    pub evaluation_interval: Option<Period>,
    /// The tests.
    pub tests: Vec<TestCase>,
}

/// What a test shows; every rule needs one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestPurpose {
    /// It fires.
    Firing,
    /// It stays silent over rows that look alike.
    Quiet,
    /// It tells the last row that is none from the first that is one.
    Boundary,
}

/// One test.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestCase {
    /// What it claims.
    pub name: String,
    /// What it shows.
    pub purpose: Option<TestPurpose>,
    /// Instant of the first slot; offsets count from here.
    #[serde(default = "new_year")]
    pub start_timestamp: Timestamp,
    /// Rows of the public views.
    #[serde(default)]
    pub input_rows: Vec<InputRow>,
    /// Up to when sources are known; those that are not named are fresh throughout.
    #[serde(default)]
    pub freshness: Vec<FreshnessSpan>,
    /// What people do.
    #[serde(default)]
    pub actions: Vec<TestAction>,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Vec<TestFault>,
    /// Alerts expected at an instant.
    #[serde(default)]
    pub alert_rule_test: Vec<AlertCheck>,
    /// All notifications expected of a receiver.
    #[serde(default)]
    pub notification_test: Vec<NotificationCheck>,
}

/// A row of a view from an instant on; a later row of the same object takes its place.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputRow {
    /// View.
    pub table: String,
    /// From when on.
    #[serde(default)]
    pub at: TestOffset,
    /// Columns; instants as offsets, such as `14m` or `-3d`.
    #[serde(default)]
    pub row: Map<String, Value>,
    /// So many rows, with `#` in texts replaced by 1, 2, ….
    #[serde(default = "one")]
    pub repeat: u32,
    /// The object is deleted at that instant.
    #[serde(default)]
    pub gone: bool,
}

/// Up to when a source is known.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreshnessSpan {
    /// Datacenter; `dc1` without it.
    #[serde(default = "first_datacenter")]
    pub datacenter: String,
    /// Cluster.
    pub cluster: String,
    /// One kind; all of them without it.
    pub kind: Option<String>,
    /// Last instant that is known.
    pub until: TestOffset,
    /// Where the cluster's objects come from: `watch`, `dump` or `simulate`; not said without it.
    pub source: Option<String>,
}

/// What somebody does at an instant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestAction {
    /// When; it counts from the next slot on.
    pub at: TestOffset,
    /// Silences instances.
    pub snooze: Option<SnoozeAction>,
    /// Ends snoozes with exactly this matcher.
    pub unsnooze: Option<UnsnoozeAction>,
    /// Takes care of instances.
    pub ack: Option<AckAction>,
}

/// A snooze.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnoozeAction {
    /// Labels its instances have.
    #[serde(rename = "match")]
    pub matcher: BTreeMap<String, String>,
    /// How long.
    #[serde(rename = "for")]
    pub duration: Period,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Labels that instances have.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsnoozeAction {
    /// The labels.
    #[serde(rename = "match")]
    pub matcher: BTreeMap<String, String>,
}

/// An acknowledgement.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AckAction {
    /// Labels its instances have.
    #[serde(rename = "match")]
    pub matcher: BTreeMap<String, String>,
    /// Who.
    pub by: String,
}

/// What goes wrong, at slots from `from` (or `at`) to before `to`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFault {
    /// First slot.
    pub from: Option<TestOffset>,
    /// First slot that is well again.
    pub to: Option<TestOffset>,
    /// The only slot.
    pub at: Option<TestOffset>,
    /// The query fails with this message.
    pub query_error: Option<String>,
    /// This source is silent.
    pub stale: Option<StaleSourceFault>,
    /// The evaluator is started anew before the slot.
    #[serde(default)]
    pub restart: bool,
    /// The slot is not evaluated at all.
    #[serde(default)]
    pub missed: bool,
}

/// A source that is silent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaleSourceFault {
    /// Datacenter; `dc1` without it.
    #[serde(default = "first_datacenter")]
    pub datacenter: String,
    /// Cluster.
    pub cluster: String,
}

/// Alerts expected at an instant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertCheck {
    /// When: the newest slot that is not later.
    pub eval_time: TestOffset,
    /// Of which rule.
    pub alertname: String,
    /// All that are pending, firing or recovering.
    pub exp_alerts: Vec<ExpectedAlert>,
}

/// An expected alert; labels and annotations that are not named may be anything.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedAlert {
    /// `pending`, `firing` or `recovering`; firing without it.
    #[serde(default = "firing")]
    pub exp_state: String,
    /// Labels it has.
    #[serde(default)]
    pub exp_labels: BTreeMap<String, String>,
    /// Annotations it has: columns, or templates filled in.
    #[serde(default)]
    pub exp_annotations: BTreeMap<String, String>,
    /// Its number.
    pub exp_value: Option<f64>,
}

/// All notifications a receiver gets in the course of the test.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotificationCheck {
    /// Name of the receiver.
    pub receiver: String,
    /// What it gets, in order.
    pub exp: Vec<ExpectedNotification>,
}

/// An expected notification.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedNotification {
    /// Slot at which it is decided.
    pub at: TestOffset,
    /// `trigger`, `acknowledge` or `resolve`.
    pub kind: String,
    /// Such as `new`, `repeat` or `snooze_expired`.
    pub reason: String,
    /// Labels of its instance; those that are not named may be anything.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Time from the start of a test; negative before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TestOffset(pub SignedDuration);

impl TestOffset {
    /// `14m`, `-3d` or `0`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, size) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let period: Period = size.parse().ok()?;
        let ms = i64::try_from(period.as_ms()).ok()?;
        Some(Self(SignedDuration::from_millis(sign * ms)))
    }

    /// The instant, in a test that starts at `start`.
    #[must_use]
    pub fn after(self, start: Timestamp) -> Timestamp {
        start.checked_add(self.0).unwrap_or(Timestamp::MAX)
    }
}

impl<'de> Deserialize<'de> for TestOffset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            other => return Err(D::Error::custom(format!("{other} is not a duration"))),
        };
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is not a duration such as 14m or -3d")))
    }
}

impl TestFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read or is not of this form.
    pub fn read(path: &Path) -> Result<Self, TestError> {
        let text = std::fs::read_to_string(path).map_err(|source| TestError::Read {
            path: path.to_owned(),
            source,
        })?;
        serde_yaml_ng::from_str(&text).map_err(|error| TestError::File {
            path: path.to_owned(),
            message: error.to_string(),
        })
    }
}

fn new_year() -> Timestamp {
    Timestamp::constant(1_767_225_600, 0)
}

fn one() -> u32 {
    1
}

fn firing() -> String {
    "firing".to_owned()
}

/// Where nothing else is said, everything happens in cluster `a` of datacenter `dc1`.
pub(super) fn first_datacenter() -> String {
    "dc1".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_count_from_the_start_and_may_lie_before_it() {
        let start = new_year();
        let at = |text: &str| TestOffset::parse(text).map(|offset| offset.after(start).to_string());
        assert_eq!(at("14m").as_deref(), Some("2026-01-01T00:14:00Z"));
        assert_eq!(at("-3d").as_deref(), Some("2025-12-29T00:00:00Z"));
        assert_eq!(at("0").as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(at("soon"), None);
    }

    #[test]
    fn a_key_nobody_knows_is_refused() {
        let text = "rule_files: []\ntests: [{name: a, eval_time: 5m}]";
        let error = serde_yaml_ng::from_str::<TestFile>(text).unwrap_err().to_string();
        assert!(error.contains("eval_time"), "{error}");
    }
}
