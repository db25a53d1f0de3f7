//! What every object has.

use fleetledger_schema::{
    instant::Instant,
    record::{Condition, StringMap},
};
use k8s_openapi::{
    api::{
        apps::v1::{DaemonSetCondition, DeploymentCondition, ReplicaSetCondition, StatefulSetCondition},
        batch::v1::JobCondition,
        core::v1::{NamespaceCondition, NodeCondition, PodCondition},
    },
    apimachinery::pkg::apis::meta::v1::{
        self as meta, LabelSelector, MicroTime, ObjectMeta, OwnerReference, Time,
    },
};

use super::{MetadataRules, key_order::sorted};

/// Longest text of a message, in bytes.
const MESSAGE_BYTES: usize = 1024;

/// The part of a record that comes from the object's metadata.
pub(super) struct CommonMetadata {
    pub(super) uid: String,
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) created_at: Instant,
    pub(super) deletion_requested_at: Option<Instant>,
    pub(super) labels: StringMap,
    pub(super) annotations: StringMap,
    pub(super) finalizers: Vec<String>,
}

pub(super) fn common(meta: &ObjectMeta, rules: &MetadataRules) -> CommonMetadata {
    let created_at = meta.creation_timestamp.as_ref().map_or(Instant(0), instant);
    CommonMetadata {
        uid: meta.uid.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
        namespace: meta.namespace.clone().unwrap_or_default(),
        created_at,
        deletion_requested_at: meta.deletion_timestamp.as_ref().map(|at| {
            // deletionTimestamp is when the grace period ends, which may be longer than time itself.
            let grace = meta.deletion_grace_period_seconds.unwrap_or(0);
            let requested_at = instant(at).plus_micros(grace.saturating_mul(-1_000_000));
            requested_at.max(created_at)
        }),
        labels: rules.labels.select(meta.labels.as_ref()),
        annotations: rules.annotations.select(meta.annotations.as_ref()),
        finalizers: sorted(meta.finalizers.clone().unwrap_or_default()),
    }
}

/// The owner reference that controls the object.
pub(crate) fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references
        .iter()
        .flatten()
        .find(|owner| owner.controller == Some(true))
}

pub(crate) fn instant(time: &Time) -> Instant {
    Instant::from_timestamp(time.0)
}

pub(crate) fn micro_instant(time: &MicroTime) -> Instant {
    Instant::from_timestamp(time.0)
}

/// `text` cut at 1024 bytes, at the end of a character; empty counts as absent, as the API server omits it.
pub(super) fn message(text: Option<&String>) -> Option<String> {
    let text = text.filter(|text| !text.is_empty())?;
    let end = text.floor_char_boundary(MESSAGE_BYTES);
    text.get(..end).map(str::to_owned)
}

/// Text that is present and not empty: the API server omits empty fields, other writers do not.
pub(super) fn filled(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

pub(super) fn match_labels(selector: Option<&LabelSelector>) -> StringMap {
    selector
        .and_then(|selector| selector.match_labels.clone())
        .unwrap_or_default()
}

/// A condition of any object.
pub(super) trait ToCondition {
    fn to_condition(&self) -> Condition;
}

macro_rules! to_condition {
    ($($type:ty),*) => {$(
        impl ToCondition for $type {
            fn to_condition(&self) -> Condition {
                Condition {
                    condition_type: self.type_.clone(),
                    status: self.status.clone(),
                    reason: filled(self.reason.as_ref()),
                    message: message(self.message.as_ref()),
                    last_transition_at: self.last_transition_time.as_ref().map(instant),
                    heartbeat_stale_since: None,
                }
            }
        }
    )*};
}
to_condition!(
    NodeCondition,
    PodCondition,
    NamespaceCondition,
    DeploymentCondition,
    StatefulSetCondition,
    DaemonSetCondition,
    ReplicaSetCondition,
    JobCondition
);

impl ToCondition for meta::Condition {
    fn to_condition(&self) -> Condition {
        Condition {
            condition_type: self.type_.clone(),
            status: self.status.clone(),
            reason: filled(Some(&self.reason)),
            message: message(Some(&self.message)),
            last_transition_at: Some(instant(&self.last_transition_time)),
            heartbeat_stale_since: None,
        }
    }
}

/// Conditions, sorted by type: their order in the object means nothing.
pub(super) fn conditions<C: ToCondition>(conditions: Option<&Vec<C>>) -> Vec<Condition> {
    let mut conditions: Vec<_> = conditions.into_iter().flatten().map(C::to_condition).collect();
    conditions.sort_by(|a, b| (&a.condition_type, &a.status).cmp(&(&b.condition_type, &b.status)));
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_at_the_end_of_a_character() {
        let long = "é".repeat(600);
        assert_eq!(message(Some(&long)).unwrap().len(), 1024);
        let odd = format!("a{long}");
        assert_eq!(message(Some(&odd)).unwrap().len(), 1023);
        assert_eq!(message(Some(&String::new())), None);
    }
}
