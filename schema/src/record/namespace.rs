// Generated from schema/avro/namespace.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

//! A namespace.

use serde::{Deserialize, Serialize};

use super::{StringMap, part::Condition};
use crate::instant::Instant;

/// A namespace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespace {
    /// Kubernetes uid of the namespace: its identity.
    pub uid: String,
    /// Namespace name.
    pub namespace: String,
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
    /// Active or Terminating.
    pub phase: String,
    /// Conditions, sorted by type; they say why a deletion hangs.
    pub conditions: Vec<Condition>,
}
