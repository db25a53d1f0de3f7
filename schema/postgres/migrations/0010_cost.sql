-- Cost to serve: prices, owners by date, and what nodes cost in each hour and whom for. Compute only: CPU, memory and GPUs;
-- storage, network and load balancers are not in it. All money is integers of billionths of the currency.

create table ledger.price_sheet (
    sheet_id integer primary key generated always as identity,
    sheet text not null,
    datacenters text[],
    valid_from timestamptz not null,
    valid_to timestamptz,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    month_basis text not null check (month_basis in ('calendar', '730h')),
    sha256 text not null,
    applied_at timestamptz not null default now(),
    applied_by text not null,
    superseded_at timestamptz,
    check (valid_from < valid_to)
);
comment on table ledger.price_sheet is 'Price sheets, each version of each; hours are rated by the newest version of the sheet in force.';
comment on column ledger.price_sheet.sheet_id is 'Small number that rated hours carry.';
comment on column ledger.price_sheet.sheet is 'Name of the sheet.';
comment on column ledger.price_sheet.datacenters is 'Datacenters it is for; NULL = all that no other sheet in force names.';
comment on column ledger.price_sheet.valid_from is 'Since when it is in force.';
comment on column ledger.price_sheet.valid_to is 'Until when, exclusive; NULL = until another one begins.';
comment on column ledger.price_sheet.currency is 'ISO 4217 code of the currency.';
comment on column ledger.price_sheet.month_basis is 'What a price per month is divided by: the hours of the calendar month, or 730.';
comment on column ledger.price_sheet.sha256 is 'SHA-256 of what it says.';
comment on column ledger.price_sheet.applied_at is 'When this version was applied.';
comment on column ledger.price_sheet.applied_by is 'Who applied it.';
comment on column ledger.price_sheet.superseded_at is 'When a newer version took its place, or it was withdrawn; NULL = stands.';

create table ledger.price_class (
    sheet_id integer not null references ledger.price_sheet,
    position integer not null,
    class text not null,
    instance_types text[] not null,
    labels jsonb not null,
    per text not null check (per in ('hour', 'month')),
    node_price numeric check (node_price >= 0),
    core_price numeric check (core_price >= 0),
    gib_price numeric check (gib_price >= 0),
    gpu_price numeric check (gpu_price >= 0),
    cpu_to_ram numeric check (cpu_to_ram > 0),
    gpu_to_ram numeric check (gpu_to_ram > 0),
    discount numeric not null default 0 check (discount >= 0 and discount < 1),
    primary key (sheet_id, position),
    check ((node_price is null) = (core_price is not null and gib_price is not null and gpu_price is not null))
);
comment on table ledger.price_class is 'Classes of nodes of a price sheet and their prices; the first class that a node matches counts.';
comment on column ledger.price_class.sheet_id is 'Price sheet.';
comment on column ledger.price_class.position is 'Place in the sheet, from 1.';
comment on column ledger.price_class.class is 'Name of the class of nodes.';
comment on column ledger.price_class.instance_types is 'Instance types it matches (label node.kubernetes.io/instance-type); empty = any.';
comment on column ledger.price_class.labels is 'Labels a node needs, all of them; empty = none.';
comment on column ledger.price_class.per is 'Time the prices are for.';
comment on column ledger.price_class.node_price is 'Price of a whole node; NULL = priced by resource.';
comment on column ledger.price_class.core_price is 'Price of a core; NULL = priced by node.';
comment on column ledger.price_class.gib_price is 'Price of a GiB of memory; NULL = priced by node.';
comment on column ledger.price_class.gpu_price is 'Price of a GPU card; NULL = priced by node.';
comment on column ledger.price_class.cpu_to_ram is 'What a core costs, in GiB of memory, where a node''s price is split.';
comment on column ledger.price_class.gpu_to_ram is 'What a GPU card costs, in GiB of memory, where a node''s price is split.';
comment on column ledger.price_class.discount is 'Share that is taken off, such as 0.1.';

