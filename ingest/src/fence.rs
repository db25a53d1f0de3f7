//! The fence: the offset that moves in the transaction that lands its data, and only for the current owner.

use std::collections::BTreeSet;

use fleetledger_schema::{instant::Instant, kind::RecordKind};

use crate::{
    batch::{PartitionSpan, SealedBatch},
    errors::DatabaseFailure,
    raw::PartitionId,
    safeguard::Safeguard,
    session::WriterSession,
    topics::IngestTopics,
};

const MOVE_FENCE: &str = "
with wanted as (
    select * from unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::bigint[], $8::bigint[])
        as w (topic, partition, from_offset, to_offset, owner_epoch, checkpoint_kafka_at, checkpoint_crc, high_watermark)
), locked as (
    select p.topic, p.partition
    from ledger.ingest_partition as p
    join wanted as w on w.topic = p.topic and w.partition = p.partition
    where p.next_offset = w.from_offset and p.owner_epoch = w.owner_epoch and p.state = 'running'
    order by p.topic, p.partition
    for update of p
)
update ledger.ingest_partition as p
set next_offset = w.to_offset, checkpoint_offset = w.to_offset - 1, checkpoint_kafka_at = w.checkpoint_kafka_at, checkpoint_crc = w.checkpoint_crc,
    high_watermark = greatest(w.high_watermark, w.to_offset), progressed_at = now()
from wanted as w
join locked as l on l.topic = w.topic and l.partition = w.partition
where p.topic = w.topic and p.partition = w.partition
returning p.topic, p.partition";

const READ_FENCE: &str = "
select p.topic, p.partition, p.next_offset, p.owner_epoch, p.state = 'running' as runs
from ledger.ingest_partition as p
join unnest($1::text[], $2::integer[]) as w (topic, partition) on w.topic = p.topic and w.partition = p.partition
order by p.topic, p.partition
for update of p";

const READ_GENERATIONS: &str = "
select k.cluster_id, k.kind, coalesce(s.generation, 0) as generation
from unnest($1::integer[], $2::smallint[]) as k (cluster_id, kind)
left join ledger.kind_state as s on s.cluster_id = k.cluster_id and s.kind = k.kind";

const READ_CLUSTER_NAMES: &str = "
select cluster_id, datacenter, cluster, state = 'active' as active from ledger.cluster where cluster_id = any ($1::integer[])";

/// What a batch was built on that is no longer so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StaleBasis {
    /// Caches whose generation was raised.
    pub(crate) kinds: BTreeSet<(i32, RecordKind)>,
    /// A cluster was renamed or retired, or is not known here.
    pub(crate) names: bool,
    /// Another server has taken over since.
    pub(crate) timeline: bool,
}

/// Moves the offsets of all spans. Returns those that could not be moved: they belong to someone else now.
pub(crate) async fn advance(
    session: &mut WriterSession,
    topics: &IngestTopics,
    sealed: &SealedBatch,
    high: impl Fn(PartitionId) -> i64,
) -> Result<Vec<PartitionId>, DatabaseFailure> {
    let spans = &sealed.spans;
    let names: Vec<&str> = spans.iter().map(|span| topics.name(span.id.topic)).collect();
    let partitions: Vec<i32> = spans.iter().map(|span| span.id.partition).collect();
    let numbers = |of: fn(&PartitionSpan) -> i64| spans.iter().map(of).collect::<Vec<i64>>();
    let kafka_times: Vec<Option<Instant>> = spans.iter().map(|span| span.last_kafka_at).collect();
    let highs: Vec<i64> = spans.iter().map(|span| high(span.id)).collect();
    let moved = session
        .query(
            MOVE_FENCE,
            &[
                &names,
                &partitions,
                &numbers(|span| span.from),
                &numbers(|span| span.to),
                &numbers(|span| span.owner_epoch),
                &kafka_times,
                &numbers(|span| span.last_crc),
                &highs,
            ],
        )
        .await?;
    let mut kept = BTreeSet::new();
    for row in &moved {
        kept.insert((row.try_get::<_, String>(0)?, row.try_get::<_, i32>(1)?));
    }
    let lost = spans
        .iter()
        .map(|span| span.id)
        .filter(|id| !kept.contains(&(topics.name(id.topic).to_owned(), id.partition)))
        .filter(|_| Safeguard::Fence.is_enabled());
    Ok(lost.collect())
}

