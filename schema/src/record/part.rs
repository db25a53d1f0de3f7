// Generated from schema/avro/*.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

//! Parts that several records share.

use serde::{Deserialize, Serialize};

use super::StringMap;
use crate::instant::Instant;

/// One condition of an object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// Condition type, such as Ready.
    #[serde(rename = "type")]
    pub condition_type: String,
    /// True, False or Unknown.
    pub status: String,
    /// Machine-readable reason.
    pub reason: Option<String>,
    /// Human-readable message, cut at 1024 bytes.
    pub message: Option<String>,
    /// When the status last changed.
    pub last_transition_at: Option<Instant>,
    /// Last heartbeat of this condition, set only while that is too old; null while the heartbeat is fresh or the condition has none.
    pub heartbeat_stale_since: Option<Instant>,
}

/// Quantities of compute. A member is null where the object does not set it; null is not zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// CPU in thousandths of a core, rounded up as Kubernetes does.
    pub cpu_millicores: Option<i64>,
    /// Memory in bytes.
    pub memory_bytes: Option<i64>,
    /// Ephemeral storage in bytes.
    pub ephemeral_storage_bytes: Option<i64>,
    /// GPUs in thousandths of a card: every resource named `*/gpu` times 1000, plus every resource named `*/gpu-milli`.
    pub gpu_millis: Option<i64>,
    /// Number of pods; set on nodes only.
    pub pods: Option<i64>,
    /// Every other resource by its name, as the API server writes its quantity.
    pub other: StringMap,
}
