//! Of a pod.

use super::condition_since;
pub(in crate::row) use super::kubectl::kubectl_columns;
pub(in crate::row) use crate::row::containers_digest;
use crate::{
    instant::Instant,
    record::{Condition, Container, Pod},
};

/// Conditions that the kubelet sets when it first looks at a pod bear that instant, give or take its first write.
const FIRST_LOOK_MICROS: i64 = 10_000_000;

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

/// When a pod that Succeeded or Failed reserved nothing any more. Its containers say so; of one that was evicted before
/// they ran, the eviction; one that the kubelet rejected never reserved anything.
pub(in crate::row) fn finished_at(pod: &Pod) -> Option<Instant> {
    if !matches!(pod.phase.as_str(), "Succeeded" | "Failed") {
        return None;
    }
    if is_rejected(pod) {
        return Some(begin(pod));
    }
    let ends = pod.containers.iter().filter(|container| ends_pod(container));
    let last_end = ends.filter_map(|container| container.finished_at).max();
    let mut apps = pod.containers.iter().filter(|container| is_app(container));
    if apps.all(|container| container.finished_at.is_some()) && last_end.is_some() {
        return last_end;
    }
    let disrupted = condition_since(&pod.conditions, "DisruptionTarget", "True");
    last_end.max(disrupted).or_else(|| stopped_at(pod))
}

/// When the pod was bound, as far as its object says.
fn begin(pod: &Pod) -> Instant {
    scheduled_at(pod).or(pod.started_at).unwrap_or(pod.created_at)
}

fn is_app(container: &Container) -> bool {
    container.container_type == "app"
}

/// An init container that succeeded ends no pod, and neither does somebody's debugging.
fn ends_pod(container: &Container) -> bool {
    match container.container_type.as_str() {
        "init" => container.exit_code != Some(0),
        "ephemeral" => false,
        _ => true,
    }
}

/// When a condition that its kubelet keeps became False, unless that was when the kubelet first looked at the pod: a pod
/// that was never ready has been False since then.
fn stopped_at(pod: &Pod) -> Option<Instant> {
    let begun = pod
        .started_at
        .max(Some(begin(pod)))?
        .plus_micros(FIRST_LOOK_MICROS);
    ["Ready", "ContainersReady", "PodReadyToStartContainers"]
        .into_iter()
        .filter_map(|kind| condition_since(&pod.conditions, kind, "False"))
        .filter(|since| *since > begun)
        .max()
}

/// True of a pod that was bound to a node whose kubelet did not take it: nothing of it ever started.
fn is_rejected(pod: &Pod) -> bool {
    let started = |container: &Container| {
        container.started_at.is_some()
            || container.finished_at.is_some()
            || container.last_finished_at.is_some()
            || container.container_id.is_some()
            || container.restart_count > 0
    };
    pod.phase == "Failed"
        && pod.node.is_some()
        && condition_since(&pod.conditions, "DisruptionTarget", "True").is_none()
        && !pod.containers.iter().any(started)
        && is_rejection(
            pod.reason.as_deref().unwrap_or_default(),
            pod.message.as_deref().unwrap_or_default(),
        )
}

