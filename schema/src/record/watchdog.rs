// Generated from schema/avro/watchdog.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

//! A watchdog custom resource and what it reports.

use serde::{Deserialize, Serialize};

use super::{StringMap, part::Condition};
use crate::instant::Instant;

/// A watchdog custom resource and what it reports.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watchdog {
    /// Kubernetes uid of the watchdog: its identity.
    pub uid: String,
    /// Watchdog name.
    pub watchdog: String,
    /// metadata.creationTimestamp; 0 where the object has none.
    pub created_at: Instant,
    /// When deletion was asked for: metadata.deletionTimestamp less the grace period.
    pub deletion_requested_at: Option<Instant>,
    /// When the emitter saw the object gone; set only in the last record of an object.
    pub deleted_at: Option<Instant>,
    /// True if deleted_at is when the absence was noticed, not when the deletion was seen.
    pub deletion_inferred: bool,
    /// Allow-listed labels.
    pub labels: StringMap,
    /// Allow-listed annotations.
    pub annotations: StringMap,
    /// metadata.finalizers, sorted.
    pub finalizers: Vec<String>,
    /// Node or Cluster.
    pub scope: String,
    /// Name of the check it runs.
    pub check: String,
    /// Time between two runs, in seconds.
    pub interval_seconds: Option<i64>,
    /// Severity of its page.
    pub severity: Option<String>,
    /// Runbook.
    pub runbook: Option<String>,
    /// True if it is suspended.
    pub suspended: bool,
    /// End of the snooze in its spec.
    pub snoozed_until: Option<Instant>,
    /// Who snoozed it.
    pub snoozed_by: Option<String>,
    /// Why it was snoozed.
    pub snooze_reason: Option<String>,
    /// metadata.generation.
    pub generation: Option<i64>,
    /// status.observedGeneration.
    pub observed_generation: Option<i64>,
    /// Unknown, OK, Pending, Firing, Cooldown or Snoozed.
    pub state: Option<String>,
    /// Number of the current or last episode.
    pub episode: Option<i64>,
    /// Number of the current or last incident within the pager.
    pub incarnation: Option<i64>,
    /// Dedup key of the page.
    pub dedup_key: Option<String>,
    /// Nodes that should report.
    pub nodes_desired: Option<i32>,
    /// Nodes that report.
    pub nodes_reporting: Option<i32>,
    /// Nodes whose check passes.
    pub nodes_ok: Option<i32>,
    /// Nodes whose check fails.
    pub nodes_failing: Option<i32>,
    /// Nodes whose check gave no answer.
    pub nodes_unknown: Option<i32>,
    /// The worst nodes, 20 at most.
    pub failing: Vec<FailingNode>,
    /// Conditions Healthy, Reporting and Accepted, sorted by type.
    pub conditions: Vec<Condition>,
}

/// One node on which a watchdog's check fails.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailingNode {
    /// Node name.
    pub node: String,
    /// What the check said, cut at 1024 bytes.
    pub message: Option<String>,
    /// Since when it fails there.
    pub since: Option<Instant>,
}
