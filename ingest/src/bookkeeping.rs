//! What a batch writes besides rows: dead letters, schemas, order, balance, sweeps, freshness, the batch ledger.

use fleetledger_schema::instant::Instant;
use serde_json::{Value as Json, json};
use tokio_postgres::types::Json as JsonParameter;

use crate::{
    batch::{DeadKey, SealedBatch},
    dead_letter_bound::DeadLetterSpace,
    dead_reason::DeadReason,
    errors::DatabaseFailure,
    load::ShardKey,
    session::WriterSession,
    settings::GapPolicy,
    shard::{ShardHead, SweepState},
    topics::IngestTopics,
};

/// Writes all books of `sealed`.
pub(crate) async fn write(
    session: &mut WriterSession,
    topics: &IngestTopics,
    owner: &str,
    gap_policy: GapPolicy,
    sealed: &SealedBatch,
    superseded: &[usize],
) -> Result<(), DatabaseFailure> {
    write_dead_letters(session, topics, sealed).await?;
    write_dead_keys(session, topics, sealed).await?;
    write_rows(session, INSERT_SCHEMAS, schemas(sealed)).await?;
    write_rows(session, INSERT_GAPS, gaps(topics, gap_policy, sealed)).await?;
    let heads = &sealed.heads;
    write_rows(
        session,
        UPSERT_EMITTER_STATES,
        heads.iter().map(|(key, _, head)| emitter(key, head)).collect(),
    )
    .await?;
    write_rows(
        session,
        UPSERT_BALANCES,
        heads
            .iter()
            .filter(|(key, _, _)| key.kind.is_object())
            .map(|(key, _, head)| balance(key, head))
            .collect(),
    )
    .await?;
    write_rows(
        session,
        UPSERT_SWEEPS,
        heads
            .iter()
            .filter_map(|(key, _, head)| sweep(key, head))
            .collect(),
    )
    .await?;
    write_rows(session, UPDATE_CLUSTER_SOURCES, sources(sealed)).await?;
    write_rows(session, UPSERT_FRESHNESS, freshness(sealed)).await?;
    write_rows(session, COUNT_QUARANTINED_RECORDS, quarantine_rows(sealed)).await?;
    if !sealed.namespaces.is_empty() {
        session.execute(APPLY_OWNERS, &[&sealed.namespaces]).await?;
    }
    write_rows(
        session,
        INSERT_BATCHES,
        batches(topics, owner, sealed, superseded),
    )
    .await
}

async fn write_rows(
    session: &mut WriterSession,
    statement: &'static str,
    rows: Vec<Json>,
) -> Result<(), DatabaseFailure> {
    if !rows.is_empty() {
        session
            .execute(statement, &[&JsonParameter(Json::Array(rows))])
            .await?;
    }
    Ok(())
}

const INSERT_DEAD_LETTERS: &str = "
insert into ledger.dead_letter (topic, partition, record_offset, kafka_at, datacenter, cluster, cluster_uid, kind, uid,
    reason, detail, schema_ref, record_key, record_value, record_headers, state, settled_at)
select x.topic, x.partition, x.record_offset, x.kafka_at, x.datacenter, x.cluster, x.cluster_uid, x.kind, x.uid,
    x.reason, x.detail, x.schema_ref, v.record_key, v.record_value, x.record_headers,
    case when x.superseded then 'superseded' else 'open' end, case when x.superseded then now() end
from json_to_recordset($1::json) as x (line integer, topic text, partition integer, record_offset bigint, kafka_at timestamptz,
    datacenter text, cluster text, cluster_uid text, kind smallint, uid text, reason text, detail text, schema_ref text,
    record_headers jsonb, superseded boolean)
join unnest($2::bytea[], $3::bytea[]) with ordinality as v (record_key, record_value, line) on v.line = x.line
on conflict (topic, partition, record_offset) do nothing";

