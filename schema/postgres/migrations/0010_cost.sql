-- Cost to serve: what nodes cost in each hour and whom for. Compute only: CPU, memory and GPUs; storage, network and load
-- balancers are not in it. All money is integers of billionths of the currency. functions/rate.sql fills a node's hour,
-- functions/cost_fill.sql writes it here.

create table ledger.cost_line (
    line_id bigint primary key generated always as identity,
    cluster_id integer not null,
    namespace text not null,
    workload_kind text,
    workload text,
    container text,
    node_class text,
    team text not null,
    owner_source text not null,
    labels jsonb not null,
    unique nulls not distinct (cluster_id, namespace, workload_kind, workload, container, node_class, team, owner_source, labels)
);
comment on table ledger.cost_line is 'Who and what cost is booked on: each combination is stored once and named by a number.';
comment on column ledger.cost_line.line_id is 'Number of the line.';
comment on column ledger.cost_line.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.cost_line.namespace is 'Namespace; __idle__ and __system__ for what nobody was charged.';
comment on column ledger.cost_line.workload_kind is 'Kind of the top-level owner; NULL = a pod without one.';
comment on column ledger.cost_line.workload is 'Name of the top-level owner; NULL = a pod without one.';
comment on column ledger.cost_line.container is 'Container; pod-init for what a pod reserves beyond its containers.';
comment on column ledger.cost_line.node_class is 'Class of nodes by the price sheet; NULL = no price was known.';
comment on column ledger.cost_line.team is 'Owner as of the hour; __unallocated__ if nobody is known, __idle__ and __system__ as the namespace.';
comment on column ledger.cost_line.owner_source is 'Where the owner comes from: label, annotation, map, default, pod_label, none.';
comment on column ledger.cost_line.labels is 'Labels of the pods that setting cost.rollup_labels names.';

-- Numbers of every table of cost by line or namespace. A new one is added to each by a migration, and to the list of
-- src/postgres/cost_column.rs.
create temp table cost_measure (
    cpu_nanos bigint not null,
    memory_nanos bigint not null,
    gpu_nanos bigint not null,
    cpu_charged_core_us numeric not null,
    memory_charged_byte_seconds numeric not null,
    gpu_charged_card_us numeric not null,
    cpu_requested_core_us numeric not null,
    memory_requested_byte_seconds numeric not null,
    cpu_used_core_us numeric not null,
    memory_used_byte_seconds numeric not null,
    gpu_used_card_us numeric not null,
    life_ms bigint not null,
    usage_ms bigint not null,
    unknown_ms bigint not null,
    unpriced_ms bigint not null
) on commit drop;
comment on column cost_measure.cpu_nanos is 'Cost of CPU in billionths of the currency; 0 where no price is known, see unpriced_ms.';
comment on column cost_measure.memory_nanos is 'Cost of memory, likewise.';
comment on column cost_measure.gpu_nanos is 'Cost of GPUs, likewise.';
comment on column cost_measure.cpu_charged_core_us is 'CPU charged: max(request, usage), in core-microseconds.';
comment on column cost_measure.memory_charged_byte_seconds is 'Memory charged, in byte-seconds.';
comment on column cost_measure.gpu_charged_card_us is 'GPUs charged, in card-microseconds.';
comment on column cost_measure.cpu_requested_core_us is 'CPU requested; a container without a request adds 0 here and its time to unknown_ms unless its usage was seen.';
comment on column cost_measure.memory_requested_byte_seconds is 'Memory requested, likewise.';
comment on column cost_measure.cpu_used_core_us is 'CPU used in the time covered by usage.';
comment on column cost_measure.memory_used_byte_seconds is 'Memory used in that time.';
comment on column cost_measure.gpu_used_card_us is 'GPUs used where that was seen.';
comment on column cost_measure.life_ms is 'Time charged, summed over containers, in milliseconds.';
comment on column cost_measure.usage_ms is 'Part of it for which usage was seen.';
comment on column cost_measure.unknown_ms is 'Part of it with neither a request nor usage of CPU or memory.';
comment on column cost_measure.unpriced_ms is 'Part of it on nodes that no price or capacity is known of.';

create table ledger.cost_hourly (
    hour_at timestamptz not null,
    line_id bigint not null,
    like cost_measure including comments,
    pods integer not null,
    primary key (hour_at, line_id)
) partition by range (hour_at);
comment on table ledger.cost_hourly is 'Cost of each line in each hour; idle and system are lines too, so that the sum is what the nodes cost.';
comment on column ledger.cost_hourly.hour_at is 'Begin of the UTC hour.';
comment on column ledger.cost_hourly.line_id is 'Line; see ledger.cost_line.';
comment on column ledger.cost_hourly.pods is 'Lives of containers it is the sum of; one cut by a change of its node or requests counts once for each part.';

