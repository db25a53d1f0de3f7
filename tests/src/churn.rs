//! Random changes and deletes of a fleet on an API server, from a seed.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use crate::{
    cluster::{ApiResourceKind, DesiredObject, TestCluster},
    fleet::{FleetObjects, past},
};

/// Tasks that change objects; all changes of one object go through one of them, in order.
const WORKERS: usize = 16;

/// One change.
#[derive(Debug, Clone)]
pub enum ChurnChange {
    /// A merge patch of metadata or spec.
    Patch(Value),
    /// A merge patch of the status.
    Status(Value),
    /// Gone at once.
    Delete,
    /// A new object.
    Create(Box<DesiredObject>),
}

type ChurnKey = (ApiResourceKind, Option<String>, String);

/// The living objects of a fleet, and the source of its changes.
pub struct FleetChurn {
    random: StdRng,
    living: Vec<DesiredObject>,
    places: HashMap<ChurnKey, usize>,
    created: usize,
    /// How many changes of each sort were planned.
    pub planned: BTreeMap<&'static str, usize>,
}

impl FleetChurn {
    /// Changes of `fleet`, whose objects exist.
    #[must_use]
    pub fn new(fleet: &FleetObjects, seed: u64) -> Self {
        let living: Vec<DesiredObject> = fleet.objects.clone();
        let places = living
            .iter()
            .enumerate()
            .map(|(place, object)| (name(object), place))
            .collect();
        Self {
            random: StdRng::seed_from_u64(seed),
            living,
            places,
            created: 0,
            planned: BTreeMap::new(),
        }
    }

    /// Makes `count` random changes, and returns when the API server has taken them all.
    pub async fn run(&mut self, cluster: &TestCluster, count: usize) {
        let mut work: Vec<Vec<(DesiredObject, ChurnChange)>> = vec![Vec::new(); WORKERS];
        for _ in 0..count {
            let (object, change) = self.plan();
            let worker = self.worker(&object);
            work[worker].push((object, change));
        }
        stream::iter(work)
            .for_each_concurrent(WORKERS, |changes| async move {
                for (object, change) in changes {
                    apply(cluster, &object, change).await;
                }
            })
            .await;
    }

    fn worker(&self, object: &DesiredObject) -> usize {
        let text = format!("{:?}", name(object));
        (xxhash_rust::xxh3::xxh3_64(text.as_bytes()) % WORKERS as u64) as usize
    }

    fn plan(&mut self) -> (DesiredObject, ChurnChange) {
        let object = self.living.choose(&mut self.random).unwrap().clone();
        let roll = self.random.random_range(0..100);
        let number: u32 = self.random.random_range(0..1_000_000);
        let (sort, change) = match object.resource {
            ApiResourceKind::Pod => match roll {
                0..14 => return self.plan_delete(object),
                14..24 => return self.plan_create(&object),
                24..44 => ("pod status", ChurnChange::Status(self.pod_status())),
                44..64 => (
                    "pod image",
                    ChurnChange::Patch(
                        json!({"metadata": {"labels": {"app.kubernetes.io/version": number.to_string()}}}),
                    ),
                ),
                64..84 => ("pod restarts", ChurnChange::Status(restarted(&object, number))),
                _ => (
                    "pod annotation that is not sent",
                    ChurnChange::Patch(
                        json!({"metadata": {"annotations": {"example.com/hidden": number.to_string()}}}),
                    ),
                ),
            },
            ApiResourceKind::Node => match roll {
                0..3 => return self.plan_delete(object),
                3..30 => (
                    "node cordon",
                    ChurnChange::Patch(json!({"spec": {"unschedulable": number.is_multiple_of(2)}})),
                ),
                30..60 => (
                    "node label",
                    ChurnChange::Patch(
                        json!({"metadata": {"labels": {"fleetledger.io/slot": number.to_string()}}}),
                    ),
                ),
                60..80 => (
                    "node boot",
                    ChurnChange::Status(json!({"nodeInfo": {"bootID": number.to_string()}})),
                ),
                _ => (
                    "node capacity",
                    ChurnChange::Status(json!({"allocatable": {"cpu": format!("{}m", number + 1)}})),
                ),
            },
            ApiResourceKind::Namespace => (
                "namespace team",
                ChurnChange::Patch(json!({"metadata": {"labels": {"team": format!("team-{}", number % 9)}}})),
            ),
            ApiResourceKind::Deployment | ApiResourceKind::StatefulSet => match roll {
                0..50 => (
                    "scale",
                    ChurnChange::Patch(json!({"spec": {"replicas": number % 20}})),
                ),
                _ => (
                    "workload status",
                    ChurnChange::Status(
                        json!({"readyReplicas": 0, "availableReplicas": 0, "updatedReplicas": 0, "replicas": number % 50}),
                    ),
                ),
            },
            ApiResourceKind::ReplicaSet => (
                "replica set status",
                ChurnChange::Status(
                    json!({"replicas": number % 50, "readyReplicas": 0, "availableReplicas": 0}),
                ),
            ),
            ApiResourceKind::DaemonSet => (
                "daemon set status",
                ChurnChange::Status(json!({"numberReady": number % 50, "numberMisscheduled": number % 3})),
            ),
            ApiResourceKind::Job => (
                "job label",
                ChurnChange::Patch(
                    json!({"metadata": {"labels": {"fleetledger.io/try": number.to_string()}}}),
                ),
            ),
            ApiResourceKind::CronJob => (
                "cron job suspended",
                ChurnChange::Patch(json!({"spec": {"suspend": number.is_multiple_of(2)}})),
            ),
            ApiResourceKind::Watchdog | ApiResourceKind::Lease => (
                "label",
                ChurnChange::Patch(json!({"metadata": {"labels": {"app": number.to_string()}}})),
            ),
        };
        *self.planned.entry(sort).or_default() += 1;
        (object, change)
    }