async fn write_dead_letters(
    session: &mut WriterSession,
    topics: &IngestTopics,
    sealed: &SealedBatch,
) -> Result<(), DatabaseFailure> {
    if sealed.dead_letters.is_empty() {
        return Ok(());
    }
    let mut space = DeadLetterSpace::claim(session, sealed).await?;
    // Few at a time: a value may have megabytes.
    for letters in sealed.dead_letters.chunks(200) {
        let mut rows = Vec::new();
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for letter in letters {
            let Some(record) = sealed.records.get(letter.record) else {
                continue;
            };
            if !space.keeps(topics, letter, record) {
                continue;
            }
            keys.push(record.key());
            values.push(record.value());
            let source = letter.source.as_ref();
            rows.push(json!({
                "line": keys.len(),
                "topic": topics.name(record.partition.topic),
                "partition": record.partition.partition,
                "record_offset": record.offset,
                "kafka_at": record.kafka_at.map(text),
                "datacenter": source.map(|source| &source.datacenter),
                "cluster": source.map(|source| &source.cluster),
                "cluster_uid": source.map(|source| &source.cluster_uid),
                "kind": letter.kind.number(),
                "uid": letter.uid,
                "reason": letter.fault.reason.as_str(),
                "detail": letter.fault.detail,
                "schema_ref": letter.schema_ref,
                "record_headers": record.headers_json(),
                "superseded": letter.superseded,
            }));
        }
        if !rows.is_empty() {
            session
                .execute(
                    INSERT_DEAD_LETTERS,
                    &[&JsonParameter(Json::Array(rows)), &keys, &values],
                )
                .await?;
        }
    }
    space.write_overflow(session).await
}

const SETTLE_DEAD_KEYS: &str = "
with settled as (
    delete from ledger.dead_key as k
    using json_to_recordset($1::json) as x (cluster_id integer, kind smallint, uid uuid)
    where k.cluster_id = x.cluster_id and k.kind = x.kind and k.uid = x.uid
    returning k.dead_letter_id
)
update ledger.dead_letter as l set state = 'superseded', settled_at = now()
from settled as s where l.dead_letter_id = s.dead_letter_id and l.state = 'open'";

const INSERT_DEAD_KEYS: &str = "
insert into ledger.dead_key (cluster_id, kind, uid, shard, hash_hi, hash_lo, epoch, sequence, dead_letter_id, died_at)
select x.cluster_id, x.kind, x.uid, x.shard, x.hash_hi, x.hash_lo, x.epoch, x.sequence, l.dead_letter_id, now()
from json_to_recordset($1::json) as x (cluster_id integer, kind smallint, uid uuid, shard integer, hash_hi bigint, hash_lo bigint,
    epoch bigint, sequence bigint, topic text, partition integer, record_offset bigint)
left join ledger.dead_letter as l
    on l.topic = x.topic and l.partition = x.partition and l.record_offset = x.record_offset";

async fn write_dead_keys(
    session: &mut WriterSession,
    topics: &IngestTopics,
    sealed: &SealedBatch,
) -> Result<(), DatabaseFailure> {
    let mut settled = Vec::new();
    let mut opened = Vec::new();
    for ((key, uid), dead) in &sealed.dead_keys {
        let (cluster_id, kind) = (key.cluster_id, key.kind.number());
        settled.push(json!({ "cluster_id": cluster_id, "kind": kind, "uid": uid.to_string() }));
        let DeadKey::Open {
            record,
            hash,
            epoch,
            sequence,
        } = dead
        else {
            continue;
        };
        let Some(raw) = sealed.records.get(*record) else {
            continue;
        };
        opened.push(json!({
            "cluster_id": cluster_id, "kind": kind, "uid": uid.to_string(), "shard": key.shard,
            "hash_hi": hash.hi, "hash_lo": hash.lo, "epoch": epoch, "sequence": sequence,
            "topic": topics.name(raw.partition.topic), "partition": raw.partition.partition, "record_offset": raw.offset,
        }));
    }
    write_rows(session, SETTLE_DEAD_KEYS, settled).await?;
    write_rows(session, INSERT_DEAD_KEYS, opened).await
}

