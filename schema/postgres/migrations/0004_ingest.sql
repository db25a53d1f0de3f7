-- What the ingester keeps of topics, sources and batches: offsets and claims, the newest epoch of each emitter, freshness,
-- balances, sweeps, the batch ledger, dead letters and gaps.

create table ledger.topic (
    topic text primary key,
    kind smallint not null,
    partitions integer not null check (partitions > 0),
    shards integer not null check (shards > 0),
    recorded_at timestamptz not null default now()
);
comment on table ledger.topic is 'Partition and shard count of each topic, fixed when it was first read; a change halts ingestion.';
comment on column ledger.topic.topic is 'Name of the topic.';
comment on column ledger.topic.kind is 'Kind of its records: 1 node, 2 pod, 3 namespace, 4 workload, 5 watchdog, 6 usage.';
comment on column ledger.topic.partitions is 'Its partition count.';
comment on column ledger.topic.shards is 'Its shard count per cluster.';
comment on column ledger.topic.recorded_at is 'When it was first read.';

create table ledger.ingest_partition (
    topic text not null references ledger.topic,
    partition integer not null,
    next_offset bigint not null,
    owner_epoch bigint not null default 0,
    owner text,
    claimed_at timestamptz,
    state text not null default 'running' check (state in ('running', 'halted')),
    halted_reason text,
    halted_at timestamptz,
    checkpoint_offset bigint,
    checkpoint_kafka_at timestamptz,
    checkpoint_crc bigint,
    high_watermark bigint,
    progressed_at timestamptz,
    primary key (topic, partition)
) with (fillfactor = 50);
comment on table ledger.ingest_partition is 'Where each partition stands: the offset that moves in the transaction that lands its data, and the fence that keeps a deposed ingester out.';
comment on column ledger.ingest_partition.topic is 'Topic.';
comment on column ledger.ingest_partition.partition is 'Partition.';
comment on column ledger.ingest_partition.next_offset is 'First offset that has not landed.';
comment on column ledger.ingest_partition.owner_epoch is 'Number of the current claim; a batch of an earlier claim updates no row and rolls back.';
comment on column ledger.ingest_partition.owner is 'Ingester that claimed it.';
comment on column ledger.ingest_partition.claimed_at is 'When it was claimed.';
comment on column ledger.ingest_partition.state is 'running or halted.';
comment on column ledger.ingest_partition.halted_reason is 'Why it is halted and what to do.';
comment on column ledger.ingest_partition.halted_at is 'When it was halted.';
comment on column ledger.ingest_partition.checkpoint_offset is 'Offset of the last landed record, read again after a claim to notice a rewritten topic.';
comment on column ledger.ingest_partition.checkpoint_kafka_at is 'Its Kafka timestamp.';
comment on column ledger.ingest_partition.checkpoint_crc is 'CRC-32 of its key and value.';
comment on column ledger.ingest_partition.high_watermark is 'End of the partition when it was last looked at; the lag is this less next_offset.';
comment on column ledger.ingest_partition.progressed_at is 'When next_offset last moved.';

create table ledger.emitter_state (
    cluster_id integer not null references ledger.cluster,
    kind smallint not null,
    shard integer not null,
    epoch bigint not null,
    sequence bigint not null,
    observed_at timestamptz not null,
    clock_skew_seconds double precision not null default 0,
    stale_records bigint not null default 0,
    primary key (cluster_id, kind, shard)
) with (fillfactor = 50);
comment on table ledger.emitter_state is 'Newest epoch and sequence of each (cluster, kind, shard); an older record is superseded.';
comment on column ledger.emitter_state.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.emitter_state.kind is 'Kind number.';
comment on column ledger.emitter_state.shard is 'Shard.';
comment on column ledger.emitter_state.epoch is 'Leadership term of the emitter, microseconds.';
comment on column ledger.emitter_state.sequence is 'Number of its newest record.';
comment on column ledger.emitter_state.observed_at is 'ce_time of its newest record.';
comment on column ledger.emitter_state.clock_skew_seconds is 'ce_time of its newest record less the record''s Kafka timestamp, in seconds; more than 5 is a fault.';
comment on column ledger.emitter_state.stale_records is 'Records of deposed emitters seen since, all superseded.';

