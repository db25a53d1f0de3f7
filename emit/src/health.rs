//! What the binary asks about a running emitter: readiness, liveness, counts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant as Tick},
};

use fleetledger_schema::{content_hash::ContentDigest, kind::RecordKind, part_watch::PartWatch};

use crate::{producer::PRODUCER, resource::WatchedResource};

/// A pipeline that has not turned for this long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Handle to a running emitter; clones share one state.
#[derive(Debug, Clone)]
pub struct EmitterHealth {
    state: Arc<Mutex<EmitterState>>,
    /// What is sent goes to it.
    pub(crate) kafka: PartWatch,
}

#[derive(Debug)]
struct EmitterState {
    turned_at: Tick,
    role: EmitterRole,
    resources: BTreeMap<WatchedResource, ResourceState>,
    sweep_wanted: bool,
    summary: EmitterSummary,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum EmitterRole {
    Starting(Tick, String),
    Standby,
    Leader,
    Stopped,
}

/// How the watch of one resource stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ResourceState {
    Listing,
    Watching,
    Absent,
    Failed(String),
}

/// What an emitter has sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmitterSummary {
    /// Name of the datacenter.
    pub datacenter: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Uid of the cluster's kube-system namespace; empty until it is known.
    pub cluster_uid: String,
    /// Current epoch; 0 until this emitter leads.
    pub epoch: i64,
    /// Counts of each kind.
    pub kinds: BTreeMap<RecordKind, KindSummary>,
    /// Records handed to Kafka and not yet acknowledged.
    pub in_flight: usize,
    /// Objects whose newest state still waits for room in the producer.
    pub pending: usize,
    /// What a dump holds and the ledger does not keep.
    pub passed_over: Vec<PassedOver>,
}

/// Objects of a dump that are not kept, all of one kind and for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Kind and version, or what it is instead of an object.
    pub what: String,
    /// Why it is not kept.
    pub why: String,
    /// How many there are.
    pub count: u64,
    /// File of the first one, with the error if there is one.
    pub example: String,
}

/// What an emitter has sent of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KindSummary {
    /// Records of any sort, tombstones, marks and announcements included.
    pub produced: u64,
    /// Those of them that Kafka has acknowledged.
    pub acknowledged: u64,
    /// Records of objects: changes, sweeps and last records.
    pub objects: u64,
    /// Marks.
    pub marks: u64,
    /// Sweeps that were completed (of all shards).
    pub sweeps: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Differences that sweeps found.
    pub missed_changes: u64,
    /// Number of living objects as the log stands, and XOR of their content hashes.
    pub living: ContentDigest,
}

impl Default for EmitterHealth {
    fn default() -> Self {
        Self::new()
    }
}

impl EmitterHealth {
    /// A handle for an emitter that has yet to start.
    #[must_use]
    pub fn new() -> Self {
        let state = EmitterState {
            turned_at: Tick::now(),
            role: EmitterRole::Starting(Tick::now(), "not started".to_owned()),
            resources: BTreeMap::new(),
            sweep_wanted: false,
            summary: EmitterSummary::default(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            kafka: PartWatch::new("emit", "Kafka"),
        }
    }

    /// Whether it does its work: it leads or stands by, every watch runs, Kafka answers.
    ///
    /// # Errors
    /// What is not right, naming each resource that cannot be watched.
    pub fn ready(&self) -> Result<(), String> {
        let state = self.lock();
        match &state.role {
            EmitterRole::Standby => return Ok(()),
            EmitterRole::Starting(since, what) => {
                self.kafka.ready()?;
                return Err(format!("starting for {} s: {what}", since.elapsed().as_secs()));
            }
            EmitterRole::Stopped => return Err("stopped".to_owned()),
            EmitterRole::Leader => {}
        }
        let mut reasons: Vec<String> = self.kafka.ready().err().into_iter().collect();
        for (resource, state) in &state.resources {
            match state {
                ResourceState::Listing => reasons.push(format!("{resource}: first list not yet complete")),
                ResourceState::Failed(why) => reasons.push(format!("{resource}: {why}")),
                ResourceState::Watching | ResourceState::Absent => {}
            }
        }
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(reasons.join("; "))
        }
    }

    /// Whether the process is worth keeping.
    ///
    /// # Errors
    /// Says since when the pipeline has not turned.
    pub fn live(&self) -> Result<(), String> {
        let state = self.lock();
        let age = state.turned_at.elapsed();
        if state.role == EmitterRole::Stopped || age < STUCK_AFTER {
            return Ok(());
        }
        Err(format!(
            "the pipeline has made no progress for {} s",
            age.as_secs()
        ))
    }

    /// What was sent so far.
    #[must_use]
    pub fn summary(&self) -> EmitterSummary {
        self.lock().summary.clone()
    }

    /// Asks for a sweep now.
    pub fn request_sweep(&self) {
        self.lock().sweep_wanted = true;
    }

    pub(crate) fn take_sweep_request(&self) -> bool {
        std::mem::take(&mut self.lock().sweep_wanted)
    }

    pub(crate) fn turn(&self) {
        self.lock().turned_at = Tick::now();
    }

    pub(crate) fn starting(&self, what: &str) {
        let mut state = self.lock();
        state.turned_at = Tick::now();
        let since = match &state.role {
            EmitterRole::Starting(since, _) => *since,
            _ => Tick::now(),
        };
        state.role = EmitterRole::Starting(since, what.to_owned());
    }

    pub(crate) fn standby(&self) {
        // The producer is gone, and nobody waits for it.
        self.kafka.answered(PRODUCER);
        let mut state = self.lock();
        state.turned_at = Tick::now();
        state.role = EmitterRole::Standby;
    }

    pub(crate) fn leading(&self) {
        self.lock().role = EmitterRole::Leader;
    }

    pub(crate) fn stopped(&self) {
        self.lock().role = EmitterRole::Stopped;
    }

    pub(crate) fn resource(&self, resource: WatchedResource, state: ResourceState) {
        self.lock().resources.insert(resource, state);
    }

    pub(crate) fn acknowledged(&self, kind: RecordKind) {
        self.update(|summary| summary.kinds.entry(kind).or_default().acknowledged += 1);
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut EmitterSummary)) {
        change(&mut self.lock().summary);
    }

    fn lock(&self) -> MutexGuard<'_, EmitterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failing_watch_is_named_by_readiness() {
        let health = EmitterHealth::new();
        assert!(health.ready().is_err());
        health.leading();
        health.resource(WatchedResource::Nodes, ResourceState::Watching);
        health.resource(WatchedResource::Watchdogs, ResourceState::Absent);
        assert_eq!(health.ready(), Ok(()));
        health.resource(
            WatchedResource::Pods,
            ResourceState::Failed("forbidden".to_owned()),
        );
        assert_eq!(health.ready(), Err("pods: forbidden".to_owned()));
        assert_eq!(health.live(), Ok(()));
    }

    #[test]
    fn readiness_names_kafka_for_how_long_and_why() {
        let health = EmitterHealth::new();
        health.leading();
        let long_ago = Tick::now().checked_sub(Duration::from_secs(34)).unwrap();
        health.kafka.failed_since("producer", "nobody listens", long_ago);
        assert_eq!(
            health.ready(),
            Err("Kafka has not answered for 34 s: nobody listens".to_owned())
        );
        health.kafka.answered("producer");
        assert_eq!(health.ready(), Ok(()));
    }
}
