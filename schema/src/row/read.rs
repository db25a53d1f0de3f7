//! Rows → records, for `audit`: the current state must encode to the bytes that travelled.

use serde::de::DeserializeOwned;
use tokio_postgres::{Error, Row, types::FromSql};

use crate::{
    instant::Instant,
    kind::RecordKind,
    record::{Container, Namespace, Node, ObjectRecord, Pod, Record, Resources, Watchdog, Workload},
};

/// Reads an object from a row that holds all columns of its table; `None` for usage, which is none. A pod comes without
/// its containers.
///
/// # Errors
/// The driver's error if a column is missing or of another type.
pub fn record_from_row(kind: RecordKind, row: &Row) -> Result<Option<Record>, Error> {
    Ok(Some(match kind {
        RecordKind::Node => node(row)?.into_record(),
        RecordKind::Pod => pod(row)?.into_record(),
        RecordKind::Namespace => namespace(row)?.into_record(),
        RecordKind::Workload => workload(row)?.into_record(),
        RecordKind::Watchdog => watchdog(row)?.into_record(),
        RecordKind::Usage => return Ok(None),
    }))
}

/// Reads a container from a row of `ledger.container`.
///
/// # Errors
/// See [`record_from_row`].
pub fn container_from_row(row: &Row) -> Result<Container, Error> {
    Ok(Container {
        container: get(row, "container")?,
        container_type: get(row, "container_type")?,
        position: get(row, "position")?,
        image: get(row, "image")?,
        image_id: get(row, "image_id")?,
        container_id: get(row, "container_id")?,
        requests: resources(row, "request", false)?,
        limits: resources(row, "limit", false)?,
        ready: get(row, "ready")?,
        started: get(row, "started")?,
        restart_count: get(row, "restart_count")?,
        state: get(row, "state")?,
        reason: get(row, "reason")?,
        message: get(row, "message")?,
        exit_code: get(row, "exit_code")?,
        signal: get(row, "signal")?,
        started_at: at(row, "started_at")?,
        finished_at: at(row, "finished_at")?,
        last_reason: get(row, "last_reason")?,
        last_message: get(row, "last_message")?,
        last_exit_code: get(row, "last_exit_code")?,
        last_signal: get(row, "last_signal")?,
        last_started_at: at(row, "last_started_at")?,
        last_finished_at: at(row, "last_finished_at")?,
    })
}

fn node(row: &Row) -> Result<Node, Error> {
    Ok(Node {
        uid: get(row, "uid")?,
        node: get(row, "node")?,
        created_at: at(row, "created_at")?.unwrap_or_default(),
        deletion_requested_at: at(row, "deletion_requested_at")?,
        deleted_at: None,
        deletion_inferred: false,
        labels: json(row, "labels")?,
        annotations: json(row, "annotations")?,
        finalizers: get(row, "finalizers")?,
        provider_id: get(row, "provider_id")?,
        unschedulable: get(row, "unschedulable")?,
        taints: json(row, "taints")?,
        capacity: resources(row, "capacity", true)?,
        allocatable: resources(row, "allocatable", true)?,
        conditions: json(row, "conditions")?,
        heartbeat_stale_since: at(row, "heartbeat_stale_since")?,
        addresses: json(row, "addresses")?,
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
    })
}

fn pod(row: &Row) -> Result<Pod, Error> {
    Ok(Pod {
        uid: get(row, "uid")?,
        namespace: get(row, "namespace")?,
        pod: get(row, "pod")?,
        created_at: at(row, "created_at")?.unwrap_or_default(),
        deletion_requested_at: at(row, "deletion_requested_at")?,
        deleted_at: None,
        deletion_inferred: false,
        labels: json(row, "labels")?,
        annotations: json(row, "annotations")?,
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
        owner_kind: get(row, "owner_kind")?,
        owner: get(row, "owner")?,
        owner_uid: get(row, "owner_uid")?,
        workload_kind: get(row, "workload_kind")?,
        workload: get(row, "workload")?,
        workload_uid: get(row, "workload_uid")?,
        owner_resolved: get(row, "owner_resolved")?,
        service_account: get(row, "service_account")?,
        scheduler: get(row, "scheduler")?,
        runtime_class: get(row, "runtime_class")?,
        restart_policy: get(row, "restart_policy")?,
        host_network: get(row, "host_network")?,
        host_pid: get(row, "host_pid")?,
        host_ipc: get(row, "host_ipc")?,
        host_ip: get(row, "host_ip")?,
        pod_ips: get(row, "pod_ips")?,
        started_at: at(row, "started_at")?,
        conditions: json(row, "conditions")?,
        requests: resources(row, "request", false)?,
        limits: resources(row, "limit", false)?,
        overhead: resources(row, "overhead", false)?,
        host_path_mounts: json(row, "host_path_mounts")?,
        containers: Vec::new(),
    })
}

