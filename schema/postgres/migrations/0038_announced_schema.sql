-- Schemas that clusters announce are each cluster's own, and bounded (functions/make_schema_room.sql).

create table ledger.announced_schema (
    cluster_id integer not null,
    fingerprint bigint not null,
    subject text not null,
    schema_json text not null,
    announced_at timestamptz not null default now(),
    primary key (cluster_id, fingerprint)
);
comment on table ledger.announced_schema is 'Avro schemas of emitters of other versions, as each cluster announced them.';
comment on column ledger.announced_schema.cluster_id is 'Cluster that announced it.';
comment on column ledger.announced_schema.fingerprint is 'CRC-64-AVRO of its parsing canonical form, or what version 1 named it by.';
comment on column ledger.announced_schema.subject is 'Kind it describes, or mark.';
comment on column ledger.announced_schema.schema_json is 'Its text.';
comment on column ledger.announced_schema.announced_at is 'When it was announced first.';
comment on table ledger.avro_schema is 'Avro schemas of releases, and those that clusters announced before they had their own (ledger.announced_schema).';
