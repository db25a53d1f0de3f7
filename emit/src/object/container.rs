//! Containers of a pod, of every type.

use fleetledger_schema::record::Container;
use k8s_openapi::api::core::v1::{
    Container as KubeContainer, ContainerState, ContainerStatus, Pod, ResourceRequirements,
};

use super::{
    effective_request::InPlaceResize,
    meta::{filled, instant, message},
    resources::{kube_limits, kube_resources, resources},
};

/// Init containers and sidecars in the order of the pod spec, then app and ephemeral containers as the pod given has them.
pub(super) fn containers(pod: &Pod) -> Vec<Container> {
    let Some(spec) = &pod.spec else {
        return Vec::new();
    };
    let status = pod.status.as_ref();
    let init = status
        .and_then(|status| status.init_container_statuses.as_deref())
        .unwrap_or_default();
    let app = status
        .and_then(|status| status.container_statuses.as_deref())
        .unwrap_or_default();
    let ephemeral = status
        .and_then(|status| status.ephemeral_container_statuses.as_deref())
        .unwrap_or_default();
    let resize = InPlaceResize::of(pod);
    let mut all = Vec::new();
    for (position, container) in spec.init_containers.iter().flatten().enumerate() {
        let always = container.restart_policy.as_deref() == Some("Always");
        all.push(of_container(
            container,
            if always { "sidecar" } else { "init" },
            position,
            init,
            &resize,
        ));
    }
    for (position, container) in spec.containers.iter().enumerate() {
        all.push(of_container(container, "app", position, app, &resize));
    }
    for (position, container) in spec.ephemeral_containers.iter().flatten().enumerate() {
        let part = part(&container.name, "ephemeral", position, container.image.as_ref());
        all.push(complete(part, container.resources.as_ref(), ephemeral));
    }
    all
}

fn of_container(
    container: &KubeContainer,
    kind: &str,
    position: usize,
    statuses: &[ContainerStatus],
    resize: &InPlaceResize<'_>,
) -> Container {
    let part = part(&container.name, kind, position, container.image.as_ref());
    let mut complete = complete(part, container.resources.as_ref(), statuses);
    let reserved = resources(&resize.requests(container));
    let asked = &complete.requests;
    complete.reserved_cpu_millicores = other_than(asked.cpu_millicores, reserved.cpu_millicores);
    complete.reserved_memory_bytes = other_than(asked.memory_bytes, reserved.memory_bytes);
    complete
}

/// What is reserved where that is not what is asked for; zero where nothing of it is.
fn other_than(asked: Option<i64>, reserved: Option<i64>) -> Option<i64> {
    (asked != reserved).then(|| reserved.unwrap_or(0))
}

fn part(name: &str, kind: &str, position: usize, image: Option<&String>) -> Container {
    Container {
        container: name.to_owned(),
        container_type: kind.to_owned(),
        position: i32::try_from(position).unwrap_or(i32::MAX),
        image: image.cloned().unwrap_or_default(),
        ..Container::default()
    }
}

fn complete(
    mut container: Container,
    resources: Option<&ResourceRequirements>,
    statuses: &[ContainerStatus],
) -> Container {
    container.requests = kube_resources(resources.and_then(|resources| resources.requests.as_ref()));
    container.limits = kube_limits(resources.and_then(|resources| resources.limits.as_ref()));
    let Some(status) = statuses.iter().find(|status| status.name == container.container) else {
        return container;
    };
    set_in_force(&mut container, status);
    container.image_id = filled(Some(&status.image_id));
    container.container_id = filled(status.container_id.as_ref());
    container.ready = status.ready;
    container.started = status.started;
    container.restart_count = status.restart_count;
    set_state(&mut container, status.state.as_ref());
    if let Some(last) = status
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref())
    {
        container.last_reason = filled(last.reason.as_ref());
        container.last_message = message(last.message.as_ref());
        container.last_exit_code = Some(last.exit_code);
        container.last_signal = last.signal.filter(|signal| *signal != 0);
        container.last_started_at = last.started_at.as_ref().map(instant);
        container.last_finished_at = last.finished_at.as_ref().map(instant);
    }
    container
}

/// CPU and memory are all that can be resized in place.
fn set_in_force(container: &mut Container, status: &ContainerStatus) {
    let in_force = status.resources.as_ref();
    let requests = kube_resources(in_force.and_then(|resources| resources.requests.as_ref()));
    let limits = kube_limits(in_force.and_then(|resources| resources.limits.as_ref()));
    let allocated = kube_resources(status.allocated_resources.as_ref());
    container.request_in_force_cpu_millicores = requests.cpu_millicores;
    container.request_in_force_memory_bytes = requests.memory_bytes;
    container.limit_in_force_cpu_millicores = limits.cpu_millicores;
    container.limit_in_force_memory_bytes = limits.memory_bytes;
    container.allocated_cpu_millicores = allocated.cpu_millicores;
    container.allocated_memory_bytes = allocated.memory_bytes;
}

/// A state of which nothing is said is waiting, as the Kubernetes API has it: null is a container without a status.
fn set_state(container: &mut Container, state: Option<&ContainerState>) {
    if let Some(running) = state.and_then(|state| state.running.as_ref()) {
        container.state = Some("running".to_owned());
        container.started_at = running.started_at.as_ref().map(instant);
    } else if let Some(terminated) = state.and_then(|state| state.terminated.as_ref()) {
        container.state = Some("terminated".to_owned());
        container.reason = filled(terminated.reason.as_ref());
        container.message = message(terminated.message.as_ref());
        container.exit_code = Some(terminated.exit_code);
        container.signal = terminated.signal.filter(|signal| *signal != 0);
        container.started_at = terminated.started_at.as_ref().map(instant);
        container.finished_at = terminated.finished_at.as_ref().map(instant);
    } else {
        container.state = Some("waiting".to_owned());
        let waiting = state.and_then(|state| state.waiting.as_ref());
        container.reason = waiting.and_then(|waiting| filled(waiting.reason.as_ref()));
        container.message = waiting.and_then(|waiting| message(waiting.message.as_ref()));
    }
}
