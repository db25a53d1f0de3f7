//! Warming a lane's memory of one (cluster, kind, shard) from PostgreSQL, after a claim or when its generation
//! was raised.

use fleetledger_schema::{
    content_hash::{ContentDigest, ContentHash},
    instant::Instant,
    kind::RecordKind,
    object_uid::ObjectUid,
    partition::shard_of,
    row,
};
use tokio_postgres::{Client, Row};

use crate::{
    cache::ObjectCache,
    raw::PartitionId,
    shard::{ComparedMark, ObjectEntry, RowEntry, Shard, ShardHead, SweepProgress, SweepState},
};

type LoadResult<T> = std::result::Result<T, tokio_postgres::Error>;

/// Which part of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ShardKey {
    pub(crate) cluster_id: i32,
    pub(crate) kind: RecordKind,
    pub(crate) shard: u16,
}

/// Loads one shard in one snapshot.
pub(crate) async fn shard(
    client: &Client,
    key: ShardKey,
    shards: u16,
    partition: PartitionId,
) -> LoadResult<Shard> {
    client
        .batch_execute("begin transaction isolation level repeatable read read only")
        .await?;
    let loaded = in_snapshot(client, key, shards, partition).await;
    // A failed snapshot's connection is thrown away by the caller.
    if loaded.is_ok() {
        client.batch_execute("commit").await?;
    }
    loaded
}

async fn in_snapshot(
    client: &Client,
    key: ShardKey,
    shards: u16,
    partition: PartitionId,
) -> LoadResult<Shard> {
    let generation = generation(client, key).await?;
    let head = head(client, key).await?;
    let healed = head.healed_generation >= generation;
    let mut entries = if key.kind.is_object() {
        rows(client, key, shards, healed).await?
    } else {
        ObjectCache::default()
    };
    let number = key.kind.number();
    let dead = client
        .query(
            "select uid, hash_hi, hash_lo from ledger.dead_key where cluster_id = $1 and kind = $2 and shard = $3",
            &[&key.cluster_id, &number, &i32::from(key.shard)],
        )
        .await?;
    for row in dead {
        let uid: ObjectUid = row.try_get(0)?;
        let entry = ObjectEntry {
            dead: Some(hash(&row, "hash_hi", "hash_lo")?),
            ..entries.get(uid).unwrap_or_default()
        };
        entries.set(uid, entry);
    }
    Ok(Shard::new(partition, generation, head, entries))
}

