//! Claiming partitions: the stored offset, the next owner epoch, and what the topic's ends say about both.
//!
//! - Rows are locked in order, so that two claims never wait for each other; a claim waits for the old owner's
//!   running transaction and then fences it. An owner that is frozen, or whose machine is gone, within a transaction
//!   would hold it for ever: a session that has said nothing for a while within a transaction is ended.
//! - `low > next`: records are gone. A row in `ledger.ingest_gap`; then on, or halt, by policy.
//! - `high < next`: the topic was truncated or recreated. Halt.
//! - Reading begins one record early (the seam), or at the begin of a sweep that was running, but behind batches that
//!   could not be read; what lies below the stored offset is only looked at.

use std::time::Duration;

use fleetledger_schema::{kind::RecordKind, partition::partition_of};
use tokio_postgres::{Client, Transaction};

use crate::{consumer::unreadable::UNREADABLE, raw::PartitionId, settings::GapPolicy, topics::IngestTopics};

/// How long a claim waits for the old owner's transaction before it looks whether that owner still speaks; and how
/// long an owner may say nothing within a transaction, which it never does but for its own computing.
const PATIENCE: Duration = Duration::from_secs(5);

const TERMINATE_SILENT_OWNERS: &str = "
select a.pid, a.application_name, pg_terminate_backend(a.pid)
from pg_stat_activity as a
where a.datname = current_database() and a.usename = current_user and a.pid <> pg_backend_pid()
  and a.application_name ~ '^fleetledger.ingest.lane.' and a.xact_start is not null
  and a.wait_event = 'ClientRead' and a.state_change < clock_timestamp() - make_interval(secs => $1)";

/// First and last-plus-one offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionWatermarks {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

/// A partition that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionClaim {
    pub(crate) id: PartitionId,
    pub(crate) owner_epoch: i64,
    /// First offset that has not landed.
    pub(crate) next_offset: i64,
    /// Where reading begins.
    pub(crate) start_offset: i64,
    /// Offset and CRC of the last landed record.
    pub(crate) last_landed: Option<(i64, i64)>,
    /// Why it does not run.
    pub(crate) halted: Option<String>,
    /// Offsets found to be gone.
    pub(crate) gap: Option<(i64, i64)>,
    pub(crate) high: i64,
}

/// Claims `wanted` for `owner` in one transaction.
pub(crate) async fn claim(
    client: &mut Client,
    topics: &IngestTopics,
    owner: &str,
    policy: GapPolicy,
    wanted: &[(PartitionId, PartitionWatermarks)],
) -> Result<Vec<PartitionClaim>, tokio_postgres::Error> {
    let mut wanted: Vec<_> = wanted
        .iter()
        .map(|(id, marks)| (topics.name(id.topic).to_owned(), *id, *marks))
        .collect();
    wanted.sort_by(|a, b| (&a.0, a.1.partition).cmp(&(&b.0, b.1.partition)));
    let transaction = client.transaction().await?;
    let patience = format!("set local lock_timeout = '{}s'", PATIENCE.as_secs());
    transaction.batch_execute(&patience).await?;
    let mut claims = Vec::new();
    for (topic, id, marks) in &wanted {
        claims.push(claim_one(&transaction, topics, topic, *id, *marks, owner, policy).await?);
    }
    transaction.commit().await?;
    Ok(claims)
}

/// Ends sessions of owners that have said nothing within a transaction for as long as a claim has waited for them.
pub(crate) async fn end_silent_owners(client: &Client) {
    match client
        .query(TERMINATE_SILENT_OWNERS, &[&PATIENCE.as_secs_f64()])
        .await
    {
        Ok(ended) => {
            for row in &ended {
                let (pid, name): (i32, &str) = match (row.try_get(0), row.try_get(1)) {
                    (Ok(pid), Ok(name)) => (pid, name),
                    _ => continue,
                };
                tracing::warn!(
                    pid,
                    name,
                    "the owner of a partition was idle within a transaction; its session is terminated"
                );
            }
        }
        Err(error) => tracing::warn!(%error, "look for idle owners"),
    }
}

async fn claim_one(
    transaction: &Transaction<'_>,
    topics: &IngestTopics,
    topic: &str,
    id: PartitionId,
    marks: PartitionWatermarks,
    owner: &str,
    policy: GapPolicy,
) -> Result<PartitionClaim, tokio_postgres::Error> {
    transaction
        .execute(
            INSERT_PARTITION,
            &[&topic, &id.partition, &marks.low, &marks.high],
        )
        .await?;
    let row = transaction
        .query_one(CLAIM_PARTITION, &[&topic, &id.partition, &owner, &marks.high])
        .await?;
    let state: &str = row.try_get("state")?;
    let halted: Option<String> = row.try_get("halted_reason")?;
    let last_landed: (Option<i64>, Option<i64>) =
        (row.try_get("checkpoint_offset")?, row.try_get("checkpoint_crc")?);
    let mut claim = PartitionClaim {
        id,
        owner_epoch: row.try_get("owner_epoch")?,
        next_offset: row.try_get("next_offset")?,
        start_offset: 0,
        last_landed: last_landed.0.zip(last_landed.1),
        halted: (state == "halted").then(|| halted.unwrap_or_default()),
        gap: None,
        high: marks.high,
    };
    if claim.halted.is_none() {
        check_ends(transaction, topic, marks, policy, &mut claim).await?;
    }
    let sweep = running_sweep(transaction, topics, id).await?;
    let begin = [
        Some(claim.next_offset),
        claim.last_landed.map(|(offset, _)| offset),
        sweep,
    ];
    let begin = begin.into_iter().flatten().min().unwrap_or(claim.next_offset);
    // What could not be read is not read again for the sake of what came before it.
    let row = transaction
        .query_one(
            READ_UNREADABLE_END,
            &[&topic, &id.partition, &claim.next_offset, &UNREADABLE],
        )
        .await?;
    let readable: Option<i64> = row.try_get(0)?;
    let first = marks.low.max(readable.unwrap_or(0));
    claim.start_offset = begin.max(first).min(claim.next_offset);
    Ok(claim)
}

