//! Sources as they stand at the head of keys: read and checked once, not for every record.

use std::{collections::HashMap, fmt, ops::Deref, sync::Arc};

use fleetledger_schema::{
    key::{KeyError, RecordKey, RecordSource, RecordSubject},
    partition::partition_of,
};

use crate::{
    hasher::SeededBuildHasher,
    identity_keys::{IdentityKeys, RequiredProof},
    topics::IngestTopic,
};

/// Sources that are remembered at most; an honest fleet has fewer by far.
const REMEMBERED: usize = 10_000;

/// A source, and what follows from it.
#[derive(Debug)]
pub(crate) struct InternedSource {
    source: RecordSource,
    /// Unlike that of any other origin of this lane.
    pub(crate) number: usize,
    /// [`RecordSource::event_source`].
    pub(crate) event_source: String,
    /// What its records must prove.
    pub(crate) proof: RequiredProof,
    partitions: i32,
    /// Partition of each shard.
    logs: Vec<i32>,
}

impl InternedSource {
    fn new(source: RecordSource, number: usize, topic: &IngestTopic, proof: RequiredProof) -> Self {
        let log = |shard| partition_of(&source.cluster_uid, shard, topic.partitions);
        Self {
            number,
            event_source: source.event_source(),
            proof,
            partitions: topic.partitions,
            logs: (0..topic.shards).map(log).collect(),
            source,
        }
    }

    /// True if every record of it that gets this far was signed with its key.
    pub(crate) fn is_signed(&self) -> bool {
        matches!(self.proof, RequiredProof::Mac(_))
    }

    /// Partition of a shard's log in `topic`.
    pub(crate) fn log(&self, topic: &IngestTopic, shard: u16) -> i32 {
        match self.logs.get(usize::from(shard)) {
            Some(log) if self.partitions == topic.partitions => *log,
            _ => partition_of(&self.source.cluster_uid, shard, topic.partitions),
        }
    }
}

impl Deref for InternedSource {
    type Target = RecordSource;

    fn deref(&self) -> &RecordSource {
        &self.source
    }
}

impl fmt::Display for InternedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

/// The origins a lane has seen.
#[derive(Debug)]
pub(crate) struct SourceInterner {
    keys: Arc<IdentityKeys>,
    /// Of the keys that what is remembered was made with.
    keys_generation: u64,
    by_head: HashMap<Box<str>, Arc<InternedSource>, SeededBuildHasher>,
    made: usize,
}

impl SourceInterner {
    pub(crate) fn new(keys: Arc<IdentityKeys>) -> Self {
        Self {
            keys_generation: keys.generation(),
            keys,
            by_head: HashMap::default(),
            made: 0,
        }
    }

    /// True, once, if keys have changed: what was remembered of sources is forgotten.
    pub(crate) fn take_new_keys(&mut self) -> bool {
        let generation = self.keys.generation();
        let is_new = generation != std::mem::replace(&mut self.keys_generation, generation);
        if is_new {
            self.by_head.clear();
        }
        is_new
    }

    /// Reads a key: whose record it is, and what it is about.
    pub(crate) fn read(
        &mut self,
        topic: &IngestTopic,
        key: &[u8],
    ) -> Result<(Arc<InternedSource>, RecordSubject), KeyError> {
        let text = std::str::from_utf8(key).map_err(|_| KeyError::NotText)?;
        let slashes = text.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
        let head = slashes
            .map(|(at, _)| at)
            .nth(2)
            .and_then(|at| text.split_at_checked(at));
        if let Some((head, rest)) = head
            && let Some(origin) = self.by_head.get(head)
        {
            return Ok((
                origin.clone(),
                RecordSubject::parse(rest.get(1..).unwrap_or_default())?,
            ));
        }
        let RecordKey { source, subject } = RecordKey::parse(key)?;
        if self.by_head.len() >= REMEMBERED {
            self.by_head.clear();
        }
        self.made += 1;
        let proof = self.keys.proof_of(&source);
        let origin = Arc::new(InternedSource::new(source, self.made, topic, proof));
        if let Some((head, _)) = head {
            self.by_head.insert(head.into(), origin.clone());
        }
        Ok((origin, subject))
    }
}

#[cfg(test)]
mod tests {
    use fleetledger_schema::kind::RecordKind;

    use super::*;

    fn interner() -> SourceInterner {
        let keys = IdentityKeys::read(&crate::IngestSettings::default()).unwrap();
        SourceInterner::new(Arc::new(keys))
    }

    fn topic(partitions: i32) -> IngestTopic {
        IngestTopic {
            name: "t.pod".into(),
            kind: RecordKind::Pod,
            datacenter: None,
            partitions,
            shards: 2,
        }
    }

    #[test]
    fn a_remembered_source_is_read_as_an_unknown_one() {
        let mut origins = interner();
        for key in [
            "dfw/prod/u/a",
            "dfw/prod/u/!mark/1",
            "dfw/prod/u/b",
            "dfw/prod/v/a",
            "dfw/prod/u/a/b",
            "dfw/prod/u/",
        ] {
            let plain = RecordKey::parse(key.as_bytes());
            for _ in 0..2 {
                let read = origins.read(&topic(3), key.as_bytes());
                let read = read.map(|(origin, subject)| RecordKey {
                    source: (**origin).clone(),
                    subject,
                });
                assert_eq!(read, plain, "{key}");
            }
        }
        assert_eq!(origins.read(&topic(3), b"\xff").err(), Some(KeyError::NotText));
        assert_eq!(origins.read(&topic(3), b"dfw/prod").err(), Some(KeyError::Form));
    }

    #[test]
    fn logs_are_those_of_the_topic_that_is_asked_for() {
        let mut origins = interner();
        let (origin, _) = origins.read(&topic(3), b"dfw/prod/u/a").unwrap();
        for partitions in [3, 5] {
            for shard in [0, 1] {
                assert_eq!(
                    origin.log(&topic(partitions), shard),
                    partition_of("u", shard, partitions)
                );
            }
        }
    }
}
