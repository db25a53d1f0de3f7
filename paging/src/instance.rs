//! One instance of an alert: what is known of its condition, and what people did about it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The condition axis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertCondition {
    /// Not there, and never fired.
    #[default]
    Inactive,
    /// There, for less than `for`.
    Pending,
    /// There for long enough.
    Firing,
    /// It fired and its condition is gone, for less than `keep_firing_for`.
    Recovering,
    /// It fired and is over.
    Resolved,
}

impl AlertCondition {
    /// Firing or recovering: an episode that is not over.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Firing | Self::Recovering)
    }

    /// As it stands in columns and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Recovering => "recovering",
            Self::Resolved => "resolved",
        }
    }

    /// The condition of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Inactive,
            Self::Pending,
            Self::Firing,
            Self::Recovering,
            Self::Resolved,
        ];
        all.into_iter().find(|condition| condition.as_str() == text)
    }
}

/// Why nothing is known of an instance at a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why", content = "what")]
pub enum HeldReason {
    /// The query failed or ran out of time: the error.
    QueryError(String),
    /// A source it depends on is silent: which one.
    StaleSource(String),
    /// The query itself said `skip` or `error` of this instance.
    Skip(String),
    /// Its row is gone and the rule keeps the state (`on_missing: keep_state`).
    Missing,
    /// The query gave more rows than its limit: a row that is not seen may be among the others.
    Limit,
}

impl fmt::Display for HeldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueryError(error) => write!(f, "the query failed: {error}"),
            Self::StaleSource(source) => write!(f, "{source} is stale"),
            Self::Skip(reason) if reason.is_empty() => write!(f, "the query skipped it"),
            Self::Skip(reason) => write!(f, "the query skipped it: {reason}"),
            Self::Missing => write!(f, "its row is missing"),
            Self::Limit => write!(f, "the query returned more rows than its limit"),
        }
    }
}

/// Why an instance is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertResolution {
    /// The condition was seen to be gone.
    Fixed,
    /// Its row is gone while its source is fresh (`on_missing: resolve`).
    Missing,
    /// Its source is stale and the rule resolves then (`on_stale: resolve`).
    StaleSource,
    /// The target was retired, such as a cluster that is no more.
    TargetRetired,
    /// The rule's file is gone.
    RuleRemoved,
    /// The rule is switched off.
    RuleDisabled,
    /// The rule's labels changed, and with them the identity of its instances.
    RuleRelabelled,
}

impl AlertResolution {
    /// As it stands in columns.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Missing => "missing",
            Self::StaleSource => "stale_source",
            Self::TargetRetired => "target_retired",
            Self::RuleRemoved => "rule_removed",
            Self::RuleDisabled => "rule_disabled",
            Self::RuleRelabelled => "rule_relabelled",
        }
    }

    /// The resolution of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Fixed,
            Self::Missing,
            Self::StaleSource,
            Self::TargetRetired,
            Self::RuleRemoved,
            Self::RuleDisabled,
            Self::RuleRelabelled,
        ];
        all.into_iter().find(|resolution| resolution.as_str() == text)
    }
}

/// What one evaluation says of one instance. Value and annotations are the caller's to keep: they move no state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionObservation {
    /// The condition holds.
    True,
    /// It does not: [`AlertResolution::Fixed`], or [`AlertResolution::Missing`] or [`AlertResolution::StaleSource`] where the rule says so.
    False(AlertResolution),
    /// Nobody knows. Nothing changes, clocks stop.
    Held(HeldReason),
}

/// The state of one label set of one rule, kept from slot to slot.
///
/// What a receiver was told stands in [`crate::Told`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertInstance {
    /// Where it is.
    pub condition: AlertCondition,
    /// How often it fired; the current or last episode's number, 0 before the first.
    pub episode: u64,
    /// The slot last applied.
    pub last_slot_at: Option<Timestamp>,
    /// The first slot of the current pending or firing condition; `None` when it is gone.
    pub active_since: Option<Timestamp>,
    /// What has been earned of `for` while pending, or of `keep_firing_for` while recovering.
    pub earned: Duration,
    /// When the current or last episode began to fire.
    pub firing_since: Option<Timestamp>,
    /// When the condition was first seen gone, while recovering.
    pub recovering_since: Option<Timestamp>,
    /// When the last episode was resolved.
    pub resolved_at: Option<Timestamp>,
    /// Why it was.
    pub resolution: Option<AlertResolution>,
    /// Why nothing was known at the last slot.
    pub held: Option<HeldReason>,
    /// Since which slot nothing is known.
    pub held_since: Option<Timestamp>,
    /// The snooze that covered it at the last slot.
    pub snooze_id: Option<String>,
    /// When that one ends.
    pub snoozed_until: Option<Timestamp>,
    /// Who acknowledged the current episode.
    pub acked_by: Option<String>,
    /// When they did.
    pub acked_at: Option<Timestamp>,
}

impl AlertInstance {
    /// Somebody takes care of the current episode: it is not repeated. Does nothing unless it is open.
    pub fn acknowledge(&mut self, by: impl Into<String>, at: Timestamp) {
        if self.condition.is_open() {
            self.acked_by = Some(by.into());
            self.acked_at = Some(at);
        }
    }

    /// Takes an acknowledgement back.
    pub fn unacknowledge(&mut self) {
        self.acked_by = None;
        self.acked_at = None;
    }

    /// Whether the next slot may change nothing and it can be forgotten: it is not there, and its last episode is over
    /// since `before`.
    #[must_use]
    pub fn is_forgettable(&self, before: Timestamp) -> bool {
        match self.condition {
            AlertCondition::Inactive | AlertCondition::Resolved => {
                self.resolved_at.is_none_or(|at| at <= before)
            }
            AlertCondition::Pending | AlertCondition::Firing | AlertCondition::Recovering => false,
        }
    }
}
