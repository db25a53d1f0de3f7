-- Windows of rollups, and the rows of those that users write. A rollup that ships has a table ledger.rollup_… of its
-- own, made by a migration, with window_at, its dimensions and its values.

create table ledger.rollup_window (
    rollup text not null,
    window_at timestamptz not null,
    window_end_at timestamptz not null,
    row_count bigint not null,
    known_until timestamptz not null,
    complete boolean not null,
    version text not null,
    filled_at timestamptz not null,
    fillings integer not null default 1,
    sources_behind integer not null default 0,
    primary key (rollup, window_at),
    check (window_at < window_end_at)
) with (fillfactor = 80);
comment on table ledger.rollup_window is 'Windows that a rollup has filled, and up to when its sources were known then.';
comment on column ledger.rollup_window.rollup is 'Name of the rollup.';
comment on column ledger.rollup_window.window_at is 'Begin of the window.';
comment on column ledger.rollup_window.window_end_at is 'End of the window.';
comment on column ledger.rollup_window.row_count is 'Rows it holds.';
comment on column ledger.rollup_window.known_until is 'Up to when every source was known when it was last filled.';
comment on column ledger.rollup_window.complete is 'True if every source was known to the end of the window; else it is filled again when more is known.';
comment on column ledger.rollup_window.version is 'SHA-256 of the file it was last filled by.';
comment on column ledger.rollup_window.filled_at is 'When it was last filled.';
comment on column ledger.rollup_window.fillings is 'How many times it was filled.';
comment on column ledger.rollup_window.sources_behind is 'Sources that were not known to the end of the window when it was last filled.';

-- Which windows are filled again: those behind whose end fewer sources are than when they were filled. The least of all
-- sources says too little: one cluster that is gone for days would hold up what the others have caught up on. Such windows
-- are looked for each time; almost all are complete.
create index rollup_window_incomplete on ledger.rollup_window (rollup, window_at) where not complete;

create table ledger.user_rollup (
    rollup text not null,
    window_at timestamptz not null,
    row_number integer not null,
    dimensions jsonb not null,
    "values" jsonb not null,
    primary key (rollup, window_at, row_number),
    foreign key (rollup, window_at) references ledger.rollup_window on delete cascade
);
comment on table ledger.user_rollup is 'Rows of the rollups that users write.';
comment on column ledger.user_rollup.rollup is 'Name of the rollup.';
comment on column ledger.user_rollup.window_at is 'Begin of the window.';
comment on column ledger.user_rollup.row_number is 'Number of the row within its window.';
comment on column ledger.user_rollup.dimensions is 'What names the row, as texts by column.';
comment on column ledger.user_rollup."values" is 'Its numbers by column; null = unknown.';

-- Samples of the fleet that dashboards show over time: a chart of a month reads some thousand rows, not the history.

create table ledger.rollup_cluster (
    window_at timestamptz not null,
    datacenter text not null,
    cluster text not null,
    nodes bigint not null,
    nodes_ready bigint not null,
    nodes_cordoned bigint not null,
    cpu_allocatable_cores numeric,
    memory_allocatable_bytes numeric,
    gpu_allocatable numeric,
    pods bigint not null,
    pods_running bigint not null,
    pods_ready bigint not null,
    pods_pending bigint not null,
    pods_failed bigint not null,
    cpu_request_cores numeric,
    memory_request_bytes numeric,
    gpu_request numeric,
    restarts bigint not null,
    primary key (window_at, datacenter, cluster)
) partition by range (window_at);
comment on table ledger.rollup_cluster is 'Each cluster every five minutes: what it had at the end of them, and restarts within them. Filled by rollup cluster.';
comment on column ledger.rollup_cluster.window_at is 'Begin of the five minutes.';
comment on column ledger.rollup_cluster.datacenter is 'Datacenter.';
comment on column ledger.rollup_cluster.cluster is 'Cluster.';
comment on column ledger.rollup_cluster.nodes is 'Nodes.';
comment on column ledger.rollup_cluster.nodes_ready is 'Nodes that are Ready and not silent.';
comment on column ledger.rollup_cluster.nodes_cordoned is 'Nodes that are cordoned.';
comment on column ledger.rollup_cluster.cpu_allocatable_cores is 'Allocatable CPU cores of all nodes.';
comment on column ledger.rollup_cluster.memory_allocatable_bytes is 'Allocatable memory of all nodes, in bytes.';
comment on column ledger.rollup_cluster.gpu_allocatable is 'Allocatable GPU cards of all nodes.';
comment on column ledger.rollup_cluster.pods is 'Pods.';
comment on column ledger.rollup_cluster.pods_running is 'Pods in phase Running.';
comment on column ledger.rollup_cluster.pods_ready is 'Pods that are ready.';
comment on column ledger.rollup_cluster.pods_pending is 'Pods in phase Pending.';
comment on column ledger.rollup_cluster.pods_failed is 'Pods in phase Failed.';
comment on column ledger.rollup_cluster.cpu_request_cores is 'CPU cores requested by pods that have not ended.';
comment on column ledger.rollup_cluster.memory_request_bytes is 'Bytes of memory requested by pods that have not ended.';
comment on column ledger.rollup_cluster.gpu_request is 'GPU cards requested by pods that have not ended.';
comment on column ledger.rollup_cluster.restarts is 'Restarts of containers within the five minutes.';

