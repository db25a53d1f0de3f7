//! Of a pod.

use super::condition_since;
pub(in crate::row) use super::kubectl::kubectl_columns;
pub(in crate::row) use crate::row::containers_digest;
use crate::{
    instant::Instant,
    record::{Condition, Pod},
};

pub(in crate::row) fn scheduled_at(pod: &Pod) -> Option<Instant> {
    condition_since(&pod.conditions, "PodScheduled", "True")
}

pub(in crate::row) fn unschedulable_reason(pod: &Pod) -> Option<&str> {
    not_scheduled(pod).and_then(|condition| condition.reason.as_deref())
}

pub(in crate::row) fn unschedulable_message(pod: &Pod) -> Option<&str> {
    not_scheduled(pod).and_then(|condition| condition.message.as_deref())
}

pub(in crate::row) fn ready(pod: &Pod) -> bool {
    pod.conditions
        .iter()
        .any(|condition| condition.condition_type == "Ready" && condition.status == "True")
}

pub(in crate::row) fn ready_since(pod: &Pod) -> Option<Instant> {
    condition_since(&pod.conditions, "Ready", "True")
}

/// End of the last container of a pod that has run to its end: from here on it uses nothing.
pub(in crate::row) fn finished_at(pod: &Pod) -> Option<Instant> {
    if !matches!(pod.phase.as_str(), "Succeeded" | "Failed") {
        return None;
    }
    let ends = pod
        .containers
        .iter()
        .filter_map(|container| container.finished_at);
    ends.max()
        .or_else(|| condition_since(&pod.conditions, "Ready", "False"))
}

pub(in crate::row) fn restart_count(pod: &Pod) -> i32 {
    pod.containers.iter().fold(0_i32, |sum, container| {
        sum.saturating_add(container.restart_count)
    })
}

/// Nothing of a bound pod, whatever a condition that nobody has renewed says.
fn not_scheduled(pod: &Pod) -> Option<&Condition> {
    if pod.node.is_some() {
        return None;
    }
    pod.conditions
        .iter()
        .find(|condition| condition.condition_type == "PodScheduled" && condition.status == "False")
}
