//! The emitter's memory: of every object its newest body, and the content that the log holds of it.
//!
//! One body of about half a kilobyte per object is all that is kept, so that memory grows with the cluster and
//! not with the time that Kafka is away. Bodies of objects that are gone but not yet sent share a budget; beyond it
//! the oldest are given up and counted.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use fleetledger_schema::{
    content_hash::ContentHash, framing, instant::Instant, kind::RecordKind, record::Record,
};

use crate::resource::WatchedResource;

/// Uids of objects that are gone are remembered this long, so that a list that began before cannot revive them.
const REMEMBER_GONE_MICROS: i64 = 120_000_000;

/// Bytes of a grave beside its value: the entry, its uid, its places in the map and in queues.
const DELETION_OVERHEAD: usize = size_of::<TrackedObject>() + 160;

/// An object, or what is left of it until its tombstone is acknowledged.
#[derive(Debug)]
pub(crate) struct TrackedObject {
    pub(crate) kind: RecordKind,
    pub(crate) shard: u16,
    pub(crate) resource: WatchedResource,
    /// Newest body with its frame; empty for one that was given up.
    pub(crate) value: Box<[u8]>,
    /// Hash of the newest body.
    pub(crate) hash: ContentHash,
    /// What the log holds of a living object.
    pub(crate) sent: Option<ContentHash>,
    /// When this content began, where it is known.
    pub(crate) since: Option<Instant>,
    /// When this content was observed.
    pub(crate) observed_at: Instant,
    /// resourceVersion of the newest state.
    pub(crate) version: Option<Box<str>>,
    /// Uid of the owner, for pods.
    pub(crate) owner: Option<Arc<str>>,
    /// True once the object is gone: the value is its last record.
    pub(crate) gone: bool,
    /// True while it stands in its log's queue of changes.
    pub(crate) queued: bool,
    /// Number of the observation that first showed it.
    pub(crate) seen: u64,
    /// Number of the observation that last showed it.
    pub(crate) noted: u64,
}

/// What was observed of an object.
pub(crate) struct ObjectObservation {
    pub(crate) record: Record,
    pub(crate) value: Vec<u8>,
    pub(crate) resource: WatchedResource,
    pub(crate) version: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) shard: u16,
    pub(crate) at: Instant,
    /// When this content began; unknown for what a list shows.
    pub(crate) since: Option<Instant>,
}

/// What a new observation meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ObservationOutcome {
    /// The record is the same as before.
    Unchanged(Arc<str>),
    /// The record is new or another.
    Changed(Arc<str>),
}

/// What the log holds of an object, as read back at the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogContent {
    pub(crate) hash: ContentHash,
    pub(crate) since: Instant,
}

/// All objects, by uid.
#[derive(Debug)]
pub(crate) struct ObjectMemory {
    entries: HashMap<Arc<str>, TrackedObject>,
    gone_recently: VecDeque<(Instant, Arc<str>)>,
    gone_at: HashMap<Arc<str>, Instant>,
    /// Oldest first; what was sent meanwhile, or lives again, is passed over.
    unsent_deletions: VecDeque<Arc<str>>,
    deletion_bytes: usize,
    deletion_budget: usize,
    bytes: usize,
    observations: u64,
}

impl ObjectMemory {
    pub(crate) fn new(deletion_budget: usize) -> Self {
        Self {
            entries: HashMap::new(),
            gone_recently: VecDeque::new(),
            gone_at: HashMap::new(),
            unsent_deletions: VecDeque::new(),
            deletion_bytes: 0,
            deletion_budget,
            bytes: 0,
            observations: 0,
        }
    }

