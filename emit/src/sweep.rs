//! Sweeps: the whole cluster, freshly listed, compared with memory and sent.
//!
//! A list and the watches run side by side, so a difference between them is not yet a missed change: the watch
//! may only be a moment behind. A sweep therefore lists everything, waits until the watches have caught up or the
//! settling time is over, and calls missed only what is then still different.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use fleetledger_schema::kind::RecordKind;
use tokio::time::Instant as Tick;

use crate::{
    fleet::{ClockReading, ObservedFleet},
    memory::ObjectMemory,
    metrics::EmitMetrics,
    resource::{KubeObject, ResourceChange, WatchedResource},
};

/// Where the present sweep stands.
#[derive(Debug, Default)]
pub(crate) struct ClusterSweep {
    state: SweepPhase,
}

#[derive(Debug, Default)]
enum SweepPhase {
    #[default]
    Idle,
    Listing(SweepLists),
    Settling(SweepLists, Tick),
}

/// What the fresh lists have shown so far.
#[derive(Debug)]
struct SweepLists {
    id: String,
    waiting: BTreeSet<WatchedResource>,
    failed: BTreeSet<WatchedResource>,
    listed: HashSet<Box<str>>,
    suspects: HashMap<Box<str>, KubeObject>,
    /// Number of the newest observation when listing began.
    began: u64,
}

/// A sweep that is ready to be sent.
#[derive(Debug, Default)]
pub(crate) struct SweepOutcome {
    pub(crate) id: String,
    /// Kinds that were listed as a whole.
    pub(crate) kinds: Vec<RecordKind>,
    /// Missed changes, by kind and shard.
    pub(crate) missed: HashMap<(RecordKind, u16), i64>,
}

impl ClusterSweep {
    /// True if no sweep is under way.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.state, SweepPhase::Idle)
    }

    /// Begins to list.
    pub(crate) fn begin(&mut self, id: String, memory: &ObjectMemory) {
        self.state = SweepPhase::Listing(SweepLists {
            id,
            waiting: WatchedResource::ALL
                .into_iter()
                .filter(|resource| resource.kind().is_some())
                .collect(),
            failed: BTreeSet::new(),
            listed: HashSet::new(),
            suspects: HashMap::new(),
            began: memory.observations(),
        });
    }

    /// Takes a part of a fresh list.
    pub(crate) fn take(
        &mut self,
        resource: WatchedResource,
        change: ResourceChange,
        memory: &mut ObjectMemory,
        now: ClockReading,
        settle: Duration,
    ) {
        let SweepPhase::Listing(lists) = &mut self.state else {
            return;
        };
        match change {
            ResourceChange::Listed(object) => lists.compare(object, memory, now),
            ResourceChange::End | ResourceChange::Absent => {
                lists.waiting.remove(&resource);
            }
            ResourceChange::Incomplete(_) => {
                lists.waiting.remove(&resource);
                lists.failed.insert(resource);
            }
            ResourceChange::Failed(why) => {
                tracing::warn!(
                    %resource, why,
                    "the sweep cannot list a resource; its kind is not swept this time"
                );
                lists.waiting.remove(&resource);
                lists.failed.insert(resource);
            }
            ResourceChange::Begin | ResourceChange::Applied(_) | ResourceChange::Deleted(_) => {}
        }
        if lists.waiting.is_empty()
            && let SweepPhase::Listing(lists) = std::mem::take(&mut self.state)
        {
            self.state = SweepPhase::Settling(lists, now.tick + settle);
        }
    }

    /// The sweep, once the watches have caught up with its lists or the settling time is over.
    pub(crate) fn settle(
        &mut self,
        fleet: &mut ObservedFleet,
        metrics: &EmitMetrics,
        now: ClockReading,
    ) -> Option<SweepOutcome> {
        let SweepPhase::Settling(lists, until) = &mut self.state else {
            return None;
        };
        // What was born and went while the lists were read has left no memory to compare with.
        lists.suspects.retain(|uid, object| {
            is_behind(&fleet.memory, uid, object, lists.began) && !fleet.memory.is_recently_gone(uid, now.at)
        });
        if now.tick < *until && (!lists.suspects.is_empty() || lists.absent(&fleet.memory).next().is_some()) {
            return None;
        }
        let SweepPhase::Settling(lists, _) = std::mem::take(&mut self.state) else {
            return None;
        };
        Some(lists.conclude(fleet, metrics, now))
    }
}

impl SweepLists {
    fn compare(&mut self, object: KubeObject, memory: &mut ObjectMemory, now: ClockReading) {
        let uid = object.uid().to_owned();
        if is_behind(memory, &uid, &object, self.began) && !memory.is_recently_gone(&uid, now.at) {
            self.suspects.insert(uid.clone().into(), object);
        }
        self.listed.insert(uid.into());
    }

    /// Objects of memory that the lists do not name although they were known before.
    fn absent<'m>(&self, memory: &'m ObjectMemory) -> impl Iterator<Item = &'m Arc<str>> {
        memory
            .living()
            .filter(|(uid, entry)| {
                entry.seen <= self.began
                    && !self.failed.contains(&entry.resource)
                    && !self.listed.contains(&***uid)
            })
            .map(|(uid, _)| uid)
    }

    fn conclude(self, fleet: &mut ObservedFleet, metrics: &EmitMetrics, now: ClockReading) -> SweepOutcome {
        let mut missed: HashMap<(RecordKind, u16), i64> = HashMap::new();
        let gone: Vec<Arc<str>> = self.absent(&fleet.memory).cloned().collect();
        for uid in gone {
            if let Some(entry) = fleet.memory.get(&uid) {
                *missed.entry((entry.kind, entry.shard)).or_default() += 1;
            }
            fleet.infer_gone(&uid, now, true);
        }
        for (uid, object) in &self.suspects {
            let before = fleet.memory.get(uid).map(|entry| entry.hash);
            fleet.see(object, None, now);
            let after = fleet
                .memory
                .get(uid)
                .map(|entry| (entry.hash, entry.kind, entry.shard));
            if let Some((_, kind, shard)) = after.filter(|(hash, ..)| Some(*hash) != before) {
                *missed.entry((kind, shard)).or_default() += 1;
            }
        }
        for ((kind, _), count) in &missed {
            metrics
                .missed
                .with_label_values(&[kind.as_str()])
                .inc_by(count.unsigned_abs());
        }
        let whole =
            |kind: &RecordKind| WatchedResource::of(*kind).all(|resource| !self.failed.contains(&resource));
        SweepOutcome {
            id: self.id,
            kinds: RecordKind::ALL.into_iter().filter(whole).collect(),
            missed,
        }
    }
}

/// True if memory holds another state of the object than this list, which began after `began` observations, and not a newer
/// one; or none.
fn is_behind(memory: &ObjectMemory, uid: &str, object: &KubeObject, began: u64) -> bool {
    if let KubeObject::ReplicaSet(set) = object
        && crate::object::controller(&set.metadata).is_some()
    {
        return false;
    }
    let Some(entry) = memory.get(uid) else { return true };
    let listed = object.meta().resource_version.as_deref();
    match (listed, entry.version.as_deref()) {
        (Some(listed), Some(known)) => match (listed.parse::<u64>(), known.parse::<u64>()) {
            // A list shows no older state than what was seen before it began, unless the API server was set back.
            (Ok(listed), Ok(known)) => listed > known || (listed < known && entry.noted <= began),
            // Versions that are no numbers can only be told apart.
            _ => listed != known,
        },
        _ => false,
    }
}
