//! The emitter's memory: of every object its newest body, and the content that the log holds of it.
//!
//! One body of about half a kilobyte per object is all that is kept, so that memory grows with the cluster and
//! not with the time that Kafka is away. Bodies of objects that are gone but not yet sent share a budget; beyond it
//! the oldest are given up and counted.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use fleetledger_schema::{content_hash::ContentHash, framing, instant::Instant, kind::Kind, record::Record};

use crate::resource::Resource;

/// Uids of objects that are gone are remembered this long, so that a list that began before cannot revive them.
const REMEMBER_GONE_MICROS: i64 = 120_000_000;

/// Bytes of a grave beside its value: the entry, its uid, its places in the map and in queues.
const GRAVE_OVERHEAD: usize = size_of::<Entry>() + 160;

/// An object, or what is left of it until its tombstone is acknowledged.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) shard: u16,
    pub(crate) resource: Resource,
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
}

/// What was observed of an object.
pub(crate) struct Observation {
    pub(crate) record: Record,
    pub(crate) value: Vec<u8>,
    pub(crate) resource: Resource,
    pub(crate) version: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) shard: u16,
    pub(crate) at: Instant,
    /// When this content began; unknown for what a list shows.
    pub(crate) since: Option<Instant>,
}

/// What a new observation meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Noted {
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
pub(crate) struct Memory {
    entries: HashMap<Arc<str>, Entry>,
    gone_recently: VecDeque<(Instant, Arc<str>)>,
    gone_at: HashMap<Arc<str>, Instant>,
    /// Oldest first; what was sent meanwhile, or lives again, is passed over.
    unsent_graves: VecDeque<Arc<str>>,
    grave_bytes: usize,
    grave_budget: usize,
    bytes: usize,
    observations: u64,
}

impl Memory {
    pub(crate) fn new(grave_budget: usize) -> Self {
        Self {
            entries: HashMap::new(),
            gone_recently: VecDeque::new(),
            gone_at: HashMap::new(),
            unsent_graves: VecDeque::new(),
            grave_bytes: 0,
            grave_budget,
            bytes: 0,
            observations: 0,
        }
    }

    /// Notes the newest state of a living object.
    pub(crate) fn note(&mut self, observation: Observation) -> Noted {
        self.observations += 1;
        let hash = hash_of(&observation.value);
        let version = observation.version.map(String::into_boxed_str);
        if let Some((uid, entry)) = self.get_with_uid(observation.record.uid()) {
            entry.version = version;
            entry.owner = observation.owner.map(Into::into);
            if entry.hash == hash && !entry.gone {
                return Noted::Unchanged(uid);
            }
            let before = entry.value.len();
            let grave_bytes = entry.grave_bytes();
            entry.value = observation.value.into_boxed_slice();
            entry.hash = hash;
            entry.since = observation.since;
            entry.observed_at = observation.at;
            entry.resource = observation.resource;
            entry.gone = false;
            let after = entry.value.len();
            self.bytes = self.bytes + after - before;
            self.grave_bytes = self.grave_bytes.saturating_sub(grave_bytes);
            return Noted::Changed(uid);
        }
        let uid: Arc<str> = observation.record.uid().into();
        let entry = Entry {
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
            value: observation.value.into_boxed_slice(),
        };
        self.bytes += entry.value.len();
        self.entries.insert(uid.clone(), entry);
        Noted::Changed(uid)
    }

    /// Notes that an object is gone; `value` is its last record. Returns false if nothing is known of it.
    pub(crate) fn bury(&mut self, uid: &str, value: Vec<u8>, at: Instant) -> Option<Arc<str>> {
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
        let (after, grave_bytes) = (entry.value.len(), entry.grave_bytes());
        self.bytes = self.bytes + after - before;
        self.grave_bytes += grave_bytes;
        self.unsent_graves.push_back(uid.clone());
        self.forget_long_gone(at);
        self.gone_recently.push_back((at, uid.clone()));
        self.gone_at.insert(uid.clone(), at);
        Some(uid)
    }

    /// Takes an object that vanished while no emitter ran: its last record, or nothing where that cannot be read.
    pub(crate) fn bury_unknown(
        &mut self,
        uid: &str,
        kind: Kind,
        shard: u16,
        value: Option<Vec<u8>>,
        sent: Option<ContentHash>,
        at: Instant,
    ) {
        let uid: Arc<str> = uid.into();
        let value = value.unwrap_or_default();
        let entry = Entry {
            kind,
            shard,
            resource: Resource::of(kind).next().unwrap_or(Resource::Pods),
            hash: hash_of(&value),
            sent,
            since: Some(at),
            observed_at: at,
            version: None,
            owner: None,
            gone: true,
            queued: false,
            seen: self.observations,
            value: value.into_boxed_slice(),
        };
        self.bytes += entry.value.len();
        self.grave_bytes += entry.grave_bytes();
        self.unsent_graves.push_back(uid.clone());
        self.entries.insert(uid, entry);
    }