    /// Notes the newest state of a living object.
    pub(crate) fn note(&mut self, observation: ObjectObservation) -> ObservationOutcome {
        self.observations += 1;
        let hash = hash_of(&observation.value);
        let version = observation.version.map(String::into_boxed_str);
        let noted = self.observations;
        if let Some((uid, entry)) = self.get_with_uid(observation.record.uid()) {
            (entry.version, entry.noted) = (version, noted);
            entry.owner = observation.owner.map(Into::into);
            if entry.hash == hash && !entry.gone {
                return ObservationOutcome::Unchanged(uid);
            }
            let before = entry.value.len();
            let deletion_bytes = entry.deletion_bytes();
            entry.value = observation.value.into_boxed_slice();
            entry.hash = hash;
            entry.since = observation.since;
            entry.observed_at = observation.at;
            entry.resource = observation.resource;
            entry.gone = false;
            let after = entry.value.len();
            self.bytes = self.bytes + after - before;
            self.deletion_bytes = self.deletion_bytes.saturating_sub(deletion_bytes);
            return ObservationOutcome::Changed(uid);
        }
        let uid: Arc<str> = observation.record.uid().into();
        let entry = TrackedObject {
            kind: observation.record.kind(),
            shard: observation.shard,
            resource: observation.resource,
            hash,
            sent: None,
            since: observation.since,
            observed_at: observation.at,
            version,
            owner: observation.owner.map(Into::into),
            gone: false,
            queued: false,
            seen: self.observations,
            noted: self.observations,
            value: observation.value.into_boxed_slice(),
        };
        self.bytes += entry.value.len();
        self.entries.insert(uid.clone(), entry);
        ObservationOutcome::Changed(uid)
    }

    /// Notes that an object is gone; `value` is its last record. Returns false if nothing is known of it.
    pub(crate) fn record_deletion(&mut self, uid: &str, value: Vec<u8>, at: Instant) -> Option<Arc<str>> {
        self.observations += 1;
        let (uid, entry) = self.get_with_uid(uid)?;
        if entry.gone {
            return None;
        }
        let before = entry.value.len();
        entry.gone = true;
        entry.hash = hash_of(&value);
        entry.value = value.into_boxed_slice();
        entry.since = Some(at);
        entry.observed_at = at;
        let (after, deletion_bytes) = (entry.value.len(), entry.deletion_bytes());
        self.bytes = self.bytes + after - before;
        self.deletion_bytes += deletion_bytes;
        self.unsent_deletions.push_back(uid.clone());
        self.forget_long_gone(at);
        self.gone_recently.push_back((at, uid.clone()));
        self.gone_at.insert(uid.clone(), at);
        Some(uid)
    }

    /// Uids of objects whose value is beyond a limit.
    pub(crate) fn beyond(&self, is_beyond: impl Fn(&TrackedObject) -> bool) -> Vec<Arc<str>> {
        let large = self.entries.iter().filter(|(_, entry)| is_beyond(entry));
        large.map(|(uid, _)| uid.clone()).collect()
    }

    /// Replaces the value of an object by a shorter one.
    pub(crate) fn shorten(&mut self, uid: &str, value: Vec<u8>) {
        if let Some((_, entry)) = self.get_with_uid(uid) {
            let (before, deletion_bytes) = (entry.value.len(), entry.deletion_bytes());
            entry.hash = hash_of(&value);
            entry.value = value.into_boxed_slice();
            let (after, shortened) = (entry.value.len(), entry.deletion_bytes());
            self.bytes = (self.bytes + after).saturating_sub(before);
            self.deletion_bytes = (self.deletion_bytes + shortened).saturating_sub(deletion_bytes);
        }
    }

    /// Gives up a value that cannot be sent: nothing is known of the object if it lives, and its tombstone alone is sent if
    /// it is gone.
    pub(crate) fn give_up(&mut self, uid: &str) {
        self.shorten(uid, Vec::new());
        if self.entries.get(uid).is_some_and(|entry| !entry.gone) {
            self.entries.remove(uid);
        }
    }