const INSERT_SCHEMAS: &str = "
insert into ledger.announced_schema (cluster_id, fingerprint, subject, schema_json)
select * from json_to_recordset($1::json) as x (cluster_id integer, fingerprint bigint, subject text, schema_json text)
on conflict (cluster_id, fingerprint) do nothing";

fn schemas(sealed: &SealedBatch) -> Vec<Json> {
    let row = |schema: &crate::batch::LearnedSchema| {
        json!({
            "cluster_id": schema.cluster_id, "fingerprint": schema.fingerprint, "subject": schema.subject,
            "schema_json": schema.json,
        })
    };
    // In order, so that two lanes never wait for each other.
    let mut schemas: Vec<&crate::batch::LearnedSchema> = sealed.schemas.iter().collect();
    schemas.sort_by_key(|schema| (schema.cluster_id, schema.fingerprint));
    schemas.into_iter().map(row).collect()
}

const INSERT_GAPS: &str = "
insert into ledger.ingest_gap (topic, partition, from_offset, to_offset, reason, policy)
select * from json_to_recordset($1::json) as x (topic text, partition integer, from_offset bigint, to_offset bigint, reason text, policy text)";

fn gaps(topics: &IngestTopics, policy: GapPolicy, sealed: &SealedBatch) -> Vec<Json> {
    let row = |gap: &crate::batch::OffsetGap| {
        json!({
            "topic": topics.name(gap.id.topic), "partition": gap.id.partition, "from_offset": gap.from,
            "to_offset": gap.to, "reason": gap.reason, "policy": policy.as_str(),
        })
    };
    sealed.gaps.iter().map(row).collect()
}

const UPSERT_EMITTER_STATES: &str = "
insert into ledger.emitter_state (cluster_id, kind, shard, epoch, sequence, observed_at, clock_skew_seconds, stale_records,
    stale_seen_at)
select * from json_to_recordset($1::json) as x (cluster_id integer, kind smallint, shard integer, epoch bigint, sequence bigint,
    observed_at timestamptz, clock_skew_seconds double precision, stale_records bigint, stale_seen_at timestamptz)
on conflict (cluster_id, kind, shard) do update set epoch = excluded.epoch, sequence = excluded.sequence,
    observed_at = excluded.observed_at, clock_skew_seconds = excluded.clock_skew_seconds, stale_records = excluded.stale_records,
    stale_seen_at = excluded.stale_seen_at";

fn emitter(key: &ShardKey, head: &ShardHead) -> Json {
    json!({
        "cluster_id": key.cluster_id, "kind": key.kind.number(), "shard": key.shard, "epoch": head.epoch,
        "sequence": head.sequence, "observed_at": text(head.observed_at),
        "clock_skew_seconds": head.clock_skew_seconds, "stale_records": head.stale_records,
        "stale_seen_at": head.stale_seen_at.map(text),
    })
}

const UPSERT_BALANCES: &str = "
insert into ledger.balance as b (cluster_id, kind, shard, fold_count, fold_hi, fold_lo, mark_epoch, mark_sequence, mark_at,
    mark_count, mark_hi, mark_lo, fold_at_mark_count, fold_at_mark_hi, fold_at_mark_lo, mismatch_since)
select x.*, case when (x.mark_count, x.mark_hi, x.mark_lo)
    is distinct from (x.fold_at_mark_count, x.fold_at_mark_hi, x.fold_at_mark_lo) then x.mark_at end
from json_to_recordset($1::json) as x (cluster_id integer, kind smallint, shard integer, fold_count bigint, fold_hi bigint, fold_lo bigint,
    mark_epoch bigint, mark_sequence bigint, mark_at timestamptz, mark_count bigint, mark_hi bigint, mark_lo bigint,
    fold_at_mark_count bigint, fold_at_mark_hi bigint, fold_at_mark_lo bigint)
