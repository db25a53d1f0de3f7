//! The simulated cluster's state: its objects, what has changed, and what is to happen when.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use fleetledger_schema::instant::Instant;
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Time};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    SimulateSettings, build,
    placement::{NodeResources, PodReservation},
    story::{StoryProgress, StoryStep},
    template::{self, PodShape},
};
use crate::resource::{KubeObject, ResourceChange, WatchedResource};

/// Time between two renewals of a node's Lease.
pub(super) const LEASE_RENEWAL_MICROS: i64 = 10_000_000;
/// Time between two reports of a node's conditions that stay as they are: the kubelet's nodeStatusReportFrequency.
pub(super) const STATUS_REPORT_MICROS: i64 = 300_000_000;
/// Time between two Jobs of a CronJob: its schedule is `*/5 * * * *`.
pub(super) const CRON_MICROS: i64 = 300_000_000;

/// A simulated cluster.
pub(crate) struct SimulatedCluster {
    pub(super) settings: SimulateSettings,
    pub(super) rng: StdRng,
    pub(super) identity: String,
    pub(super) incarnation: i64,
    cluster_uid: String,
    objects: BTreeMap<WatchedResource, BTreeMap<String, KubeObject>>,
    changes: Vec<(WatchedResource, ResourceChange)>,
    /// True once the fleet stands: what made it is nobody's news, and takes more memory than the fleet.
    is_built: bool,
    /// Changes so far, without those of Leases.
    changed: i64,
    version: u64,
    serial: u64,
    schedule: BTreeMap<(Instant, u64), ScheduledAction>,
    tokens: f64,
    stepped_at: Instant,
    pub(super) nodes: Vec<SimulatedNode>,
    pub(super) workloads: Vec<SimulatedWorkload>,
    /// Number of the workload that a pod belongs to.
    pub(super) workload_of: HashMap<String, usize>,
    /// Pods that have a successor and are to be stopped.
    pub(super) retiring: BTreeSet<String>,
    /// What pods request that have not ended, by uid.
    pub(super) reservations: HashMap<String, PodReservation>,
    /// How far the story is.
    pub(super) story: StoryProgress,
}

#[derive(Debug, Clone)]
pub(super) struct SimulatedNode {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) up: bool,
    /// No pod is sent there, though it is up.
    pub(super) is_tainted: bool,
    pub(super) allocatable: NodeResources,
    /// What the pods request that are bound to it and have not ended.
    pub(super) reserved: NodeResources,
    /// How often it has booted.
    pub(super) boots: u32,
}

#[derive(Debug, Clone)]
pub(super) struct SimulatedWorkload {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) set_name: String,
    pub(super) set_uid: String,
    pub(super) revision: u32,
    pub(super) replicas: usize,
    /// Replicas that it began with: it is scaled around them.
    pub(super) base: usize,
    pub(super) shape: PodShape,
    pub(super) pods: Vec<String>,
}

/// Something that is to happen.
#[derive(Debug, Clone)]
pub(super) enum ScheduledAction {
    RenewLease(usize),
    ReportStatus(usize),
    CronTick(String),
    Schedule(String),
    Run(String),
    Remove(WatchedResource, String),
    Restart(String),
    Finish { pod: String, job: String },
    Replace { workload: usize, pod: String },
    Retire { workload: usize, pod: String },
    NodeUnknown(usize),
    NodeUp(usize),
    WatchdogOk(String),
    Story(StoryStep),
}

impl SimulatedCluster {
    /// A fleet of that shape at `now`. Nodes, namespaces and workloads are the same after a restart; pods are new.
    pub(crate) fn build(settings: &SimulateSettings, datacenter: &str, cluster: &str, now: Instant) -> Self {
        let identity = format!("{}/{datacenter}/{cluster}", settings.seed);
        let mut world = Self {
            settings: settings.clone(),
            rng: StdRng::seed_from_u64(xxh3_128(identity.as_bytes()) as u64),
            cluster_uid: uid_of(&format!("{identity}/kube-system")),
            identity,
            incarnation: now.0,
            objects: BTreeMap::new(),
            changes: Vec::new(),
            is_built: false,
            changed: 0,
            version: u64::try_from(now.0 / 1000).unwrap_or(1),
            serial: 0,
            schedule: BTreeMap::new(),
            tokens: 0.0,
            stepped_at: now,
            nodes: Vec::new(),
            workloads: Vec::new(),
            workload_of: HashMap::new(),
            retiring: BTreeSet::new(),
            reservations: HashMap::new(),
            story: StoryProgress::default(),
        };
        build::fill(&mut world, now);
        world.begin_story(now);
        world.is_built = true;
        world
    }

