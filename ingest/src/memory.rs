//! What a lane remembers between records: its partitions, its shards, sources and schemas.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use fleetledger_schema::{
    READER_VERSION,
    codec::{KnownSchemas, WriterSchema},
    kind::RecordKind,
    row::LedgerTable,
};

use crate::{
    IngestSettings,
    announced_schemas::AnnouncedSchemas,
    batch::DraftBatch,
    chain::known_to_both,
    claim::PartitionClaim,
    decode::ObjectContent,
    identity_keys::IdentityKeys,
    load::{self, ShardKey},
    origin::SourceInterner,
    raw::{PartitionId, RawRecord},
    reader::{LaneReader, StopRequested, retried},
    safeguard::Safeguard,
    shard::{BatchNumber, RowEntry, Shard},
    sources::SourceCache,
    timeline::DatabaseTimeline,
    topics::IngestTopics,
};

/// A claimed partition.
#[derive(Debug)]
pub(crate) struct ClaimedPartition {
    pub(crate) owner_epoch: i64,
    /// First offset that had not landed when it was claimed; what is below is only looked at.
    claimed_from: i64,
    /// First offset that is in no batch yet.
    pub(crate) cursor: i64,
    /// The record before `claimed_from`, by which a rewritten topic is noticed.
    last_landed: Option<(i64, i64)>,
    expected: i64,
    /// From here on every offset was delivered.
    pub(crate) whole_since: i64,
    /// Offset of the newest record whose sequence could not be read.
    pub(crate) unnumbered_at: Option<i64>,
}

/// What a delivered record is to its partition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RecordDelivery {
    /// To be landed.
    New,
    /// Landed before the claim; read again for a running sweep.
    BeforeClaim,
    /// Already in a batch.
    AlreadyBatched,
    /// The topic is not the one that was read before.
    Rewritten(String),
}

impl ClaimedPartition {
    pub(crate) fn new(claim: &PartitionClaim) -> Self {
        Self {
            owner_epoch: claim.owner_epoch,
            claimed_from: claim.next_offset,
            cursor: claim.next_offset,
            last_landed: claim.last_landed,
            expected: claim.start_offset,
            whole_since: claim.start_offset,
            unnumbered_at: None,
        }
    }

    /// Notes that `record` was delivered.
    pub(crate) fn deliver(&mut self, record: &RawRecord) -> RecordDelivery {
        if record.offset > self.expected {
            self.whole_since = record.offset;
        }
        self.expected = self.expected.max(record.offset + 1);
        if let Some((offset, crc)) = self.last_landed
            && offset == record.offset
        {
            self.last_landed = None;
            if record.crc() != crc {
                return RecordDelivery::Rewritten(format!(
                    "the record at offset {offset} is not the one that landed: the topic was recreated or rewritten"
                ));
            }
        }
        if record.offset < self.claimed_from {
            RecordDelivery::BeforeClaim
        } else if record.offset < self.cursor {
            RecordDelivery::AlreadyBatched
        } else {
            RecordDelivery::New
        }
    }
}