async fn generation(client: &Client, key: ShardKey) -> LoadResult<i64> {
    let row = client
        .query_opt(
            "select generation from ledger.kind_state where cluster_id = $1 and kind = $2",
            &[&key.cluster_id, &key.kind.number()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.try_get(0))
}

/// Rows that stand. Where a raised generation has not been healed by a sweep, their hashes are not trusted.
async fn rows(client: &Client, key: ShardKey, shards: u16, healed: bool) -> LoadResult<ObjectCache> {
    let table = row::table(key.kind).name;
    let containers = match key.kind {
        RecordKind::Pod => "containers_count",
        _ => "0::bigint",
    };
    let statement = format!(
        "select uid, body_hash_hi, body_hash_lo, writer_schema, reader_version, {containers}, uid_text from ledger.{table} where cluster_id = $1"
    );
    let mut entries = ObjectCache::default();
    for row in client.query(&statement, &[&key.cluster_id]).await? {
        let uid: ObjectUid = row.try_get(0)?;
        if shards > 1 {
            let text: Option<&str> = row.try_get(6)?;
            if shard_of(text.unwrap_or(&uid.to_string()), shards) != key.shard {
                continue;
            }
        }
        let halves: (Option<i64>, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
        let trusted = match halves {
            (Some(hi), Some(lo)) if healed => Some(ContentHash { hi, lo }),
            _ => None,
        };
        let current_row = RowEntry {
            hash: trusted,
            writer: row.try_get(3)?,
            reader: row.try_get(4)?,
            containers: u16::try_from(row.try_get::<_, i64>(5)?).unwrap_or(u16::MAX),
        };
        let entry = ObjectEntry {
            row: Some(current_row),
            dead: None,
        };
        entries.set(uid, entry);
    }
    Ok(entries)
}

async fn head(client: &Client, key: ShardKey) -> LoadResult<ShardHead> {
    let mut head = ShardHead::default();
    let number = key.kind.number();
    let shard = i32::from(key.shard);
    let row = client
        .query_opt(
            "select * from ledger.emitter_state where cluster_id = $1 and kind = $2 and shard = $3",
            &[&key.cluster_id, &number, &shard],
        )
        .await?;
    if let Some(row) = row {
        head.epoch = row.try_get("epoch")?;
        head.sequence = row.try_get("sequence")?;
        head.observed_at = row.try_get("observed_at")?;
        head.clock_skew_seconds = row.try_get("clock_skew_seconds")?;
        head.stale_records = row.try_get("stale_records")?;
        head.stale_seen_at = row.try_get("stale_seen_at")?;
    }
    let row = client
        .query_opt(
            "select * from ledger.balance where cluster_id = $1 and kind = $2 and shard = $3",
            &[&key.cluster_id, &number, &shard],
        )
        .await?;
    if let Some(row) = row {
        head.fold = digest(&row, "fold_count", "fold_hi", "fold_lo")?;
        head.mark = mark(&row)?;
    }
    let row = client
        .query_opt(
            "select * from ledger.sweep where cluster_id = $1 and kind = $2 and shard = $3",
            &[&key.cluster_id, &number, &shard],
        )
        .await?;
    if let Some(row) = row {
        head.healed_generation = row.try_get("healed_generation")?;
        head.sweep = Some(sweep(&row)?);
    }
    Ok(head)
}

fn mark(row: &Row) -> LoadResult<Option<ComparedMark>> {
    let Some(epoch) = row.try_get("mark_epoch")? else {
        return Ok(None);
    };
    Ok(Some(ComparedMark {
        epoch,
        sequence: row
            .try_get::<_, Option<i64>>("mark_sequence")?
            .unwrap_or_default(),
        at: row.try_get::<_, Option<Instant>>("mark_at")?.unwrap_or_default(),
        marked: digest(row, "mark_count", "mark_hi", "mark_lo")?,
        folded: digest(row, "fold_at_mark_count", "fold_at_mark_hi", "fold_at_mark_lo")?,
    }))
}

fn sweep(row: &Row) -> LoadResult<SweepProgress> {
    let state: &str = row.try_get("state")?;
    let reason: Option<String> = row.try_get("void_reason")?;
    Ok(SweepProgress {
        sweep_id: row.try_get("sweep_id")?,
        epoch: row.try_get("epoch")?,
        begin_sequence: row.try_get("begin_sequence")?,
        begin_offset: row.try_get("begin_offset")?,
        begin_at: row.try_get("begin_at")?,
        end_at: row.try_get("end_at")?,
        state: match state {
            "running" => SweepState::Running,
            "complete" => SweepState::Complete,
            "held" => SweepState::Held,
            _ => SweepState::Void(reason.unwrap_or_default()),
        },
        objects: row.try_get("objects")?,
        closed_objects: row.try_get("closed_objects")?,
        missed_changes: row.try_get("missed_changes")?,
        generation: row.try_get("generation")?,
        held_objects: row.try_get("held_objects")?,
        held_at: row.try_get("held_at")?,
    })
}

fn digest(row: &Row, count: &str, hi: &str, lo: &str) -> LoadResult<ContentDigest> {
    let number =
        |name: &str| -> LoadResult<i64> { Ok(row.try_get::<_, Option<i64>>(name)?.unwrap_or_default()) };
    Ok(ContentDigest {
        count: number(count)?,
        xor: ContentHash {
            hi: number(hi)?,
            lo: number(lo)?,
        },
    })
}

fn hash(row: &Row, hi: &str, lo: &str) -> LoadResult<ContentHash> {
    Ok(ContentHash {
        hi: row.try_get(hi)?,
        lo: row.try_get(lo)?,
    })
}
