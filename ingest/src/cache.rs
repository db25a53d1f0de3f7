//! The current state of one shard, a few bytes an object: an ingester knows every object of its partitions.
//!
//! Writers are counted, because an entry holds the number of one instead of its fingerprint.

use std::collections::HashMap;

use fleetledger_schema::{content_hash::ContentHash, object_uid::ObjectUid};

use crate::{
    hasher::SeededBuildHasher,
    shard::{ObjectEntry, RowEntry},
};

/// A current row.
#[derive(Debug, Clone, Copy)]
struct CachedRow {
    hash: ContentHash,
    /// Index into [`ObjectCache::writers`].
    writer: u32,
    /// Number of containers, if it is a pod.
    containers: u16,
    /// False if the row must be written again whatever arrives.
    trusted: bool,
}

/// Objects by uid.
#[derive(Debug, Default)]
pub(crate) struct ObjectCache {
    rows: HashMap<ObjectUid, CachedRow, SeededBuildHasher>,
    /// Content hash of the newest record where that is a dead letter; there are few.
    dead: HashMap<ObjectUid, ContentHash, SeededBuildHasher>,
    /// Schema and reader of rows.
    writers: Vec<(i64, i16)>,
}

impl ObjectCache {
    /// What is known of `uid`, if anything.
    pub(crate) fn get(&self, uid: ObjectUid) -> Option<ObjectEntry> {
        let row = self.rows.get(&uid).and_then(|cached| {
            let (writer, reader) = *self.writers.get(cached.writer as usize)?;
            let hash = cached.trusted.then_some(cached.hash);
            Some(RowEntry {
                hash,
                writer,
                reader,
                containers: cached.containers,
            })
        });
        let dead = if self.dead.is_empty() {
            None
        } else {
            self.dead.get(&uid).copied()
        };
        (row.is_some() || dead.is_some()).then_some(ObjectEntry { row, dead })
    }

    /// Makes `entry` what is known of `uid`.
    pub(crate) fn set(&mut self, uid: ObjectUid, entry: ObjectEntry) {
        match entry.dead {
            Some(hash) => {
                self.dead.insert(uid, hash);
            }
            None => {
                self.dead.remove(&uid);
            }
        }
        let cached = entry.row.map(|row| CachedRow {
            hash: row.hash.unwrap_or_default(),
            writer: self.writer(row.writer, row.reader),
            containers: row.containers,
            trusted: row.hash.is_some(),
        });
        match cached {
            Some(cached) => {
                self.rows.insert(uid, cached);
            }
            None => {
                self.rows.remove(&uid);
            }
        }
    }

    /// Number of objects.
    pub(crate) fn len(&self) -> usize {
        let dead_alone = self.dead.keys().filter(|uid| !self.rows.contains_key(uid));
        self.rows.len() + dead_alone.count()
    }

    /// Uids of all objects, in no order; one that stands and whose newest record died may come twice.
    pub(crate) fn uids(&self) -> impl Iterator<Item = ObjectUid> + '_ {
        self.rows.keys().chain(self.dead.keys()).copied()
    }

    fn writer(&mut self, writer: i64, reader: i16) -> u32 {
        let known = self.writers.iter().position(|known| *known == (writer, reader));
        let index = known.unwrap_or_else(|| {
            self.writers.push((writer, reader));
            self.writers.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(hash: Option<i64>, dead: Option<i64>) -> ObjectEntry {
        let hash_of = |lo| ContentHash { hi: 7, lo };
        ObjectEntry {
            row: Some(RowEntry {
                hash: hash.map(hash_of),
                writer: 5,
                reader: 1,
                containers: 3,
            }),
            dead: dead.map(hash_of),
        }
    }

    #[test]
    fn entries_come_back_as_they_were_set_whatever_the_uid_looks_like() {
        let mut cache = ObjectCache::default();
        let uids = [
            "00000000-0000-0000-0000-000000000001",
            "9E1F0A2C-0000-0000-0000-000000000001",
            "mirror-pod",
        ]
        .map(ObjectUid::of);
        for uid in uids {
            for known in [entry(Some(1), None), entry(None, None), entry(Some(2), Some(3))] {
                cache.set(uid, known);
                assert_eq!(cache.get(uid), Some(known), "{uid}");
            }
        }
        let dead = ObjectUid::of("dead");
        cache.set(
            dead,
            ObjectEntry {
                row: None,
                ..entry(None, Some(4))
            },
        );
        assert_eq!(cache.len(), 4);
        let mut found: Vec<ObjectUid> = cache.uids().collect();
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 4);
        for uid in uids.into_iter().chain([dead]) {
            cache.set(uid, ObjectEntry::default());
            assert_eq!(cache.get(uid), None);
        }
        assert_eq!((cache.len(), cache.uids().count()), (0, 0));
    }
}
