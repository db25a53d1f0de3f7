// Generated from schema/avro/namespace.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

//! `ledger.namespace`: its columns, the cells of a record, and a record from its row.

use tokio_postgres::{Error, Row};

use super::{
    LedgerTable, META_COLUMNS,
    cell::{json, known, uid, uid_text},
    columns,
    read::{get, read_json, read_known, read_uid},
};
use crate::record::Namespace;

pub(super) static TABLE: LedgerTable = LedgerTable {
    name: "namespace",
    key: &["uid"],
    columns: COLUMNS,
    meta: META_COLUMNS,
};

columns! {
    fn cells(namespace: Namespace);
    uid: Uuid (not null) from "uid" = uid(namespace.uid.as_str());
    uid_text: Text [unhashed] from "uid" = uid_text(namespace.uid.as_str());
    namespace: Text (not null) from "namespace" = &namespace.namespace;
    created_at: Timestamptz from "created_at" = known(namespace.created_at);
    deletion_requested_at: Timestamptz from "deletion_requested_at" = namespace.deletion_requested_at;
    labels: Jsonb (not null) from "labels" = json(&namespace.labels);
    annotations: Jsonb (not null) from "annotations" = json(&namespace.annotations);
    finalizers: TextArray (not null) from "finalizers" = &namespace.finalizers;
    phase: Text (not null) from "phase" = &namespace.phase;
    conditions: Jsonb (not null) from "conditions" = json(&namespace.conditions);
}

/// The record that a row was made of; what has no column is left out.
pub(super) fn read(row: &Row) -> Result<Namespace, Error> {
    Ok(Namespace {
        uid: read_uid(row, "uid")?,
        namespace: get(row, "namespace")?,
        created_at: read_known(row, "created_at")?,
        deletion_requested_at: get(row, "deletion_requested_at")?,
        labels: read_json(row, "labels")?,
        annotations: read_json(row, "annotations")?,
        finalizers: get(row, "finalizers")?,
        phase: get(row, "phase")?,
        conditions: read_json(row, "conditions")?,
        ..Namespace::default()
    })
}