    /// Takes an object that vanished while no emitter ran: its last record, or nothing where that cannot be read.
    pub(crate) fn record_unseen_deletion(
        &mut self,
        uid: &str,
        kind: RecordKind,
        shard: u16,
        value: Option<Vec<u8>>,
        sent: Option<ContentHash>,
        at: Instant,
    ) {
        let uid: Arc<str> = uid.into();
        let value = value.unwrap_or_default();
        let entry = TrackedObject {
            kind,
            shard,
            resource: WatchedResource::of(kind).next().unwrap_or(WatchedResource::Pods),
            hash: hash_of(&value),
            sent,
            since: Some(at),
            observed_at: at,
            version: None,
            owner: None,
            gone: true,
            queued: false,
            seen: self.observations,
            noted: self.observations,
            value: value.into_boxed_slice(),
        };
        self.bytes += entry.value.len();
        self.deletion_bytes += entry.deletion_bytes();
        self.unsent_deletions.push_back(uid.clone());
        self.entries.insert(uid, entry);
    }

    /// Keeps the graves within their budget. Returns the kinds of objects that were given up: those whose
    /// birth the log never saw are forgotten, the others keep their tombstone.
    pub(crate) fn trim_deletions(&mut self) -> Vec<RecordKind> {
        let mut forgotten = Vec::new();
        while self.deletion_bytes > self.deletion_budget {
            let Some(uid) = self.unsent_deletions.pop_front() else {
                break;
            };
            let Some(entry) = self.entries.get_mut(&uid).filter(|entry| entry.is_last_record()) else {
                continue;
            };
            let (freed, deletion_bytes) = (entry.value.len(), entry.deletion_bytes());
            forgotten.push(entry.kind);
            entry.value = Box::default();
            if entry.sent.is_none() {
                self.entries.remove(&uid);
            }
            self.deletion_bytes = self.deletion_bytes.saturating_sub(deletion_bytes);
            self.bytes = self.bytes.saturating_sub(freed);
        }
        forgotten
    }

    /// The tombstone of an object is acknowledged: nothing is left of it.
    pub(crate) fn forget(&mut self, uid: &str) {
        if self
            .entries
            .get(uid)
            .is_some_and(|entry| entry.gone && !entry.queued)
            && let Some(entry) = self.entries.remove(uid)
        {
            self.bytes = self.bytes.saturating_sub(entry.value.len());
            self.deletion_bytes = self.deletion_bytes.saturating_sub(entry.deletion_bytes());
            while let Some(oldest) = self.unsent_deletions.front()
                && !self
                    .entries
                    .get(oldest)
                    .is_some_and(TrackedObject::is_last_record)
            {
                self.unsent_deletions.pop_front();
            }
        }
    }

    /// True for an object that is gone, or went within the last two minutes.
    pub(crate) fn is_recently_gone(&mut self, uid: &str, now: Instant) -> bool {
        self.forget_long_gone(now);
        self.gone_at.contains_key(uid)
    }

    fn forget_long_gone(&mut self, now: Instant) {
        while let Some((at, uid)) = self
            .gone_recently
            .pop_front_if(|(at, _)| now.micros_since(*at) > REMEMBER_GONE_MICROS)
        {
            // It may have gone again since.
            if self.gone_at.get(&uid) == Some(&at) {
                self.gone_at.remove(&uid);
            }
        }
    }

    pub(crate) fn get(&self, uid: &str) -> Option<&TrackedObject> {
        self.entries.get(uid)
    }

    pub(crate) fn get_mut(&mut self, uid: &str) -> Option<&mut TrackedObject> {
        self.entries.get_mut(uid)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut TrackedObject)> {
        self.entries.iter_mut()
    }

    /// Objects that are gone and whose tombstone is not acknowledged.
    pub(crate) fn deletions(&self) -> impl Iterator<Item = (&Arc<str>, &TrackedObject)> {
        self.entries.iter().filter(|(_, entry)| entry.gone)
    }

    /// Living objects.
    pub(crate) fn living(&self) -> impl Iterator<Item = (&Arc<str>, &TrackedObject)> {
        self.entries.iter().filter(|(_, entry)| !entry.gone)
    }

    /// How many objects are known, graves included.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of all bodies kept.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of the newest observation.
    pub(crate) fn observations(&self) -> u64 {
        self.observations
    }

