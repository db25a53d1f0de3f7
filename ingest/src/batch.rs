//! A batch: what a lane has made of a run of records, first as a draft, then sealed for the writer.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Instant as Moment,
};

use bytes::Bytes;
use fleetledger_schema::{instant::Instant, key::RecordSource, kind::RecordKind, object_uid::ObjectUid};

use crate::{
    chain::{EndReason, PriorState, VersionChain},
    dead_reason::RecordFault,
    encode::{self, StageRows},
    fold::UsageStreams,
    hasher::SeededBuildHasher,
    load::ShardKey,
    origin::InternedSource,
    raw::{PartitionId, RawRecord},
    shard::{BatchNumber, ShardHead},
    timeline::DatabaseTimeline,
    usage::UsageWindows,
};

/// Which column of the batch ledger a record is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordOutcome {
    Landed,
    Unchanged,
    Superseded,
    Deleted,
    Control,
    Dead,
}

impl RecordOutcome {
    pub(crate) const ALL: [RecordOutcome; 6] = [
        RecordOutcome::Landed,
        RecordOutcome::Unchanged,
        RecordOutcome::Superseded,
        RecordOutcome::Deleted,
        RecordOutcome::Control,
        RecordOutcome::Dead,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            RecordOutcome::Landed => "landed",
            RecordOutcome::Unchanged => "unchanged",
            RecordOutcome::Superseded => "superseded",
            RecordOutcome::Deleted => "deleted",
            RecordOutcome::Control => "control",
            RecordOutcome::Dead => "dead",
        }
    }
}

/// Records by verdict: delivered = landed + unchanged + superseded + deleted + control + dead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordCounts {
    /// Records that changed a row.
    pub landed: u64,
    /// Records equal to the current state.
    pub unchanged: u64,
    /// Records of a deposed emitter, or older than the current state.
    pub superseded: u64,
    /// Records that ended an object.
    pub deleted: u64,
    /// Marks, sweep points, schema announcements, tombstones of what has already ended.
    pub control: u64,
    /// Records that went to the dead letters.
    pub dead: u64,
}

impl RecordCounts {
    pub(crate) fn add(&mut self, verdict: RecordOutcome) {
        *self.of_mut(verdict) += 1;
    }

    pub(crate) fn of(mut self, verdict: RecordOutcome) -> u64 {
        *self.of_mut(verdict)
    }

    fn of_mut(&mut self, verdict: RecordOutcome) -> &mut u64 {
        match verdict {
            RecordOutcome::Landed => &mut self.landed,
            RecordOutcome::Unchanged => &mut self.unchanged,
            RecordOutcome::Superseded => &mut self.superseded,
            RecordOutcome::Deleted => &mut self.deleted,
            RecordOutcome::Control => &mut self.control,
            RecordOutcome::Dead => &mut self.dead,
        }
    }

    /// All of them.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        RecordOutcome::ALL.iter().map(|verdict| self.of(*verdict)).sum()
    }

    pub(crate) fn merge(&mut self, other: &RecordCounts) {
        for verdict in RecordOutcome::ALL {
            *self.of_mut(verdict) += other.of(verdict);
        }
    }
}

/// The part of one partition that a batch covers.
#[derive(Debug, Clone)]
pub(crate) struct PartitionSpan {
    pub(crate) id: PartitionId,
    pub(crate) owner_epoch: i64,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) counts: RecordCounts,
    /// Index within the batch of its last record, the seam to what follows.
    pub(crate) last: usize,
    pub(crate) last_kafka_at: Option<Instant>,
    pub(crate) last_crc: i64,
}

/// A record that died.
#[derive(Debug, Clone)]
pub(crate) struct BatchDeadLetter {
    /// Index of the record within the batch.
    pub(crate) record: usize,
    pub(crate) fault: RecordFault,
    pub(crate) kind: RecordKind,
    pub(crate) source: Option<RecordSource>,
    pub(crate) uid: Option<String>,
    pub(crate) schema_ref: Option<String>,
    /// A newer record of the same batch has landed over it.
    pub(crate) superseded: bool,
}

/// An object's dead key, as the batch leaves it.
#[derive(Debug, Clone)]
pub(crate) enum DeadKey {
    /// Its newest record landed.
    Settled,
    /// Its newest record is this letter.
    Open {
        record: usize,
        hash: fleetledger_schema::content_hash::ContentHash,
        epoch: i64,
        sequence: i64,
    },
}

/// A schema learned from an announcement.
#[derive(Debug, Clone)]
pub(crate) struct LearnedSchema {
    pub(crate) cluster_id: i32,
    pub(crate) fingerprint: i64,
    pub(crate) subject: &'static str,
    pub(crate) json: String,
}