create table ledger.owner_map (
    owner_id integer primary key generated always as identity,
    position integer not null,
    datacenter text,
    cluster text,
    namespace text,
    team text not null,
    valid_from timestamptz not null,
    valid_to timestamptz,
    applied_at timestamptz not null default now(),
    applied_by text not null,
    superseded_at timestamptz,
    check (valid_from < valid_to)
);
comment on table ledger.owner_map is 'Who owns namespaces that no label or annotation gives an owner, by date; the first entry that matches counts.';
comment on column ledger.owner_map.owner_id is 'Number of the entry.';
comment on column ledger.owner_map.position is 'Place in the file, from 1.';
comment on column ledger.owner_map.datacenter is 'Datacenter; NULL = any.';
comment on column ledger.owner_map.cluster is 'Cluster; NULL = any.';
comment on column ledger.owner_map.namespace is 'Namespace, * stands for anything; NULL = every namespace of the cluster: its default owner.';
comment on column ledger.owner_map.team is 'Team.';
comment on column ledger.owner_map.valid_from is 'Since when.';
comment on column ledger.owner_map.valid_to is 'Until when, exclusive; NULL = still.';
comment on column ledger.owner_map.applied_at is 'When it was applied.';
comment on column ledger.owner_map.applied_by is 'Who applied it.';
comment on column ledger.owner_map.superseded_at is 'When a newer map took its place; NULL = stands.';

create table ledger.cost_team (
    cost_team_id integer primary key generated always as identity,
    team text not null,
    budget_per_month numeric check (budget_per_month >= 0),
    allow_label_owner text,
    valid_from timestamptz not null,
    valid_to timestamptz,
    applied_at timestamptz not null default now(),
    applied_by text not null,
    superseded_at timestamptz,
    check (valid_from < valid_to)
);
comment on table ledger.cost_team is 'What teams have set about their cost, by date.';
comment on column ledger.cost_team.cost_team_id is 'Number of the entry.';
comment on column ledger.cost_team.team is 'Team.';
comment on column ledger.cost_team.budget_per_month is 'What it may cost in a calendar month, in the currency of the sheets; NULL = no budget.';
comment on column ledger.cost_team.allow_label_owner is 'Label of pods in its namespaces that may name another owner; NULL = none may.';
comment on column ledger.cost_team.valid_from is 'Since when.';
comment on column ledger.cost_team.valid_to is 'Until when, exclusive; NULL = still.';
comment on column ledger.cost_team.applied_at is 'When it was applied.';
comment on column ledger.cost_team.applied_by is 'Who applied it.';
comment on column ledger.cost_team.superseded_at is 'When a newer entry took its place; NULL = stands.';

create table ledger.cost_sharing (
    cost_sharing_id integer primary key generated always as identity,
    namespaces text[] not null,
    spread text not null check (spread in ('even', 'weighted')),
    idle text not null check (idle in ('apart', 'shared')),
    valid_from timestamptz not null,
    valid_to timestamptz,
    applied_at timestamptz not null default now(),
    applied_by text not null,
    superseded_at timestamptz,
    check (valid_from < valid_to)
);
comment on table ledger.cost_sharing is 'How shared cost is shown where nothing else is asked for, by date. It changes no stored number.';
comment on column ledger.cost_sharing.cost_sharing_id is 'Number of the entry.';
comment on column ledger.cost_sharing.namespaces is 'Namespaces whose cost all others share.';
comment on column ledger.cost_sharing.spread is 'even: each gets the same; weighted: by its own cost before idle is added.';
comment on column ledger.cost_sharing.idle is 'apart: a row of its own; shared: each gets its part, resource by resource.';
comment on column ledger.cost_sharing.valid_from is 'Since when.';
comment on column ledger.cost_sharing.valid_to is 'Until when, exclusive; NULL = still.';
comment on column ledger.cost_sharing.applied_at is 'When it was applied.';
comment on column ledger.cost_sharing.applied_by is 'Who applied it.';
comment on column ledger.cost_sharing.superseded_at is 'When a newer entry took its place; NULL = stands.';

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

