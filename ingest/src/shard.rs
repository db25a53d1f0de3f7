//! What a lane remembers of one (cluster, kind, shard): which content stands, and where its log is.
//!
//! Look-ups see the committed cache and the overlays of every batch not yet resolved, newest first. A batch that
//! fails drops its overlay and every later one; a batch that commits is published into the cache.

use std::collections::{BTreeSet, HashMap, VecDeque};

use fleetledger_schema::{
    content_hash::{ContentDigest, ContentHash},
    instant::Instant,
    object_uid::ObjectUid,
};

use crate::{
    IngestSettings, cache::ObjectCache, hasher::SeededBuildHasher, raw::PartitionId, safeguard::Safeguard,
    timeline::DatabaseTimeline,
};

/// Number of a batch within its lane.
pub(crate) type BatchNumber = u64;

/// The row of an object that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowEntry {
    /// Content hash of the newest body; none if the row must be written again whatever arrives.
    pub(crate) hash: Option<ContentHash>,
    /// Fingerprint of its writer's schema.
    pub(crate) writer: i64,
    /// Version of the reader that wrote it.
    pub(crate) reader: i16,
    /// Number of its containers, if it is a pod.
    pub(crate) containers: u16,
}

/// What is known of one object; neither is an object that does not exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ObjectEntry {
    pub(crate) row: Option<RowEntry>,
    /// Content hash of its newest record, if that is a dead letter.
    pub(crate) dead: Option<ContentHash>,
}

impl ObjectEntry {
    /// True if the emitter counts the object among the living.
    pub(crate) fn lives(&self) -> bool {
        self.row.is_some() || self.dead.is_some()
    }

    /// Content hash that was delivered last.
    pub(crate) fn delivered(&self) -> Option<ContentHash> {
        self.dead.or_else(|| self.row.and_then(|row| row.hash))
    }
}

/// A mark beside the fold at its place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ComparedMark {
    pub(crate) epoch: i64,
    pub(crate) sequence: i64,
    pub(crate) at: Instant,
    pub(crate) marked: ContentDigest,
    pub(crate) folded: ContentDigest,
}

/// The newest sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SweepProgress {
    pub(crate) sweep_id: String,
    pub(crate) epoch: i64,
    pub(crate) begin_sequence: i64,
    pub(crate) begin_offset: i64,
    pub(crate) begin_at: Instant,
    pub(crate) end_at: Option<Instant>,
    pub(crate) state: SweepState,
    pub(crate) objects: i64,
    pub(crate) closed_objects: i64,
    pub(crate) missed_changes: Option<i64>,
    /// Generation of the cache when it began.
    pub(crate) generation: i64,
    /// Objects that it would have closed, where it is held.
    pub(crate) held_objects: i64,
    /// Since when, by our clock, a sweep that would close too much waits for a second one.
    pub(crate) held_at: Option<Instant>,
}

impl SweepProgress {
    /// True if it may close too much because one before it would have, long enough ago.
    pub(crate) fn is_second(&self, settings: &IngestSettings, now: Instant) -> bool {
        let wait = i64::try_from(settings.sweep_hold_seconds).unwrap_or(i64::MAX);
        self.held_at
            .is_some_and(|at| now.micros_since(at) >= wait.saturating_mul(1_000_000))
    }

    /// Closes nothing until a second one agrees.
    pub(crate) fn hold(&mut self, objects: usize, now: Instant) {
        self.state = SweepState::Held;
        self.held_objects = i64::try_from(objects).unwrap_or(i64::MAX);
        self.held_at.get_or_insert(now);
    }
}

/// Where a sweep stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SweepState {
    Running,
    Complete,
    /// It had a hole and closes nothing.
    Void(String),
    /// It would close too much, and closes nothing until a second one agrees.
    Held,
}

/// Where the log of a shard is; kept with each batch, so that a failed one can be taken back.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ShardHead {
    pub(crate) epoch: i64,
    pub(crate) sequence: i64,
    pub(crate) observed_at: Instant,
    pub(crate) clock_skew_seconds: f64,
    pub(crate) stale_records: i64,
    /// When the newest record that its log had gone past was seen.
    pub(crate) stale_seen_at: Option<Instant>,
    /// Offset of the newest record; none after a claim.
    pub(crate) last_offset: Option<i64>,
    pub(crate) fold: ContentDigest,
    pub(crate) mark: Option<ComparedMark>,
    pub(crate) sweep: Option<SweepProgress>,
    /// Generation that the newest complete sweep has healed.
    pub(crate) healed_generation: i64,
}

#[derive(Debug)]
struct BatchOverlay {
    batch: BatchNumber,
    entries: HashMap<ObjectUid, ObjectEntry, SeededBuildHasher>,
    prior_head: ShardHead,
}