fn namespace(row: &Row) -> Result<Namespace, Error> {
    Ok(Namespace {
        uid: get(row, "uid")?,
        namespace: get(row, "namespace")?,
        created_at: at(row, "created_at")?.unwrap_or_default(),
        deletion_requested_at: at(row, "deletion_requested_at")?,
        deleted_at: None,
        deletion_inferred: false,
        labels: json(row, "labels")?,
        annotations: json(row, "annotations")?,
        finalizers: get(row, "finalizers")?,
        phase: get(row, "phase")?,
        conditions: json(row, "conditions")?,
    })
}

fn workload(row: &Row) -> Result<Workload, Error> {
    Ok(Workload {
        uid: get(row, "uid")?,
        namespace: get(row, "namespace")?,
        workload: get(row, "workload")?,
        created_at: at(row, "created_at")?.unwrap_or_default(),
        deletion_requested_at: at(row, "deletion_requested_at")?,
        deleted_at: None,
        deletion_inferred: false,
        labels: json(row, "labels")?,
        annotations: json(row, "annotations")?,
        finalizers: get(row, "finalizers")?,
        workload_kind: get(row, "workload_kind")?,
        owner_kind: get(row, "owner_kind")?,
        owner: get(row, "owner")?,
        owner_uid: get(row, "owner_uid")?,
        generation: get(row, "generation")?,
        observed_generation: get(row, "observed_generation")?,
        desired: get(row, "desired")?,
        current: get(row, "current")?,
        updated: get(row, "updated")?,
        ready: get(row, "ready")?,
        available: get(row, "available")?,
        unavailable: get(row, "unavailable")?,
        misscheduled: get(row, "misscheduled")?,
        paused: get(row, "paused")?,
        suspended: get(row, "suspended")?,
        completions: get(row, "completions")?,
        succeeded: get(row, "succeeded")?,
        failed: get(row, "failed")?,
        active: get(row, "active")?,
        started_at: at(row, "started_at")?,
        completed_at: at(row, "completed_at")?,
        schedule: get(row, "schedule")?,
        time_zone: get(row, "time_zone")?,
        last_scheduled_at: at(row, "last_scheduled_at")?,
        last_successful_at: at(row, "last_successful_at")?,
        strategy: get(row, "strategy")?,
        selector: json(row, "selector")?,
        images: get(row, "images")?,
        conditions: json(row, "conditions")?,
    })
}

fn watchdog(row: &Row) -> Result<Watchdog, Error> {
    Ok(Watchdog {
        uid: get(row, "uid")?,
        watchdog: get(row, "watchdog")?,
        created_at: at(row, "created_at")?.unwrap_or_default(),
        deletion_requested_at: at(row, "deletion_requested_at")?,
        deleted_at: None,
        deletion_inferred: false,
        labels: json(row, "labels")?,
        annotations: json(row, "annotations")?,
        finalizers: get(row, "finalizers")?,
        scope: get(row, "scope")?,
        check: get(row, "check_name")?,
        interval_seconds: get(row, "interval_seconds")?,
        severity: get(row, "severity")?,
        runbook: get(row, "runbook")?,
        suspended: get(row, "suspended")?,
        snoozed_until: at(row, "snoozed_until")?,
        snoozed_by: get(row, "snoozed_by")?,
        snooze_reason: get(row, "snooze_reason")?,
        generation: get(row, "generation")?,
        observed_generation: get(row, "observed_generation")?,
        state: get(row, "state")?,
        episode: get(row, "episode")?,
        incarnation: get(row, "incarnation")?,
        dedup_key: get(row, "dedup_key")?,
        nodes_desired: get(row, "nodes_desired")?,
        nodes_reporting: get(row, "nodes_reporting")?,
        nodes_ok: get(row, "nodes_ok")?,
        nodes_failing: get(row, "nodes_failing")?,
        nodes_unknown: get(row, "nodes_unknown")?,
        failing: json(row, "failing")?,
        conditions: json(row, "conditions")?,
    })
}

fn resources(row: &Row, prefix: &str, of_node: bool) -> Result<Resources, Error> {
    let column = |name: &str| format!("{prefix}_{name}");
    Ok(Resources {
        cpu_millicores: get(row, &column("cpu_millicores"))?,
        memory_bytes: get(row, &column("memory_bytes"))?,
        ephemeral_storage_bytes: get(row, &column("ephemeral_storage_bytes"))?,
        gpu_millis: get(row, &column("gpu_millis"))?,
        pods: if of_node { get(row, &column("pods"))? } else { None },
        other: json(row, &column("other"))?,
    })
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, Error> {
    row.try_get(column)
}

fn json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T, Error> {
    let json: tokio_postgres::types::Json<T> = row.try_get(column)?;
    Ok(json.0)
}

fn at(row: &Row, column: &str) -> Result<Option<Instant>, Error> {
    row.try_get(column)
}