    /// Keeps the graves within their budget. Returns the kinds of objects that were given up: those whose
    /// birth the log never saw are forgotten, the others keep their tombstone.
    pub(crate) fn give_up_graves(&mut self) -> Vec<Kind> {
        let mut forgotten = Vec::new();
        while self.grave_bytes > self.grave_budget {
            let Some(uid) = self.unsent_graves.pop_front() else {
                break;
            };
            let Some(entry) = self.entries.get_mut(&uid).filter(|entry| entry.is_grave()) else {
                continue;
            };
            let (freed, grave_bytes) = (entry.value.len(), entry.grave_bytes());
            forgotten.push(entry.kind);
            entry.value = Box::default();
            if entry.sent.is_none() {
                self.entries.remove(&uid);
            }
            self.grave_bytes = self.grave_bytes.saturating_sub(grave_bytes);
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
            self.grave_bytes = self.grave_bytes.saturating_sub(entry.grave_bytes());
            while let Some(oldest) = self.unsent_graves.front()
                && !self.entries.get(oldest).is_some_and(Entry::is_grave)
            {
                self.unsent_graves.pop_front();
            }
        }
    }

    /// True for an object that is gone, or went within the last two minutes.
    pub(crate) fn went(&mut self, uid: &str, now: Instant) -> bool {
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

    pub(crate) fn get(&self, uid: &str) -> Option<&Entry> {
        self.entries.get(uid)
    }

    pub(crate) fn get_mut(&mut self, uid: &str) -> Option<&mut Entry> {
        self.entries.get_mut(uid)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut Entry)> {
        self.entries.iter_mut()
    }

    /// Objects that are gone and whose tombstone is not acknowledged.
    pub(crate) fn graves(&self) -> impl Iterator<Item = (&Arc<str>, &Entry)> {
        self.entries.iter().filter(|(_, entry)| entry.gone)
    }

    /// Living objects.
    pub(crate) fn living(&self) -> impl Iterator<Item = (&Arc<str>, &Entry)> {
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

    fn get_with_uid(&mut self, uid: &str) -> Option<(Arc<str>, &mut Entry)> {
        let uid = self.entries.get_key_value(uid)?.0.clone();
        let entry = self.entries.get_mut(&uid)?;
        Some((uid, entry))
    }
}

impl Entry {
    /// True for the last record of an object that is gone.
    fn is_grave(&self) -> bool {
        self.gone && !self.value.is_empty()
    }

    /// What it takes of the budget for graves.
    fn grave_bytes(&self) -> usize {
        if self.is_grave() {
            self.value.len() + GRAVE_OVERHEAD
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
    use fleetledger_schema::record::{Namespace, Object};

    use super::*;

    fn observe(uid: &str, phase: &str, at: i64) -> Observation {
        let record = Namespace {
            uid: uid.into(),
            phase: phase.into(),
            ..Namespace::default()
        }
        .into_record();
        Observation {
            value: crate::encode::encode(&record).unwrap(),
            record,
            resource: Resource::Namespaces,
            version: None,
            owner: None,
            shard: 0,
            at: Instant(at),
            since: Some(Instant(at)),
        }
    }

    #[test]
    fn only_another_content_is_a_change_and_it_knows_when_it_began() {
        let mut memory = Memory::new(1000);
        assert!(matches!(
            memory.note(observe("a", "Active", 1)),
            Noted::Changed(_)
        ));
        assert!(matches!(
            memory.note(observe("a", "Active", 2)),
            Noted::Unchanged(_)
        ));
        assert_eq!(memory.get("a").unwrap().since, Some(Instant(1)));
        assert!(matches!(
            memory.note(observe("a", "Terminating", 3)),
            Noted::Changed(_)
        ));
        assert_eq!(memory.get("a").unwrap().since, Some(Instant(3)));
    }

    #[test]
    fn graves_beyond_their_budget_keep_their_tombstone_if_the_log_knows_the_object() {
        let mut memory = Memory::new(0);
        memory.note(observe("known", "Active", 1));
        memory.note(observe("unknown", "Active", 1));
        memory.get_mut("known").unwrap().sent = Some(ContentHash::default());
        for uid in ["known", "unknown"] {
            memory.bury(uid, vec![0; 20], Instant(2)).unwrap();
        }
        assert_eq!(memory.give_up_graves().len(), 2);
        assert!(memory.get("known").unwrap().value.is_empty());
        assert!(memory.get("unknown").is_none());
        assert!(memory.went("unknown", Instant(3)));
        memory.forget("known");
        assert_eq!(memory.bytes(), 0);
    }

    #[test]
    fn however_many_come_and_go_only_those_of_the_last_two_minutes_are_remembered() {
        let mut memory = Memory::new(1 << 20);
        let minute = 60_000_000;
        for number in 0..10 {
            let (uid, at) = (format!("u{number}"), i64::from(number) * minute);
            memory.note(observe(&uid, "Active", at));
            memory.bury(&uid, vec![0; 20], Instant(at)).unwrap();
        }
        assert_eq!((memory.gone_recently.len(), memory.gone_at.len()), (3, 3));
        assert!(!memory.went("u6", Instant(9 * minute)) && memory.went("u7", Instant(9 * minute)));
        // Acknowledged in another order than they were buried in.
        for number in [3, 0, 2, 1] {
            memory.forget(&format!("u{number}"));
        }
        assert_eq!(memory.unsent_graves.len(), 6);
        // One lives again, and its grave is none.
        memory.note(observe("u4", "Active", 9 * minute));
        memory.forget("u5");
        assert_eq!(memory.grave_bytes, 4 * (20 + GRAVE_OVERHEAD));
    }
}
