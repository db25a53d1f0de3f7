//! `ledger.namespace`

use super::{LedgerTable, META_COLUMNS, cell::json, columns};
use crate::record::Namespace;

pub(super) static TABLE: LedgerTable = LedgerTable {
    name: "namespace",
    key: &["uid"],
    columns: COLUMNS,
    meta: META_COLUMNS,
};

columns! {
    fn cells(namespace: &Namespace);
    uid: Text (not null) from "uid" = &namespace.uid;
    namespace: Text (not null) from "namespace" = &namespace.namespace;
    created_at: Timestamptz (not null) from "created_at" = namespace.created_at;
    deletion_requested_at: Timestamptz from "deletion_requested_at" = namespace.deletion_requested_at;
    labels: Jsonb (not null) from "labels" = json(&namespace.labels);
    annotations: Jsonb (not null) from "annotations" = json(&namespace.annotations);
    finalizers: TextArray (not null) from "finalizers" = &namespace.finalizers;
    phase: Text (not null) from "phase" = &namespace.phase;
    conditions: Jsonb (not null) from "conditions" = json(&namespace.conditions);
}
