-- How much of dead letters is kept whole: so many bytes of each source and day (`ingest.dead_letter_day_bytes`). Beyond it
-- they are counted by reason, with one example.

create table ledger.dead_letter_day (
    datacenter text not null,
    cluster text not null,
    cluster_uid text not null,
    day_on date not null,
    bytes bigint not null,
    primary key (datacenter, cluster, cluster_uid, day_on)
);
comment on table ledger.dead_letter_day is 'Bytes of the dead letters of a source by UTC day, those that were not kept whole among them.';
comment on column ledger.dead_letter_day.datacenter is 'Datacenter in their keys; empty where that could not be read.';
comment on column ledger.dead_letter_day.cluster is 'Cluster in their keys; empty where that could not be read.';
comment on column ledger.dead_letter_day.cluster_uid is 'Cluster uid in their keys; empty where that could not be read.';
comment on column ledger.dead_letter_day.day_on is 'Day, UTC.';
comment on column ledger.dead_letter_day.bytes is 'Keys, values and headers.';

create table ledger.dead_letter_overflow (
    datacenter text not null,
    cluster text not null,
    cluster_uid text not null,
    day_on date not null,
    topic text not null,
    reason text not null,
    letters bigint not null,
    bytes bigint not null,
    first_at timestamptz not null default now(),
    last_at timestamptz not null default now(),
    partition integer not null,
    record_offset bigint not null,
    detail text not null,
    record_key bytea,
    record_value bytea,
    primary key (datacenter, cluster, cluster_uid, day_on, topic, reason)
);
comment on table ledger.dead_letter_overflow is 'Dead letters beyond the bound of their source and day: counted, with the first of each reason as an example.';
comment on column ledger.dead_letter_overflow.datacenter is 'Datacenter in their keys; empty where that could not be read.';
comment on column ledger.dead_letter_overflow.cluster is 'Cluster in their keys; empty where that could not be read.';
comment on column ledger.dead_letter_overflow.cluster_uid is 'Cluster uid in their keys; empty where that could not be read.';
comment on column ledger.dead_letter_overflow.day_on is 'Day, UTC.';
comment on column ledger.dead_letter_overflow.topic is 'Topic.';
comment on column ledger.dead_letter_overflow.reason is 'Class of the fault.';
comment on column ledger.dead_letter_overflow.letters is 'How many there were.';
comment on column ledger.dead_letter_overflow.bytes is 'Their keys, values and headers.';
comment on column ledger.dead_letter_overflow.first_at is 'When the first was counted.';
comment on column ledger.dead_letter_overflow.last_at is 'When the newest was counted.';
comment on column ledger.dead_letter_overflow.partition is 'Partition of the first.';
comment on column ledger.dead_letter_overflow.record_offset is 'Offset of the first.';
comment on column ledger.dead_letter_overflow.detail is 'What exactly is wrong with the first.';
comment on column ledger.dead_letter_overflow.record_key is 'First kilobyte of its key.';
comment on column ledger.dead_letter_overflow.record_value is 'First kilobyte of its value.';
