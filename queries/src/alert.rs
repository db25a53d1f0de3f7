//! What the front matter of an alert says.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    freshness::{FreshnessRequirement, SourceScope},
    period::Period,
    query::{QueryId, QuerySchedule},
    template::AnnotationTemplates,
};

/// An alert rule. What these words mean, over time, is the alerts' room to say; here is what the file says.
#[derive(Debug, Clone)]
pub struct AlertRule {
    /// Name of the alert: label `alertname` of all its instances.
    pub alert: String,
    /// When it is evaluated.
    pub schedule: QuerySchedule,
    /// Warm-up: how long the condition must hold before it fires; the key `for`.
    pub pending_for: Period,
    /// How long it keeps firing after the condition is gone.
    pub keep_firing_for: Period,
    /// Least time between two new-episode notifications of one instance.
    pub cooldown: Period,
    /// Notify again after so long while still firing; zero = never.
    pub repeat_interval: Period,
    /// Whether anybody hears of it.
    pub mode: AlertMode,
    /// Which columns mean what.
    pub columns: AlertColumns,
    /// Labels that all its instances have, `severity` among them; `alertname` is not.
    pub labels: BTreeMap<String, String>,
    /// Its label `severity`.
    pub severity: Severity,
    /// Templates, `summary` among them, and the name of the runbook.
    pub annotations: AnnotationTemplates,
    /// Which sources must be fresh before it believes an absence; `None` = none (`freshness: none`).
    pub freshness: Option<FreshnessRequirement>,
    /// What becomes of instances whose source is stale.
    pub on_stale: OnStale,
    /// What becomes of instances whose row is gone while their source is fresh.
    pub on_missing: OnMissing,
    /// The sources a fleet-wide aggregate depends on.
    pub scope: SourceScope,
    /// Receivers by name; empty = as the routes say.
    pub receivers: Vec<String>,
    /// Former ids whose instances it goes on with.
    pub renamed_from: Vec<QueryId>,
    /// What it silences while it fires.
    pub inhibits: Vec<InhibitRule>,
}

impl AlertRule {
    /// True if every freshness column is a label, so that each instance knows its own source. Where this is false,
    /// any stale source in [`AlertRule::scope`] holds the resolution of all instances.
    #[must_use]
    pub fn knows_its_source(&self) -> bool {
        let labels: BTreeSet<&str> = self.columns.labels.iter().map(String::as_str).collect();
        self.freshness
            .as_ref()
            .is_none_or(|freshness| freshness.by.iter().all(|column| labels.contains(column.as_str())))
    }
}

/// Which columns of an alert's query mean what. A column `status` that is not named here switches to control mode.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertColumns {
    /// The number the templates show as `value`.
    pub value: Option<String>,
    /// Columns that identify an instance.
    pub labels: Vec<String>,
    /// Columns that are shown and do not identify.
    pub annotations: Vec<String>,
}

/// Name of the column that switches to control mode.
pub const STATUS_COLUMN: &str = "status";

/// What one row of a control-mode query says about its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowStatus {
    /// Looked at, and in order.
    Ok,
    /// In trouble.
    Alarm,
    /// Could not be looked at this time: its state is held.
    Skip,
    /// Looking at it failed: its state is held, and the rule is in error.
    Error,
    /// Worth showing, no trouble.
    Info,
}

impl RowStatus {
    /// As a row spells it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "ok" => Self::Ok,
            "alarm" => Self::Alarm,
            "skip" => Self::Skip,
            "error" => Self::Error,
            "info" => Self::Info,
            _ => return None,
        })
    }
}

/// Whether anybody hears of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AlertMode {
    /// Evaluated, and notified.
    #[default]
    Live,
    /// Evaluated, and nobody is notified.
    Shadow,
    /// Not evaluated: its instances are resolved.
    Disabled,
}

/// How urgent an alert is; it also decides how notifications are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Somebody must act now: each instance is an incident of its own.
    Page,
    /// Somebody must act this week.
    Ticket,
    /// Good to know.
    Info,
}

impl Severity {
    /// As the label spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
            Self::Info => "info",
        }
    }
}

/// What becomes of an instance whose source is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnStale {
    /// It is held as it is.
    #[default]
    KeepState,
    /// It resolves.
    Resolve,
}

/// What becomes of an instance whose row is gone while its source is fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMissing {
    /// It resolves.
    #[default]
    Resolve,
    /// It is held until a row says otherwise (control mode: an explicit `ok`).
    KeepState,
}

/// While this rule fires, instances of others stay silent, as in Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InhibitRule {
    /// Which instances: each label must have one of these values (`alertname` included).
    pub target: BTreeMap<String, Vec<String>>,
    /// Labels that must be equal on both sides.
    pub equal: Vec<String>,
}
