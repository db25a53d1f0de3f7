-- needs function: note_fold
-- What containers really used: windows that emitters integrated from cumulative counters, folded into hours. All sums
-- are integers, so that the order in which windows arrive changes nothing.

create table ledger.usage_hourly (
    cluster_id integer not null,
    hour_at timestamptz not null,
    pod_uid uuid not null,
    container text not null,
    node text not null,
    namespace text not null,
    pod text not null,
    covered_ms bigint not null check (covered_ms >= 0),
    cpu_core_us bigint not null,
    memory_byte_seconds bigint not null,
    cpu_charged_core_us bigint not null,
    memory_charged_byte_seconds bigint not null,
    cpu_max_millicores bigint not null,
    memory_max_bytes bigint not null,
    gpu_used_card_us bigint,
    gpu_covered_ms bigint not null default 0,
    folded_at timestamptz not null,
    primary key (cluster_id, hour_at, pod_uid, container)
) partition by range (hour_at);
-- Rows come in order of their hours, but for late ones: a few kilobytes find an hour of every cluster.
create index on ledger.usage_hourly using brin (hour_at);
comment on table ledger.usage_hourly is 'Usage of each container in each UTC hour, as far as it is known; a container without a row was not seen.';
comment on column ledger.usage_hourly.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.usage_hourly.hour_at is 'Begin of the UTC hour.';
comment on column ledger.usage_hourly.pod_uid is 'Kubernetes uid of the pod.';
comment on column ledger.usage_hourly.container is 'Container name.';
comment on column ledger.usage_hourly.node is 'Node it ran on.';
comment on column ledger.usage_hourly.namespace is 'Namespace of the pod.';
comment on column ledger.usage_hourly.pod is 'Name of the pod.';
comment on column ledger.usage_hourly.covered_ms is 'Time of the hour for which CPU and memory are known, in milliseconds.';
comment on column ledger.usage_hourly.cpu_core_us is 'CPU used in the covered time, in core-microseconds.';
comment on column ledger.usage_hourly.memory_byte_seconds is 'Memory used in the covered time, in byte-seconds.';
comment on column ledger.usage_hourly.cpu_charged_core_us is 'Sum of max(request, usage) over the covered time, in core-microseconds; a missing request counts as 0.';
comment on column ledger.usage_hourly.memory_charged_byte_seconds is 'The same for memory, in byte-seconds.';
comment on column ledger.usage_hourly.cpu_max_millicores is 'Highest CPU between two readings, in thousandths of a core.';
comment on column ledger.usage_hourly.memory_max_bytes is 'Highest memory read, in bytes.';
comment on column ledger.usage_hourly.gpu_used_card_us is 'GPUs used in their covered time, in card-microseconds; NULL = not seen.';
comment on column ledger.usage_hourly.gpu_covered_ms is 'Time of the hour for which GPU usage is known, in milliseconds.';
comment on column ledger.usage_hourly.folded_at is 'When a window was last added.';

create table ledger.usage_window (
    cluster_id integer not null,
    hour_at timestamptz not null,
    node_uid uuid not null,
    node text not null,
    minutes bigint not null check (minutes > 0 and minutes < 1152921504606846976),
    windows integer not null default 1,
    latest_window_end_at timestamptz not null,
    folded_at timestamptz not null,
    primary key (cluster_id, hour_at, node_uid)
) partition by range (hour_at);
create index on ledger.usage_window using brin (hour_at);
comment on table ledger.usage_window is 'Which minutes of each node''s hours have been folded; a window that holds one of them again is superseded.';
comment on column ledger.usage_window.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.usage_window.hour_at is 'Begin of the UTC hour.';
comment on column ledger.usage_window.node_uid is 'Kubernetes uid of the node.';
comment on column ledger.usage_window.node is 'Node name.';
comment on column ledger.usage_window.minutes is 'Minutes of the hour that were folded: bit 0 is the first.';
comment on column ledger.usage_window.windows is 'Windows that were folded.';
comment on column ledger.usage_window.latest_window_end_at is 'End of the latest one.';
comment on column ledger.usage_window.folded_at is 'When one was last folded.';

-- Which hours usage was folded into since they were rated. Rating an hour takes its notes away before it reads: what commits
-- meanwhile leaves a note that it did not see, however the clocks of both run.
create table ledger.usage_fold (
    hour_at timestamptz not null,
    folded_at timestamptz not null default clock_timestamp()
);
create index usage_fold_hour on ledger.usage_fold (hour_at);
comment on table ledger.usage_fold is 'A note of each batch that folded usage, until the hour is rated.';
comment on column ledger.usage_fold.hour_at is 'Begin of the UTC hour that usage was folded into.';
comment on column ledger.usage_fold.folded_at is 'When it was.';

create trigger note_insert after insert on ledger.usage_window referencing new table as folded
    for each statement execute function ledger.note_fold();
create trigger note_update after update on ledger.usage_window referencing new table as folded
    for each statement execute function ledger.note_fold();

-- Retention: closed months can be rated again for a quarter. Rows of the running hour are updated with every window, hence
-- the room on their pages.
insert into ledger.partitioned_table (table_name, range_column, has_old_partition, retention_days, fillfactor) values
    ('usage_hourly', 'hour_at', true, 100, 60),
    ('usage_window', 'hour_at', true, 100, 60);
