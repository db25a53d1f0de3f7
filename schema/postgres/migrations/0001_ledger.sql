-- The private schema of the ledger and what everything else refers to: clusters, settings, Avro schemas, and the list of
-- partitioned tables. Readers have no USAGE here; they read schema fleet. Functions are files of their own (functions/).

create table ledger.cluster (
    cluster_id integer generated always as identity primary key,
    datacenter text not null,
    cluster text not null,
    cluster_uid text not null unique,
    state text not null default 'active' check (state in ('active', 'retired')),
    first_seen_at timestamptz not null,
    retired_at timestamptz,
    check ((state = 'retired') = (retired_at is not null))
);
comment on table ledger.cluster is 'Every cluster ever seen, by the uid of its kube-system namespace.';
comment on column ledger.cluster.cluster_id is 'Small number every key begins with.';
comment on column ledger.cluster.datacenter is 'Accepted name of its datacenter.';
comment on column ledger.cluster.cluster is 'Accepted name of the cluster.';
comment on column ledger.cluster.cluster_uid is 'Uid of its kube-system namespace: its identity.';
comment on column ledger.cluster.state is 'active or retired.';
comment on column ledger.cluster.first_seen_at is 'When its first record landed.';
comment on column ledger.cluster.retired_at is 'When it was retired.';

create table ledger.cluster_former_name (
    cluster_id integer not null references ledger.cluster,
    datacenter text not null,
    cluster text not null,
    renamed_at timestamptz not null,
    primary key (cluster_id, datacenter, cluster)
);
comment on table ledger.cluster_former_name is 'Names a cluster had before it was renamed; records under them change nothing.';
comment on column ledger.cluster_former_name.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.cluster_former_name.datacenter is 'Former name of its datacenter.';
comment on column ledger.cluster_former_name.cluster is 'Former name of the cluster.';
comment on column ledger.cluster_former_name.renamed_at is 'When it was renamed.';

create table ledger.setting (
    name text primary key,
    value text not null,
    set_at timestamptz not null default now()
);
comment on table ledger.setting is 'Settings that views and functions read.';
comment on column ledger.setting.name is 'Name of the setting, such as owners.namespace_label.';
comment on column ledger.setting.value is 'Its value.';
comment on column ledger.setting.set_at is 'When it was set.';

create table ledger.avro_schema (
    fingerprint bigint primary key,
    subject text not null,
    schema_json text not null,
    learned_at timestamptz not null default now(),
    learned_from text not null
);
comment on table ledger.avro_schema is 'Every Avro schema a record may have been written with.';
comment on column ledger.avro_schema.fingerprint is 'CRC-64-AVRO of its parsing canonical form.';
comment on column ledger.avro_schema.subject is 'Kind it describes, or mark.';
comment on column ledger.avro_schema.schema_json is 'Its text.';
comment on column ledger.avro_schema.learned_at is 'When it was stored.';
comment on column ledger.avro_schema.learned_from is 'release, or the source that announced it.';

-- Partitions of append-only tables are made as tables of their own and then attached: `partition of` would lock every reader
-- out of the parent. There is no default partition: it would hide a missing day and then make that day impossible to create.
create table ledger.partitioned_table (
    table_name text primary key,
    range_column text not null,
    has_old_partition boolean not null,
    retention_days integer not null check (retention_days >= 1),
    fillfactor integer not null default 100 check (fillfactor between 10 and 100)
);
comment on table ledger.partitioned_table is 'Tables partitioned by day, and how long their rows are kept.';
comment on column ledger.partitioned_table.table_name is 'Table in schema ledger.';
comment on column ledger.partitioned_table.range_column is 'Column it is partitioned by.';
comment on column ledger.partitioned_table.has_old_partition is 'True if one partition takes everything before the first day.';
comment on column ledger.partitioned_table.retention_days is 'Days after which a partition is dropped.';
comment on column ledger.partitioned_table.fillfactor is 'How far the pages of a new partition are filled, in percent.';