create table ledger.kind_state (
    cluster_id integer not null references ledger.cluster,
    kind smallint not null,
    generation bigint not null default 0,
    raised_at timestamptz,
    raised_reason text,
    primary key (cluster_id, kind)
);
comment on table ledger.kind_state is 'A raised generation drops the ingester''s cache of that (cluster, kind), and the next sweep lands unconditionally.';
comment on column ledger.kind_state.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.kind_state.kind is 'Kind number.';
comment on column ledger.kind_state.generation is 'Raised by audit, by the table sum and by hand.';
comment on column ledger.kind_state.raised_at is 'When it was last raised.';
comment on column ledger.kind_state.raised_reason is 'Why.';

create table ledger.freshness (
    cluster_id integer not null references ledger.cluster,
    kind smallint not null,
    observed_at timestamptz not null,
    landed_at timestamptz not null,
    primary key (cluster_id, kind)
) with (fillfactor = 50);
comment on table ledger.freshness is 'Up to when each (cluster, kind) is known: the least of ce_time, Kafka timestamp and commit of its newest batch.';
comment on column ledger.freshness.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.freshness.kind is 'Kind number.';
comment on column ledger.freshness.observed_at is 'Up to when it is known.';
comment on column ledger.freshness.landed_at is 'When that landed.';

create table ledger.freshness_history (
    cluster_id integer not null,
    kind smallint not null,
    minute_at timestamptz not null,
    observed_at timestamptz not null,
    primary key (cluster_id, kind, minute_at)
) partition by range (minute_at);
comment on table ledger.freshness_history is 'Freshness as of the end of each minute in which a batch landed.';
comment on column ledger.freshness_history.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.freshness_history.kind is 'Kind number.';
comment on column ledger.freshness_history.minute_at is 'Begin of the minute of the commit.';
comment on column ledger.freshness_history.observed_at is 'Up to when it was known at the end of that minute.';

create table ledger.balance (
    cluster_id integer not null references ledger.cluster,
    kind smallint not null,
    shard integer not null,
    fold_count bigint not null default 0,
    fold_hi bigint not null default 0,
    fold_lo bigint not null default 0,
    mark_epoch bigint,
    mark_sequence bigint,
    mark_at timestamptz,
    mark_count bigint,
    mark_hi bigint,
    mark_lo bigint,
    fold_at_mark_count bigint,
    fold_at_mark_hi bigint,
    fold_at_mark_lo bigint,
    mismatch_since timestamptz,
    primary key (cluster_id, kind, shard)
) with (fillfactor = 50);
comment on table ledger.balance is 'What was delivered, folded record by record in log order, beside what the emitter''s newest mark says at the same point of the log.';
comment on column ledger.balance.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.balance.kind is 'Kind number.';
comment on column ledger.balance.shard is 'Shard.';
comment on column ledger.balance.fold_count is 'Living objects delivered, open dead keys included.';
comment on column ledger.balance.fold_hi is 'High half of the XOR of their content hashes.';
comment on column ledger.balance.fold_lo is 'Low half of it.';
comment on column ledger.balance.mark_epoch is 'ce_epoch of the newest mark.';
comment on column ledger.balance.mark_sequence is 'ce_sequence of the newest mark.';
comment on column ledger.balance.mark_at is 'ce_time of the newest mark.';
comment on column ledger.balance.mark_count is 'Living objects the mark counts.';
comment on column ledger.balance.mark_hi is 'High half of the mark''s digest.';
comment on column ledger.balance.mark_lo is 'Low half of it.';
comment on column ledger.balance.fold_at_mark_count is 'fold_count at the mark''s place in the log.';
comment on column ledger.balance.fold_at_mark_hi is 'fold_hi there.';
comment on column ledger.balance.fold_at_mark_lo is 'fold_lo there.';
comment on column ledger.balance.mismatch_since is 'ce_time of the first of the marks in a row that the fold did not equal; NULL while the newest mark agrees.';

