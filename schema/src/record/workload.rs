// Generated from schema/avro/workload.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

//! What owns pods: Deployment, StatefulSet, DaemonSet, ReplicaSet without owner, Job or CronJob.

use serde::{Deserialize, Serialize};

use super::{StringMap, part::Condition};
use crate::instant::Instant;

/// What owns pods: Deployment, StatefulSet, DaemonSet, ReplicaSet without owner, Job or CronJob.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// Kubernetes uid of the workload: its identity.
    pub uid: String,
    /// Namespace name.
    pub namespace: String,
    /// Workload name.
    pub workload: String,
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
    /// Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob.
    pub workload_kind: String,
    /// Kind of the controlling owner reference.
    pub owner_kind: Option<String>,
    /// Name of the controlling owner.
    pub owner: Option<String>,
    /// Uid of the controlling owner.
    pub owner_uid: Option<String>,
    /// metadata.generation.
    pub generation: Option<i64>,
    /// status.observedGeneration.
    pub observed_generation: Option<i64>,
    /// Replicas asked for; for a DaemonSet the nodes that should run it, for a Job its parallelism; null for a CronJob.
    pub desired: Option<i32>,
    /// Replicas that exist; for a DaemonSet the nodes that run it, for a Job its active pods.
    pub current: Option<i32>,
    /// Replicas of the newest revision.
    pub updated: Option<i32>,
    /// Ready replicas.
    pub ready: Option<i32>,
    /// Replicas ready for minReadySeconds.
    pub available: Option<i32>,
    /// Replicas still needed to be available.
    pub unavailable: Option<i32>,
    /// DaemonSet: nodes that run it and should not.
    pub misscheduled: Option<i32>,
    /// Deployment: rollout paused.
    pub paused: bool,
    /// Job, CronJob: suspended.
    pub suspended: bool,
    /// Job: completions asked for.
    pub completions: Option<i32>,
    /// Job: pods succeeded.
    pub succeeded: Option<i32>,
    /// Job: pods failed.
    pub failed: Option<i32>,
    /// Job: active pods; CronJob: active jobs.
    pub active: Option<i32>,
    /// Job: start.
    pub started_at: Option<Instant>,
    /// Job: completion.
    pub completed_at: Option<Instant>,
    /// CronJob: schedule in cron format.
    pub schedule: Option<String>,
    /// CronJob: time zone of the schedule.
    pub time_zone: Option<String>,
    /// CronJob: last time a job was scheduled.
    pub last_scheduled_at: Option<Instant>,
    /// CronJob: last time a job succeeded.
    pub last_successful_at: Option<Instant>,
    /// Update strategy type.
    pub strategy: Option<String>,
    /// Label selector's matchLabels.
    pub selector: StringMap,
    /// Images of the pod template: init containers in their order, then containers by name.
    pub images: Vec<String>,
    /// Conditions, sorted by type; update times left out.
    pub conditions: Vec<Condition>,
    /// Pods that are terminating: terminatingReplicas of a Deployment or ReplicaSet, terminating of a Job; null where the server does not count them.
    pub terminating: Option<i32>,
    /// Indexed Job: completed indexes, such as 1,3-5.
    pub completed_indexes: Option<String>,
    /// Indexed Job with backoffLimitPerIndex: failed indexes, such as 1,3-5.
    pub failed_indexes: Option<String>,
}