on conflict (cluster_id, kind, shard) do update set fold_count = excluded.fold_count, fold_hi = excluded.fold_hi,
    fold_lo = excluded.fold_lo, mark_epoch = excluded.mark_epoch, mark_sequence = excluded.mark_sequence, mark_at = excluded.mark_at,
    mark_count = excluded.mark_count, mark_hi = excluded.mark_hi, mark_lo = excluded.mark_lo,
    fold_at_mark_count = excluded.fold_at_mark_count, fold_at_mark_hi = excluded.fold_at_mark_hi,
    fold_at_mark_lo = excluded.fold_at_mark_lo,
    mismatch_since = case when excluded.mismatch_since is not null then coalesce(b.mismatch_since, excluded.mismatch_since) end";

fn balance(key: &ShardKey, head: &ShardHead) -> Json {
    let mark = head.mark.as_ref();
    json!({
        "cluster_id": key.cluster_id, "kind": key.kind.number(), "shard": key.shard,
        "fold_count": head.fold.count, "fold_hi": head.fold.xor.hi, "fold_lo": head.fold.xor.lo,
        "mark_epoch": mark.map(|mark| mark.epoch), "mark_sequence": mark.map(|mark| mark.sequence),
        "mark_at": mark.map(|mark| text(mark.at)), "mark_count": mark.map(|mark| mark.marked.count),
        "mark_hi": mark.map(|mark| mark.marked.xor.hi), "mark_lo": mark.map(|mark| mark.marked.xor.lo),
        "fold_at_mark_count": mark.map(|mark| mark.folded.count),
        "fold_at_mark_hi": mark.map(|mark| mark.folded.xor.hi), "fold_at_mark_lo": mark.map(|mark| mark.folded.xor.lo),
    })
}

const UPDATE_CLUSTER_SOURCES: &str = "
update ledger.cluster as c set source = x.source
from json_to_recordset($1::json) as x (cluster_id integer, source text)
where c.cluster_id = x.cluster_id and c.source is distinct from x.source";

fn sources(sealed: &SealedBatch) -> Vec<Json> {
    let sources = sealed.sources.iter();
    sources
        .map(|(cluster_id, source)| json!({"cluster_id": cluster_id, "source": source.as_str()}))
        .collect()
}

const UPSERT_SWEEPS: &str = "
insert into ledger.sweep (cluster_id, kind, shard, sweep_id, epoch, begin_sequence, begin_offset, begin_at, end_at, state,
    void_reason, objects, closed_objects, missed_changes, generation, healed_generation, held_objects,
    held_at)
select * from json_to_recordset($1::json) as x (cluster_id integer, kind smallint, shard integer, sweep_id text, epoch bigint,
    begin_sequence bigint, begin_offset bigint, begin_at timestamptz, end_at timestamptz, state text, void_reason text,
    objects bigint, closed_objects bigint, missed_changes bigint, generation bigint, healed_generation bigint,
    held_objects bigint, held_at timestamptz)
on conflict (cluster_id, kind, shard) do update set sweep_id = excluded.sweep_id, epoch = excluded.epoch,
    begin_sequence = excluded.begin_sequence, begin_offset = excluded.begin_offset, begin_at = excluded.begin_at,
    end_at = excluded.end_at, state = excluded.state, void_reason = excluded.void_reason, objects = excluded.objects,
    closed_objects = excluded.closed_objects, missed_changes = excluded.missed_changes, generation = excluded.generation,
    healed_generation = excluded.healed_generation, held_objects = excluded.held_objects, held_at = excluded.held_at";

fn sweep(key: &ShardKey, head: &ShardHead) -> Option<Json> {
    let sweep = head.sweep.as_ref()?;
    let (state, void_reason) = match &sweep.state {
        SweepState::Running => ("running", None),
        SweepState::Complete => ("complete", None),
        SweepState::Void(reason) => ("void", Some(reason)),
        SweepState::Held => ("held", None),
    };
    Some(json!({
        "cluster_id": key.cluster_id, "kind": key.kind.number(), "shard": key.shard, "sweep_id": sweep.sweep_id,
        "epoch": sweep.epoch, "begin_sequence": sweep.begin_sequence, "begin_offset": sweep.begin_offset,
        "begin_at": text(sweep.begin_at), "end_at": sweep.end_at.map(text), "state": state, "void_reason": void_reason,
        "objects": sweep.objects, "closed_objects": sweep.closed_objects, "missed_changes": sweep.missed_changes,
        "generation": sweep.generation, "healed_generation": head.healed_generation,
        "held_objects": sweep.held_objects, "held_at": sweep.held_at.map(text),
    }))
}