/// Why a kubelet refuses a pod. Newer ones say so in the message; the reasons are those of older ones.
fn is_rejection(reason: &str, message: &str) -> bool {
    const REASONS: [&str; 9] = [
        "UnexpectedAdmissionError",
        "TopologyAffinityError",
        "SMTAlignmentError",
        "NodeAffinity",
        "NodeName",
        "NodePorts",
        "AppArmor",
        "SysctlForbidden",
        "PodOSNotSupported",
    ];
    message.starts_with("Pod was rejected")
        || reason.starts_with("OutOf")
        || REASONS.contains(&reason)
        // A running pod is evicted with the same reason, and another message.
        || reason == "Evicted" && message.starts_with("The node had condition")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(clock: &str) -> Option<Instant> {
        Instant::parse(&format!("2026-03-02T{clock}Z"))
    }

    fn condition(kind: &str, status: &str, since: &str) -> Condition {
        Condition {
            condition_type: kind.into(),
            status: status.into(),
            last_transition_at: at(since),
            ..Condition::default()
        }
    }

    fn container(kind: &str, exit_code: Option<i32>, end: Option<&str>) -> Container {
        Container {
            container_type: kind.into(),
            exit_code,
            finished_at: end.and_then(at),
            ..Container::default()
        }
    }

    /// A pod that was bound at ten and failed.
    fn failed(reason: &str, message: &str, more: &[Condition], containers: Vec<Container>) -> Pod {
        let mut conditions = vec![
            condition("PodScheduled", "True", "10:00:00"),
            condition("Ready", "False", "10:00:01"),
        ];
        conditions.retain(|one| {
            more.iter()
                .all(|other| other.condition_type != one.condition_type)
        });
        conditions.extend_from_slice(more);
        Pod {
            phase: "Failed".into(),
            node: Some("n1".into()),
            reason: Some(reason.into()),
            message: Some(message.into()),
            started_at: at("10:00:01"),
            created_at: at("09:59:00").unwrap(),
            conditions,
            containers,
            ..Pod::default()
        }
    }

    #[test]
    fn a_pod_that_the_kubelet_rejected_ended_when_it_was_bound() {
        let waiting = || vec![container("app", None, None)];
        for (reason, message) in [
            (
                "OutOfcpu",
                "Node didn't have enough resource: cpu, requested: 6000",
            ),
            ("OutOfnvidia.com/gpu", ""),
            ("UnexpectedAdmissionError", "Allocate failed due to no devices"),
            ("NodeShutdown", "Pod was rejected as the node is shutting down."),
            (
                "Evicted",
                "Pod was rejected: The node had condition: [DiskPressure].",
            ),
            ("Evicted", "The node had condition: [MemoryPressure]. "),
        ] {
            let pod = failed(reason, message, &[], waiting());
            assert_eq!(finished_at(&pod), at("10:00:00"), "{reason} {message}");
        }
    }

    #[test]
    fn a_pod_that_ran_was_not_rejected_whatever_its_reason() {
        let ran = vec![container("app", Some(137), Some("12:00:00"))];
        let pod = failed("UnexpectedAdmissionError", "", &[], ran);
        assert_eq!(finished_at(&pod), at("12:00:00"));
        let low = "The node was low on resource: memory.";
        let pod = failed("Evicted", low, &[], vec![container("app", None, None)]);
        assert_eq!(finished_at(&pod), None, "nobody says when");
    }

    #[test]
    fn a_pod_evicted_before_it_was_ready_ended_with_the_eviction() {
        let evicted = [condition("DisruptionTarget", "True", "20:00:00")];
        let init = || container("init", Some(0), Some("10:00:30"));
        for containers in [
            vec![container("app", None, None)],
            vec![init(), container("app", None, None)],
            vec![
                container("app", Some(0), Some("10:01:00")),
                container("app", None, None),
            ],
        ] {
            let pod = failed("Evicted", "low on resource", &evicted, containers);
            assert_eq!(finished_at(&pod), at("20:00:00"));
        }
        // Its containers took a while to end.
        let slow = vec![container("app", Some(143), Some("20:00:25"))];
        assert_eq!(
            finished_at(&failed("Evicted", "", &evicted, slow)),
            at("20:00:25")
        );
        // A node that was lost with pods that had ended by themselves.
        let done = vec![container("app", Some(1), Some("11:00:00"))];
        assert_eq!(finished_at(&failed("", "", &evicted, done)), at("11:00:00"));
    }

    #[test]
    fn a_pod_without_ends_ended_when_it_stopped_being_ready() {
        let lost = [condition("Ready", "False", "15:00:00")];
        let pod = failed("Evicted", "", &lost, vec![container("app", None, None)]);
        assert_eq!(finished_at(&pod), at("15:00:00"));
    }

    #[test]
    fn a_pod_whose_init_container_failed_ended_with_it() {
        let failing = vec![
            container("init", Some(1), Some("10:05:00")),
            container("app", None, None),
        ];
        assert_eq!(finished_at(&failed("", "", &[], failing)), at("10:05:00"));
    }
}
