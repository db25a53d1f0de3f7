//! Where pods go: as a scheduler has it, no node is given more than it can allocate.

use std::collections::BTreeMap;

use fleetledger_schema::instant::Instant;
use k8s_openapi::api::core::v1::{Pod, PodCondition, PodIP};
use rand::RngExt;

use super::{
    pod_state::{condition, running, set_states, waiting},
    template::{self, PodShape, SIDECAR_MEMORY_MIB, SIDECAR_MILLICORES},
    world::{ScheduledAction, SimulatedCluster, SimulatedNode, time},
};
use crate::resource::WatchedResource;

/// Time until a pod that fits nowhere is looked at again.
const RETRY_MICROS: i64 = 10_000_000;

/// What a pod requests, or a node has of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct NodeResources {
    pub(super) millicores: u64,
    pub(super) memory_mib: u64,
    pub(super) gpus: u64,
    pub(super) pods: u64,
}

impl NodeResources {
    /// What a pod of that shape requests, with its sidecar.
    pub(super) fn of(shape: &PodShape) -> Self {
        let sidecar = |amount: u32| if shape.sidecar { u64::from(amount) } else { 0 };
        Self {
            millicores: u64::from(shape.cpu_millicores) + sidecar(SIDECAR_MILLICORES),
            memory_mib: u64::from(shape.memory_mib) + sidecar(SIDECAR_MEMORY_MIB),
            gpus: u64::from(shape.gpus),
            pods: 1,
        }
    }

    fn by_name(&self) -> [(&'static str, u64); 4] {
        [
            ("cpu", self.millicores),
            ("memory", self.memory_mib),
            ("nvidia.com/gpu", self.gpus),
            ("pods", self.pods),
        ]
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            millicores: self.millicores + other.millicores,
            memory_mib: self.memory_mib + other.memory_mib,
            gpus: self.gpus + other.gpus,
            pods: self.pods + other.pods,
        }
    }

    fn minus(&self, other: &Self) -> Self {
        Self {
            millicores: self.millicores.saturating_sub(other.millicores),
            memory_mib: self.memory_mib.saturating_sub(other.memory_mib),
            gpus: self.gpus.saturating_sub(other.gpus),
            pods: self.pods.saturating_sub(other.pods),
        }
    }

    /// What of `wanted` is not there, by the scheduler's words.
    fn lacking(&self, wanted: &Self) -> Option<String> {
        let mut pairs = self.by_name().into_iter().zip(wanted.by_name());
        let ((name, _), _) = pairs.find(|((_, free), (_, wanted))| wanted > free)?;
        Some(match name {
            "pods" => "Too many pods".to_owned(),
            name => format!("Insufficient {name}"),
        })
    }
}

/// A pod's request, and the node that it is taken from.
#[derive(Debug, Clone, Copy)]
pub(super) struct PodReservation {
    requests: NodeResources,
    node: Option<usize>,
}

impl SimulatedNode {
    fn free(&self) -> NodeResources {
        self.allocatable.minus(&self.reserved)
    }

    /// Share of its CPU that is free.
    fn free_share(&self) -> f64 {
        self.free().millicores as f64 / self.allocatable.millicores.max(1) as f64
    }

    /// Why a pod cannot go there; `None` if it can.
    fn refusal(&self, wanted: &NodeResources) -> Option<String> {
        match self.up && !self.is_tainted {
            true => self.free().lacking(wanted),
            false => Some("node(s) had untolerated taint(s)".to_owned()),
        }
    }
}

impl SimulatedCluster {
    /// A pod of a workload, Pending. Returns its uid.
    pub(super) fn create_pod(&mut self, workload: usize, at: Instant) -> Option<String> {
        let suffix = format!("{:05x}", self.rng.random::<u32>() & 0xf_ffff);
        let uid = self.fresh_uid();
        let state = self.workloads.get_mut(workload)?;
        let name = format!("{}-{suffix}", state.set_name);
        let owner = Some((
            "apps/v1",
            "ReplicaSet",
            state.set_name.as_str(),
            state.set_uid.as_str(),
        ));
        let pod = template::pod(&name, &uid, &state.shape, owner, at);
        let shape = state.shape.clone();
        state.pods.push(uid.clone());
        self.workload_of.insert(uid.clone(), workload);
        self.expect_pod(&uid, &shape);
        self.put(pod);
        Some(uid)
    }

    /// Notes what a new pod will request.
    pub(super) fn expect_pod(&mut self, uid: &str, shape: &PodShape) {
        let reservation = PodReservation {
            requests: NodeResources::of(shape),
            node: None,
        };
        self.reservations.insert(uid.to_owned(), reservation);
    }

    /// Gives back what a pod holds that has ended.
    pub(super) fn release(&mut self, pod: &str) {
        if let Some(held) = self.reservations.remove(pod)
            && let Some(node) = held.node.and_then(|node| self.nodes.get_mut(node))
        {
            node.reserved = node.reserved.minus(&held.requests);
        }
    }

