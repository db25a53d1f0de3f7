//! What simulated containers use: some fraction of their request, more by day than by night, a little above it for a few.
//! A pure function of container and time, so that counters never fall and a restart of the emitter changes nothing.

use std::{collections::HashMap, f64::consts::TAU};

use fleetledger_schema::instant::Instant;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod};
use xxhash_rust::xxh3::xxh3_64;

use super::SimulatedCluster;
use crate::{
    object::quantity::Quantity,
    resource::{KubeObject, WatchedResource},
    usage::{ContainerSample, CpuMeasure, GpuSample, SamplesByNode},
};

/// What a container without a request uses, in thousandths of a core and in bytes.
const UNREQUESTED: (f64, f64) = (20.0, 48e6);
/// Angular speed of a day, per second.
const DAY: f64 = TAU / 86_400.0;

impl SimulatedCluster {
    /// Usage of every container that runs, by the name of its node; nodes that are down tell nothing.
    pub(crate) fn usage(&self, now: Instant) -> (SamplesByNode<ContainerSample>, SamplesByNode<GpuSample>) {
        let up = self.nodes.iter().filter(|node| node.up);
        let mut by_node: SamplesByNode<ContainerSample> =
            up.map(|node| (node.name.clone(), Vec::new())).collect();
        let mut cards: SamplesByNode<GpuSample> = HashMap::new();
        for object in self.of(WatchedResource::Pods) {
            let KubeObject::Pod(pod) = object else { continue };
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
            let Some((node, samples)) = node.and_then(|node| Some((node, by_node.get_mut(node)?))) else {
                continue;
            };
            for (container, status) in running(pod) {
                let Some(started_at) = started_at(status) else {
                    continue;
                };
                let of = ContainerBehaviour::of(pod, container, started_at);
                samples.push(of.sample(pod, container, now));
                let gpus = cards.entry(node.to_owned()).or_default();
                gpus.extend(of.cards(pod, container, now));
            }
        }
        (by_node, cards)
    }
}

/// Containers that run, with their state.
fn running(pod: &Pod) -> impl Iterator<Item = (&Container, &ContainerStatus)> {
    let spec = pod.spec.iter();
    let containers = spec.flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers));
    containers.filter_map(|container| {
        let status = pod.status.as_ref()?;
        let statuses = [&status.container_statuses, &status.init_container_statuses];
        let mut statuses = statuses.into_iter().flatten().flatten();
        let status = statuses.find(|status| status.name == container.name)?;
        started_at(status).map(|_| (container, status))
    })
}

fn started_at(status: &ContainerStatus) -> Option<Instant> {
    let running = status.state.as_ref()?.running.as_ref()?;
    Some(Instant::from_timestamp(running.started_at.as_ref()?.0))
}

/// How a container behaves.
struct ContainerBehaviour {
    millicores: f64,
    memory_bytes: f64,
    gpus: i64,
    /// 0 to 1, its own.
    character: f64,
    started_at: Instant,
}

impl ContainerBehaviour {
    fn of(pod: &Pod, container: &Container, started_at: Instant) -> Self {
        let requested = |name: &str| {
            let requests = container.resources.as_ref()?.requests.as_ref()?;
            Quantity::parse(&requests.get(name)?.0).ok()
        };
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        let hash = xxh3_64(format!("{uid}/{}", container.name).as_bytes());
        let millicores = requested("cpu").map(|cpu| cpu.thousandths() as f64);
        let memory_bytes = requested("memory").map(|memory| memory.units() as f64);
        Self {
            millicores: millicores.unwrap_or(UNREQUESTED.0),
            memory_bytes: memory_bytes.unwrap_or(UNREQUESTED.1),
            gpus: requested("nvidia.com/gpu").map_or(0, Quantity::units),
            character: (hash % 1000) as f64 / 1000.0,
            started_at,
        }
    }

    fn sample(&self, pod: &Pod, container: &Container, now: Instant) -> ContainerSample {
        ContainerSample {
            namespace: pod.metadata.namespace.clone().unwrap_or_default(),
            pod: pod.metadata.name.clone().unwrap_or_default(),
            container: container.name.clone(),
            at: now,
            cpu: CpuMeasure::Counter(self.cpu_core_us(now)),
            memory_bytes: (self.memory_bytes * (0.35 + 0.7 * self.character)) as i64,
            started_at: Some(self.started_at),
        }
    }

    /// The integral of `mean · (1 + 0.4 · sin(day))` since the container began.
    fn cpu_core_us(&self, now: Instant) -> i64 {
        // A tenth of containers uses more than it requests.
        let mean = self.millicores / 1000.0 * (0.03 + 1.1 * self.character.powi(3));
        let phase = (self.character - 0.5) * 0.8;
        let wave = |at: Instant| (DAY * (at.0 as f64 / 1e6) + phase).cos() / DAY;
        let seconds = now.micros_since(self.started_at).max(0) as f64 / 1e6;
        let waves = 0.4 * (wave(self.started_at) - wave(now));
        (mean * (seconds + waves) * 1e6).max(0.0) as i64
    }

    fn cards(&self, pod: &Pod, container: &Container, now: Instant) -> impl Iterator<Item = GpuSample> {
        let wave = (DAY * 24.0 * (now.0 as f64 / 1e6) + self.character * TAU).sin();
        let busy = (0.3 + 0.5 * self.character + 0.15 * wave).clamp(0.0, 1.0);
        let card = GpuSample {
            namespace: pod.metadata.namespace.clone().unwrap_or_default(),
            pod: pod.metadata.name.clone().unwrap_or_default(),
            container: container.name.clone(),
            micro_cards: (busy * 1e6) as i64,
        };
        std::iter::repeat_n(card, usize::try_from(self.gpus).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SimulateSettings;

    #[test]
    fn counters_rise_and_machines_are_not_used_beyond_reason() {
        let start = Instant(1_790_000_000_000_000);
        let world = SimulatedCluster::build(&SimulateSettings::default(), "dfw", "sim", start);
        let (first, _) = world.usage(start.plus_micros(3_600_000_000));
        let (second, cards) = world.usage(start.plus_micros(7_200_000_000));
        let mut containers = 0;
        let mut used = 0.0;
        for (node, samples) in &second {
            for sample in samples {
                let before = first[node].iter().find(|one| {
                    (&one.namespace, &one.pod, &one.container)
                        == (&sample.namespace, &sample.pod, &sample.container)
                });
                let (CpuMeasure::Counter(now), CpuMeasure::Counter(then)) = (sample.cpu, before.unwrap().cpu)
                else {
                    panic!()
                };
                assert!(now >= then, "{sample:?}");
                containers += 1;
                used += (now - then) as f64 / 3.6e9;
            }
        }
        assert!(containers > 500, "{containers}");
        assert!(used > 1.0 && used / f64::from(containers) < 2.0, "{used} cores");
        assert!(cards.values().any(|cards| !cards.is_empty()));
    }
}
