// Generated from schema/avro/pod.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

//! `ledger.pod`: its columns, the cells of a record, and a record from its row.

use tokio_postgres::{Error, Row};

use super::{
    LedgerTable, META_COLUMNS,
    cell::{json, known, uid, uid_text},
    columns,
    derived::pod as derived,
    read::{get, read_json, read_known, read_optional_uid, read_uid},
};
use crate::record::{Pod, Resources};

pub(super) static TABLE: LedgerTable = LedgerTable {
    name: "pod",
    key: &["uid"],
    columns: COLUMNS,
    meta: META_COLUMNS,
};

columns! {
    fn cells(pod: Pod);
    @let containers_digest = derived::containers_digest(pod);
    @let kubectl_columns = derived::kubectl_columns(pod);
    uid: Uuid (not null) from "uid" = uid(pod.uid.as_str());
    uid_text: Text [unhashed] from "uid" = uid_text(pod.uid.as_str());
    namespace: Text (not null) from "namespace" = &pod.namespace;
    pod: Text (not null) from "pod" = &pod.pod;
    created_at: Timestamptz from "created_at" = known(pod.created_at);
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
    owner_uid: Uuid from "owner_uid" = uid(pod.owner_uid.as_deref());
    owner_uid_text: Text [unhashed] from "owner_uid" = uid_text(pod.owner_uid.as_deref());
    workload_kind: Text [unhashed] from "workload_kind" = &pod.workload_kind;
    workload: Text [unhashed] from "workload" = &pod.workload;
    workload_uid: Uuid [unhashed] from "workload_uid" = uid(pod.workload_uid.as_deref());
    workload_uid_text: Text [unhashed] from "workload_uid" = uid_text(pod.workload_uid.as_deref());
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
    scheduled_at: Timestamptz from "conditions" = derived::scheduled_at(pod);
    unschedulable_reason: Text from "conditions" = derived::unschedulable_reason(pod);
    unschedulable_message: Text from "conditions" = derived::unschedulable_message(pod);
    ready: Boolean (not null) from "conditions" = derived::ready(pod);
    ready_since: Timestamptz from "conditions" = derived::ready_since(pod);
    finished_at: Timestamptz from "containers" = derived::finished_at(pod);
    restart_count: Integer (not null) from "containers" = derived::restart_count(pod);
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
    containers_count: Bigint (not null) [unhashed] from "containers" = containers_digest.count;
    containers_xor_hi: Bigint (not null) [unhashed] from "containers" = containers_digest.xor.hi;
    containers_xor_lo: Bigint (not null) [unhashed] from "containers" = containers_digest.xor.lo;
    status: Text from "containers" since 2 = kubectl_columns.status;
    preemption_policy: Text from "preemption_policy" since 2 = &pod.preemption_policy;
    termination_grace_period_seconds: Bigint from "termination_grace_period_seconds" since 2 = pod.termination_grace_period_seconds;
    hostname: Text from "hostname" since 2 = &pod.hostname;
    restarts: Integer from "containers" since 2 = kubectl_columns.restarts;
    last_restart_at: Timestamptz from "containers" since 2 = kubectl_columns.last_restart_at;
    ready_containers: Text from "containers" since 2 = kubectl_columns.ready_containers;
}

/// The record that a row was made of; what has no column is left out.
pub(super) fn read(row: &Row) -> Result<Pod, Error> {
    Ok(Pod {
        uid: read_uid(row, "uid")?,
        namespace: get(row, "namespace")?,
        pod: get(row, "pod")?,
        created_at: read_known(row, "created_at")?,
        deletion_requested_at: get(row, "deletion_requested_at")?,
        labels: read_json(row, "labels")?,
        annotations: read_json(row, "annotations")?,
        finalizers: get(row, "finalizers")?,
        deletion_grace_seconds: get(row, "deletion_grace_seconds")?,
        node: get(row, "node")?,
        nominated_node: get(row, "nominated_node")?,
        phase: get(row, "phase")?,
        reason: get(row, "reason")?,
        message: get(row, "message")?,
        qos_class: get(row, "qos_class")?,
        priority: get(row, "priority")?,
        priority_class: get(row, "priority_class")?,
        preemption_policy: get(row, "preemption_policy")?,
        owner_kind: get(row, "owner_kind")?,
        owner: get(row, "owner")?,
        owner_uid: read_optional_uid(row, "owner_uid")?,
        workload_kind: get(row, "workload_kind")?,
        workload: get(row, "workload")?,
        workload_uid: read_optional_uid(row, "workload_uid")?,
        owner_resolved: get(row, "owner_resolved")?,
        service_account: get(row, "service_account")?,
        scheduler: get(row, "scheduler")?,
        runtime_class: get(row, "runtime_class")?,
        restart_policy: get(row, "restart_policy")?,
        termination_grace_period_seconds: get(row, "termination_grace_period_seconds")?,
        hostname: get(row, "hostname")?,
        host_network: get(row, "host_network")?,
        host_pid: get(row, "host_pid")?,
        host_ipc: get(row, "host_ipc")?,
        host_ip: get(row, "host_ip")?,
        pod_ips: get(row, "pod_ips")?,
        started_at: get(row, "started_at")?,
        conditions: read_json(row, "conditions")?,
        requests: Resources {
            cpu_millicores: get(row, "request_cpu_millicores")?,
            memory_bytes: get(row, "request_memory_bytes")?,
            ephemeral_storage_bytes: get(row, "request_ephemeral_storage_bytes")?,
            gpu_millis: get(row, "request_gpu_millis")?,
            other: read_json(row, "request_other")?,
            ..Resources::default()
        },
        limits: Resources {
            cpu_millicores: get(row, "limit_cpu_millicores")?,
            memory_bytes: get(row, "limit_memory_bytes")?,
            ephemeral_storage_bytes: get(row, "limit_ephemeral_storage_bytes")?,
            gpu_millis: get(row, "limit_gpu_millis")?,
            other: read_json(row, "limit_other")?,
            ..Resources::default()
        },
        overhead: Resources {
            cpu_millicores: get(row, "overhead_cpu_millicores")?,
            memory_bytes: get(row, "overhead_memory_bytes")?,
            ephemeral_storage_bytes: get(row, "overhead_ephemeral_storage_bytes")?,
            gpu_millis: get(row, "overhead_gpu_millis")?,
            other: read_json(row, "overhead_other")?,
            ..Resources::default()
        },
        host_path_mounts: read_json(row, "host_path_mounts")?,
        ..Pod::default()
    })
}