create table ledger.table_sum (
    cluster_id integer not null references ledger.cluster,
    kind smallint not null,
    table_count bigint not null,
    fold_count bigint not null,
    dead_count bigint not null,
    agrees boolean not null,
    checked_at timestamptz not null,
    disagrees_since timestamptz,
    primary key (cluster_id, kind)
);
comment on table ledger.table_sum is 'The newest comparison of what stands in a table with the fold of what was delivered.';
comment on column ledger.table_sum.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.table_sum.kind is 'Kind number.';
comment on column ledger.table_sum.table_count is 'Rows that stand.';
comment on column ledger.table_sum.fold_count is 'Living objects delivered.';
comment on column ledger.table_sum.dead_count is 'Objects whose newest record is a dead letter.';
comment on column ledger.table_sum.agrees is 'True if count and XOR of rows and open dead keys equal the fold, and containers equal what their pods say.';
comment on column ledger.table_sum.checked_at is 'When it was compared.';
comment on column ledger.table_sum.disagrees_since is 'Since when it disagrees.';

create table ledger.sweep (
    cluster_id integer not null references ledger.cluster,
    kind smallint not null,
    shard integer not null,
    sweep_id text not null,
    epoch bigint not null,
    begin_sequence bigint not null,
    begin_offset bigint not null,
    begin_at timestamptz not null,
    end_at timestamptz,
    state text not null check (state in ('running', 'complete', 'void')),
    void_reason text,
    objects bigint not null default 0,
    closed_objects bigint not null default 0,
    missed_changes bigint,
    generation bigint not null default 0,
    healed_generation bigint not null default 0,
    primary key (cluster_id, kind, shard)
);
comment on table ledger.sweep is 'The newest sweep of each (cluster, kind, shard).';
comment on column ledger.sweep.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.sweep.kind is 'Kind number.';
comment on column ledger.sweep.shard is 'Shard.';
comment on column ledger.sweep.sweep_id is 'Its identity.';
comment on column ledger.sweep.epoch is 'Leadership term of the emitter that sent it.';
comment on column ledger.sweep.begin_sequence is 'ce_sequence of its begin.';
comment on column ledger.sweep.begin_offset is 'Offset of its begin; a claim inside the sweep reads again from here.';
comment on column ledger.sweep.begin_at is 'ce_time of its begin.';
comment on column ledger.sweep.end_at is 'ce_time of its end.';
comment on column ledger.sweep.state is 'running, complete, or void: it had a hole and closed nothing.';
comment on column ledger.sweep.void_reason is 'Why it is void.';
comment on column ledger.sweep.objects is 'Objects it named.';
comment on column ledger.sweep.closed_objects is 'Objects closed because it did not name them.';
comment on column ledger.sweep.missed_changes is 'Differences the emitter found between the API server and its memory.';
comment on column ledger.sweep.generation is 'Generation of ledger.kind_state when it began.';
comment on column ledger.sweep.healed_generation is 'Generation that the newest complete sweep has healed; until it reaches ledger.kind_state.generation every record lands unconditionally.';