/// Offsets that were gone, or sequences lost before Kafka.
#[derive(Debug, Clone)]
pub(crate) struct OffsetGap {
    pub(crate) id: PartitionId,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) reason: String,
}

/// Delivered and dead records of one source and topic.
#[derive(Debug, Clone)]
pub(crate) struct SourceOutcomes {
    pub(crate) source: Arc<InternedSource>,
    /// It is hardly invented.
    pub(crate) is_established: bool,
    pub(crate) delivered: u32,
    pub(crate) dead: u32,
}

/// Key of a chain: kind, cluster, uid, in the order in which rows are written.
pub(crate) type ChainKey = (i16, i32, ObjectUid);

/// A batch being built.
#[derive(Debug)]
pub(crate) struct DraftBatch {
    pub(crate) number: BatchNumber,
    pub(crate) begun: Moment,
    pub(crate) records: Vec<RawRecord>,
    /// Bytes of its records, as the buffer's budget counts them.
    pub(crate) bytes: usize,
    /// Bytes that what was decoded from them takes.
    pub(crate) decoded_bytes: usize,
    pub(crate) spans: BTreeMap<PartitionId, PartitionSpan>,
    pub(crate) chains: BTreeMap<ChainKey, VersionChain>,
    pub(crate) dead_letters: Vec<BatchDeadLetter>,
    pub(crate) dead_keys: BTreeMap<(ShardKey, ObjectUid), DeadKey>,
    pub(crate) schemas: Vec<LearnedSchema>,
    pub(crate) gaps: Vec<OffsetGap>,
    pub(crate) usage: UsageWindows,
    pub(crate) touched: BTreeSet<ShardKey>,
    pub(crate) freshness: BTreeMap<(i32, RecordKind), Instant>,
    /// What became of the records of each source, by its number, and topic.
    pub(crate) outcomes: HashMap<(usize, usize), SourceOutcomes, SeededBuildHasher>,
    /// Names under which clusters were accepted.
    pub(crate) names: BTreeMap<i32, (String, String)>,
    /// Where clusters' objects come from, by the marks of the batch.
    pub(crate) sources: BTreeMap<i32, ClusterSource>,
}

/// Where the objects of a cluster come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClusterSource {
    Watch,
    Dump,
    Simulate,
}

impl ClusterSource {
    /// As a mark says it; `None` for what this version does not know.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Watch, Self::Dump, Self::Simulate]
            .into_iter()
            .find(|source| source.as_str() == text)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Dump => "dump",
            Self::Simulate => "simulate",
        }
    }
}