    fn get_with_uid(&mut self, uid: &str) -> Option<(Arc<str>, &mut TrackedObject)> {
        let uid = self.entries.get_key_value(uid)?.0.clone();
        let entry = self.entries.get_mut(&uid)?;
        Some((uid, entry))
    }
}

impl TrackedObject {
    /// True for the last record of an object that is gone.
    fn is_last_record(&self) -> bool {
        self.gone && !self.value.is_empty()
    }

    /// What it takes of the budget for graves.
    fn deletion_bytes(&self) -> usize {
        if self.is_last_record() {
            self.value.len() + DELETION_OVERHEAD
        } else {
            0
        }
    }
}

fn hash_of(value: &[u8]) -> ContentHash {
    framing::split(value).map_or(ContentHash::default(), |(_, body)| ContentHash::of(body))
}

#[cfg(test)]
mod tests {
    use fleetledger_schema::record::{Namespace, ObjectRecord};

    use super::*;

    fn observe(uid: &str, phase: &str, at: i64) -> ObjectObservation {
        let record = Namespace {
            uid: uid.into(),
            phase: phase.into(),
            ..Namespace::default()
        }
        .into_record();
        ObjectObservation {
            value: crate::encode::encode(&record).unwrap(),
            record,
            resource: WatchedResource::Namespaces,
            version: None,
            owner: None,
            shard: 0,
            at: Instant(at),
            since: Some(Instant(at)),
        }
    }

    #[test]
    fn only_another_content_is_a_change_and_it_knows_when_it_began() {
        let mut memory = ObjectMemory::new(1000);
        assert!(matches!(
            memory.note(observe("a", "Active", 1)),
            ObservationOutcome::Changed(_)
        ));
        assert!(matches!(
            memory.note(observe("a", "Active", 2)),
            ObservationOutcome::Unchanged(_)
        ));
        assert_eq!(memory.get("a").unwrap().since, Some(Instant(1)));
        assert!(matches!(
            memory.note(observe("a", "Terminating", 3)),
            ObservationOutcome::Changed(_)
        ));
        assert_eq!(memory.get("a").unwrap().since, Some(Instant(3)));
    }

    #[test]
    fn deletions_beyond_their_budget_keep_their_tombstone_if_the_log_knows_the_object() {
        let mut memory = ObjectMemory::new(0);
        memory.note(observe("known", "Active", 1));
        memory.note(observe("unknown", "Active", 1));
        memory.get_mut("known").unwrap().sent = Some(ContentHash::default());
        for uid in ["known", "unknown"] {
            memory.record_deletion(uid, vec![0; 20], Instant(2)).unwrap();
        }
        assert_eq!(memory.trim_deletions().len(), 2);
        assert!(memory.get("known").unwrap().value.is_empty());
        assert!(memory.get("unknown").is_none());
        assert!(memory.is_recently_gone("unknown", Instant(3)));
        memory.forget("known");
        assert_eq!(memory.bytes(), 0);
    }

    #[test]
    fn however_many_come_and_go_only_those_of_the_last_two_minutes_are_remembered() {
        let mut memory = ObjectMemory::new(1 << 20);
        let minute = 60_000_000;
        for number in 0..10 {
            let (uid, at) = (format!("u{number}"), i64::from(number) * minute);
            memory.note(observe(&uid, "Active", at));
            memory.record_deletion(&uid, vec![0; 20], Instant(at)).unwrap();
        }
        assert_eq!((memory.gone_recently.len(), memory.gone_at.len()), (3, 3));
        assert!(
            !memory.is_recently_gone("u6", Instant(9 * minute))
                && memory.is_recently_gone("u7", Instant(9 * minute))
        );
        // Acknowledged in another order than they were buried in.
        for number in [3, 0, 2, 1] {
            memory.forget(&format!("u{number}"));
        }
        assert_eq!(memory.unsent_deletions.len(), 6);
        // One lives again, and its grave is none.
        memory.note(observe("u4", "Active", 9 * minute));
        memory.forget("u5");
        assert_eq!(memory.deletion_bytes, 4 * (20 + DELETION_OVERHEAD));
    }
}
