// Generated from schema/avro/node.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

//! `ledger.node`: its columns, the cells of a record, and a record from its row.

use tokio_postgres::{Error, Row};

use super::{
    LedgerTable, META_COLUMNS,
    cell::{json, known, uid, uid_text},
    columns,
    derived::node as derived,
    read::{get, read_json, read_known, read_optional_json, read_uid},
};
use crate::record::{Node, Resources};

pub(super) static TABLE: LedgerTable = LedgerTable {
    name: "node",
    key: &["uid"],
    columns: COLUMNS,
    meta: META_COLUMNS,
};

columns! {
    fn cells(node: Node);
    uid: Uuid (not null) from "uid" = uid(node.uid.as_str());
    uid_text: Text [unhashed] from "uid" = uid_text(node.uid.as_str());
    node: Text (not null) from "node" = &node.node;
    created_at: Timestamptz from "created_at" = known(node.created_at);
    deletion_requested_at: Timestamptz from "deletion_requested_at" = node.deletion_requested_at;
    labels: Jsonb (not null) from "labels" = json(&node.labels);
    annotations: Jsonb (not null) from "annotations" = json(&node.annotations);
    finalizers: TextArray (not null) from "finalizers" = &node.finalizers;
    provider_id: Text from "provider_id" = &node.provider_id;
    unschedulable: Boolean (not null) from "unschedulable" = node.unschedulable;
    taints: Jsonb (not null) from "taints" = json(&node.taints);
    conditions: Jsonb (not null) from "conditions" = json(&node.conditions);
    ready_status: Text from "conditions" = derived::ready_status(node);
    ready_reason: Text from "conditions" = derived::ready_reason(node);
    ready_since: Timestamptz from "conditions" = derived::ready_since(node);
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
    swap_capacity_bytes: Bigint from "swap_capacity_bytes" since 2 = node.swap_capacity_bytes;
    runtime_handlers: Jsonb from "runtime_handlers" since 2 = node.runtime_handlers.as_ref().map(json);
    features: Jsonb from "features" since 2 = node.features.as_ref().map(json);
    declared_features: TextArray from "declared_features" since 2 = node.declared_features.as_ref();
}

/// The record that a row was made of; what has no column is left out.
pub(super) fn read(row: &Row) -> Result<Node, Error> {
    Ok(Node {
        uid: read_uid(row, "uid")?,
        node: get(row, "node")?,
        created_at: read_known(row, "created_at")?,
        deletion_requested_at: get(row, "deletion_requested_at")?,
        labels: read_json(row, "labels")?,
        annotations: read_json(row, "annotations")?,
        finalizers: get(row, "finalizers")?,
        provider_id: get(row, "provider_id")?,
        unschedulable: get(row, "unschedulable")?,
        taints: read_json(row, "taints")?,
        capacity: Resources {
            cpu_millicores: get(row, "capacity_cpu_millicores")?,
            memory_bytes: get(row, "capacity_memory_bytes")?,
            ephemeral_storage_bytes: get(row, "capacity_ephemeral_storage_bytes")?,
            gpu_millis: get(row, "capacity_gpu_millis")?,
            pods: get(row, "capacity_pods")?,
            other: read_json(row, "capacity_other")?,
        },
        allocatable: Resources {
            cpu_millicores: get(row, "allocatable_cpu_millicores")?,
            memory_bytes: get(row, "allocatable_memory_bytes")?,
            ephemeral_storage_bytes: get(row, "allocatable_ephemeral_storage_bytes")?,
            gpu_millis: get(row, "allocatable_gpu_millis")?,
            pods: get(row, "allocatable_pods")?,
            other: read_json(row, "allocatable_other")?,
        },
        conditions: read_json(row, "conditions")?,
        heartbeat_stale_since: get(row, "heartbeat_stale_since")?,
        addresses: read_json(row, "addresses")?,
        pod_cidrs: get(row, "pod_cidrs")?,
        kernel_version: get(row, "kernel_version")?,
        os_image: get(row, "os_image")?,
        operating_system: get(row, "operating_system")?,
        architecture: get(row, "architecture")?,
        container_runtime_version: get(row, "container_runtime_version")?,
        kubelet_version: get(row, "kubelet_version")?,
        kube_proxy_version: get(row, "kube_proxy_version")?,
        boot_id: get(row, "boot_id")?,
        machine_id: get(row, "machine_id")?,
        system_uuid: get(row, "system_uuid")?,
        swap_capacity_bytes: get(row, "swap_capacity_bytes")?,
        runtime_handlers: read_optional_json(row, "runtime_handlers")?,
        features: read_optional_json(row, "features")?,
        declared_features: get(row, "declared_features")?,
        ..Node::default()
    })
}
