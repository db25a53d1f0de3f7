// Generated from schema/avro/pod.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

//! A pod with all its containers.

use serde::{Deserialize, Serialize};

use super::{
    StringMap,
    part::{Condition, Resources},
};
use crate::instant::Instant;

/// A pod with all its containers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// Kubernetes uid of the pod: its identity.
    pub uid: String,
    /// Namespace name.
    pub namespace: String,
    /// Pod name.
    pub pod: String,
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
    /// metadata.deletionGracePeriodSeconds, in seconds.
    pub deletion_grace_seconds: Option<i64>,
    /// Node the pod is bound to.
    pub node: Option<String>,
    /// Node a preempting pod waits for.
    pub nominated_node: Option<String>,
    /// Pending, Running, Succeeded, Failed or Unknown.
    pub phase: String,
    /// status.reason, such as Evicted.
    pub reason: Option<String>,
    /// status.message, cut at 1024 bytes.
    pub message: Option<String>,
    /// Guaranteed, Burstable or BestEffort.
    pub qos_class: Option<String>,
    /// Resolved priority.
    pub priority: Option<i32>,
    /// Priority class name.
    pub priority_class: Option<String>,
    /// spec.preemptionPolicy: PreemptLowerPriority or Never.
    pub preemption_policy: Option<String>,
    /// Kind of the controlling owner reference.
    pub owner_kind: Option<String>,
    /// Name of the controlling owner.
    pub owner: Option<String>,
    /// Uid of the controlling owner.
    pub owner_uid: Option<String>,
    /// Kind of the top-level owner, such as Deployment; of the last owner known by reference where owner_resolved is false.
    pub workload_kind: Option<String>,
    /// Name of the top-level owner, or of that one.
    pub workload: Option<String>,
    /// Uid of the top-level owner, or of that one.
    pub workload_uid: Option<String>,
    /// True if the chain of owners was followed to its end; true for a pod without an owner.
    pub owner_resolved: bool,
    /// Service account name.
    pub service_account: Option<String>,
    /// Scheduler name.
    pub scheduler: Option<String>,
    /// Runtime class name.
    pub runtime_class: Option<String>,
    /// Always, OnFailure or Never.
    pub restart_policy: String,
    /// spec.terminationGracePeriodSeconds: how long the pod may take to end when nobody says otherwise, in seconds.
    pub termination_grace_period_seconds: Option<i64>,
    /// spec.hostname: name of the host that the pod sees, where it is not the pod's.
    pub hostname: Option<String>,
    /// True if the pod uses the host's network.
    pub host_network: bool,
    /// True if the pod uses the host's process namespace.
    pub host_pid: bool,
    /// True if the pod uses the host's IPC namespace.
    pub host_ipc: bool,
    /// IP of the node.
    pub host_ip: Option<String>,
    /// IPs of the pod: the primary one, then the others sorted.
    pub pod_ips: Vec<String>,
    /// status.startTime: when the kubelet acknowledged the pod.
    pub started_at: Option<Instant>,
    /// Conditions, sorted by type; probe times left out.
    pub conditions: Vec<Condition>,
    /// Effective request of the pod, by KEP-753 and with overhead: what the scheduler reserves.
    pub requests: Resources,
    /// Effective limit of the pod; a member is null if any container it needs has no limit.
    pub limits: Resources,
    /// spec.overhead.
    pub overhead: Resources,
    /// hostPath volumes and who mounts them, sorted by volume.
    pub host_path_mounts: Vec<HostPathMount>,
    /// All containers: init and sidecar in the order of the pod spec, then app, then ephemeral, each by name.
    pub containers: Vec<Container>,
}

/// A hostPath volume of a pod and who mounts it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostPathMount {
    /// Volume name.
    pub volume: String,
    /// Path on the host.
    pub path: String,
    /// hostPath type, such as Directory.
    pub path_type: Option<String>,
    /// True if at least one container mounts it without readOnly.
    pub writable: bool,
    /// Names of the containers that mount it: init containers in the order of the pod spec, then the others by name.
    pub containers: Vec<String>,
}

/// One container of a pod, of any type.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// Container name.
    pub container: String,
    /// app, init, sidecar (an init container with restartPolicy Always) or ephemeral.
    pub container_type: String,
    /// Place within its list, from 0: of init containers and sidecars in the pod spec, of others by name.
    pub position: i32,
    /// Image as the spec names it.
    pub image: String,
    /// Image as the runtime resolved it, usually with its digest.
    pub image_id: Option<String>,
    /// Runtime id of the current container.
    pub container_id: Option<String>,
    /// Resource requests.
    pub requests: Resources,
    /// Resource limits.
    pub limits: Resources,
    /// status.resources.requests: CPU that the kubelet has granted, in thousandths of a core; NULL = it does not say.
    pub request_in_force_cpu_millicores: Option<i64>,
    /// status.resources.requests: memory that the kubelet has granted, in bytes; NULL = it does not say.
    pub request_in_force_memory_bytes: Option<i64>,
    /// status.resources.limits: limit of CPU that the runtime keeps, in thousandths of a core; NULL = none, or the kubelet does not say.
    pub limit_in_force_cpu_millicores: Option<i64>,
    /// status.resources.limits: limit of memory that the runtime keeps, in bytes; NULL = none, or the kubelet does not say.
    pub limit_in_force_memory_bytes: Option<i64>,
    /// status.allocatedResources: CPU that the node has set aside for the container, in thousandths of a core; NULL = the kubelet does not say.
    pub allocated_cpu_millicores: Option<i64>,
    /// status.allocatedResources: memory that the node has set aside for the container, in bytes; NULL = the kubelet does not say.
    pub allocated_memory_bytes: Option<i64>,
    /// CPU that the scheduler reserves for the container while that is not what it requests, in thousandths of a core: the largest of request, allocated and in force; without the request once a resize was refused as infeasible. NULL = the request.
    pub reserved_cpu_millicores: Option<i64>,
    /// Memory that the scheduler reserves for the container while that is not what it requests, in bytes. NULL = the request.
    pub reserved_memory_bytes: Option<i64>,
    /// True if the container passes its readiness probe.
    pub ready: bool,
    /// True once the startup probe passed.
    pub started: Option<bool>,
    /// Restarts in the life of the pod.
    pub restart_count: i32,
    /// waiting, running or terminated; null until the kubelet has reported.
    pub state: Option<String>,
    /// Reason of the waiting or terminated state, such as CrashLoopBackOff or OOMKilled.
    pub reason: Option<String>,
    /// Message of the current state, cut at 1024 bytes.
    pub message: Option<String>,
    /// Exit code, if terminated.
    pub exit_code: Option<i32>,
    /// Signal, if terminated by one.
    pub signal: Option<i32>,
    /// Start of the current running or terminated state.
    pub started_at: Option<Instant>,
    /// End of the container, if terminated.
    pub finished_at: Option<Instant>,
    /// Reason of the previous termination.
    pub last_reason: Option<String>,
    /// Message of the previous termination, cut at 1024 bytes.
    pub last_message: Option<String>,
    /// Exit code of the previous termination.
    pub last_exit_code: Option<i32>,
    /// Signal of the previous termination.
    pub last_signal: Option<i32>,
    /// Start of the previous run.
    pub last_started_at: Option<Instant>,
    /// End of the previous run.
    pub last_finished_at: Option<Instant>,
}
