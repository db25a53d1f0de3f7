//! A simulated fleet: Kubernetes objects that live, fail and are replaced, deterministic by seed, and go through the
//! same pipeline as those of an API server.

mod activity;
mod build;
mod history;
mod placement;
mod play;
mod pod_state;
mod story;
mod template;
mod usage;
mod world;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fleetledger_schema::instant::Instant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc::Sender, task::JoinSet};

use crate::{
    resource::{ResourceChange, SourceEvent, WatchedResource},
    usage::{ClusterUsageReader, ContainerSample, GpuSample, SamplesByNode},
};
pub use history::{HistoricRecord, SimulatedHistory};
pub use play::HistoryWriter;
pub use story::{STORY_CYCLE_SECONDS, StoryPart};
pub(crate) use world::SimulatedCluster;

/// How often the simulated cluster moves on.
const STEP: Duration = Duration::from_millis(100);
/// Objects that a list copies out of the simulated cluster at a time.
const PAGE: usize = 500;

/// One simulated cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SimulateSettings {
    /// Equal seeds give equal fleets.
    pub seed: u64,
    /// Number of nodes.
    pub nodes: u32,
    /// Number of pods, about.
    pub pods: u32,
    /// Number of teams; each has a namespace.
    pub teams: u32,
    /// Number of node pools; the last one has GPUs.
    pub pools: u32,
    /// Changes of objects per second, on average over a day.
    pub changes_per_second: f64,
    /// More changes and replicas by day than by night.
    pub daily_shape: bool,
    /// Node failures, crash loops, evictions, leaked pods, hanging namespaces and failing watchdogs happen.
    pub incidents: bool,
    /// Which part the cluster plays in the story of the demo, whose incidents come back every half hour.
    pub story: StoryPart,
    /// Containers use what they request, more or less: windows of usage are sent.
    pub usage: bool,
}

impl Default for SimulateSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            nodes: 50,
            pods: 600,
            teams: 8,
            pools: 4,
            changes_per_second: 20.0,
            daily_shape: true,
            incidents: true,
            story: StoryPart::None,
            usage: true,
        }
    }
}

/// A simulated API server.
#[derive(Clone)]
pub struct Simulation {
    world: Arc<Mutex<SimulatedCluster>>,
}

impl Simulation {
    pub(crate) fn new(settings: &SimulateSettings, datacenter: &str, cluster: &str, now: Instant) -> Self {
        Self {
            world: Arc::new(Mutex::new(SimulatedCluster::build(
                settings, datacenter, cluster, now,
            ))),
        }
    }

    /// One that goes on with a cluster that has lived before.
    pub(crate) fn of(world: SimulatedCluster) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
        }
    }

    pub(crate) fn cluster_uid(&self) -> String {
        lock(&self.world).cluster_uid().to_owned()
    }

    pub(crate) fn start(&self, tasks: &mut JoinSet<()>, events: Sender<SourceEvent>) {
        let world = self.world.clone();
        tasks.spawn(async move {
            for resource in WatchedResource::ALL {
                if !send_list(&world, resource, &events, SourceEvent::Watch).await {
                    return;
                }
            }
            let mut step = tokio::time::interval(STEP);
            loop {
                let changes = lock(&world).take_changes();
                for (resource, change) in changes {
                    if events.send(SourceEvent::Watch(resource, change)).await.is_err() {
                        return;
                    }
                }
                step.tick().await;
                lock(&world).step(Instant::now());
            }
        });
    }

    pub(crate) fn relist(
        &self,
        tasks: &mut JoinSet<()>,
        resources: Vec<WatchedResource>,
        events: Sender<SourceEvent>,
    ) {
        let world = self.world.clone();
        tasks.spawn(async move {
            for resource in resources {
                if !send_list(&world, resource, &events, SourceEvent::Relist).await {
                    return;
                }
            }
        });
    }
}

impl ClusterUsageReader for Simulation {
    fn read_usage(&self, now: Instant) -> (SamplesByNode<ContainerSample>, SamplesByNode<GpuSample>) {
        lock(&self.world).usage(now)
    }
}

async fn send_list(
    world: &Mutex<SimulatedCluster>,
    resource: WatchedResource,
    events: &Sender<SourceEvent>,
    wrap: fn(WatchedResource, ResourceChange) -> SourceEvent,
) -> bool {
    let send = async |change: ResourceChange| events.send(wrap(resource, change)).await.is_ok();
    if !send(ResourceChange::Begin).await {
        return false;
    }
    let mut after: Option<String> = None;
    loop {
        let page = lock(world).page(resource, after.as_deref(), PAGE);
        let Some(last) = page.last() else {
            return send(ResourceChange::End).await;
        };
        after = Some(last.uid().to_owned());
        for object in page {
            if !send(ResourceChange::Listed(object)).await {
                return false;
            }
        }
    }
}

