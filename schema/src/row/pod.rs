//! `ledger.pod`

use super::{LedgerTable, META_COLUMNS, cell::json, columns, condition_since, containers_digest};
use crate::{
    instant::Instant,
    record::{Condition, Pod},
};

pub(super) static TABLE: LedgerTable = LedgerTable {
    name: "pod",
    key: &["uid"],
    columns: COLUMNS,
    meta: META_COLUMNS,
};

fn not_scheduled(pod: &Pod) -> Option<&Condition> {
    pod.conditions
        .iter()
        .find(|c| c.condition_type == "PodScheduled" && c.status == "False")
}

fn is_ready(pod: &Pod) -> bool {
    pod.conditions
        .iter()
        .any(|c| c.condition_type == "Ready" && c.status == "True")
}

/// End of the last container of a pod that has run to its end: from here on it uses nothing.
fn finished_at(pod: &Pod) -> Option<Instant> {
    if !matches!(pod.phase.as_str(), "Succeeded" | "Failed") {
        return None;
    }
    let ends = pod
        .containers
        .iter()
        .filter_map(|container| container.finished_at);
    ends.max()
        .or_else(|| condition_since(&pod.conditions, "Ready", "False"))
}

fn restart_count(pod: &Pod) -> i32 {
    pod.containers.iter().fold(0_i32, |sum, container| {
        sum.saturating_add(container.restart_count)
    })
}

columns! {
    fn cells(pod: &Pod);
    @let containers = containers_digest(pod);
    uid: Text (not null) from "uid" = &pod.uid;
    namespace: Text (not null) from "namespace" = &pod.namespace;
    pod: Text (not null) from "pod" = &pod.pod;
    created_at: Timestamptz (not null) from "created_at" = pod.created_at;
    deletion_requested_at: Timestamptz from "deletion_requested_at" = pod.deletion_requested_at;
    deletion_grace_seconds: Bigint from "deletion_grace_seconds" = pod.deletion_grace_seconds;
    labels: Jsonb (not null) from "labels" = json(&pod.labels);
    annotations: Jsonb (not null) from "annotations" = json(&pod.annotations);
    finalizers: TextArray (not null) from "finalizers" = &pod.finalizers;
    node: Text from "node" = &pod.node;
    nominated_node: Text from "nominated_node" = &pod.nominated_node;
    phase: Text (not null) from "phase" = &pod.phase;
    reason: Text from "reason" = &pod.reason;
    message: Text from "message" = &pod.message;
    qos_class: Text from "qos_class" = &pod.qos_class;
    priority: Integer from "priority" = pod.priority;
    priority_class: Text from "priority_class" = &pod.priority_class;
    owner_kind: Text from "owner_kind" = &pod.owner_kind;
    owner: Text from "owner" = &pod.owner;
    owner_uid: Text from "owner_uid" = &pod.owner_uid;
    workload_kind: Text [unhashed] from "workload_kind" = &pod.workload_kind;
    workload: Text [unhashed] from "workload" = &pod.workload;
    workload_uid: Text [unhashed] from "workload_uid" = &pod.workload_uid;
    owner_resolved: Boolean (not null) [unhashed] from "owner_resolved" = pod.owner_resolved;
    service_account: Text from "service_account" = &pod.service_account;
    scheduler: Text from "scheduler" = &pod.scheduler;
    runtime_class: Text from "runtime_class" = &pod.runtime_class;
    restart_policy: Text (not null) from "restart_policy" = &pod.restart_policy;
    host_network: Boolean (not null) from "host_network" = pod.host_network;
    host_pid: Boolean (not null) from "host_pid" = pod.host_pid;
    host_ipc: Boolean (not null) from "host_ipc" = pod.host_ipc;
    host_ip: Text from "host_ip" = &pod.host_ip;
    pod_ips: TextArray (not null) from "pod_ips" = &pod.pod_ips;
    started_at: Timestamptz from "started_at" = pod.started_at;
    conditions: Jsonb (not null) from "conditions" = json(&pod.conditions);
    scheduled_at: Timestamptz from "conditions" = condition_since(&pod.conditions, "PodScheduled", "True");
    unschedulable_reason: Text from "conditions" = not_scheduled(pod).and_then(|c| c.reason.as_deref());
    unschedulable_message: Text from "conditions" = not_scheduled(pod).and_then(|c| c.message.as_deref());
    ready: Boolean (not null) from "conditions" = is_ready(pod);
    ready_since: Timestamptz from "conditions" = condition_since(&pod.conditions, "Ready", "True");
    finished_at: Timestamptz from "containers" = finished_at(pod);
    restart_count: Integer (not null) from "containers" = restart_count(pod);
    request_cpu_millicores: Bigint from "requests" = pod.requests.cpu_millicores;
    request_memory_bytes: Bigint from "requests" = pod.requests.memory_bytes;
    request_ephemeral_storage_bytes: Bigint from "requests" = pod.requests.ephemeral_storage_bytes;
    request_gpu_millis: Bigint from "requests" = pod.requests.gpu_millis;
    request_other: Jsonb (not null) from "requests" = json(&pod.requests.other);
    limit_cpu_millicores: Bigint from "limits" = pod.limits.cpu_millicores;
    limit_memory_bytes: Bigint from "limits" = pod.limits.memory_bytes;
    limit_ephemeral_storage_bytes: Bigint from "limits" = pod.limits.ephemeral_storage_bytes;
    limit_gpu_millis: Bigint from "limits" = pod.limits.gpu_millis;
    limit_other: Jsonb (not null) from "limits" = json(&pod.limits.other);
    overhead_cpu_millicores: Bigint from "overhead" = pod.overhead.cpu_millicores;
    overhead_memory_bytes: Bigint from "overhead" = pod.overhead.memory_bytes;
    overhead_ephemeral_storage_bytes: Bigint from "overhead" = pod.overhead.ephemeral_storage_bytes;
    overhead_gpu_millis: Bigint from "overhead" = pod.overhead.gpu_millis;
    overhead_other: Jsonb (not null) from "overhead" = json(&pod.overhead.other);
    host_path_mounts: Jsonb (not null) from "host_path_mounts" = json(&pod.host_path_mounts);
    containers_count: Bigint (not null) [unhashed] from "containers" = containers.count;
    containers_xor_hi: Bigint (not null) [unhashed] from "containers" = containers.xor.hi;
    containers_xor_lo: Bigint (not null) [unhashed] from "containers" = containers.xor.lo;
}