create table ledger.batch (
    committed_at timestamptz not null,
    topic text not null,
    partition integer not null,
    from_offset bigint not null,
    to_offset bigint not null,
    owner_epoch bigint not null,
    owner text not null,
    delivered bigint not null,
    landed bigint not null,
    unchanged bigint not null,
    superseded bigint not null,
    deleted bigint not null,
    control bigint not null,
    dead bigint not null,
    check (from_offset < to_offset),
    check (delivered = landed + unchanged + superseded + deleted + control + dead),
    check (delivered <= to_offset - from_offset)
) partition by range (committed_at);
create index on ledger.batch (topic, partition, from_offset);
comment on table ledger.batch is 'The batch ledger: every delivered record in exactly one column, by batch and partition.';
comment on column ledger.batch.committed_at is 'Begin of the transaction that landed it.';
comment on column ledger.batch.topic is 'Topic.';
comment on column ledger.batch.partition is 'Partition.';
comment on column ledger.batch.from_offset is 'First offset it covers.';
comment on column ledger.batch.to_offset is 'Offset after the last one it covers.';
comment on column ledger.batch.owner_epoch is 'Claim under which it landed.';
comment on column ledger.batch.owner is 'Ingester that landed it.';
comment on column ledger.batch.delivered is 'Records Kafka delivered; compaction and transactions leave offsets without one.';
comment on column ledger.batch.landed is 'Records that changed a row.';
comment on column ledger.batch.unchanged is 'Records equal to what stands.';
comment on column ledger.batch.superseded is 'Records of a deposed emitter, or older than what stands.';
comment on column ledger.batch.deleted is 'Records that ended an object.';
comment on column ledger.batch.control is 'Marks, sweep points, schema announcements, and tombstones of what has already ended.';
comment on column ledger.batch.dead is 'Records that went to the dead letters.';

create table ledger.dead_letter (
    dead_letter_id bigint generated always as identity primary key,
    topic text not null,
    partition integer not null,
    record_offset bigint not null,
    kafka_at timestamptz,
    datacenter text,
    cluster text,
    cluster_uid text,
    kind smallint,
    uid text,
    reason text not null,
    detail text not null,
    schema_ref text,
    record_key bytea,
    record_value bytea,
    record_headers jsonb not null,
    died_at timestamptz not null default now(),
    state text not null default 'open' check (state in ('open', 'replayed', 'superseded', 'discarded')),
    settled_at timestamptz,
    unique (topic, partition, record_offset)
);
create index dead_letter_open on ledger.dead_letter (reason, cluster_uid) where state = 'open';
comment on table ledger.dead_letter is 'Records that could not land, whole, with the reason; nothing is lost.';
comment on column ledger.dead_letter.dead_letter_id is 'Its number.';
comment on column ledger.dead_letter.topic is 'Topic.';
comment on column ledger.dead_letter.partition is 'Partition.';
comment on column ledger.dead_letter.record_offset is 'Offset.';
comment on column ledger.dead_letter.kafka_at is 'Kafka timestamp of the record.';
comment on column ledger.dead_letter.datacenter is 'Datacenter in its key, if that could be read.';
comment on column ledger.dead_letter.cluster is 'Cluster in its key, if that could be read.';
comment on column ledger.dead_letter.cluster_uid is 'Cluster uid in its key, if that could be read.';
comment on column ledger.dead_letter.kind is 'Kind number of its topic.';
comment on column ledger.dead_letter.uid is 'Object uid in its key, if that could be read.';
comment on column ledger.dead_letter.reason is 'Class of the fault, such as bad_magic or unknown_schema; replay selects by it.';
comment on column ledger.dead_letter.detail is 'What exactly is wrong with it.';
comment on column ledger.dead_letter.schema_ref is 'Schema its frame names, if that could be read.';
comment on column ledger.dead_letter.record_key is 'Key, as delivered.';
comment on column ledger.dead_letter.record_value is 'Value, as delivered.';
comment on column ledger.dead_letter.record_headers is 'Headers, as a list of [name, text]; bytes that are not UTF-8 are written as {"hex": …}.';
comment on column ledger.dead_letter.died_at is 'When it was put here.';
comment on column ledger.dead_letter.state is 'open, replayed, superseded (a newer record of its object landed) or discarded.';
comment on column ledger.dead_letter.settled_at is 'When it left the state open.';

