// Generated from schema/avro/workload.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

//! `ledger.workload`: its columns, the cells of a record, and a record from its row.

use tokio_postgres::{Error, Row};

use super::{
    LedgerTable, META_COLUMNS,
    cell::{json, known, uid, uid_text},
    columns,
    read::{get, read_json, read_known, read_optional_uid, read_uid},
};
use crate::record::Workload;

pub(super) static TABLE: LedgerTable = LedgerTable {
    name: "workload",
    key: &["uid"],
    columns: COLUMNS,
    meta: META_COLUMNS,
};

columns! {
    fn cells(workload: Workload);
    uid: Uuid (not null) from "uid" = uid(workload.uid.as_str());
    uid_text: Text [unhashed] from "uid" = uid_text(workload.uid.as_str());
    namespace: Text (not null) from "namespace" = &workload.namespace;
    workload: Text (not null) from "workload" = &workload.workload;
    workload_kind: Text (not null) from "workload_kind" = &workload.workload_kind;
    created_at: Timestamptz from "created_at" = known(workload.created_at);
    deletion_requested_at: Timestamptz from "deletion_requested_at" = workload.deletion_requested_at;
    labels: Jsonb (not null) from "labels" = json(&workload.labels);
    annotations: Jsonb (not null) from "annotations" = json(&workload.annotations);
    finalizers: TextArray (not null) from "finalizers" = &workload.finalizers;
    owner_kind: Text from "owner_kind" = &workload.owner_kind;
    owner: Text from "owner" = &workload.owner;
    owner_uid: Uuid from "owner_uid" = uid(workload.owner_uid.as_deref());
    owner_uid_text: Text [unhashed] from "owner_uid" = uid_text(workload.owner_uid.as_deref());
    generation: Bigint from "generation" = workload.generation;
    observed_generation: Bigint from "observed_generation" = workload.observed_generation;
    desired: Integer from "desired" = workload.desired;
    current: Integer from "current" = workload.current;
    updated: Integer from "updated" = workload.updated;
    ready: Integer from "ready" = workload.ready;
    available: Integer from "available" = workload.available;
    unavailable: Integer from "unavailable" = workload.unavailable;
    misscheduled: Integer from "misscheduled" = workload.misscheduled;
    paused: Boolean (not null) from "paused" = workload.paused;
    suspended: Boolean (not null) from "suspended" = workload.suspended;
    completions: Integer from "completions" = workload.completions;
    succeeded: Integer from "succeeded" = workload.succeeded;
    failed: Integer from "failed" = workload.failed;
    active: Integer from "active" = workload.active;
    started_at: Timestamptz from "started_at" = workload.started_at;
    completed_at: Timestamptz from "completed_at" = workload.completed_at;
    schedule: Text from "schedule" = &workload.schedule;
    time_zone: Text from "time_zone" = &workload.time_zone;
    last_scheduled_at: Timestamptz from "last_scheduled_at" = workload.last_scheduled_at;
    last_successful_at: Timestamptz from "last_successful_at" = workload.last_successful_at;
    strategy: Text from "strategy" = &workload.strategy;
    selector: Jsonb (not null) from "selector" = json(&workload.selector);
    images: TextArray (not null) from "images" = &workload.images;
    conditions: Jsonb (not null) from "conditions" = json(&workload.conditions);
    terminating: Integer from "terminating" since 2 = workload.terminating;
    completed_indexes: Text from "completed_indexes" since 2 = &workload.completed_indexes;
    failed_indexes: Text from "failed_indexes" since 2 = &workload.failed_indexes;
}

/// The record that a row was made of; what has no column is left out.
pub(super) fn read(row: &Row) -> Result<Workload, Error> {
    Ok(Workload {
        uid: read_uid(row, "uid")?,
        namespace: get(row, "namespace")?,
        workload: get(row, "workload")?,
        created_at: read_known(row, "created_at")?,
        deletion_requested_at: get(row, "deletion_requested_at")?,
        labels: read_json(row, "labels")?,
        annotations: read_json(row, "annotations")?,
        finalizers: get(row, "finalizers")?,
        workload_kind: get(row, "workload_kind")?,
        owner_kind: get(row, "owner_kind")?,
        owner: get(row, "owner")?,
        owner_uid: read_optional_uid(row, "owner_uid")?,
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
        started_at: get(row, "started_at")?,
        completed_at: get(row, "completed_at")?,
        schedule: get(row, "schedule")?,
        time_zone: get(row, "time_zone")?,
        last_scheduled_at: get(row, "last_scheduled_at")?,
        last_successful_at: get(row, "last_successful_at")?,
        strategy: get(row, "strategy")?,
        selector: read_json(row, "selector")?,
        images: get(row, "images")?,
        conditions: read_json(row, "conditions")?,
        terminating: get(row, "terminating")?,
        completed_indexes: get(row, "completed_indexes")?,
        failed_indexes: get(row, "failed_indexes")?,
        ..Workload::default()
    })
}