impl DraftBatch {
    pub(crate) fn new(number: BatchNumber) -> Self {
        Self {
            number,
            begun: Moment::now(),
            records: Vec::new(),
            bytes: 0,
            decoded_bytes: 0,
            spans: BTreeMap::new(),
            chains: BTreeMap::new(),
            dead_letters: Vec::new(),
            dead_keys: BTreeMap::new(),
            schemas: Vec::new(),
            gaps: Vec::new(),
            usage: UsageWindows::default(),
            touched: BTreeSet::new(),
            freshness: BTreeMap::new(),
            outcomes: HashMap::default(),
            names: BTreeMap::new(),
            sources: BTreeMap::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes it takes: its records, and what was decoded from them.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes + self.decoded_bytes
    }

    /// Seals it: rows become COPY streams, heads are those at its end.
    pub(crate) fn seal(
        self,
        heads: Vec<(ShardKey, i64, ShardHead)>,
        timelines: BTreeSet<DatabaseTimeline>,
    ) -> SealedBatch {
        let mut ends: BTreeMap<RecordKind, EndedObjects> = BTreeMap::new();
        for ((number, cluster_id, uid), chain) in &self.chains {
            let (Some(kind), Some(end)) = (RecordKind::from_number(*number), chain.end) else {
                continue;
            };
            let of_kind = ends.entry(kind).or_default();
            of_kind.cluster_ids.push(*cluster_id);
            of_kind.uids.push(*uid);
            of_kind.ended_at.push(end.at);
            of_kind.reasons.push(EndReason::as_str(end.reason));
        }
        let stages = encode::stages(&self.chains);
        let containers_before = containers_before(&self.chains);
        let namespaces: BTreeSet<i32> = self
            .chains
            .keys()
            .filter(|(kind, _, _)| *kind == RecordKind::Namespace.number())
            .map(|(_, cluster_id, _)| *cluster_id)
            .collect();
        let mut spans: Vec<PartitionSpan> = self.spans.into_values().collect();
        for span in &mut spans {
            if let Some(last) = self.records.get(span.last) {
                span.last_kafka_at = last.kafka_at;
                span.last_crc = last.crc();
            }
        }
        SealedBatch {
            number: self.number,
            spans,
            stages,
            usage: UsageStreams::of(&self.usage),
            ends,
            dead_letters: self.dead_letters,
            dead_keys: self.dead_keys,
            schemas: self.schemas,
            gaps: self.gaps,
            heads,
            timelines,
            freshness: self.freshness,
            outcomes: self.outcomes,
            names: self.names,
            sources: self.sources,
            namespaces: namespaces.into_iter().collect(),
            containers_before,
            bytes: self.bytes,
            records: self.records,
        }
    }
}

fn containers_before(chains: &BTreeMap<ChainKey, VersionChain>) -> Option<u64> {
    let pods = chains
        .iter()
        .filter(|((kind, _, _), chain)| *kind == RecordKind::Pod.number() && !chain.versions.is_empty());
    let counts = pods.map(|(_, chain)| match chain.prior_state {
        Some(PriorState::Nothing) => Some(0),
        // The current state is not trusted.
        Some(PriorState::Row { .. }) if chain.forced => None,
        Some(PriorState::Row { containers }) => Some(u64::from(containers)),
        None => None,
    });
    counts.sum()
}

/// Objects of one kind that ended.
#[derive(Debug, Default)]
pub(crate) struct EndedObjects {
    pub(crate) cluster_ids: Vec<i32>,
    pub(crate) uids: Vec<ObjectUid>,
    pub(crate) ended_at: Vec<Instant>,
    pub(crate) reasons: Vec<&'static str>,
}

/// A batch that is sent until it has landed, or is given up; its bytes never change.
#[derive(Debug)]
pub(crate) struct SealedBatch {
    pub(crate) number: BatchNumber,
    pub(crate) spans: Vec<PartitionSpan>,
    pub(crate) stages: Vec<StageRows>,
    /// Windows of usage, if there are any.
    pub(crate) usage: Option<UsageStreams>,
    pub(crate) ends: BTreeMap<RecordKind, EndedObjects>,
    pub(crate) dead_letters: Vec<BatchDeadLetter>,
    pub(crate) dead_keys: BTreeMap<(ShardKey, ObjectUid), DeadKey>,
    pub(crate) schemas: Vec<LearnedSchema>,
    pub(crate) gaps: Vec<OffsetGap>,
    /// Each touched shard: the generation it was built with, and its head at the end of the batch.
    pub(crate) heads: Vec<(ShardKey, i64, ShardHead)>,
    /// Histories of the database that it was built on.
    pub(crate) timelines: BTreeSet<DatabaseTimeline>,
    pub(crate) freshness: BTreeMap<(i32, RecordKind), Instant>,
    pub(crate) outcomes: HashMap<(usize, usize), SourceOutcomes, SeededBuildHasher>,
    pub(crate) names: BTreeMap<i32, (String, String)>,
    /// Where clusters' objects come from, by the marks of the batch.
    pub(crate) sources: BTreeMap<i32, ClusterSource>,
    /// Clusters whose namespaces changed.
    pub(crate) namespaces: Vec<i32>,
    /// Containers that its pods had before it, where that is known of all of them.
    pub(crate) containers_before: Option<u64>,
    pub(crate) bytes: usize,
    /// As delivered, in order: what is built again when the batch fails.
    pub(crate) records: Vec<RawRecord>,
}

impl SealedBatch {
    /// What became of the records of a span, once the transaction has found which windows of usage were superseded.
    pub(crate) fn counts_of(&self, span: &PartitionSpan, superseded: &[usize]) -> RecordCounts {
        let mut counts = span.counts;
        let records = superseded.iter().filter_map(|index| self.records.get(*index));
        for _ in records.filter(|record| record.partition == span.id) {
            counts.landed = counts.landed.saturating_sub(1);
            counts.superseded += 1;
        }
        counts
    }

    /// Record that line `line` (from 1) of the COPY into `stage` came from.
    pub(crate) fn record_of_line(&self, stage: &str, line: usize) -> Option<usize> {
        let line = line.checked_sub(1)?;
        match self.stages.iter().find(|data| data.stage.name == stage) {
            Some(data) => data.records.get(line).copied(),
            None => self.usage.as_ref()?.record_of_line(stage, line),
        }
    }
}

/// Bytes of a COPY stream.
pub(crate) type CopyChunks = Vec<Bytes>;