create table ledger.cost_daily (
    day_at timestamptz not null,
    line_id bigint not null,
    like cost_measure including comments,
    pods integer not null,
    primary key (day_at, line_id)
);
comment on table ledger.cost_daily is 'Cost of each line in each UTC day.';
comment on column ledger.cost_daily.day_at is 'Begin of the UTC day.';
comment on column ledger.cost_daily.line_id is 'Line; see ledger.cost_line.';
comment on column ledger.cost_daily.pods is 'Lives of containers it is the sum of; one cut by a change of its node or requests counts once for each part.';

create table ledger.cost_namespace_daily (
    day_at timestamptz not null,
    cluster_id integer not null,
    namespace text not null,
    team text not null,
    owner_source text not null,
    node_class text,
    like cost_measure including comments,
    unique nulls not distinct (day_at, cluster_id, namespace, team, owner_source, node_class)
);
comment on table ledger.cost_namespace_daily is 'Cost of each namespace in each UTC day: what most questions need.';
comment on column ledger.cost_namespace_daily.day_at is 'Begin of the UTC day.';
comment on column ledger.cost_namespace_daily.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.cost_namespace_daily.namespace is 'Namespace; __idle__ and __system__ for what nobody was charged.';
comment on column ledger.cost_namespace_daily.team is 'Owner; see ledger.cost_line.';
comment on column ledger.cost_namespace_daily.owner_source is 'Where the owner comes from.';
comment on column ledger.cost_namespace_daily.node_class is 'Class of nodes; NULL = no price was known.';

create table ledger.cost_namespace_monthly (
    month_at timestamptz not null,
    cluster_id integer not null,
    namespace text not null,
    team text not null,
    owner_source text not null,
    node_class text,
    like cost_measure including comments,
    unique nulls not distinct (month_at, cluster_id, namespace, team, owner_source, node_class)
);
comment on table ledger.cost_namespace_monthly is 'Cost of each namespace in each UTC month.';
comment on column ledger.cost_namespace_monthly.month_at is 'Begin of the UTC month.';
comment on column ledger.cost_namespace_monthly.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.cost_namespace_monthly.namespace is 'Namespace; __idle__ and __system__ for what nobody was charged.';
comment on column ledger.cost_namespace_monthly.team is 'Owner; see ledger.cost_line.';
comment on column ledger.cost_namespace_monthly.owner_source is 'Where the owner comes from.';
comment on column ledger.cost_namespace_monthly.node_class is 'Class of nodes; NULL = no price was known.';