fn lock(world: &Mutex<SimulatedCluster>) -> MutexGuard<'_, SimulatedCluster> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::resource::KubeObject;

    fn run(seed: u64) -> Vec<String> {
        let start = Instant(1_790_000_000_000_000);
        let settings = SimulateSettings {
            seed,
            changes_per_second: 50.0,
            ..SimulateSettings::default()
        };
        let mut world = SimulatedCluster::build(&settings, "dfw", "sim", start);
        for resource in WatchedResource::ALL {
            assert!(
                world.of(resource).all(|object| !object.uid().is_empty()),
                "{resource}"
            );
        }
        let mut seen = vec![format!("{:?}", world.take_changes().len())];
        for step in 1..=600 {
            world.step(start.plus_micros(step * 100_000));
            seen.extend(world.take_changes().iter().map(|change| format!("{change:?}")));
        }
        seen
    }

    #[test]
    fn equal_seeds_give_equal_fleets() {
        assert_eq!(run(7), run(7));
        assert_ne!(run(7).len(), 0);
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn changes_come_at_about_the_rate_that_was_asked_for() {
        let changes = run(3).iter().filter(|change| !change.contains("Leases")).count();
        // 60 s at 50 a second, times the hour's factor of 0.5 to 1.5.
        assert!((1200..5500).contains(&changes), "{changes}");
    }

    /// A quiet fleet every five minutes for two hours.
    fn every_five_minutes_of_two_hours(mut look: impl FnMut(&SimulatedCluster, Instant)) {
        let start = Instant(1_790_000_000_000_000);
        let settings = SimulateSettings {
            incidents: false,
            changes_per_second: 2.0,
            ..SimulateSettings::default()
        };
        let mut world = SimulatedCluster::build(&settings, "dfw", "sim", start);
        for second in 1..=7200 {
            let now = start.plus_micros(second * 1_000_000);
            world.step(now);
            world.take_changes();
            if second % 300 == 0 {
                look(&world, now);
            }
        }
    }

    #[test]
    fn nodes_and_cron_jobs_renew_what_real_ones_renew() {
        let age = |at: Option<&Time>, now: Instant| {
            let at = at.map(|at| Instant::from_timestamp(at.0));
            at.map_or(i64::MAX, |at| now.micros_since(at) / 1_000_000)
        };
        every_five_minutes_of_two_hours(|world, now| {
            for object in world.of(WatchedResource::Nodes) {
                let KubeObject::Node(node) = object else { continue };
                let conditions = node
                    .status
                    .iter()
                    .flat_map(|status| status.conditions.iter().flatten());
                for condition in conditions {
                    let silent = age(condition.last_heartbeat_time.as_ref(), now);
                    assert!(
                        silent <= 301,
                        "{} of {:?}: {silent} s",
                        condition.type_,
                        node.metadata.name
                    );
                }
            }
            for object in world.of(WatchedResource::Leases) {
                let KubeObject::Lease(lease) = object else {
                    continue;
                };
                let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
                let silent = renewed.map(|at| now.micros_since(Instant::from_timestamp(at.0)) / 1_000_000);
                assert!(silent.is_some_and(|silent| silent <= 11), "{silent:?}");
            }
            for object in world.of(WatchedResource::CronJobs) {
                let KubeObject::CronJob(cron_job) = object else {
                    continue;
                };
                let status = cron_job.status.clone().unwrap_or_default();
                assert!(age(status.last_schedule_time.as_ref(), now) <= 301);
                assert!(age(status.last_successful_time.as_ref(), now) <= 320);
            }
        });
    }

    #[test]
    fn a_quiet_fleet_keeps_its_size_and_uses_every_node_with_cards() {
        every_five_minutes_of_two_hours(|world, now| {
            let pods = world.count(WatchedResource::Pods);
            assert!((420..900).contains(&pods), "{pods}");
            let (mut cards, mut used) = (BTreeSet::new(), BTreeSet::new());
            for node in world.nodes.iter().filter(|node| node.allocatable.gpus > 0) {
                cards.insert(node.name.clone());
            }
            for object in world.of(WatchedResource::Pods) {
                let KubeObject::Pod(pod) = object else { continue };
                let spec = pod.spec.clone().unwrap_or_default();
                let asks = spec.containers.iter().any(|container| {
                    let requests = container.resources.as_ref().and_then(|of| of.requests.as_ref());
                    requests.is_some_and(|requests| requests.contains_key("nvidia.com/gpu"))
                });
                used.extend(spec.node_name.filter(|_| asks));
            }
            // One whose pod is being replaced is without for a moment, and the rule waits for two hours.
            let idle = cards.difference(&used).count();
            assert!(idle <= 2, "{idle} of {} at {now}", cards.len());
            assert!(used.is_subset(&cards), "{used:?}");
        });
    }

    #[test]
    fn workloads_of_a_quiet_fleet_have_what_they_want_but_for_moments() {
        let start = Instant(1_790_000_000_000_000);
        let settings = SimulateSettings {
            nodes: 15,
            pods: 250,
            changes_per_second: 7.5,
            incidents: false,
            ..SimulateSettings::default()
        };
        let mut world = SimulatedCluster::build(&settings, "fra", "sim", start);
        let mut lacking = std::collections::BTreeMap::<String, usize>::new();
        for second in 1..=7200 {
            world.step(start.plus_micros(second * 1_000_000));
            world.take_changes();
            for object in world.of(WatchedResource::Deployments) {
                let KubeObject::Deployment(deployment) = object else {
                    continue;
                };
                let wanted = deployment
                    .spec
                    .as_ref()
                    .and_then(|spec| spec.replicas)
                    .unwrap_or(0);
                let available = deployment
                    .status
                    .as_ref()
                    .and_then(|status| status.available_replicas);
                if available.unwrap_or(0) * 2 < wanted {
                    *lacking.entry(object.uid().to_owned()).or_default() += 1;
                }
            }
        }
        let longest = lacking.values().max().copied().unwrap_or(0);
        assert!(longest < 120, "{longest} s of two hours: {lacking:?}");
    }

    #[test]
    fn pods_stay_about_as_many_as_asked_for_and_none_is_bound_to_a_node_that_is_not_there() {
        let start = Instant(1_790_000_000_000_000);
        let settings = SimulateSettings {
            changes_per_second: 200.0,
            ..SimulateSettings::default()
        };
        let mut world = SimulatedCluster::build(&settings, "dfw", "sim", start);
        for step in 1..=3000 {
            world.step(start.plus_micros(step * 100_000));
            world.take_changes();
        }
        let pods = world.count(WatchedResource::Pods);
        assert!((300..1500).contains(&pods), "{pods}");
    }
}