/// What became of a batch whose COMMIT was not acknowledged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CommitResolution {
    /// It has landed.
    Landed,
    /// It has not; the fence still stands where it began.
    NotLanded,
    /// These partitions are no longer ours, or stand elsewhere.
    Lost(Vec<PartitionId>),
}

/// Reads the fence rows; waits for the lost connection's transaction, if that still holds them.
pub(crate) async fn resolve(
    session: &mut WriterSession,
    topics: &IngestTopics,
    sealed: &SealedBatch,
) -> Result<CommitResolution, DatabaseFailure> {
    let spans = &sealed.spans;
    let names: Vec<&str> = spans.iter().map(|span| topics.name(span.id.topic)).collect();
    let partitions: Vec<i32> = spans.iter().map(|span| span.id.partition).collect();
    let rows = session.query(READ_FENCE, &[&names, &partitions]).await?;
    let mut landed = 0;
    let mut lost: Vec<PartitionId> = spans.iter().map(|span| span.id).collect();
    for row in &rows {
        let (topic, partition): (&str, i32) = (row.try_get(0)?, row.try_get(1)?);
        let (next, epoch, runs): (i64, i64, bool) = (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        let span = spans
            .iter()
            .find(|span| topics.name(span.id.topic) == topic && span.id.partition == partition);
        let Some(span) = span.filter(|span| span.owner_epoch == epoch && runs) else {
            continue;
        };
        if next == span.to {
            landed += 1;
        }
        if next == span.to || next == span.from {
            lost.retain(|id| *id != span.id);
        }
    }
    Ok(if landed == spans.len() {
        CommitResolution::Landed
    } else if landed == 0 && lost.is_empty() {
        CommitResolution::NotLanded
    } else if lost.is_empty() {
        // One transaction moves all or none: what moved alone was moved by someone else.
        CommitResolution::Lost(spans.iter().map(|span| span.id).collect())
    } else {
        CommitResolution::Lost(lost)
    })
}

/// Compares what the batch was built on with the current state, within its transaction.
pub(crate) async fn find_stale_basis(
    session: &mut WriterSession,
    sealed: &SealedBatch,
) -> Result<StaleBasis, DatabaseFailure> {
    let mut stale = StaleBasis::default();
    let here = session.timeline();
    if sealed.timelines.iter().any(|built_on| *built_on != here) {
        stale.timeline = true;
        return Ok(stale);
    }
    let clusters: Vec<i32> = sealed.heads.iter().map(|(key, _, _)| key.cluster_id).collect();
    if !clusters.is_empty() {
        let kinds: Vec<i16> = sealed.heads.iter().map(|(key, _, _)| key.kind.number()).collect();
        let rows = session.query(READ_GENERATIONS, &[&clusters, &kinds]).await?;
        for row in &rows {
            let (cluster_id, number, generation): (i32, i16, i64) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let built_with = sealed.heads.iter().filter(|(key, built_with, _)| {
                key.cluster_id == cluster_id && key.kind.number() == number && *built_with != generation
            });
            stale
                .kinds
                .extend(built_with.map(|(key, _, _)| (key.cluster_id, key.kind)));
        }
    }
    if !sealed.names.is_empty() {
        let clusters: Vec<i32> = sealed.names.keys().copied().collect();
        let rows = session.query(READ_CLUSTER_NAMES, &[&clusters]).await?;
        // A server that took over may never have heard of a cluster.
        stale.names = rows.len() != clusters.len();
        for row in &rows {
            let cluster_id: i32 = row.try_get(0)?;
            let names: (String, String) = (row.try_get(1)?, row.try_get(2)?);
            let active: bool = row.try_get(3)?;
            stale.names |= !active || sealed.names.get(&cluster_id) != Some(&names);
        }
    }
    Ok(stale)
}
