//! What a pod needs as a whole: KEP-753 (sidecar containers), KEP-2837 (pod-level resources), KEP-1287 (in-place
//! resize) and overhead, as `PodRequests` of `k8s.io/component-helpers/resource` computes it for the scheduler.

use std::collections::BTreeMap;

use fleetledger_schema::record::Resources;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodSpec, ResourceRequirements};

use super::{
    quantity::Quantity,
    resources::{ResourceList, read, read_limits, resources},
};

/// Effective request of the pod, with overhead: what the scheduler reserves.
#[must_use]
pub fn requests(pod: &Pod) -> Resources {
    let Some(spec) = &pod.spec else {
        return Resources::default();
    };
    let resize = InPlaceResize::of(pod);
    let mut sum = aggregate(spec, |container| resize.requests(container));
    let asked = read(spec.resources.as_ref().and_then(|r| r.requests.as_ref()));
    let effective = resize.pod_level_requests(pod, &asked);
    replace_by_pod_level(&mut sum, asked, effective.as_ref());
    add(&mut sum, &read(spec.overhead.as_ref()));
    resources(&sum)
}

/// Effective limit of the pod, with overhead; a resource that any container leaves unlimited is absent.
#[must_use]
pub fn limits(pod: &Pod) -> Resources {
    let Some(spec) = &pod.spec else {
        return Resources::default();
    };
    let resize = InPlaceResize::of(pod);
    let of = |container: &Container| resize.limits(container);
    let mut sum = aggregate(spec, of);
    let all = || spec.init_containers.iter().flatten().chain(&spec.containers);
    sum.retain(|name, _| all().all(|container| of(container).contains_key(name)));
    let asked = read_limits(spec.resources.as_ref().and_then(|r| r.limits.as_ref()));
    let effective = resize.pod_level_limits(pod, &asked);
    replace_by_pod_level(&mut sum, asked, effective.as_ref());
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
        if is_sidecar(container) {
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

/// What a pod asks for, what its node has allocated and what runs, which differ while it is resized in place.
pub(super) struct InPlaceResize<'p> {
    /// Of the containers that can be resized: app containers and sidecars.
    statuses: BTreeMap<&'p str, &'p ContainerStatus>,
    /// The node can never give what is asked for: it is not reserved either.
    infeasible: bool,
}

impl<'p> InPlaceResize<'p> {
    pub(super) fn of(pod: &'p Pod) -> Self {
        let starts = |name: &str| {
            let mut init = pod
                .spec
                .iter()
                .flat_map(|spec| spec.init_containers.iter().flatten());
            init.any(|container| container.name == name && !is_sidecar(container))
        };
        let status = pod.status.iter();
        let all = status.flat_map(|status| {
            let lists = status
                .container_statuses
                .iter()
                .chain(&status.init_container_statuses);
            lists.flatten()
        });
        let statuses = all
            .filter(|status| !starts(&status.name))
            .map(|status| (status.name.as_str(), status));
        Self {
            statuses: statuses.collect(),
            infeasible: resize_infeasible(pod),
        }
    }

    /// What the scheduler reserves for a container.
    pub(super) fn requests(&self, container: &Container) -> ResourceList {
        let asked = read(container.resources.as_ref().and_then(|r| r.requests.as_ref()));
        let Some((status, in_force)) = self.reported(container) else {
            return asked;
        };
        let granted = [
            read(in_force.requests.as_ref()),
            read(status.allocated_resources.as_ref()),
        ];
        self.effective(asked, &granted)
    }

    /// The limit that a container may reach.
    fn limits(&self, container: &Container) -> ResourceList {
        let asked = read_limits(container.resources.as_ref().and_then(|r| r.limits.as_ref()));
        match self.reported(container) {
            Some((_, in_force)) => self.effective(asked, &[read_limits(in_force.limits.as_ref())]),
            None => asked,
        }
    }

    fn pod_level_requests(&self, pod: &Pod, asked: &ResourceList) -> Option<ResourceList> {
        let status = pod.status.as_ref()?;
        let in_force = status.resources.as_ref()?;
        let granted = [
            read(in_force.requests.as_ref()),
            read(status.allocated_resources.as_ref()),
        ];
        Some(self.effective(asked.clone(), &granted))
    }

    fn pod_level_limits(&self, pod: &Pod, asked: &ResourceList) -> Option<ResourceList> {
        let in_force = pod.status.as_ref()?.resources.as_ref()?;
        Some(self.effective(asked.clone(), &[read_limits(in_force.limits.as_ref())]))
    }

    fn reported(&self, container: &Container) -> Option<(&'p ContainerStatus, &'p ResourceRequirements)> {
        let status = self.statuses.get(container.name.as_str())?;
        Some((status, status.resources.as_ref()?))
    }

    /// The largest of all, without what is asked for where that is infeasible.
    fn effective(&self, asked: ResourceList, granted: &[ResourceList]) -> ResourceList {
        let mut largest = if self.infeasible {
            ResourceList::new()
        } else {
            asked
        };
        for list in granted {
            raise(&mut largest, list);
        }
        largest
    }
}

fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
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

/// Resources set for the pod as a whole take the place of the containers' sum; only these kinds can be. While the pod as a
/// whole is resized, `effective` holds what counts of them.
fn replace_by_pod_level(sum: &mut ResourceList, asked: ResourceList, effective: Option<&ResourceList>) {
    for (name, quantity) in asked {
        if name == "cpu" || name == "memory" || name.starts_with("hugepages-") {
            let counts = effective.map_or(quantity, |list| list.get(&name).copied().unwrap_or_default());
            sum.insert(name, counts);
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

    /// A pod of one container that asks for `asked` cores, with that status.
    fn resized(asked: &str, status: &serde_json::Value) -> Pod {
        serde_json::from_value(serde_json::json!({
            "spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": asked}, "limits": {"cpu": asked}}}]},
            "status": status,
        }))
        .unwrap()
    }

    fn container_status(name: &str, in_force: &str, allocated: &str) -> serde_json::Value {
        serde_json::json!({"name": name, "ready": true, "restartCount": 0, "image": "", "imageID": "",
            "resources": {"requests": {"cpu": in_force}, "limits": {"cpu": in_force}}, "allocatedResources": {"cpu": allocated}})
    }

    fn infeasible() -> serde_json::Value {
        serde_json::json!([{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}])
    }

    #[test]
    fn during_a_resize_the_largest_side_is_reserved() {
        for (asked, in_force, allocated, expected) in [
            ("1", "2", "2", 2000),
            ("3", "1", "1", 3000),
            ("1", "1", "2", 2000),
        ] {
            let status =
                serde_json::json!({"containerStatuses": [container_status("a", in_force, allocated)]});
            let pod = resized(asked, &status);
            assert_eq!(
                requests(&pod).cpu_millicores,
                Some(expected),
                "{asked} {in_force} {allocated}"
            );
        }
    }

    #[test]
    fn a_resize_that_was_refused_reserves_and_limits_what_runs() {
        let status = serde_json::json!({"conditions": infeasible(), "containerStatuses": [container_status("a", "1", "1")]});
        let pod = resized("6", &status);
        assert_eq!(requests(&pod).cpu_millicores, Some(1000));
        assert_eq!(limits(&pod).cpu_millicores, Some(1000));
    }

    #[test]
    fn a_limit_that_still_runs_counts_until_it_is_lowered() {
        let status = serde_json::json!({"containerStatuses": [container_status("a", "4", "4")]});
        assert_eq!(limits(&resized("1", &status)).cpu_millicores, Some(4000));
    }

    #[test]
    fn an_init_container_cannot_be_resized() {
        let mut status = serde_json::json!({"initContainerStatuses": [container_status("i", "9", "9")], "containerStatuses": []});
        let mut pod = resized("1", &status);
        let spec = pod.spec.as_mut().unwrap();
        let mut init = Container {
            name: "i".to_owned(),
            ..spec.containers[0].clone()
        };
        spec.init_containers = Some(vec![init.clone()]);
        assert_eq!(requests(&pod).cpu_millicores, Some(1000));
        // A sidecar can.
        init.restart_policy = Some("Always".to_owned());
        status["initContainerStatuses"][0]["name"] = "i".into();
        pod.spec.as_mut().unwrap().init_containers = Some(vec![init]);
        assert_eq!(requests(&pod).cpu_millicores, Some(10_000));
    }

    #[test]
    fn resources_of_the_pod_as_a_whole_are_resized_too() {
        let pod = |asked: &str, in_force: &str, conditions: serde_json::Value| -> Pod {
            let of = |cpu: &str| serde_json::json!({"requests": {"cpu": cpu}, "limits": {"cpu": cpu}});
            serde_json::from_value(serde_json::json!({
                "spec": {"resources": of(asked), "containers": [{"name": "a"}]},
                "status": {"resources": of(in_force), "allocatedResources": {"cpu": in_force}, "conditions": conditions},
            }))
            .unwrap()
        };
        let shrinking = pod("1", "4", serde_json::json!([]));
        assert_eq!(requests(&shrinking).cpu_millicores, Some(4000));
        assert_eq!(limits(&shrinking).cpu_millicores, Some(4000));
        let refused = pod("64", "1", infeasible());
        assert_eq!(requests(&refused).cpu_millicores, Some(1000));
        assert_eq!(limits(&refused).cpu_millicores, Some(1000));
    }

    #[test]
    fn two_containers_that_change_places_count_by_their_own_maxima() {
        // Kubernetes 1.35 sums the maxima, 1.37 takes the larger of the sums: docs/decisions says why this is the first.
        let pod: Pod = serde_json::from_value(serde_json::json!({
            "spec": {"containers": [
                {"name": "a", "resources": {"requests": {"cpu": "1"}}}, {"name": "b", "resources": {"requests": {"cpu": "3"}}}]},
            "status": {"containerStatuses": [container_status("a", "3", "3"), container_status("b", "1", "1")]},
        }))
        .unwrap();
        assert_eq!(requests(&pod).cpu_millicores, Some(6000));
    }
}
