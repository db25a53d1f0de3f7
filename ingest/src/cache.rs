//! The current state of one shard, a few bytes an object: an ingester knows every object of its partitions.
//!
//! Uids of Kubernetes' form are kept as the numbers they are, others as text. Writers are counted, because an entry
//! holds the number of one instead of its fingerprint.

use std::collections::HashMap;

use fleetledger_schema::content_hash::ContentHash;

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
    numbered: HashMap<u128, CachedRow, SeededBuildHasher>,
    named: HashMap<Box<str>, CachedRow, SeededBuildHasher>,
    /// Content hash of the newest record where that is a dead letter; there are few.
    dead: HashMap<Box<str>, ContentHash, SeededBuildHasher>,
    /// Schema and reader of rows.
    writers: Vec<(i64, i16)>,
}

impl ObjectCache {
    /// What is known of `uid`, if anything.
    pub(crate) fn get(&self, uid: &str) -> Option<ObjectEntry> {
        let cached = match number_of(uid) {
            Some(number) => self.numbered.get(&number),
            None => self.named.get(uid),
        };
        let row = cached.and_then(|cached| {
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
            self.dead.get(uid).copied()
        };
        (row.is_some() || dead.is_some()).then_some(ObjectEntry { row, dead })
    }

    /// Makes `entry` what is known of `uid`.
    pub(crate) fn set(&mut self, uid: &str, entry: ObjectEntry) {
        match entry.dead {
            Some(hash) => {
                self.dead.insert(uid.into(), hash);
            }
            None => {
                self.dead.remove(uid);
            }
        }
        let cached = entry.row.map(|row| CachedRow {
            hash: row.hash.unwrap_or_default(),
            writer: self.writer(row.writer, row.reader),
            containers: row.containers,
            trusted: row.hash.is_some(),
        });
        match (number_of(uid), cached) {
            (Some(number), Some(cached)) => {
                self.numbered.insert(number, cached);
            }
            (Some(number), None) => {
                self.numbered.remove(&number);
            }
            (None, Some(cached)) => {
                self.named.insert(uid.into(), cached);
            }
            (None, None) => {
                self.named.remove(uid);
            }
        }
    }

    /// Number of objects.
    pub(crate) fn len(&self) -> usize {
        let rows = self.numbered.len() + self.named.len();
        rows + self
            .dead
            .keys()
            .filter(|uid| self.get(uid).is_some_and(|entry| entry.row.is_none()))
            .count()
    }

    /// Uids of all objects, in no order; one that stands and whose newest record died may come twice.
    pub(crate) fn uids(&self) -> impl Iterator<Item = String> + '_ {
        let numbered = self.numbered.keys().map(|number| text_of(*number));
        let named = self.named.keys().chain(self.dead.keys());
        numbered.chain(named.map(|uid| uid.as_ref().to_owned()))
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

/// The number that a uid of the form `9e1f0a2c-…` writes: 8, 4, 4, 4 and 12 digits, all in lower case, so that the
/// text can be made again.
fn number_of(uid: &str) -> Option<u128> {
    let bytes: &[u8; 36] = uid.as_bytes().try_into().ok()?;
    let mut number = 0_u128;
    for (at, byte) in bytes.iter().enumerate() {
        let digit = match byte {
            b'-' if matches!(at, 8 | 13 | 18 | 23) => continue,
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        if matches!(at, 8 | 13 | 18 | 23) {
            return None;
        }
        number = number << 4 | u128::from(digit);
    }
    Some(number)
}

fn text_of(number: u128) -> String {
    let [a, b, c, d, e] = [
        number >> 96,
        number >> 80 & 0xffff,
        number >> 64 & 0xffff,
        number >> 48 & 0xffff,
        number & 0xffff_ffff_ffff,
    ];
    format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        ];
        for uid in uids {
            for known in [entry(Some(1), None), entry(None, None), entry(Some(2), Some(3))] {
                cache.set(uid, known);
                assert_eq!(cache.get(uid), Some(known), "{uid}");
            }
        }
        cache.set(
            "dead",
            ObjectEntry {
                row: None,
                ..entry(None, Some(4))
            },
        );
        assert_eq!(cache.len(), 4);
        let mut found: Vec<String> = cache.uids().collect();
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 4);
        for uid in uids.into_iter().chain(["dead"]) {
            cache.set(uid, ObjectEntry::default());
            assert_eq!(cache.get(uid), None);
        }
        assert_eq!((cache.len(), cache.uids().count()), (0, 0));
    }

    proptest! {
        #[test]
        fn numbers_of_uids_give_their_text_again(number: u128, at in 0_usize..36, byte in "[0-9a-fA-F-]") {
            let text = text_of(number);
            prop_assert_eq!(number_of(&text), Some(number));
            let mut other = text.clone();
            other.replace_range(at..=at, &byte);
            if let Some(number) = number_of(&other) {
                prop_assert_eq!(text_of(number), other);
            }
        }
    }
}
