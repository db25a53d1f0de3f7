// Generated from schema/avro/usage.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

//! What the containers of one node used in one aligned window of time, integrated where they run.

use serde::{Deserialize, Serialize};

use crate::instant::Instant;

/// What the containers of one node used in one aligned window of time, integrated where they run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Kubernetes uid of the node.
    pub uid: String,
    /// Node name.
    pub node: String,
    /// Begin of the window: a whole UTC minute.
    pub window_start_at: Instant,
    /// End of the window, exclusive: a whole UTC minute of the same hour, or the end of that hour.
    pub window_end_at: Instant,
    /// Where it was read: kubelet, proxy, metrics-api or simulate.
    pub source: String,
    /// Containers of which anything is known, sorted by pod uid and name.
    pub containers: Vec<ContainerUsage>,
}

/// What one container used in the window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerUsage {
    /// Kubernetes uid of the pod.
    pub uid: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Container name.
    pub container: String,
    /// Time of the window for which CPU and memory are known, in milliseconds.
    pub covered_ms: i64,
    /// CPU used in the covered time, in core-microseconds.
    pub cpu_core_us: i64,
    /// Memory (working set) used in the covered time, in byte-seconds.
    pub memory_byte_seconds: i64,
    /// Sum of max(request, usage) over the covered time, in core-microseconds; a missing request counts as 0.
    pub cpu_charged_core_us: i64,
    /// The same for memory, in byte-seconds.
    pub memory_charged_byte_seconds: i64,
    /// Highest CPU between two readings, in thousandths of a core.
    pub cpu_max_millicores: i64,
    /// Highest memory read, in bytes.
    pub memory_max_bytes: i64,
    /// CPU request at the end of the covered time, in thousandths of a core; null = not set.
    pub request_cpu_millicores: Option<i64>,
    /// Memory request at the end of the covered time, in bytes; null = not set.
    pub request_memory_bytes: Option<i64>,
    /// Time of the window for which GPU usage is known, in milliseconds.
    pub gpu_covered_ms: i64,
    /// GPUs used in that time, in card-microseconds; null = not seen.
    pub gpu_used_card_us: Option<i64>,
}
