//! What a pod needs as a whole: KEP-753 (sidecar containers), KEP-2837 (pod-level resources), KEP-1287 (in-place
//! resize) and overhead, as `PodRequests` of `k8s.io/component-helpers/resource` computes it for the scheduler.

use std::collections::BTreeMap;

use fleetledger_schema::record::Resources;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodSpec};

use super::{
    quantity::Quantity,
    resources::{KubeResourceList, ResourceList, limits_in_force, read, resources},
};

/// Effective request of the pod, with overhead: what the scheduler reserves.
#[must_use]
pub fn requests(pod: &Pod) -> Resources {
    let Some(spec) = &pod.spec else {
        return Resources::default();
    };
    let infeasible = resize_infeasible(pod);
    let statuses = ContainerStatuses::of(pod);
    let of = |container: &Container| container_requests(container, statuses.get(&container.name), infeasible);
    let mut sum = aggregate(spec, of);
    replace_by_pod_level(
        &mut sum,
        spec.resources.as_ref().and_then(|r| r.requests.as_ref()),
    );
    add(&mut sum, &read(spec.overhead.as_ref()));
    resources(&sum)
}

/// Effective limit of the pod, with overhead; a resource that any container leaves unlimited is absent.
#[must_use]
pub fn limits(pod: &Pod) -> Resources {
    let Some(spec) = &pod.spec else {
        return Resources::default();
    };
    let of = |container: &Container| {
        let limits = container.resources.as_ref().and_then(|r| r.limits.as_ref());
        read(limits_in_force(limits).as_ref())
    };
    let mut sum = aggregate(spec, of);
    let all = || spec.init_containers.iter().flatten().chain(&spec.containers);
    sum.retain(|name, _| all().all(|container| of(container).contains_key(name)));
    let pod_level = limits_in_force(spec.resources.as_ref().and_then(|r| r.limits.as_ref()));
    replace_by_pod_level(&mut sum, pod_level.as_ref());
    for (name, overhead) in read(spec.overhead.as_ref()) {
        // Overhead raises a limit but sets none, as Kubernetes has it.
        if let Some(limit) = sum.get_mut(&name).filter(|limit| !limit.is_zero()) {
            *limit = limit.plus(overhead);
        }
    }
    resources(&sum)
}

/// App containers and sidecars run together; each other init container runs beside the sidecars that stand
/// before it. The pod needs the largest of these.
fn aggregate(spec: &PodSpec, of: impl Fn(&Container) -> ResourceList) -> ResourceList {
    let mut running = ResourceList::new();
    for container in &spec.containers {
        add(&mut running, &of(container));
    }
    let mut sidecars = ResourceList::new();
    let mut starting = ResourceList::new();
    for container in spec.init_containers.iter().flatten() {
        let mut needs = of(container);
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut running, &needs);
            add(&mut sidecars, &needs);
            needs.clone_from(&sidecars);
        } else {
            add(&mut needs, &sidecars);
        }
        raise(&mut starting, &needs);
    }
    raise(&mut running, &starting);
    running
}

/// During an in-place resize the scheduler reserves the larger of what is asked for, what is granted and what runs.
fn container_requests(
    container: &Container,
    status: Option<&ContainerStatus>,
    infeasible: bool,
) -> ResourceList {
    let spec = read(container.resources.as_ref().and_then(|r| r.requests.as_ref()));
    let Some(status) = status.filter(|status| status.resources.is_some()) else {
        return spec;
    };
    let mut needs = if infeasible { ResourceList::new() } else { spec };
    raise(
        &mut needs,
        &read(status.resources.as_ref().and_then(|r| r.requests.as_ref())),
    );
    raise(&mut needs, &read(status.allocated_resources.as_ref()));
    needs
}

struct ContainerStatuses<'p>(BTreeMap<&'p str, &'p ContainerStatus>);

impl<'p> ContainerStatuses<'p> {
    fn of(pod: &'p Pod) -> Self {
        let status = pod.status.iter();
        let all = status.flat_map(|s| {
            s.container_statuses
                .iter()
                .chain(&s.init_container_statuses)
                .flatten()
        });
        Self(all.map(|status| (status.name.as_str(), status)).collect())
    }

    fn get(&self, name: &str) -> Option<&'p ContainerStatus> {
        self.0.get(name).copied()
    }
}

fn resize_infeasible(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| {
        condition.type_ == "PodResizePending" && condition.reason.as_deref() == Some("Infeasible")
    })
}

/// Resources set for the pod as a whole take the place of the containers' sum; only these kinds can be.
fn replace_by_pod_level(sum: &mut ResourceList, pod_level: Option<&KubeResourceList>) {
    for (name, quantity) in read(pod_level) {
        if name == "cpu" || name == "memory" || name.starts_with("hugepages-") {
            sum.insert(name, quantity);
        }
    }
}

fn add(sum: &mut ResourceList, more: &ResourceList) {
    for (name, quantity) in more {
        sum.entry(name.clone())
            .and_modify(|sum| *sum = sum.plus(*quantity))
            .or_insert(*quantity);
    }
}

fn raise(sum: &mut ResourceList, other: &ResourceList) {
    for (name, quantity) in other {
        sum.entry(name.clone())
            .and_modify(|sum| *sum = Quantity::max(*sum, *quantity))
            .or_insert(*quantity);
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct RequestVectors {
        cases: Vec<RequestCase>,
    }

    #[derive(Deserialize)]
    struct RequestCase {
        name: String,
        spec: PodSpec,
        requests: Resources,
        limits: Option<Resources>,
    }

    #[test]
    fn every_vector_of_kep_753_holds() {
        let vectors: RequestVectors =
            serde_yaml_ng::from_str(include_str!("../../testdata/kep-753.yaml")).unwrap();
        assert!(vectors.cases.len() >= 12);
        for case in vectors.cases {
            let pod = Pod {
                spec: Some(case.spec),
                ..Pod::default()
            };
            assert_eq!(requests(&pod), case.requests, "requests: {}", case.name);
            if let Some(expected) = case.limits {
                assert_eq!(limits(&pod), expected, "limits: {}", case.name);
            }
        }
    }

    #[test]
    fn during_a_resize_the_larger_side_is_reserved() {
        let pod: Pod = serde_json::from_value(serde_json::json!({
            "spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": "1"}}}]},
            "status": {"containerStatuses": [{"name": "a", "ready": true, "restartCount": 0, "image": "", "imageID": "",
                "resources": {"requests": {"cpu": "2"}}, "allocatedResources": {"cpu": "2"}}]},
        }))
        .unwrap();
        assert_eq!(requests(&pod).cpu_millicores, Some(2000));
    }
}