create table ledger.cost_hourly (
    hour_at timestamptz not null,
    line_id bigint not null,
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
    unpriced_ms bigint not null,
    pods integer not null,
    primary key (hour_at, line_id)
) partition by range (hour_at);
comment on table ledger.cost_hourly is 'Cost of each line in each hour; idle and system are lines too, so that the sum is what the nodes cost.';
comment on column ledger.cost_hourly.hour_at is 'Begin of the UTC hour.';
comment on column ledger.cost_hourly.line_id is 'Line; see ledger.cost_line.';
comment on column ledger.cost_hourly.cpu_nanos is 'Cost of CPU in billionths of the currency; 0 where no price is known, see unpriced_ms.';
comment on column ledger.cost_hourly.memory_nanos is 'Cost of memory, likewise.';
comment on column ledger.cost_hourly.gpu_nanos is 'Cost of GPUs, likewise.';
comment on column ledger.cost_hourly.cpu_charged_core_us is 'CPU charged: max(request, usage), in core-microseconds.';
comment on column ledger.cost_hourly.memory_charged_byte_seconds is 'Memory charged, in byte-seconds.';
comment on column ledger.cost_hourly.gpu_charged_card_us is 'GPUs charged, in card-microseconds.';
comment on column ledger.cost_hourly.cpu_requested_core_us is 'CPU requested; a container without a request adds 0 here and its time to unknown_ms unless its usage was seen.';
comment on column ledger.cost_hourly.memory_requested_byte_seconds is 'Memory requested, likewise.';
comment on column ledger.cost_hourly.cpu_used_core_us is 'CPU used in the time covered by usage.';
comment on column ledger.cost_hourly.memory_used_byte_seconds is 'Memory used in that time.';
comment on column ledger.cost_hourly.gpu_used_card_us is 'GPUs used where that was seen.';
comment on column ledger.cost_hourly.life_ms is 'Time charged, summed over containers, in milliseconds.';
comment on column ledger.cost_hourly.usage_ms is 'Part of it for which usage was seen.';
comment on column ledger.cost_hourly.unknown_ms is 'Part of it with neither a request nor usage of CPU or memory.';
comment on column ledger.cost_hourly.unpriced_ms is 'Part of it on nodes that no price or capacity is known of.';
comment on column ledger.cost_hourly.pods is 'Lives of containers it is the sum of; one cut by a change of its node or requests counts once for each part.';

create table ledger.cost_daily (
    day_at timestamptz not null,
    line_id bigint not null,
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
    unpriced_ms bigint not null,
    pods integer not null,
    primary key (day_at, line_id)
);
comment on table ledger.cost_daily is 'Cost of each line in each UTC day.';
comment on column ledger.cost_daily.day_at is 'Begin of the UTC day.';
comment on column ledger.cost_daily.line_id is 'Line; see ledger.cost_line.';
comment on column ledger.cost_daily.cpu_nanos is 'Cost of CPU in billionths of the currency; 0 where no price is known, see unpriced_ms.';
comment on column ledger.cost_daily.memory_nanos is 'Cost of memory, likewise.';
comment on column ledger.cost_daily.gpu_nanos is 'Cost of GPUs, likewise.';
comment on column ledger.cost_daily.cpu_charged_core_us is 'CPU charged: max(request, usage), in core-microseconds.';
comment on column ledger.cost_daily.memory_charged_byte_seconds is 'Memory charged, in byte-seconds.';
comment on column ledger.cost_daily.gpu_charged_card_us is 'GPUs charged, in card-microseconds.';
comment on column ledger.cost_daily.cpu_requested_core_us is 'CPU requested; a container without a request adds 0 here and its time to unknown_ms unless its usage was seen.';
comment on column ledger.cost_daily.memory_requested_byte_seconds is 'Memory requested, likewise.';
comment on column ledger.cost_daily.cpu_used_core_us is 'CPU used in the time covered by usage.';
comment on column ledger.cost_daily.memory_used_byte_seconds is 'Memory used in that time.';
comment on column ledger.cost_daily.gpu_used_card_us is 'GPUs used where that was seen.';
comment on column ledger.cost_daily.life_ms is 'Time charged, summed over containers, in milliseconds.';
comment on column ledger.cost_daily.usage_ms is 'Part of it for which usage was seen.';
comment on column ledger.cost_daily.unknown_ms is 'Part of it with neither a request nor usage of CPU or memory.';
comment on column ledger.cost_daily.unpriced_ms is 'Part of it on nodes that no price or capacity is known of.';
comment on column ledger.cost_daily.pods is 'Lives of containers it is the sum of; one cut by a change of its node or requests counts once for each part.';