create table ledger.rollup_namespace (
    window_at timestamptz not null,
    datacenter text not null,
    cluster text not null,
    namespace text not null,
    team text,
    pods bigint not null,
    pods_running bigint not null,
    pods_ready bigint not null,
    pods_pending bigint not null,
    pods_failed bigint not null,
    cpu_request_cores numeric,
    memory_request_bytes numeric,
    gpu_request numeric,
    restarts bigint not null,
    primary key (window_at, datacenter, cluster, namespace)
) partition by range (window_at);
create index on ledger.rollup_namespace (namespace, window_at);
create index on ledger.rollup_namespace (team, window_at) where team is not null;
comment on table ledger.rollup_namespace is 'Each namespace every hour: what it had at the end of it, and restarts within it. Filled by rollup namespace.';
comment on column ledger.rollup_namespace.window_at is 'Begin of the hour.';
comment on column ledger.rollup_namespace.datacenter is 'Datacenter.';
comment on column ledger.rollup_namespace.cluster is 'Cluster.';
comment on column ledger.rollup_namespace.namespace is 'Namespace.';
comment on column ledger.rollup_namespace.team is 'Owner of the namespace when the hour was filled.';
comment on column ledger.rollup_namespace.pods is 'Pods.';
comment on column ledger.rollup_namespace.pods_running is 'Pods in phase Running.';
comment on column ledger.rollup_namespace.pods_ready is 'Pods that are ready.';
comment on column ledger.rollup_namespace.pods_pending is 'Pods in phase Pending.';
comment on column ledger.rollup_namespace.pods_failed is 'Pods in phase Failed.';
comment on column ledger.rollup_namespace.cpu_request_cores is 'CPU cores requested by pods that have not ended.';
comment on column ledger.rollup_namespace.memory_request_bytes is 'Bytes of memory requested by pods that have not ended.';
comment on column ledger.rollup_namespace.gpu_request is 'GPU cards requested by pods that have not ended.';
comment on column ledger.rollup_namespace.restarts is 'Restarts of containers within the hour.';

create table ledger.rollup_ingest (
    window_at timestamptz not null,
    topic text not null,
    batches bigint not null,
    delivered bigint not null,
    landed bigint not null,
    unchanged bigint not null,
    superseded bigint not null,
    deleted bigint not null,
    control bigint not null,
    dead bigint not null,
    primary key (window_at, topic)
) partition by range (window_at);
comment on table ledger.rollup_ingest is 'The batch ledger by topic and five minutes. Filled by rollup ingest.';
comment on column ledger.rollup_ingest.window_at is 'Begin of the five minutes.';
comment on column ledger.rollup_ingest.topic is 'Topic.';
comment on column ledger.rollup_ingest.batches is 'Batches committed.';
comment on column ledger.rollup_ingest.delivered is 'Records Kafka delivered.';
comment on column ledger.rollup_ingest.landed is 'Records that changed a row.';
comment on column ledger.rollup_ingest.unchanged is 'Records equal to what stands.';
comment on column ledger.rollup_ingest.superseded is 'Records of a deposed emitter, or older than what stands.';
comment on column ledger.rollup_ingest.deleted is 'Records that ended an object.';
comment on column ledger.rollup_ingest.control is 'Marks, sweep points, schemas.';
comment on column ledger.rollup_ingest.dead is 'Records that went to the dead letters.';

insert into ledger.partitioned_table (table_name, range_column, has_old_partition, retention_days) values
    ('rollup_cluster', 'window_at', true, 400),
    ('rollup_namespace', 'window_at', true, 400),
    ('rollup_ingest', 'window_at', true, 35);
