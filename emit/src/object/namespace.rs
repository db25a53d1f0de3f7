//! Namespace → record.

use fleetledger_schema::record;
use k8s_openapi::api::core::v1::Namespace;

use super::{
    MetadataRules,
    key_order::sorted,
    meta::{common, conditions},
};

/// The record of a namespace.
#[must_use]
pub fn namespace(namespace: &Namespace, rules: &MetadataRules) -> record::Namespace {
    let common = common(&namespace.metadata, rules);
    let status = namespace.status.as_ref();
    let mut finalizers = common.finalizers;
    // A namespace's own finalizers stand in its spec.
    finalizers.extend(
        namespace
            .spec
            .iter()
            .flat_map(|spec| spec.finalizers.iter().flatten())
            .cloned(),
    );
    record::Namespace {
        uid: common.uid,
        namespace: common.name,
        created_at: common.created_at,
        deletion_requested_at: common.deletion_requested_at,
        labels: common.labels,
        annotations: common.annotations,
        finalizers: sorted(finalizers),
        phase: status.and_then(|status| status.phase.clone()).unwrap_or_default(),
        conditions: conditions(status.and_then(|status| status.conditions.as_ref())),
        ..record::Namespace::default()
    }
}
