//! Gaps that have healed: a complete sweep of every source of the partition began after they were found.

use std::collections::BTreeMap;

use fleetledger_schema::{instant::Instant, partition::partition_of};
use tokio_postgres::Client;

use crate::topics::IngestTopics;

/// Marks healed gaps.
pub(crate) async fn heal(client: &Client, topics: &IngestTopics) -> Result<(), tokio_postgres::Error> {
    let gaps = client.query(READ_OPEN_GAPS, &[]).await?;
    if gaps.is_empty() {
        return Ok(());
    }
    // Of each cluster and kind: when its newest complete sweep of each shard began.
    let rows = client.query(READ_SWEPT_AT, &[]).await?;
    let mut swept_at: BTreeMap<(usize, i32), Vec<Option<Instant>>> = BTreeMap::new();
    for row in &rows {
        let (cluster_uid, datacenter): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let (kind, shard): (i16, i32) = (row.try_get(2)?, row.try_get(3)?);
        let shard = u16::try_from(shard).unwrap_or(u16::MAX);
        for (index, name) in topics.names().iter().enumerate() {
            let Some(topic) = topics.get(index) else { continue };
            let mine = topic.kind.number() == kind
                && topic.datacenter.as_deref().is_none_or(|only| only == datacenter);
            if mine && topics.index_of(name) == Some(index) {
                let partition = partition_of(cluster_uid, shard, topic.partitions);
                swept_at
                    .entry((index, partition))
                    .or_default()
                    .push(row.try_get(4)?);
            }
        }
    }
    for row in &gaps {
        let (id, topic, partition): (i64, &str, i32) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let found_at: Instant = row.try_get(3)?;
        let Some(index) = topics.index_of(topic) else {
            continue;
        };
        let sweeps = swept_at.get(&(index, partition));
        let healed = sweeps.is_some_and(|sweeps| sweeps.iter().all(|at| at.is_some_and(|at| at > found_at)));
        if healed {
            client.execute(HEAL_GAP, &[&id]).await?;
        }
    }
    Ok(())
}

const READ_OPEN_GAPS: &str =
    "select ingest_gap_id, topic, partition, found_at from ledger.ingest_gap where healed_at is null";

const READ_SWEPT_AT: &str = "
    select c.cluster_uid, c.datacenter, e.kind, e.shard, case when s.state = 'complete' then s.begin_at end as swept_at
    from ledger.emitter_state as e
    join ledger.cluster as c using (cluster_id)
    left join ledger.sweep as s using (cluster_id, kind, shard)
    where c.state = 'active'";

const HEAL_GAP: &str = "update ledger.ingest_gap set healed_at = now() where ingest_gap_id = $1";