    fn plan_delete(&mut self, object: DesiredObject) -> (DesiredObject, ChurnChange) {
        *self.planned.entry("delete").or_default() += 1;
        let place = self.places.remove(&name(&object)).unwrap();
        self.living.swap_remove(place);
        if let Some(moved) = self.living.get(place) {
            self.places.insert(name(moved), place);
        }
        (object, ChurnChange::Delete)
    }

    /// Another pod like this one, under the same owner.
    fn plan_create(&mut self, model: &DesiredObject) -> (DesiredObject, ChurnChange) {
        *self.planned.entry("create").or_default() += 1;
        self.created += 1;
        let mut object = model.clone();
        object.name = format!("born-{}", self.created);
        self.places.insert(name(&object), self.living.len());
        self.living.push(object.clone());
        (object.clone(), ChurnChange::Create(Box::new(object)))
    }

    fn pod_status(&mut self) -> Value {
        let phase = *["Running", "Failed", "Succeeded", "Pending"]
            .choose(&mut self.random)
            .unwrap();
        let ready = if phase == "Running" { "True" } else { "False" };
        json!({
            "phase": phase, "reason": if phase == "Failed" { json!("Evicted") } else { Value::Null },
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": past(900)},
                {"type": "Ready", "status": ready, "lastTransitionTime": past(1)},
            ],
        })
    }
}

fn restarted(object: &DesiredObject, number: u32) -> Value {
    let mut statuses = object
        .status
        .as_ref()
        .map_or(Value::Null, |status| status["containerStatuses"].clone());
    for status in statuses.as_array_mut().into_iter().flatten() {
        status["restartCount"] = json!(number);
        status["lastState"] = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": past(2), "startedAt": past(50)}});
    }
    json!({ "containerStatuses": statuses })
}

fn name(object: &DesiredObject) -> ChurnKey {
    (object.resource, object.namespace.clone(), object.name.clone())
}

async fn apply(cluster: &TestCluster, object: &DesiredObject, change: ChurnChange) {
    let (resource, namespace, name) = (object.resource, object.namespace.as_deref(), object.name.as_str());
    match change {
        ChurnChange::Patch(patch) => cluster.patch(resource, namespace, name, &patch).await,
        ChurnChange::Status(status) => cluster.patch_status(resource, namespace, name, &status).await,
        ChurnChange::Delete => cluster.delete(resource, namespace, name).await,
        ChurnChange::Create(desired) => {
            cluster.create(&desired).await;
        }
    }
}
