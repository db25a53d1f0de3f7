//! A pod's status, as the kubelet writes it.

use fleetledger_schema::instant::Instant;
use k8s_openapi::{
    api::core::v1::{
        Container, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
        ContainerStatus, Pod, PodCondition, PodStatus,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::world::time;

/// Starts the containers of a pod again.
pub(super) fn restart(pod: &mut Pod, now: Instant) {
    if pod.metadata.deletion_timestamp.is_none() {
        set_states(pod, |container| {
            container.restart_count += 1;
            container.state = Some(running(now));
            container.ready = true;
        });
        set_condition(pod, "Ready", true, now);
    }
}

/// Changes the status of every app container, making it first where there is none.
pub(super) fn set_states(pod: &mut Pod, change: impl Fn(&mut ContainerStatus)) {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let fresh = |container: &Container| ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        image_id: format!("{}@sha256:0", container.image.clone().unwrap_or_default()),
        ..ContainerStatus::default()
    };
    let fresh: Vec<_> = containers.map(fresh).collect();
    let status: &mut PodStatus = pod.status.get_or_insert_default();
    for container in status.container_statuses.get_or_insert(fresh) {
        change(container);
    }
}

pub(super) fn condition(name: &str, holds: bool, at: Instant) -> PodCondition {
    PodCondition {
        type_: name.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        last_transition_time: time(at),
        ..PodCondition::default()
    }
}

pub(super) fn set_condition(pod: &mut Pod, name: &str, holds: bool, at: Instant) {
    let conditions = pod
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    conditions.retain(|condition| condition.type_ != name);
    conditions.push(condition(name, holds, at));
}

pub(super) fn running(at: Instant) -> ContainerState {
    ContainerState {
        running: Some(ContainerStateRunning { started_at: time(at) }),
        ..ContainerState::default()
    }
}

pub(super) fn waiting(reason: &str, message: Option<&str>) -> ContainerState {
    let waiting = ContainerStateWaiting {
        reason: Some(reason.to_owned()),
        message: message.map(str::to_owned),
    };
    ContainerState {
        waiting: Some(waiting),
        ..ContainerState::default()
    }
}

pub(super) fn terminated(reason: &str, exit_code: i32, at: Instant) -> ContainerState {
    let at: Option<Time> = time(at);
    let terminated = ContainerStateTerminated {
        reason: Some(reason.to_owned()),
        exit_code,
        finished_at: at,
        ..ContainerStateTerminated::default()
    };
    ContainerState {
        terminated: Some(terminated),
        ..ContainerState::default()
    }
}
