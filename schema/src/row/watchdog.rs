// Generated from schema/avro/watchdog.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

//! `ledger.watchdog`: its columns, the cells of a record, and a record from its row.

use tokio_postgres::{Error, Row};

use super::{
    LedgerTable, META_COLUMNS,
    cell::{json, known, uid, uid_text},
    columns,
    derived::watchdog as derived,
    read::{get, read_json, read_known, read_uid},
};
use crate::record::Watchdog;

pub(super) static TABLE: LedgerTable = LedgerTable {
    name: "watchdog",
    key: &["uid"],
    columns: COLUMNS,
    meta: META_COLUMNS,
};

columns! {
    fn cells(watchdog: Watchdog);
    uid: Uuid (not null) from "uid" = uid(watchdog.uid.as_str());
    uid_text: Text [unhashed] from "uid" = uid_text(watchdog.uid.as_str());
    watchdog: Text (not null) from "watchdog" = &watchdog.watchdog;
    created_at: Timestamptz from "created_at" = known(watchdog.created_at);
    deletion_requested_at: Timestamptz from "deletion_requested_at" = watchdog.deletion_requested_at;
    labels: Jsonb (not null) from "labels" = json(&watchdog.labels);
    annotations: Jsonb (not null) from "annotations" = json(&watchdog.annotations);
    finalizers: TextArray (not null) from "finalizers" = &watchdog.finalizers;
    scope: Text (not null) from "scope" = &watchdog.scope;
    check_name: Text (not null) from "check" = &watchdog.check;
    interval_seconds: Bigint from "interval_seconds" = watchdog.interval_seconds;
    severity: Text from "severity" = &watchdog.severity;
    runbook: Text from "runbook" = &watchdog.runbook;
    suspended: Boolean (not null) from "suspended" = watchdog.suspended;
    snoozed_until: Timestamptz from "snoozed_until" = watchdog.snoozed_until;
    snoozed_by: Text from "snoozed_by" = &watchdog.snoozed_by;
    snooze_reason: Text from "snooze_reason" = &watchdog.snooze_reason;
    generation: Bigint from "generation" = watchdog.generation;
    observed_generation: Bigint from "observed_generation" = watchdog.observed_generation;
    healthy_status: Text from "conditions" = derived::healthy_status(watchdog);
    reporting_status: Text from "conditions" = derived::reporting_status(watchdog);
    state: Text from "state" = &watchdog.state;
    episode: Bigint from "episode" = watchdog.episode;
    incarnation: Bigint from "incarnation" = watchdog.incarnation;
    dedup_key: Text from "dedup_key" = &watchdog.dedup_key;
    nodes_desired: Integer from "nodes_desired" = watchdog.nodes_desired;
    nodes_reporting: Integer from "nodes_reporting" = watchdog.nodes_reporting;
    nodes_ok: Integer from "nodes_ok" = watchdog.nodes_ok;
    nodes_failing: Integer from "nodes_failing" = watchdog.nodes_failing;
    nodes_unknown: Integer from "nodes_unknown" = watchdog.nodes_unknown;
    failing: Jsonb (not null) from "failing" = json(&watchdog.failing);
    conditions: Jsonb (not null) from "conditions" = json(&watchdog.conditions);
}

/// The record that a row was made of; what has no column is left out.
pub(super) fn read(row: &Row) -> Result<Watchdog, Error> {
    Ok(Watchdog {
        uid: read_uid(row, "uid")?,
        watchdog: get(row, "watchdog")?,
        created_at: read_known(row, "created_at")?,
        deletion_requested_at: get(row, "deletion_requested_at")?,
        labels: read_json(row, "labels")?,
        annotations: read_json(row, "annotations")?,
        finalizers: get(row, "finalizers")?,
        scope: get(row, "scope")?,
        check: get(row, "check_name")?,
        interval_seconds: get(row, "interval_seconds")?,
        severity: get(row, "severity")?,
        runbook: get(row, "runbook")?,
        suspended: get(row, "suspended")?,
        snoozed_until: get(row, "snoozed_until")?,
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
        failing: read_json(row, "failing")?,
        conditions: read_json(row, "conditions")?,
        ..Watchdog::default()
    })
}
