// Generated from schema/avro/pod.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

//! `ledger.container`: its columns, the cells of a record, and a record from its row.

use tokio_postgres::{Error, Row};

use super::{
    CONTAINER_META_COLUMNS, LedgerTable,
    cell::{json, uid},
    columns,
    derived::container as derived,
    read::{get, read_json},
};
use crate::record::{Container, Pod, Resources};

pub(super) static TABLE: LedgerTable = LedgerTable {
    name: "container",
    key: &["uid", "container"],
    columns: COLUMNS,
    meta: CONTAINER_META_COLUMNS,
};

columns! {
    fn cells(pod: Pod, container: Container);
    uid: Uuid (not null) from "containers" = uid(pod.uid.as_str());
    container: Text (not null) from "containers" = &container.container;
    namespace: Text (not null) from "containers" = &pod.namespace;
    pod: Text (not null) from "containers" = &pod.pod;
    node: Text from "containers" = &pod.node;
    container_type: Text (not null) from "containers" = &container.container_type;
    position: Integer (not null) from "containers" = container.position;
    image: Text (not null) from "containers" = &container.image;
    image_id: Text from "containers" = &container.image_id;
    image_digest: Text from "containers" = derived::image_digest(container);
    container_id: Text from "containers" = &container.container_id;
    ready: Boolean (not null) from "containers" = container.ready;
    started: Boolean from "containers" = container.started;
    restart_count: Integer (not null) from "containers" = container.restart_count;
    state: Text from "containers" = &container.state;
    reason: Text from "containers" = &container.reason;
    message: Text from "containers" = &container.message;
    exit_code: Integer from "containers" = container.exit_code;
    signal: Integer from "containers" = container.signal;
    started_at: Timestamptz from "containers" = container.started_at;
    finished_at: Timestamptz from "containers" = container.finished_at;
    last_reason: Text from "containers" = &container.last_reason;
    last_message: Text from "containers" = &container.last_message;
    last_exit_code: Integer from "containers" = container.last_exit_code;
    last_signal: Integer from "containers" = container.last_signal;
    last_started_at: Timestamptz from "containers" = container.last_started_at;
    last_finished_at: Timestamptz from "containers" = container.last_finished_at;
    request_cpu_millicores: Bigint from "containers" = container.requests.cpu_millicores;
    request_memory_bytes: Bigint from "containers" = container.requests.memory_bytes;
    request_ephemeral_storage_bytes: Bigint from "containers" = container.requests.ephemeral_storage_bytes;
    request_gpu_millis: Bigint from "containers" = container.requests.gpu_millis;
    request_other: Jsonb (not null) from "containers" = json(&container.requests.other);
    limit_cpu_millicores: Bigint from "containers" = container.limits.cpu_millicores;
    limit_memory_bytes: Bigint from "containers" = container.limits.memory_bytes;
    limit_ephemeral_storage_bytes: Bigint from "containers" = container.limits.ephemeral_storage_bytes;
    limit_gpu_millis: Bigint from "containers" = container.limits.gpu_millis;
    limit_other: Jsonb (not null) from "containers" = json(&container.limits.other);
    request_in_force_cpu_millicores: Bigint from "containers" since 2 = container.request_in_force_cpu_millicores;
    request_in_force_memory_bytes: Bigint from "containers" since 2 = container.request_in_force_memory_bytes;
    limit_in_force_cpu_millicores: Bigint from "containers" since 2 = container.limit_in_force_cpu_millicores;
    limit_in_force_memory_bytes: Bigint from "containers" since 2 = container.limit_in_force_memory_bytes;
    allocated_cpu_millicores: Bigint from "containers" since 2 = container.allocated_cpu_millicores;
    allocated_memory_bytes: Bigint from "containers" since 2 = container.allocated_memory_bytes;
    reserved_cpu_millicores: Bigint from "containers" since 2 = container.reserved_cpu_millicores;
    reserved_memory_bytes: Bigint from "containers" since 2 = container.reserved_memory_bytes;
}

/// The record that a row was made of; what has no column is left out.
pub(super) fn read(row: &Row) -> Result<Container, Error> {
    Ok(Container {
        container: get(row, "container")?,
        container_type: get(row, "container_type")?,
        position: get(row, "position")?,
        image: get(row, "image")?,
        image_id: get(row, "image_id")?,
        container_id: get(row, "container_id")?,
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
        request_in_force_cpu_millicores: get(row, "request_in_force_cpu_millicores")?,
        request_in_force_memory_bytes: get(row, "request_in_force_memory_bytes")?,
        limit_in_force_cpu_millicores: get(row, "limit_in_force_cpu_millicores")?,
        limit_in_force_memory_bytes: get(row, "limit_in_force_memory_bytes")?,
        allocated_cpu_millicores: get(row, "allocated_cpu_millicores")?,
        allocated_memory_bytes: get(row, "allocated_memory_bytes")?,
        reserved_cpu_millicores: get(row, "reserved_cpu_millicores")?,
        reserved_memory_bytes: get(row, "reserved_memory_bytes")?,
        ready: get(row, "ready")?,
        started: get(row, "started")?,
        restart_count: get(row, "restart_count")?,
        state: get(row, "state")?,
        reason: get(row, "reason")?,
        message: get(row, "message")?,
        exit_code: get(row, "exit_code")?,
        signal: get(row, "signal")?,
        started_at: get(row, "started_at")?,
        finished_at: get(row, "finished_at")?,
        last_reason: get(row, "last_reason")?,
        last_message: get(row, "last_message")?,
        last_exit_code: get(row, "last_exit_code")?,
        last_signal: get(row, "last_signal")?,
        last_started_at: get(row, "last_started_at")?,
        last_finished_at: get(row, "last_finished_at")?,
    })
}