    /// Binds a pod to a node with room for it. Where there is none the pod says so, and is looked at again later; false then.
    pub(super) fn schedule_pod(&mut self, pod: &str, at: Instant) -> bool {
        let Some(mut held) = self.reservations.get(pod).copied() else {
            return false;
        };
        let Some(index) = self.place(&held.requests) else {
            let message = self.why_nowhere(&held.requests);
            self.change_pod_if(pod, |pod| mark_unschedulable(pod, &message, at));
            self.later(at, RETRY_MICROS, ScheduledAction::Schedule(pod.to_owned()));
            return false;
        };
        let Some(node) = self.nodes.get_mut(index) else {
            return false;
        };
        node.reserved = node.reserved.plus(&held.requests);
        let name = node.name.clone();
        held.node = Some(index);
        self.reservations.insert(pod.to_owned(), held);
        self.change_pod(pod, |pod| {
            let spec = pod.spec.get_or_insert_default();
            spec.node_name = Some(name);
            let status = pod.status.get_or_insert_default();
            status.host_ip = Some("10.1.0.1".to_owned());
            status.start_time = time(at);
            status.conditions = Some(vec![condition("PodScheduled", true, at)]);
            set_states(pod, |container| {
                container.state = Some(waiting("ContainerCreating", None));
                container.ready = false;
            });
        });
        true
    }

    /// A node for a pod: of those with room that has the fewest cards taken, if it asks for cards; else the emptier of two.
    fn place(&mut self, wanted: &NodeResources) -> Option<usize> {
        let nodes = self.nodes.iter().enumerate();
        let fitting: Vec<usize> = nodes
            .filter(|(_, node)| node.refusal(wanted).is_none())
            .map(|(index, _)| index)
            .collect();
        if wanted.gpus > 0 {
            let taken = |index: &usize| self.nodes.get(*index).map_or(0, |node| node.reserved.gpus);
            return fitting.into_iter().min_by_key(taken);
        }
        let (one, other) = (self.pick(fitting.len())?, self.pick(fitting.len())?);
        let (one, other) = (*fitting.get(one)?, *fitting.get(other)?);
        let share = |index: usize| self.nodes.get(index).map_or(0.0, SimulatedNode::free_share);
        Some(if share(one) >= share(other) { one } else { other })
    }

    /// The scheduler's message about a pod that fits nowhere.
    fn why_nowhere(&self, wanted: &NodeResources) -> String {
        let mut counts = BTreeMap::<String, usize>::new();
        for refusal in self.nodes.iter().filter_map(|node| node.refusal(wanted)) {
            *counts.entry(refusal).or_default() += 1;
        }
        let reasons: Vec<String> = counts
            .iter()
            .map(|(refusal, count)| format!("{count} {refusal}"))
            .collect();
        format!(
            "0/{} nodes are available: {}.",
            self.nodes.len(),
            reasons.join(", ")
        )
    }

    pub(super) fn run_pod(&mut self, pod: &str, at: Instant) {
        let ip = format!(
            "10.{}.{}.{}",
            self.rng.random_range(2..250),
            self.rng.random_range(0..255),
            self.rng.random_range(1..255)
        );
        self.change_pod(pod, |pod| {
            if pod.metadata.deletion_timestamp.is_some() {
                return;
            }
            let status = pod.status.get_or_insert_default();
            status.phase = Some("Running".to_owned());
            status.pod_ip = Some(ip.clone());
            status.pod_ips = Some(vec![PodIP { ip }]);
            let names = ["Initialized", "PodScheduled", "ContainersReady", "Ready"];
            status.conditions = Some(names.map(|name| condition(name, true, at)).to_vec());
            set_states(pod, |container| {
                container.state = Some(running(at));
                container.ready = true;
                container.started = Some(true);
            });
        });
    }

    /// Changes a pod unless `change` says that it is as it was.
    fn change_pod_if(&mut self, uid: &str, change: impl FnOnce(&mut Pod) -> bool) {
        let Some(mut pod) = self.pod(uid).cloned() else {
            return;
        };
        if change(&mut pod) {
            self.change_pod(uid, |current| *current = pod);
        }
    }

    /// True if the pod waits for a node.
    pub(super) fn is_unscheduled(&self, pod: &str) -> bool {
        self.reservations.get(pod).is_some_and(|held| held.node.is_none())
    }

    /// Pods that are bound to a node and have not ended.
    pub(super) fn pods_on(&self, node: usize) -> Vec<String> {
        let bound = self
            .reservations
            .iter()
            .filter(|(_, held)| held.node == Some(node));
        let mut pods: Vec<String> = bound.map(|(uid, _)| uid.clone()).collect();
        pods.retain(|uid| self.get(WatchedResource::Pods, uid).is_some());
        pods.sort();
        pods
    }
}