create table ledger.dead_key (
    cluster_id integer not null references ledger.cluster,
    kind smallint not null,
    uid uuid not null,
    shard integer not null,
    hash_hi bigint not null,
    hash_lo bigint not null,
    epoch bigint not null,
    sequence bigint not null,
    dead_letter_id bigint references ledger.dead_letter on delete set null,
    died_at timestamptz not null,
    primary key (cluster_id, kind, uid)
);
comment on table ledger.dead_key is 'Objects whose newest delivered record is a dead letter; they count as seen by sweeps and as delivered by the balance.';
comment on column ledger.dead_key.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.dead_key.kind is 'Kind number.';
comment on column ledger.dead_key.uid is 'Uid of the object.';
comment on column ledger.dead_key.shard is 'Its shard.';
comment on column ledger.dead_key.hash_hi is 'High half of the content hash of the body that died.';
comment on column ledger.dead_key.hash_lo is 'Low half of it.';
comment on column ledger.dead_key.epoch is 'ce_epoch of the record that died.';
comment on column ledger.dead_key.sequence is 'ce_sequence of the record that died.';
comment on column ledger.dead_key.dead_letter_id is 'The record.';
comment on column ledger.dead_key.died_at is 'When it died.';

create table ledger.quarantine (
    quarantine_id bigint generated always as identity primary key,
    datacenter text not null,
    cluster text not null,
    cluster_uid text not null,
    topic text,
    reason text not null,
    detail text not null,
    since timestamptz not null default now(),
    released_at timestamptz,
    records bigint not null default 0
);
create unique index quarantine_open on ledger.quarantine (datacenter, cluster, cluster_uid, coalesce(topic, ''))
    where released_at is null;
comment on table ledger.quarantine is 'Sources whose records go to the dead letters until someone looks at them.';
comment on column ledger.quarantine.quarantine_id is 'Its number.';
comment on column ledger.quarantine.datacenter is 'Datacenter the source names.';
comment on column ledger.quarantine.cluster is 'Cluster the source names.';
comment on column ledger.quarantine.cluster_uid is 'Cluster uid the source names.';
comment on column ledger.quarantine.topic is 'Topic; NULL for all.';
comment on column ledger.quarantine.reason is 'poisoned or duplicate_cluster_uid.';
comment on column ledger.quarantine.detail is 'What was seen and what to do.';
comment on column ledger.quarantine.since is 'When it began.';
comment on column ledger.quarantine.released_at is 'When it ended.';
comment on column ledger.quarantine.records is 'Records that went to the dead letters because of it.';

create table ledger.ingest_gap (
    ingest_gap_id bigint generated always as identity primary key,
    topic text not null,
    partition integer not null,
    from_offset bigint not null,
    to_offset bigint not null,
    reason text not null,
    found_at timestamptz not null default now(),
    policy text not null,
    healed_at timestamptz
);
comment on table ledger.ingest_gap is 'Offsets that were gone before they could be read, and sequences lost before Kafka.';
comment on column ledger.ingest_gap.ingest_gap_id is 'Its number.';
comment on column ledger.ingest_gap.topic is 'Topic.';
comment on column ledger.ingest_gap.partition is 'Partition.';
comment on column ledger.ingest_gap.from_offset is 'First offset that is gone.';
comment on column ledger.ingest_gap.to_offset is 'Offset after the last one that is gone.';
comment on column ledger.ingest_gap.reason is 'What happened.';
comment on column ledger.ingest_gap.found_at is 'When it was noticed.';
comment on column ledger.ingest_gap.policy is 'continue or halt.';
comment on column ledger.ingest_gap.healed_at is 'When a complete sweep of every source of the partition had landed after it.';

insert into ledger.partitioned_table (table_name, range_column, has_old_partition, retention_days) values
    ('freshness_history', 'minute_at', true, 35),
    ('batch', 'committed_at', true, 14);
