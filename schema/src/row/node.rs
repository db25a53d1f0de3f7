//! `ledger.node`

use super::{LedgerTable, META_COLUMNS, cell::json, columns};
use crate::record::{Condition, Node};

pub(super) static TABLE: LedgerTable = LedgerTable {
    name: "node",
    key: &["uid"],
    columns: COLUMNS,
    meta: META_COLUMNS,
};

fn ready(node: &Node) -> Option<&Condition> {
    node.conditions
        .iter()
        .find(|condition| condition.condition_type == "Ready")
}

columns! {
    fn cells(node: &Node);
    uid: Text (not null) from "uid" = &node.uid;
    node: Text (not null) from "node" = &node.node;
    created_at: Timestamptz (not null) from "created_at" = node.created_at;
    deletion_requested_at: Timestamptz from "deletion_requested_at" = node.deletion_requested_at;
    labels: Jsonb (not null) from "labels" = json(&node.labels);
    annotations: Jsonb (not null) from "annotations" = json(&node.annotations);
    finalizers: TextArray (not null) from "finalizers" = &node.finalizers;
    provider_id: Text from "provider_id" = &node.provider_id;
    unschedulable: Boolean (not null) from "unschedulable" = node.unschedulable;
    taints: Jsonb (not null) from "taints" = json(&node.taints);
    conditions: Jsonb (not null) from "conditions" = json(&node.conditions);
    ready_status: Text from "conditions" = ready(node).map(|condition| condition.status.as_str());
    ready_reason: Text from "conditions" = ready(node).and_then(|condition| condition.reason.as_deref());
    ready_since: Timestamptz from "conditions" = ready(node).and_then(|condition| condition.last_transition_at);
    heartbeat_stale_since: Timestamptz from "heartbeat_stale_since" = node.heartbeat_stale_since;
    addresses: Jsonb (not null) from "addresses" = json(&node.addresses);
    pod_cidrs: TextArray (not null) from "pod_cidrs" = &node.pod_cidrs;
    kernel_version: Text (not null) from "kernel_version" = &node.kernel_version;
    os_image: Text (not null) from "os_image" = &node.os_image;
    operating_system: Text (not null) from "operating_system" = &node.operating_system;
    architecture: Text (not null) from "architecture" = &node.architecture;
    container_runtime_version: Text (not null) from "container_runtime_version" = &node.container_runtime_version;
    kubelet_version: Text (not null) from "kubelet_version" = &node.kubelet_version;
    kube_proxy_version: Text (not null) from "kube_proxy_version" = &node.kube_proxy_version;
    boot_id: Text (not null) from "boot_id" = &node.boot_id;
    machine_id: Text (not null) from "machine_id" = &node.machine_id;
    system_uuid: Text (not null) from "system_uuid" = &node.system_uuid;
    capacity_cpu_millicores: Bigint from "capacity" = node.capacity.cpu_millicores;
    capacity_memory_bytes: Bigint from "capacity" = node.capacity.memory_bytes;
    capacity_ephemeral_storage_bytes: Bigint from "capacity" = node.capacity.ephemeral_storage_bytes;
    capacity_gpu_millis: Bigint from "capacity" = node.capacity.gpu_millis;
    capacity_pods: Bigint from "capacity" = node.capacity.pods;
    capacity_other: Jsonb (not null) from "capacity" = json(&node.capacity.other);
    allocatable_cpu_millicores: Bigint from "allocatable" = node.allocatable.cpu_millicores;
    allocatable_memory_bytes: Bigint from "allocatable" = node.allocatable.memory_bytes;
    allocatable_ephemeral_storage_bytes: Bigint from "allocatable" = node.allocatable.ephemeral_storage_bytes;
    allocatable_gpu_millis: Bigint from "allocatable" = node.allocatable.gpu_millis;
    allocatable_pods: Bigint from "allocatable" = node.allocatable.pods;
    allocatable_other: Jsonb (not null) from "allocatable" = json(&node.allocatable.other);
}