/// One (cluster, kind, shard).
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) partition: PartitionId,
    /// `ledger.kind_state.generation` when it was loaded.
    pub(crate) generation: i64,
    /// The history of the database that it was loaded from.
    pub(crate) timeline: DatabaseTimeline,
    pub(crate) head: ShardHead,
    committed: ObjectCache,
    overlays: VecDeque<BatchOverlay>,
    runs: HashMap<String, SweepRun>,
}

/// What a running sweep has named, with the content last delivered. Replaying
/// records changes nothing here, so a failed batch needs not take it back.
#[derive(Debug, Default)]
pub(crate) struct SweepRun {
    seen: HashMap<ObjectUid, ContentHash, SeededBuildHasher>,
}

impl SweepRun {
    pub(crate) fn see(&mut self, uid: ObjectUid, hash: ContentHash) {
        self.seen.insert(uid, hash);
    }

    pub(crate) fn forget(&mut self, uid: ObjectUid) {
        self.seen.remove(&uid);
    }

    pub(crate) fn has(&self, uid: ObjectUid) -> bool {
        self.seen.contains_key(&uid)
    }

    fn hash(&self, uid: ObjectUid) -> Option<ContentHash> {
        self.seen.get(&uid).copied()
    }

    /// Objects it has named.
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }
}

impl Shard {
    pub(crate) fn new(
        partition: PartitionId,
        generation: i64,
        head: ShardHead,
        committed: ObjectCache,
    ) -> Self {
        Self {
            partition,
            generation,
            timeline: 0,
            head,
            committed,
            overlays: VecDeque::new(),
            runs: HashMap::new(),
        }
    }

    /// What is known of `uid`.
    pub(crate) fn get(&self, uid: ObjectUid) -> ObjectEntry {
        let newest_first = self
            .overlays
            .iter()
            .rev()
            .filter(|_| Safeguard::Overlay.is_enabled());
        let mut found = newest_first.filter_map(|overlay| overlay.entries.get(&uid));
        found
            .next()
            .copied()
            .or_else(|| self.committed.get(uid))
            .unwrap_or_default()
    }

    /// Begins the overlay of `batch`, if it is not there yet. Called before the head changes.
    pub(crate) fn touch(&mut self, batch: BatchNumber) {
        if self.overlays.back().is_none_or(|newest| newest.batch != batch) {
            self.overlays.push_back(BatchOverlay {
                batch,
                entries: HashMap::default(),
                prior_head: self.head.clone(),
            });
        }
    }

    /// Notes what `batch` makes of `uid`, and folds it into the balance.
    pub(crate) fn set(&mut self, batch: BatchNumber, uid: ObjectUid, entry: ObjectEntry) {
        let before = self.get(uid);
        let fold = &mut self.head.fold;
        for (entry, sign) in [(before, -1), (entry, 1)] {
            if entry.lives() {
                fold.count += sign;
                let hash = entry.delivered().unwrap_or_default();
                fold.xor.hi ^= hash.hi;
                fold.xor.lo ^= hash.lo;
            }
        }
        self.touch(batch);
        if let Some(overlay) = self.overlays.back_mut() {
            overlay.entries.insert(uid, entry);
        }
    }

    /// True if `batch` has an overlay here.
    pub(crate) fn is_touched_by(&self, batch: BatchNumber) -> bool {
        self.overlays.iter().any(|overlay| overlay.batch == batch)
    }

    /// The batch has committed: its overlay becomes part of the cache.
    pub(crate) fn publish(&mut self, batch: BatchNumber) {
        while self.overlays.front().is_some_and(|oldest| oldest.batch <= batch) {
            let Some(overlay) = self.overlays.pop_front() else {
                break;
            };
            for (uid, entry) in overlay.entries {
                self.committed.set(uid, entry);
            }
        }
        if self.overlays.is_empty() {
            let running = self
                .head
                .sweep
                .as_ref()
                .filter(|sweep| sweep.state == SweepState::Running);
            let running = running.map(|sweep| sweep.sweep_id.as_str());
            self.runs.retain(|sweep_id, _| Some(sweep_id.as_str()) == running);
        }
    }

    /// `batch` and every later one have failed: as if they had never been.
    pub(crate) fn drop_from(&mut self, batch: BatchNumber) {
        while self.overlays.back().is_some_and(|newest| newest.batch >= batch) {
            if let Some(overlay) = self.overlays.pop_back() {
                self.head = overlay.prior_head;
            }
        }
    }

    /// The seen objects of the running sweep.
    pub(crate) fn run(&mut self) -> Option<&mut SweepRun> {
        let sweep = self.head.sweep.as_ref()?;
        if sweep.state != SweepState::Running {
            return None;
        }
        if !self.runs.contains_key(&sweep.sweep_id) {
            self.runs.insert(sweep.sweep_id.clone(), SweepRun::default());
        }
        self.runs.get_mut(&sweep.sweep_id)
    }

