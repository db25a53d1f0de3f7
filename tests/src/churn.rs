//! Random changes and deletes of a fleet on an API server, from a seed.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, stream};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, Desired, Resource},
    fleet::{Fleet, past},
};

/// Tasks that change objects; all changes of one object go through one of them, in order.
const WORKERS: usize = 16;

/// One change.
#[derive(Debug, Clone)]
pub enum Change {
    /// A merge patch of metadata or spec.
    Patch(Value),
    /// A merge patch of the status.
    Status(Value),
    /// Gone at once.
    Delete,
    /// A new object.
    Create(Box<Desired>),
}

type Name = (Resource, Option<String>, String);

/// The living objects of a fleet, and the source of its changes.
pub struct Churn {
    random: StdRng,
    living: Vec<Desired>,
    places: HashMap<Name, usize>,
    created: usize,
    /// How many changes of each sort were planned.
    pub planned: BTreeMap<&'static str, usize>,
}

impl Churn {
    /// Changes of `fleet`, whose objects exist.
    #[must_use]
    pub fn new(fleet: &Fleet, seed: u64) -> Self {
        let living: Vec<Desired> = fleet.objects.clone();
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
    pub async fn run(&mut self, cluster: &Cluster, count: usize) {
        let mut work: Vec<Vec<(Desired, Change)>> = vec![Vec::new(); WORKERS];
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

    fn worker(&self, object: &Desired) -> usize {
        let text = format!("{:?}", name(object));
        (xxhash_rust::xxh3::xxh3_64(text.as_bytes()) % WORKERS as u64) as usize
    }

    fn plan(&mut self) -> (Desired, Change) {
        let object = self.living.choose(&mut self.random).unwrap().clone();
        let roll = self.random.random_range(0..100);
        let number: u32 = self.random.random_range(0..1_000_000);
        let (sort, change) = match object.resource {
            Resource::Pod => match roll {
                0..14 => return self.plan_delete(object),
                14..24 => return self.plan_create(&object),
                24..44 => ("pod status", Change::Status(self.pod_status())),
                44..64 => (
                    "pod image",
                    Change::Patch(
                        json!({"metadata": {"labels": {"app.kubernetes.io/version": number.to_string()}}}),
                    ),
                ),
                64..84 => ("pod restarts", Change::Status(restarted(&object, number))),
                _ => (
                    "pod annotation that is not sent",
                    Change::Patch(
                        json!({"metadata": {"annotations": {"example.com/hidden": number.to_string()}}}),
                    ),
                ),
            },
            Resource::Node => match roll {
                0..3 => return self.plan_delete(object),
                3..30 => (
                    "node cordon",
                    Change::Patch(json!({"spec": {"unschedulable": number.is_multiple_of(2)}})),
                ),
                30..60 => (
                    "node label",
                    Change::Patch(
                        json!({"metadata": {"labels": {"fleetledger.io/slot": number.to_string()}}}),
                    ),
                ),
                60..80 => (
                    "node boot",
                    Change::Status(json!({"nodeInfo": {"bootID": number.to_string()}})),
                ),
                _ => (
                    "node capacity",
                    Change::Status(json!({"allocatable": {"cpu": format!("{}m", number + 1)}})),
                ),
            },
            Resource::Namespace => (
                "namespace team",
                Change::Patch(json!({"metadata": {"labels": {"team": format!("team-{}", number % 9)}}})),
            ),
            Resource::Deployment | Resource::StatefulSet => match roll {
                0..50 => ("scale", Change::Patch(json!({"spec": {"replicas": number % 20}}))),
                _ => (
                    "workload status",
                    Change::Status(
                        json!({"readyReplicas": 0, "availableReplicas": 0, "updatedReplicas": 0, "replicas": number % 50}),
                    ),
                ),
            },
            Resource::ReplicaSet => (
                "replica set status",
                Change::Status(json!({"replicas": number % 50, "readyReplicas": 0, "availableReplicas": 0})),
            ),
            Resource::DaemonSet => (
                "daemon set status",
                Change::Status(json!({"numberReady": number % 50, "numberMisscheduled": number % 3})),
            ),
            Resource::Job => (
                "job label",
                Change::Patch(json!({"metadata": {"labels": {"fleetledger.io/try": number.to_string()}}})),
            ),
            Resource::CronJob => (
                "cron job suspended",
                Change::Patch(json!({"spec": {"suspend": number.is_multiple_of(2)}})),
            ),
            Resource::Watchdog | Resource::Lease => (
                "label",
                Change::Patch(json!({"metadata": {"labels": {"app": number.to_string()}}})),
            ),
        };
        *self.planned.entry(sort).or_default() += 1;
        (object, change)
    }

    fn plan_delete(&mut self, object: Desired) -> (Desired, Change) {
        *self.planned.entry("delete").or_default() += 1;
        let place = self.places.remove(&name(&object)).unwrap();
        self.living.swap_remove(place);
        if let Some(moved) = self.living.get(place) {
            self.places.insert(name(moved), place);
        }
        (object, Change::Delete)
    }

    /// Another pod like this one, under the same owner.
    fn plan_create(&mut self, model: &Desired) -> (Desired, Change) {
        *self.planned.entry("create").or_default() += 1;
        self.created += 1;
        let mut object = model.clone();
        object.name = format!("born-{}", self.created);
        self.places.insert(name(&object), self.living.len());
        self.living.push(object.clone());
        (object.clone(), Change::Create(Box::new(object)))
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

fn restarted(object: &Desired, number: u32) -> Value {
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

fn name(object: &Desired) -> Name {
    (object.resource, object.namespace.clone(), object.name.clone())
}

async fn apply(cluster: &Cluster, object: &Desired, change: Change) {
    let (resource, namespace, name) = (object.resource, object.namespace.as_deref(), object.name.as_str());
    match change {
        Change::Patch(patch) => cluster.patch(resource, namespace, name, &patch).await,
        Change::Status(status) => cluster.patch_status(resource, namespace, name, &status).await,
        Change::Delete => cluster.delete(resource, namespace, name).await,
        Change::Create(desired) => {
            cluster.create(&desired).await;
        }
    }
}