/// Cluster, table, writer and reader of the row, writer of the record.
type CompareKey = (i32, &'static str, i64, i16, i64);

/// Most comparisons that are remembered.
const MOST_COMPARES: usize = 10_000;

/// A lane's memory.
pub(crate) struct LaneMemory {
    pub(crate) settings: Arc<IngestSettings>,
    pub(crate) topics: Arc<IngestTopics>,
    pub(crate) reader: LaneReader,
    pub(crate) partitions: HashMap<PartitionId, ClaimedPartition>,
    pub(crate) shards: BTreeMap<ShardKey, Shard>,
    pub(crate) origins: SourceInterner,
    pub(crate) sources: SourceCache,
    /// This version's own schemas.
    pub(crate) schemas: KnownSchemas,
    pub(crate) announced: AnnouncedSchemas,
    /// Records that PostgreSQL refused, and why.
    pub(crate) doomed: HashMap<(PartitionId, i64), String>,
    compares: HashMap<CompareKey, Arc<[&'static str]>>,
}

impl LaneMemory {
    pub(crate) fn new(
        settings: Arc<IngestSettings>,
        topics: Arc<IngestTopics>,
        keys: Arc<IdentityKeys>,
        reader: LaneReader,
    ) -> Self {
        Self {
            origins: SourceInterner::new(keys),
            sources: SourceCache::new(&settings),
            settings,
            topics,
            reader,
            partitions: HashMap::new(),
            shards: BTreeMap::new(),
            schemas: KnownSchemas::own(),
            announced: AnnouncedSchemas::bounded(),
            doomed: HashMap::new(),
            compares: HashMap::new(),
        }
    }

    /// Takes a partition over: everything remembered of it is forgotten.
    pub(crate) fn claim(&mut self, claim: &PartitionClaim) {
        self.forget_partition(claim.id);
        self.partitions.insert(claim.id, ClaimedPartition::new(claim));
    }

    /// Gives a partition up.
    pub(crate) fn forget_partition(&mut self, id: PartitionId) {
        self.partitions.remove(&id);
        self.forget_shards(|_, shard| shard.partition == id);
        self.doomed.retain(|(of, _), _| *of != id);
    }

    /// Forgets the caches of a kind; the next record loads them anew.
    pub(crate) fn forget_kind(&mut self, cluster_id: i32, kind: RecordKind) {
        self.forget_shards(|key, _| key.cluster_id == cluster_id && key.kind == kind);
    }

    /// Keys that have changed are those of the next record.
    pub(crate) fn take_new_keys(&mut self) {
        if self.origins.take_new_keys() {
            self.sources.clear();
        }
    }

    /// Another server has taken over, perhaps without the newest commits: nothing remembered is believed.
    pub(crate) fn forget_history(&mut self) {
        self.forget_shards(|_, _| true);
        self.sources.clear();
        self.reader.disconnect();
    }

    fn forget_shards(&mut self, which: impl Fn(&ShardKey, &Shard) -> bool) {
        if !Safeguard::CacheInvalidation.is_enabled() {
            return;
        }
        let health = self.reader.health.clone();
        self.shards.retain(|key, shard| {
            let forget = which(key, shard);
            if forget {
                health.add_cache_entries(shard.len(), 0);
            }
            !forget
        });
    }

    /// Takes `batch` and every later one back.
    pub(crate) fn drop_from(&mut self, batch: BatchNumber) {
        self.shards.values_mut().for_each(|shard| shard.drop_from(batch));
    }

    /// `batch` has committed.
    pub(crate) fn publish(&mut self, batch: BatchNumber) {
        for shard in self
            .shards
            .values_mut()
            .filter(|shard| shard.is_touched_by(batch))
        {
            let before = shard.len();
            shard.publish(batch);
            self.reader.health.add_cache_entries(before, shard.len());
        }
    }

    /// Loads a shard that is not in memory.
    pub(crate) async fn load(&mut self, key: ShardKey, partition: PartitionId) -> Result<(), StopRequested> {
        if self.shards.contains_key(&key) {
            return Ok(());
        }
        let shards = self.topics.get(partition.topic).map_or(1, |topic| topic.shards);
        let mut shard = retried!(self.reader, "warm a cache", client => load::shard(client, key, shards, partition).await);
        shard.timeline = self.reader.timeline();
        tracing::debug!(cluster_id = key.cluster_id, kind = %key.kind, shard = key.shard, objects = shard.len(), "cache warmed");
        self.reader.metrics.cache_loads.inc();
        self.reader.health.add_cache_entries(0, shard.len());
        self.shards.insert(key, shard);
        Ok(())
    }

    /// Columns by which a row of another writer or reader is compared with a record; `None` if both are the same.
    pub(crate) async fn compare(
        &mut self,
        cluster_id: i32,
        table: &'static LedgerTable,
        (row_writer, row_reader): (i64, i16),
        writer: &WriterSchema,
    ) -> Result<Option<Arc<[&'static str]>>, StopRequested> {
        if row_writer == writer.number() && row_reader == READER_VERSION {
            return Ok(None);
        }
        let key = (cluster_id, table.name, row_writer, row_reader, writer.number());
        if let Some(columns) = self.compares.get(&key) {
            return Ok(Some(columns.clone()));
        }
        let old = self.schema(cluster_id, row_writer.cast_unsigned()).await?;
        if self.compares.len() >= MOST_COMPARES {
            self.compares.clear();
        }
        let columns = known_to_both(table, old.as_deref(), row_reader, writer);
        self.compares.insert(key, columns.clone());
        Ok(Some(columns))
    }

    /// True if the writer of a standing row would have sent for `content` what it did send.
    pub(crate) async fn is_equal(
        &mut self,
        cluster_id: i32,
        row: RowEntry,
        content: &ObjectContent,
    ) -> Result<bool, StopRequested> {
        let Some(hash) = row.hash.filter(|_| row.writer != content.schema.number()) else {
            return Ok(false);
        };
        let old = self.schema(cluster_id, row.writer.cast_unsigned()).await?;
        Ok(old.is_some_and(|old| content.is_equal_to(hash, &old)))
    }

    /// Histories of the database that a draft was built on: one, unless a server took over meanwhile.
    pub(crate) fn timelines(&self, draft: &DraftBatch) -> BTreeSet<DatabaseTimeline> {
        let touched = draft.touched.iter();
        touched
            .filter_map(|key| Some(self.shards.get(key)?.timeline))
            .collect()
    }

    /// Heads of the shards a draft touched, for sealing.
    pub(crate) fn heads(&self, draft: &DraftBatch) -> Vec<(ShardKey, i64, crate::shard::ShardHead)> {
        let mut heads = Vec::with_capacity(draft.touched.len());
        for key in &draft.touched {
            let Some(shard) = self.shards.get(key) else {
                continue;
            };
            if let Some((datacenter, cluster)) = draft.names.get(&key.cluster_id) {
                let skew = &self.reader.metrics.clock_skew_seconds;
                skew.with_label_values(&[datacenter, cluster])
                    .set(shard.head.clock_skew_seconds);
            }
            heads.push((*key, shard.generation, shard.head.clone()));
        }
        heads
    }
}