    pub(crate) fn cluster_uid(&self) -> &str {
        &self.cluster_uid
    }

    /// A page of the objects of a resource: those with the next uids after `after`.
    pub(crate) fn page(
        &self,
        resource: WatchedResource,
        after: Option<&str>,
        size: usize,
    ) -> Vec<KubeObject> {
        let Some(objects) = self.objects.get(&resource) else {
            return Vec::new();
        };
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let next = objects.range::<str, _>((begin, Bound::Unbounded)).take(size);
        next.map(|(_, object)| object.clone()).collect()
    }

    /// Objects of a resource, as they stand.
    pub(super) fn of(&self, resource: WatchedResource) -> impl Iterator<Item = &KubeObject> {
        self.objects.get(&resource).into_iter().flat_map(BTreeMap::values)
    }

    /// What has changed since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<(WatchedResource, ResourceChange)> {
        std::mem::take(&mut self.changes)
    }

    /// Moves on to `now`.
    pub(crate) fn step(&mut self, now: Instant) {
        let elapsed = now.micros_since(self.stepped_at).max(0) as f64 / 1e6;
        self.stepped_at = now;
        let rate = self.settings.changes_per_second * self.daily_factor(now);
        self.tokens = (self.tokens + elapsed * rate).min(rate.max(1.0) * 2.0);
        let before = self.changed;
        while let Some(entry) = self.schedule.first_entry().filter(|entry| entry.key().0 <= now) {
            let action = entry.remove();
            self.act(action, now);
        }
        self.tokens -= (self.changed - before) as f64;
        while self.tokens > 0.0 {
            let before = self.changed;
            self.begin_activity(now);
            self.tokens -= (self.changed - before).max(1) as f64;
        }
    }

    /// 0.5 at night to 1.5 by day.
    pub(super) fn daily_factor(&self, now: Instant) -> f64 {
        if !self.settings.daily_shape {
            return 1.0;
        }
        let hour = now.0.rem_euclid(86_400_000_000) as f64 / 3.6e9;
        1.0 + 0.5 * ((hour - 8.0) / 24.0 * std::f64::consts::TAU).sin()
    }

    pub(super) fn get(&self, resource: WatchedResource, uid: &str) -> Option<&KubeObject> {
        self.objects.get(&resource)?.get(uid)
    }

    pub(super) fn pod(&self, uid: &str) -> Option<&Pod> {
        match self.get(WatchedResource::Pods, uid)? {
            KubeObject::Pod(pod) => Some(pod),
            _ => None,
        }
    }

    /// Number of objects of a resource.
    pub(super) fn count(&self, resource: WatchedResource) -> usize {
        self.objects.get(&resource).map_or(0, BTreeMap::len)
    }

    /// Creates or changes an object.
    pub(super) fn put(&mut self, object: impl Into<KubeObject>) {
        let mut object = object.into();
        self.version += 1;
        set_version(&mut object, self.version);
        let resource = object.resource();
        if self.is_built {
            self.note(resource, ResourceChange::Applied(object.clone()));
        }
        self.objects
            .entry(resource)
            .or_default()
            .insert(object.uid().to_owned(), object);
    }

    /// Removes an object.
    pub(super) fn remove(&mut self, resource: WatchedResource, uid: &str) {
        if resource == WatchedResource::Pods {
            self.release(uid);
        }
        if let Some(mut object) = self
            .objects
            .get_mut(&resource)
            .and_then(|objects| objects.remove(uid))
        {
            self.version += 1;
            set_version(&mut object, self.version);
            self.note(resource, ResourceChange::Deleted(object));
        }
    }

    /// Changes a pod, if it is there.
    pub(super) fn change_pod(&mut self, uid: &str, change: impl FnOnce(&mut Pod)) {
        let pods = self.objects.get_mut(&WatchedResource::Pods);
        let Some(object) = pods.and_then(|pods| pods.get_mut(uid)) else {
            return;
        };
        if let KubeObject::Pod(pod) = object {
            // A copy only while the emitter still reads what was reported before.
            change(Arc::make_mut(pod));
        }
        self.version += 1;
        set_version(object, self.version);
        if self.is_built {
            let changed = object.clone();
            self.note(WatchedResource::Pods, ResourceChange::Applied(changed));
        }
    }

    fn note(&mut self, resource: WatchedResource, change: ResourceChange) {
        self.changed += i64::from(resource != WatchedResource::Leases);
        self.changes.push((resource, change));
    }

    /// Lets `action` happen after `micros`.
    pub(super) fn later(&mut self, now: Instant, micros: i64, action: ScheduledAction) {
        self.serial += 1;
        self.schedule
            .insert((now.plus_micros(micros), self.serial), action);
    }

    /// A uid that is the same in every run.
    pub(super) fn stable_uid(&self, what: &str) -> String {
        uid_of(&format!("{}/{what}", self.identity))
    }

    /// A uid that no other object of any run has.
    pub(super) fn fresh_uid(&mut self) -> String {
        self.serial += 1;
        uid_of(&format!("{}/{}/{}", self.identity, self.incarnation, self.serial))
    }

    /// A random number of microseconds between two numbers of seconds.
    pub(super) fn between(&mut self, least: f64, most: f64) -> i64 {
        (self.rng.random_range(least..most) * 1e6) as i64
    }

    /// A random number below `count`.
    pub(super) fn pick(&mut self, count: usize) -> Option<usize> {
        (count > 0).then(|| self.rng.random_range(0..count))
    }

    /// A random object of a resource.
    pub(super) fn pick_of(&mut self, resource: WatchedResource) -> Option<&KubeObject> {
        let chosen = self.pick(self.count(resource))?;
        self.of(resource).nth(chosen)
    }

    /// Reports a node's conditions again, as they are: only their heartbeats are newer.
    pub(super) fn report_status(&mut self, index: usize, now: Instant) {
        let Some(node) = self.nodes.get(index).cloned() else {
            return;
        };
        if node.up
            && let Some(KubeObject::Node(found)) = self.get(WatchedResource::Nodes, &node.uid)
        {
            let mut found = (**found).clone();
            let conditions = found
                .status
                .iter_mut()
                .flat_map(|status| status.conditions.iter_mut());
            for condition in conditions.flatten() {
                condition.last_heartbeat_time = time(now);
            }
            self.put(found);
            // It is no change of the fleet, as little as a Lease's renewal.
            self.changed -= 1;
        }
        self.later(now, STATUS_REPORT_MICROS, ScheduledAction::ReportStatus(index));
    }

    pub(super) fn renew_lease(&mut self, index: usize, now: Instant) {
        let Some(node) = self.nodes.get(index).cloned() else {
            return;
        };
        if node.up {
            self.put(template::lease(&node.name, &format!("lease-{}", node.uid), now));
        }
        self.later(now, LEASE_RENEWAL_MICROS, ScheduledAction::RenewLease(index));
    }
}