create table ledger.cost_namespace_daily (
    day_at timestamptz not null,
    cluster_id integer not null,
    namespace text not null,
    team text not null,
    owner_source text not null,
    node_class text,
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
    unpriced_ms bigint not null,
    unique nulls not distinct (day_at, cluster_id, namespace, team, owner_source, node_class)
);
comment on table ledger.cost_namespace_daily is 'Cost of each namespace in each UTC day: what most questions need.';
comment on column ledger.cost_namespace_daily.day_at is 'Begin of the UTC day.';
comment on column ledger.cost_namespace_daily.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.cost_namespace_daily.namespace is 'Namespace; __idle__ and __system__ for what nobody was charged.';
comment on column ledger.cost_namespace_daily.team is 'Owner; see ledger.cost_line.';
comment on column ledger.cost_namespace_daily.owner_source is 'Where the owner comes from.';
comment on column ledger.cost_namespace_daily.node_class is 'Class of nodes; NULL = no price was known.';
comment on column ledger.cost_namespace_daily.cpu_nanos is 'Cost of CPU in billionths of the currency; 0 where no price is known, see unpriced_ms.';
comment on column ledger.cost_namespace_daily.memory_nanos is 'Cost of memory, likewise.';
comment on column ledger.cost_namespace_daily.gpu_nanos is 'Cost of GPUs, likewise.';
comment on column ledger.cost_namespace_daily.cpu_charged_core_us is 'CPU charged: max(request, usage), in core-microseconds.';
comment on column ledger.cost_namespace_daily.memory_charged_byte_seconds is 'Memory charged, in byte-seconds.';
comment on column ledger.cost_namespace_daily.gpu_charged_card_us is 'GPUs charged, in card-microseconds.';
comment on column ledger.cost_namespace_daily.cpu_requested_core_us is 'CPU requested; a container without a request adds 0 here and its time to unknown_ms unless its usage was seen.';
comment on column ledger.cost_namespace_daily.memory_requested_byte_seconds is 'Memory requested, likewise.';
comment on column ledger.cost_namespace_daily.cpu_used_core_us is 'CPU used in the time covered by usage.';
comment on column ledger.cost_namespace_daily.memory_used_byte_seconds is 'Memory used in that time.';
comment on column ledger.cost_namespace_daily.gpu_used_card_us is 'GPUs used where that was seen.';
comment on column ledger.cost_namespace_daily.life_ms is 'Time charged, summed over containers, in milliseconds.';
comment on column ledger.cost_namespace_daily.usage_ms is 'Part of it for which usage was seen.';
comment on column ledger.cost_namespace_daily.unknown_ms is 'Part of it with neither a request nor usage of CPU or memory.';
comment on column ledger.cost_namespace_daily.unpriced_ms is 'Part of it on nodes that no price or capacity is known of.';