create table ledger.cost_node_hourly (
    hour_at timestamptz not null,
    cluster_id integer not null,
    node_uid uuid not null,
    from_at timestamptz not null,
    to_at timestamptz not null,
    node text not null,
    node_class text,
    sheet_id integer,
    cpu_capacity bigint,
    cpu_allocatable bigint,
    cpu_charged bigint not null,
    cpu_overcommit_factor numeric not null,
    cpu_cost_nanos bigint,
    cpu_allocated_nanos bigint,
    cpu_idle_nanos bigint,
    cpu_system_nanos bigint,
    memory_capacity bigint,
    memory_allocatable bigint,
    memory_charged bigint not null,
    memory_overcommit_factor numeric not null,
    memory_cost_nanos bigint,
    memory_allocated_nanos bigint,
    memory_idle_nanos bigint,
    memory_system_nanos bigint,
    gpu_capacity bigint,
    gpu_allocatable bigint,
    gpu_charged bigint not null,
    gpu_overcommit_factor numeric not null,
    gpu_cost_nanos bigint,
    gpu_allocated_nanos bigint,
    gpu_idle_nanos bigint,
    gpu_system_nanos bigint,
    primary key (hour_at, cluster_id, node_uid, from_at),
    check (from_at < to_at),
    check (cpu_cost_nanos = cpu_allocated_nanos + cpu_idle_nanos + cpu_system_nanos),
    check (memory_cost_nanos = memory_allocated_nanos + memory_idle_nanos + memory_system_nanos),
    check (gpu_cost_nanos = gpu_allocated_nanos + gpu_idle_nanos + gpu_system_nanos)
) partition by range (hour_at);
comment on table ledger.cost_node_hourly is 'What each node cost in each hour, and whom for: allocated, idle and system add up to its cost.';
comment on column ledger.cost_node_hourly.hour_at is 'Begin of the UTC hour.';
comment on column ledger.cost_node_hourly.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.cost_node_hourly.node_uid is 'Kubernetes uid of the node.';
comment on column ledger.cost_node_hourly.from_at is 'Begin of the segment: it ends where a price, the capacity or what is allocatable changes, or the hour ends.';
comment on column ledger.cost_node_hourly.to_at is 'End of the segment, exclusive.';
comment on column ledger.cost_node_hourly.node is 'Node name.';
comment on column ledger.cost_node_hourly.node_class is 'Class of nodes by the price sheet; NULL = no price was known.';
comment on column ledger.cost_node_hourly.sheet_id is 'Price sheet; NULL = none matched the node.';
comment on column ledger.cost_node_hourly.cpu_capacity is 'Capacity of CPU over the segment, in core-microseconds; NULL = not known.';
comment on column ledger.cost_node_hourly.cpu_allocatable is 'What pods may request of it, in core-microseconds; at most the capacity.';
comment on column ledger.cost_node_hourly.cpu_charged is 'Charged to pods, in core-microseconds.';
comment on column ledger.cost_node_hourly.cpu_overcommit_factor is 'min(1, capacity / charged): below 1 where the node is overcommitted.';
comment on column ledger.cost_node_hourly.cpu_cost_nanos is 'What its CPU cost, in billionths of the currency; NULL = no price or capacity is known.';
comment on column ledger.cost_node_hourly.cpu_allocated_nanos is 'Part of it that pods are charged.';
comment on column ledger.cost_node_hourly.cpu_idle_nanos is 'Part of it that could have been requested and was neither requested nor used.';
comment on column ledger.cost_node_hourly.cpu_system_nanos is 'Part of it that the node keeps for itself.';
comment on column ledger.cost_node_hourly.memory_capacity is 'Capacity of memory over the segment, in byte-seconds; NULL = not known.';
comment on column ledger.cost_node_hourly.memory_allocatable is 'What pods may request of it, in byte-seconds; at most the capacity.';
comment on column ledger.cost_node_hourly.memory_charged is 'Charged to pods, in byte-seconds.';
comment on column ledger.cost_node_hourly.memory_overcommit_factor is 'min(1, capacity / charged): below 1 where the node is overcommitted.';
comment on column ledger.cost_node_hourly.memory_cost_nanos is 'What its memory cost, in billionths of the currency; NULL = no price or capacity is known.';
comment on column ledger.cost_node_hourly.memory_allocated_nanos is 'Part of it that pods are charged.';
comment on column ledger.cost_node_hourly.memory_idle_nanos is 'Part of it that could have been requested and was neither requested nor used.';
comment on column ledger.cost_node_hourly.memory_system_nanos is 'Part of it that the node keeps for itself.';
comment on column ledger.cost_node_hourly.gpu_capacity is 'Capacity of GPUs over the segment, in card-microseconds; NULL = not known.';
comment on column ledger.cost_node_hourly.gpu_allocatable is 'What pods may request of it, in card-microseconds; at most the capacity.';
comment on column ledger.cost_node_hourly.gpu_charged is 'Charged to pods, in card-microseconds.';
comment on column ledger.cost_node_hourly.gpu_overcommit_factor is 'min(1, capacity / charged): below 1 where the node is overcommitted.';
comment on column ledger.cost_node_hourly.gpu_cost_nanos is 'What its GPUs cost, in billionths of the currency; NULL = no price or capacity is known.';
comment on column ledger.cost_node_hourly.gpu_allocated_nanos is 'Part of it that pods are charged.';
comment on column ledger.cost_node_hourly.gpu_idle_nanos is 'Part of it that could have been requested and was neither requested nor used.';
comment on column ledger.cost_node_hourly.gpu_system_nanos is 'Part of it that the node keeps for itself.';

create table ledger.cost_node_daily (
    day_at timestamptz not null,
    cluster_id integer not null,
    node_class text,
    resource text not null check (resource in ('cpu', 'memory', 'gpu')),
    capacity numeric not null,
    allocatable numeric not null,
    charged numeric not null,
    cost_nanos bigint not null,
    allocated_nanos bigint not null,
    idle_nanos bigint not null,
    system_nanos bigint not null,
    node_ms bigint not null,
    unpriced_ms bigint not null,
    unique nulls not distinct (day_at, cluster_id, node_class, resource)
);
comment on table ledger.cost_node_daily is 'What nodes cost in each UTC day by class.';
comment on column ledger.cost_node_daily.day_at is 'Begin of the UTC day.';
comment on column ledger.cost_node_daily.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.cost_node_daily.node_class is 'Class of nodes; NULL = no price was known.';
comment on column ledger.cost_node_daily.resource is 'cpu, memory or gpu.';
comment on column ledger.cost_node_daily.capacity is 'Capacity, in core-microseconds, byte-seconds or card-microseconds.';
comment on column ledger.cost_node_daily.allocatable is 'What pods may request of it.';
comment on column ledger.cost_node_daily.charged is 'Charged to pods.';
comment on column ledger.cost_node_daily.cost_nanos is 'What it cost, in billionths of the currency.';
comment on column ledger.cost_node_daily.allocated_nanos is 'Part of it that pods are charged.';
comment on column ledger.cost_node_daily.idle_nanos is 'Part of it that could have been requested and was not.';
comment on column ledger.cost_node_daily.system_nanos is 'Part of it that the nodes keep for themselves.';
comment on column ledger.cost_node_daily.node_ms is 'Time the nodes stood, summed, in milliseconds.';
comment on column ledger.cost_node_daily.unpriced_ms is 'Part of it that no price or capacity is known of.';

-- Hours are kept for a quarter, days and months for ever.
insert into ledger.partitioned_table (table_name, range_column, has_old_partition, retention_days) values
    ('cost_hourly', 'hour_at', true, 100),
    ('cost_node_hourly', 'hour_at', true, 100);