const UPSERT_FRESHNESS: &str = "
with news as (
    select x.cluster_id, x.kind, least(x.observed_at, now()) as observed_at
    from json_to_recordset($1::json) as x (cluster_id integer, kind smallint, observed_at timestamptz)
), newest as (
    insert into ledger.freshness as f (cluster_id, kind, observed_at, landed_at)
    select cluster_id, kind, observed_at, now() from news order by cluster_id, kind
    on conflict (cluster_id, kind) do update
    set observed_at = greatest(f.observed_at, excluded.observed_at), landed_at = excluded.landed_at
    returning cluster_id, kind, observed_at
)
insert into ledger.freshness_history as h (cluster_id, kind, minute_at, observed_at)
select cluster_id, kind, date_trunc('minute', now()), observed_at from newest order by cluster_id, kind
on conflict (cluster_id, kind, minute_at) do update set observed_at = greatest(h.observed_at, excluded.observed_at)";

fn freshness(sealed: &SealedBatch) -> Vec<Json> {
    let rows = sealed.freshness.iter().map(|((cluster_id, kind), at)| {
        json!({ "cluster_id": cluster_id, "kind": kind.number(), "observed_at": text(*at) })
    });
    rows.collect()
}

const COUNT_QUARANTINED_RECORDS: &str = "
update ledger.quarantine as q set records = q.records + x.records
from json_to_recordset($1::json) as x (datacenter text, cluster text, cluster_uid text, records bigint)
where q.datacenter = x.datacenter and q.cluster = x.cluster and q.cluster_uid = x.cluster_uid and q.released_at is null";

fn quarantine_rows(sealed: &SealedBatch) -> Vec<Json> {
    let mut counts = std::collections::BTreeMap::new();
    let letters = sealed.dead_letters.iter();
    let is_refused = |reason| matches!(reason, DeadReason::Quarantined | DeadReason::NotAdmitted);
    for letter in letters.filter(|letter| is_refused(letter.fault.reason)) {
        if let Some(source) = &letter.source {
            *counts.entry(source).or_insert(0_u64) += 1;
        }
    }
    let rows = counts.into_iter().map(|(source, records)| {
        json!({
            "datacenter": source.datacenter, "cluster": source.cluster,
            "cluster_uid": source.cluster_uid, "records": records,
        })
    });
    rows.collect()
}

const INSERT_BATCHES: &str = "
insert into ledger.batch (committed_at, topic, partition, from_offset, to_offset, owner_epoch, owner, delivered, landed,
    unchanged, superseded, deleted, control, dead)
select now(), x.* from json_to_recordset($1::json) as x (topic text, partition integer, from_offset bigint, to_offset bigint,
    owner_epoch bigint, owner text, delivered bigint, landed bigint, unchanged bigint, superseded bigint, deleted bigint,
    control bigint, dead bigint)";

fn batches(topics: &IngestTopics, owner: &str, sealed: &SealedBatch, superseded: &[usize]) -> Vec<Json> {
    let rows = sealed.spans.iter().map(|span| {
        let counts = sealed.counts_of(span, superseded);
        json!({
            "topic": topics.name(span.id.topic), "partition": span.id.partition, "from_offset": span.from,
            "to_offset": span.to, "owner_epoch": span.owner_epoch, "owner": owner, "delivered": counts.delivered(),
            "landed": counts.landed, "unchanged": counts.unchanged, "superseded": counts.superseded,
            "deleted": counts.deleted, "control": counts.control, "dead": counts.dead,
        })
    });
    rows.collect()
}

fn text(at: Instant) -> String {
    at.to_string()
}

pub(crate) const APPLY_OWNERS: &str = "select ledger.apply_owners($1::integer[], now())";