fn set_version(object: &mut KubeObject, version: u64) {
    let meta = match object {
        KubeObject::Namespace(o) => &mut Arc::make_mut(o).metadata,
        KubeObject::Lease(o) => &mut Arc::make_mut(o).metadata,
        KubeObject::Node(o) => &mut Arc::make_mut(o).metadata,
        KubeObject::Deployment(o) => &mut Arc::make_mut(o).metadata,
        KubeObject::StatefulSet(o) => &mut Arc::make_mut(o).metadata,
        KubeObject::DaemonSet(o) => &mut Arc::make_mut(o).metadata,
        KubeObject::ReplicaSet(o) => &mut Arc::make_mut(o).metadata,
        KubeObject::CronJob(o) => &mut Arc::make_mut(o).metadata,
        KubeObject::Job(o) => &mut Arc::make_mut(o).metadata,
        KubeObject::Pod(o) => &mut Arc::make_mut(o).metadata,
        KubeObject::Watchdog(o) => &mut Arc::make_mut(o).metadata,
    };
    meta.resource_version = Some(version.to_string());
}

/// A uid in the usual form, made of a name.
fn uid_of(name: &str) -> String {
    let hex = format!("{:032x}", xxh3_128(name.as_bytes()));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// A time as the API server keeps it.
pub(super) fn time(at: Instant) -> Option<Time> {
    let whole = Instant(at.0 - at.0.rem_euclid(1_000_000));
    whole.to_timestamp().map(Time)
}