/// Says why a pod cannot be scheduled; false if it said so before.
fn mark_unschedulable(pod: &mut Pod, message: &str, at: Instant) -> bool {
    let conditions = pod
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    let known = conditions
        .iter()
        .find(|condition| condition.type_ == "PodScheduled");
    if known.is_some_and(|known| known.message.as_deref() == Some(message)) {
        return false;
    }
    let since = known.and_then(|known| known.last_transition_time.clone());
    conditions.retain(|condition| condition.type_ != "PodScheduled");
    conditions.push(PodCondition {
        reason: Some("Unschedulable".to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: since.or_else(|| time(at)),
        ..condition("PodScheduled", false, at)
    });
    true
}

#[cfg(test)]
mod tests {
    use fleetledger_schema::record::Resources;

    use super::*;
    use crate::{
        object::{effective_request, quantity::Quantity},
        resource::KubeObject,
        simulate::{SimulateSettings, StoryPart},
    };

    /// What pods that have not ended request of each node, by their specifications.
    fn requested(world: &SimulatedCluster) -> BTreeMap<String, Resources> {
        let mut requested = BTreeMap::<String, Resources>::new();
        for object in world.of(WatchedResource::Pods) {
            let KubeObject::Pod(pod) = object else { continue };
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
            if let Some(node) = node.filter(|_| !matches!(phase, Some("Succeeded" | "Failed"))) {
                let of_pod = effective_request::requests(pod);
                let sum = requested.entry(node).or_default();
                let plus = |sum: Option<i64>, more: Option<i64>| Some(sum.unwrap_or(0) + more.unwrap_or(0));
                sum.cpu_millicores = plus(sum.cpu_millicores, of_pod.cpu_millicores);
                sum.memory_bytes = plus(sum.memory_bytes, of_pod.memory_bytes);
                sum.gpu_millis = plus(sum.gpu_millis, of_pod.gpu_millis);
                sum.pods = plus(sum.pods, Some(1));
            }
        }
        requested
    }

    /// Steps a cluster for hours and compares every two minutes; returns the largest share of a node's CPU that was requested.
    fn live(settings: &SimulateSettings, hours: i64) -> f64 {
        let start = Instant(1_790_000_000_000_000);
        let mut world = SimulatedCluster::build(settings, "dfw", "sim", start);
        let mut largest: f64 = 0.0;
        for second in 1..=hours * 3600 {
            world.step(start.plus_micros(second * 1_000_000));
            world.take_changes();
            if second % 120 != 0 {
                continue;
            }
            let requested = requested(&world);
            for object in world.of(WatchedResource::Nodes) {
                let KubeObject::Node(node) = object else { continue };
                let name = node.metadata.name.clone().unwrap();
                let allocatable = node.status.clone().unwrap().allocatable.unwrap();
                let has = |resource: &str| {
                    allocatable
                        .get(resource)
                        .map_or(0, |amount| Quantity::parse(&amount.0).unwrap().thousandths())
                };
                let asked = requested.get(&name).cloned().unwrap_or_default();
                let amounts = [
                    ("cpu", asked.cpu_millicores.unwrap_or(0)),
                    ("memory", asked.memory_bytes.unwrap_or(0) * 1000),
                    ("nvidia.com/gpu", asked.gpu_millis.unwrap_or(0)),
                    ("pods", asked.pods.unwrap_or(0) * 1000),
                ];
                for (resource, amount) in amounts {
                    assert!(
                        amount <= has(resource),
                        "{name} after {second} s: {amount} of {} {resource}",
                        has(resource)
                    );
                }
                let held = world
                    .nodes
                    .iter()
                    .find(|node| node.name == name)
                    .unwrap()
                    .reserved;
                assert_eq!(
                    held.millicores as i64,
                    asked.cpu_millicores.unwrap_or(0),
                    "{name} after {second} s"
                );
                assert_eq!(
                    held.pods as i64,
                    asked.pods.unwrap_or(0),
                    "{name} after {second} s"
                );
                largest = largest.max(held.millicores as f64 * 1000.0 / has("cpu") as f64 / 1000.0);
            }
        }
        largest
    }

    #[test]
    fn no_node_is_given_more_than_it_can_allocate_in_hours_of_incidents() {
        let settings = SimulateSettings {
            changes_per_second: 10.0,
            story: StoryPart::Third,
            ..SimulateSettings::default()
        };
        let largest = live(&settings, 3);
        assert!((0.5..=1.0).contains(&largest), "{largest}");
    }

    #[test]
    fn a_fleet_of_many_pods_on_few_nodes_has_smaller_ones() {
        let settings = SimulateSettings {
            nodes: 4,
            pods: 900,
            changes_per_second: 5.0,
            ..SimulateSettings::default()
        };
        let largest = live(&settings, 1);
        assert!((0.5..=1.0).contains(&largest), "{largest}");
        let world = SimulatedCluster::build(&settings, "dfw", "sim", Instant(1_790_000_000_000_000));
        let placed: u64 = world.nodes.iter().map(|node| node.reserved.pods).sum();
        assert!(placed > 850, "{placed} of 900 pods have a node");
    }
}