create table ledger.cost_namespace_monthly (
    month_at timestamptz not null,
    cluster_id integer not null,
    namespace text not null,
    team text not null,
    owner_source text not null,
    node_class text,
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
    unpriced_ms bigint not null,
    unique nulls not distinct (month_at, cluster_id, namespace, team, owner_source, node_class)
);
comment on table ledger.cost_namespace_monthly is 'Cost of each namespace in each UTC month.';
comment on column ledger.cost_namespace_monthly.month_at is 'Begin of the UTC month.';
comment on column ledger.cost_namespace_monthly.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.cost_namespace_monthly.namespace is 'Namespace; __idle__ and __system__ for what nobody was charged.';
comment on column ledger.cost_namespace_monthly.team is 'Owner; see ledger.cost_line.';
comment on column ledger.cost_namespace_monthly.owner_source is 'Where the owner comes from.';
comment on column ledger.cost_namespace_monthly.node_class is 'Class of nodes; NULL = no price was known.';
comment on column ledger.cost_namespace_monthly.cpu_nanos is 'Cost of CPU in billionths of the currency; 0 where no price is known, see unpriced_ms.';
comment on column ledger.cost_namespace_monthly.memory_nanos is 'Cost of memory, likewise.';
comment on column ledger.cost_namespace_monthly.gpu_nanos is 'Cost of GPUs, likewise.';
comment on column ledger.cost_namespace_monthly.cpu_charged_core_us is 'CPU charged: max(request, usage), in core-microseconds.';
comment on column ledger.cost_namespace_monthly.memory_charged_byte_seconds is 'Memory charged, in byte-seconds.';
comment on column ledger.cost_namespace_monthly.gpu_charged_card_us is 'GPUs charged, in card-microseconds.';
comment on column ledger.cost_namespace_monthly.cpu_requested_core_us is 'CPU requested; a container without a request adds 0 here and its time to unknown_ms unless its usage was seen.';
comment on column ledger.cost_namespace_monthly.memory_requested_byte_seconds is 'Memory requested, likewise.';
comment on column ledger.cost_namespace_monthly.cpu_used_core_us is 'CPU used in the time covered by usage.';
comment on column ledger.cost_namespace_monthly.memory_used_byte_seconds is 'Memory used in that time.';
comment on column ledger.cost_namespace_monthly.gpu_used_card_us is 'GPUs used where that was seen.';
comment on column ledger.cost_namespace_monthly.life_ms is 'Time charged, summed over containers, in milliseconds.';
comment on column ledger.cost_namespace_monthly.usage_ms is 'Part of it for which usage was seen.';
comment on column ledger.cost_namespace_monthly.unknown_ms is 'Part of it with neither a request nor usage of CPU or memory.';
comment on column ledger.cost_namespace_monthly.unpriced_ms is 'Part of it on nodes that no price or capacity is known of.';