async fn check_ends(
    transaction: &Transaction<'_>,
    topic: &str,
    marks: PartitionWatermarks,
    policy: GapPolicy,
    claim: &mut PartitionClaim,
) -> Result<(), tokio_postgres::Error> {
    let (partition, next) = (claim.id.partition, claim.next_offset);
    if marks.high < next {
        claim.halted = Some(format!(
            "topic {topic} partition {partition} ends at {} but {next} has landed: it was truncated or recreated; \
             check the topic, then run `fleetledger ingest resume {topic} {partition} --from-start`",
            marks.high
        ));
    } else if marks.low > next {
        claim.gap = Some((next, marks.low));
        transaction
            .execute(
                INSERT_DELETED_GAP,
                &[&topic, &partition, &next, &marks.low, &policy.as_str()],
            )
            .await?;
        if policy == GapPolicy::Halt {
            claim.halted = Some(format!(
                "offsets {next} to {} of topic {topic} partition {partition} are gone; accept the gap with \
                 `fleetledger ingest resume {topic} {partition}` (the next sweep heals what was missed)",
                marks.low
            ));
        }
        claim.next_offset = marks.low;
        claim.last_landed = None;
        transaction
            .execute(MOVE_PARTITION, &[&topic, &partition, &marks.low])
            .await?;
    }
    if let Some(reason) = &claim.halted {
        halt_partition(transaction, topic, partition, reason).await?;
    }
    Ok(())
}

/// Halts a partition until somebody resumes it.
pub(crate) async fn halt_partition(
    transaction: &Transaction<'_>,
    topic: &str,
    partition: i32,
    why: &str,
) -> Result<(), tokio_postgres::Error> {
    transaction
        .execute(HALT_PARTITION, &[&topic, &partition, &why])
        .await
        .map(drop)
}

/// Begin of the oldest sweep that was running in this partition.
async fn running_sweep(
    transaction: &Transaction<'_>,
    topics: &IngestTopics,
    id: PartitionId,
) -> Result<Option<i64>, tokio_postgres::Error> {
    let Some(topic) = topics.get(id.topic) else {
        return Ok(None);
    };
    let kind: RecordKind = topic.kind;
    let rows = transaction.query(READ_RUNNING_SWEEPS, &[&kind.number()]).await?;
    let mut begin = None;
    for row in rows {
        let (cluster_uid, datacenter): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let (shard, offset): (i32, i64) = (row.try_get(2)?, row.try_get(3)?);
        let shard = u16::try_from(shard).unwrap_or(u16::MAX);
        let here = partition_of(cluster_uid, shard, topic.partitions) == id.partition
            && topic.datacenter.as_deref().is_none_or(|only| only == datacenter);
        if here {
            begin = Some(begin.map_or(offset, |least: i64| least.min(offset)));
        }
    }
    Ok(begin)
}

const READ_UNREADABLE_END: &str = "
    select max(to_offset) from ledger.ingest_gap
    where topic = $1 and partition = $2 and to_offset <= $3 and starts_with(reason, $4)";

const INSERT_PARTITION: &str = "
    insert into ledger.ingest_partition (topic, partition, next_offset, high_watermark) values ($1, $2, $3, $4)
    on conflict do nothing";

const CLAIM_PARTITION: &str = "
    update ledger.ingest_partition
    set owner_epoch = owner_epoch + 1, owner = $3, claimed_at = now(), high_watermark = $4
    where topic = $1 and partition = $2
    returning next_offset, owner_epoch, state, halted_reason, checkpoint_offset, checkpoint_crc";

const INSERT_DELETED_GAP: &str = "
    insert into ledger.ingest_gap (topic, partition, from_offset, to_offset, reason, policy)
    values ($1, $2, $3, $4, 'deleted from the topic before they were read', $5)";

const MOVE_PARTITION: &str = "
    update ledger.ingest_partition set next_offset = $3, checkpoint_offset = null, checkpoint_kafka_at = null, checkpoint_crc = null
    where topic = $1 and partition = $2";

const HALT_PARTITION: &str = "
    update ledger.ingest_partition set state = 'halted', halted_reason = $3, halted_at = now()
    where topic = $1 and partition = $2";

const READ_RUNNING_SWEEPS: &str = "
    select c.cluster_uid, c.datacenter, s.shard, s.begin_offset from ledger.sweep as s
    join ledger.cluster as c using (cluster_id) where s.kind = $1 and s.state = 'running'";