    /// Uids of living objects that the running sweep has not named. A record that dies within the sweep names its
    /// object too.
    pub(crate) fn unseen(&self) -> Vec<ObjectUid> {
        let run = self.newest_run();
        self.living()
            .into_iter()
            .filter(|uid| run.is_none_or(|run| !run.has(*uid)))
            .collect()
    }

    /// Number of living objects.
    pub(crate) fn living_count(&self) -> usize {
        self.living().len()
    }

    /// The balance counted anew: what every living object was delivered as last.
    pub(crate) fn recount(&self) -> ContentDigest {
        let run = self.newest_run();
        let mut digest = ContentDigest::default();
        for uid in self.living() {
            let seen = || run.and_then(|run| run.hash(uid));
            digest.add(self.get(uid).delivered().or_else(seen).unwrap_or_default());
        }
        digest
    }

    /// True if an unresolved batch has ended `uid`.
    pub(crate) fn has_just_ended(&self, uid: ObjectUid) -> bool {
        let touched = self
            .overlays
            .iter()
            .any(|overlay| overlay.entries.contains_key(&uid));
        touched && !self.get(uid).lives()
    }

    fn newest_run(&self) -> Option<&SweepRun> {
        self.runs.get(self.head.sweep.as_ref()?.sweep_id.as_str())
    }

    /// Uids of all living objects, sorted.
    fn living(&self) -> BTreeSet<ObjectUid> {
        let overlaid = self.overlays.iter().flat_map(|overlay| overlay.entries.keys());
        let all = self.committed.uids().chain(overlaid.copied());
        all.filter(|uid| self.get(*uid).lives()).collect()
    }

    /// Number of objects in the committed cache.
    pub(crate) fn len(&self) -> usize {
        self.committed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(text: &str) -> ObjectUid {
        ObjectUid::of(text)
    }

    fn row(body: &str) -> ObjectEntry {
        ObjectEntry {
            row: Some(RowEntry {
                hash: Some(ContentHash::of(body.as_bytes())),
                writer: 1,
                reader: 1,
                containers: 0,
            }),
            dead: None,
        }
    }

    fn shard() -> Shard {
        let partition = PartitionId {
            topic: 0,
            partition: 0,
        };
        Shard::new(partition, 0, ShardHead::default(), ObjectCache::default())
    }

    #[test]
    fn lookups_see_unresolved_batches_newest_first() {
        let mut shard = shard();
        shard.set(1, uid("u"), row("a"));
        shard.publish(1);
        shard.set(2, uid("u"), row("b"));
        shard.set(3, uid("u"), row("a"));
        assert_eq!(shard.get(uid("u")), row("a"));
        shard.drop_from(3);
        assert_eq!(shard.get(uid("u")), row("b"));
        shard.drop_from(2);
        assert_eq!(shard.get(uid("u")), row("a"));
    }

    #[test]
    fn a_failed_batch_takes_its_fold_and_position_back() {
        let mut shard = shard();
        shard.set(1, uid("u"), row("a"));
        shard.publish(1);
        let before = shard.head.clone();
        shard.touch(2);
        shard.head.sequence = 9;
        shard.set(2, uid("u"), ObjectEntry::default());
        shard.set(2, uid("v"), row("b"));
        shard.drop_from(2);
        assert_eq!(shard.head, before);
        assert_eq!((shard.head.fold.count, shard.len()), (1, 1));
    }

    #[test]
    fn unseen_are_living_objects_that_a_sweep_did_not_name() {
        let mut shard = shard();
        shard.set(1, uid("seen"), row("a"));
        shard.set(1, uid("unseen"), row("b"));
        let dead = ObjectEntry {
            dead: Some(ContentHash::of(b"x")),
            ..row("c")
        };
        shard.set(1, uid("dead"), dead);
        shard.set(1, uid("gone"), row("d"));
        shard.set(1, uid("gone"), ObjectEntry::default());
        shard.head.sweep = Some(SweepProgress {
            sweep_id: "s".into(),
            epoch: 1,
            begin_sequence: 1,
            begin_offset: 0,
            begin_at: Instant(0),
            end_at: None,
            state: SweepState::Running,
            objects: 0,
            closed_objects: 0,
            missed_changes: None,
            generation: 0,
            held_objects: 0,
            held_at: None,
        });
        shard.run().unwrap().see(uid("seen"), ContentHash::of(b"a"));
        shard.run().unwrap().see(uid("dead"), ContentHash::of(b"x"));
        assert_eq!(shard.unseen(), [uid("unseen")]);
    }
}