create table ledger.cost_node_hourly (
    hour_at timestamptz not null,
    cluster_id integer not null,
    node_uid text not null,
    from_at timestamptz not null,
    to_at timestamptz not null,
    node text not null,
    node_class text,
    sheet_id integer,
    cpu_capacity bigint,
    cpu_allocatable bigint,
    cpu_charged bigint not null,
    cpu_k numeric not null,
    cpu_cost_nanos bigint,
    cpu_allocated_nanos bigint,
    cpu_idle_nanos bigint,
    cpu_system_nanos bigint,
    memory_capacity bigint,
    memory_allocatable bigint,
    memory_charged bigint not null,
    memory_k numeric not null,
    memory_cost_nanos bigint,
    memory_allocated_nanos bigint,
    memory_idle_nanos bigint,
    memory_system_nanos bigint,
    gpu_capacity bigint,
    gpu_allocatable bigint,
    gpu_charged bigint not null,
    gpu_k numeric not null,
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
comment on table ledger.cost_node_hourly is 'What each node cost in each hour, and whom for: the books add up here.';
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
comment on column ledger.cost_node_hourly.cpu_k is 'min(1, capacity / charged): below 1 where the node is overcommitted.';
comment on column ledger.cost_node_hourly.cpu_cost_nanos is 'What its CPU cost, in billionths of the currency; NULL = no price or capacity is known.';
comment on column ledger.cost_node_hourly.cpu_allocated_nanos is 'Part of it that pods are charged.';
comment on column ledger.cost_node_hourly.cpu_idle_nanos is 'Part of it that could have been requested and was neither requested nor used.';
comment on column ledger.cost_node_hourly.cpu_system_nanos is 'Part of it that the node keeps for itself.';
comment on column ledger.cost_node_hourly.memory_capacity is 'Capacity of memory over the segment, in byte-seconds; NULL = not known.';
comment on column ledger.cost_node_hourly.memory_allocatable is 'What pods may request of it, in byte-seconds; at most the capacity.';
comment on column ledger.cost_node_hourly.memory_charged is 'Charged to pods, in byte-seconds.';
comment on column ledger.cost_node_hourly.memory_k is 'min(1, capacity / charged): below 1 where the node is overcommitted.';
comment on column ledger.cost_node_hourly.memory_cost_nanos is 'What its memory cost, in billionths of the currency; NULL = no price or capacity is known.';
comment on column ledger.cost_node_hourly.memory_allocated_nanos is 'Part of it that pods are charged.';
comment on column ledger.cost_node_hourly.memory_idle_nanos is 'Part of it that could have been requested and was neither requested nor used.';
comment on column ledger.cost_node_hourly.memory_system_nanos is 'Part of it that the node keeps for itself.';
comment on column ledger.cost_node_hourly.gpu_capacity is 'Capacity of GPUs over the segment, in card-microseconds; NULL = not known.';
comment on column ledger.cost_node_hourly.gpu_allocatable is 'What pods may request of it, in card-microseconds; at most the capacity.';
comment on column ledger.cost_node_hourly.gpu_charged is 'Charged to pods, in card-microseconds.';
comment on column ledger.cost_node_hourly.gpu_k is 'min(1, capacity / charged): below 1 where the node is overcommitted.';
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

create table ledger.cost_run (
    run_id bigint primary key generated always as identity,
    hour_at timestamptz not null,
    reason text not null check (reason in ('first', 'partial', 'known', 'usage', 'rerate')),
    as_of timestamptz not null,
    known_until timestamptz not null,
    sheet_ids integer[] not null,
    nodes bigint not null,
    pods bigint not null,
    lines bigint not null,
    cost_nanos numeric not null,
    began_at timestamptz not null,
    filled_at timestamptz not null
);
comment on table ledger.cost_run is 'Every rating of an hour.';
comment on column ledger.cost_run.run_id is 'Number of the run.';
comment on column ledger.cost_run.hour_at is 'Hour it rated.';
comment on column ledger.cost_run.reason is 'Why: first, partial (the hour is running), known (more of its sources is known), usage (late usage came), rerate (somebody asked).';
comment on column ledger.cost_run.as_of is 'Up to when the hour was rated where it was still running.';
comment on column ledger.cost_run.known_until is 'Up to when every source was known.';
comment on column ledger.cost_run.sheet_ids is 'Price sheets it used.';
comment on column ledger.cost_run.nodes is 'Nodes that stood.';
comment on column ledger.cost_run.pods is 'Pods that were charged.';
comment on column ledger.cost_run.lines is 'Lines it wrote.';
comment on column ledger.cost_run.cost_nanos is 'What the nodes cost, in billionths of the currency.';
comment on column ledger.cost_run.began_at is 'When it began.';
comment on column ledger.cost_run.filled_at is 'When it was done.';

create table ledger.cost_hour (
    hour_at timestamptz primary key,
    run_id bigint not null references ledger.cost_run,
    known_until timestamptz not null,
    complete boolean not null,
    partial boolean not null,
    filled_at timestamptz not null,
    fillings integer not null default 1
);
comment on table ledger.cost_hour is 'Where each hour stands.';
comment on column ledger.cost_hour.hour_at is 'Begin of the UTC hour.';
comment on column ledger.cost_hour.run_id is 'Run that rated it last.';
comment on column ledger.cost_hour.known_until is 'Up to when every source was known then.';
comment on column ledger.cost_hour.complete is 'True if that was to the end of the hour; else it is rated again when more is known.';
comment on column ledger.cost_hour.partial is 'True if the hour was still running.';
comment on column ledger.cost_hour.filled_at is 'When that run began to read: what lands later is not in it.';
comment on column ledger.cost_hour.fillings is 'How many times it was rated.';

create table ledger.cost_day (
    day_at timestamptz primary key,
    hours integer not null,
    filled_at timestamptz not null
);
comment on table ledger.cost_day is 'Days whose daily tables stand.';
comment on column ledger.cost_day.day_at is 'Begin of the UTC day.';
comment on column ledger.cost_day.hours is 'Hours of it that had been rated, of 24.';
comment on column ledger.cost_day.filled_at is 'When its daily rows were made.';

create table ledger.cost_check (
    period text not null check (period in ('hour', 'day')),
    at timestamptz not null,
    cluster_id integer not null,
    node_nanos numeric not null,
    allocated_nanos numeric not null,
    idle_nanos numeric not null,
    system_nanos numeric not null,
    line_allocated_nanos numeric not null,
    line_idle_nanos numeric not null,
    line_system_nanos numeric not null,
    unpriced_ms bigint not null,
    checked_at timestamptz not null,
    unbalanced_since timestamptz,
    primary key (period, at, cluster_id)
);
comment on table ledger.cost_check is 'Do the books add up? Read back from what stands after every rating.';
comment on column ledger.cost_check.period is 'hour or day.';
comment on column ledger.cost_check.at is 'Begin of the hour or day.';
comment on column ledger.cost_check.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.cost_check.node_nanos is 'What the nodes cost.';
comment on column ledger.cost_check.allocated_nanos is 'Allocated, summed over nodes.';
comment on column ledger.cost_check.idle_nanos is 'Idle, summed over nodes.';
comment on column ledger.cost_check.system_nanos is 'System, summed over nodes.';
comment on column ledger.cost_check.line_allocated_nanos is 'Lines of namespaces, summed.';
comment on column ledger.cost_check.line_idle_nanos is 'Lines __idle__, summed.';
comment on column ledger.cost_check.line_system_nanos is 'Lines __system__, summed.';
comment on column ledger.cost_check.unpriced_ms is 'Time of nodes that no price or capacity is known of, in milliseconds.';
comment on column ledger.cost_check.checked_at is 'When it was last read back.';
comment on column ledger.cost_check.unbalanced_since is 'Since when the sums differ; NULL = they are equal.';

create table ledger.cost_month (
    month_at timestamptz primary key,
    closed_at timestamptz not null,
    closed_by text not null,
    cost_nanos numeric not null
);
comment on table ledger.cost_month is 'Months that were closed: their rows no longer change.';
comment on column ledger.cost_month.month_at is 'Begin of the UTC month.';
comment on column ledger.cost_month.closed_at is 'When it was closed.';
comment on column ledger.cost_month.closed_by is 'Who closed it.';
comment on column ledger.cost_month.cost_nanos is 'What its nodes cost when it was closed, in billionths of the currency.';

create table ledger.cost_adjustment (
    adjustment_id bigint primary key generated always as identity,
    booked_at timestamptz not null,
    hour_at timestamptz not null,
    line_id bigint not null references ledger.cost_line,
    run_id bigint not null references ledger.cost_run,
    cpu_nanos bigint not null,
    memory_nanos bigint not null,
    gpu_nanos bigint not null
);
comment on table ledger.cost_adjustment is 'What became known of closed months: the difference of each line and hour, dated by when it was booked.';
comment on column ledger.cost_adjustment.adjustment_id is 'Number of the adjustment.';
comment on column ledger.cost_adjustment.booked_at is 'When it was booked: it counts in the period that holds this instant.';
comment on column ledger.cost_adjustment.hour_at is 'Hour of the closed month it is about.';
comment on column ledger.cost_adjustment.line_id is 'Line.';
comment on column ledger.cost_adjustment.run_id is 'Run that found it.';
comment on column ledger.cost_adjustment.cpu_nanos is 'Difference of the cost of CPU, in billionths of the currency.';
comment on column ledger.cost_adjustment.memory_nanos is 'Difference of the cost of memory.';
comment on column ledger.cost_adjustment.gpu_nanos is 'Difference of the cost of GPUs.';

create unique index price_sheet_standing on ledger.price_sheet (sheet, valid_from) where superseded_at is null;
create index cost_run_hour on ledger.cost_run (hour_at);
create index cost_adjustment_hour on ledger.cost_adjustment (hour_at, line_id);
create index cost_adjustment_booked on ledger.cost_adjustment (booked_at);
create index cost_hour_incomplete on ledger.cost_hour (hour_at) where not complete;
create index cost_check_unbalanced on ledger.cost_check (at) where unbalanced_since is not null;

-- Hours are kept for a quarter, days and months for ever.
insert into ledger.partitioned_table (table_name, range_column, has_old_partition, retention_days) values
    ('cost_hourly', 'hour_at', true, 100),
    ('cost_node_hourly', 'hour_at', true, 100);

-- Where a team that stands in the map of owners comes from; the team's own label goes before it.
alter table ledger.namespace_team add column owner_source text not null default 'label';
comment on column ledger.namespace_team.owner_source is 'Where the owner comes from: label, annotation, map or default.';
alter table ledger.namespace_team_history add column owner_source text not null default 'label';
comment on column ledger.namespace_team_history.owner_source is 'Where the owner came from: label, annotation, map or default.';
