//! `ledger.watchdog`

use super::{LedgerTable, META_COLUMNS, cell::json, columns};
use crate::record::Watchdog;

pub(super) static TABLE: LedgerTable = LedgerTable {
    name: "watchdog",
    key: &["uid"],
    columns: COLUMNS,
    meta: META_COLUMNS,
};

fn status<'a>(watchdog: &'a Watchdog, condition_type: &str) -> Option<&'a str> {
    let condition = watchdog
        .conditions
        .iter()
        .find(|condition| condition.condition_type == condition_type);
    condition.map(|condition| condition.status.as_str())
}

columns! {
    fn cells(watchdog: &Watchdog);
    uid: Text (not null) from "uid" = &watchdog.uid;
    watchdog: Text (not null) from "watchdog" = &watchdog.watchdog;
    created_at: Timestamptz (not null) from "created_at" = watchdog.created_at;
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
    healthy_status: Text from "conditions" = status(watchdog, "Healthy");
    reporting_status: Text from "conditions" = status(watchdog, "Reporting");
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
