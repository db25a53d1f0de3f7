-- What rating an hour takes, for a fleet of any shape: nodes are cut without comparing each with every other of its cluster,
-- containers and shares are no longer written down in between, and late usage is found without reading every window.

-- As in 0011, but that a node's successor comes from a window instead of a join, which met every pair of a cluster's nodes.
create or replace function ledger.cost_segment(h0 timestamptz, h1 timestamptz)
returns table (
    cluster_id integer, node_uid text, node text, from_at timestamptz, to_at timestamptz, sheet_id integer,
    class_position integer, capacity_cpu_millicores bigint, capacity_memory_bytes bigint, capacity_gpu_millis bigint,
    allocatable_cpu_millicores bigint, allocatable_memory_bytes bigint, allocatable_gpu_millis bigint
)
language sql stable
begin atomic
    with sheet as materialized (
        select s.* from ledger.cost_sheet(h0, h1) as s
    ), version as (
        select n.cluster_id, n.uid, n.node, n.created_at, n.labels, n.valid_from, 'infinity'::timestamptz as valid_to,
            n.capacity_cpu_millicores, n.capacity_memory_bytes, n.capacity_gpu_millis,
            n.allocatable_cpu_millicores, n.allocatable_memory_bytes, n.allocatable_gpu_millis
        from ledger.node as n
        where n.created_at < h1
        union all
        select n.cluster_id, n.uid, n.node, n.created_at, n.labels, n.valid_from, n.valid_to,
            n.capacity_cpu_millicores, n.capacity_memory_bytes, n.capacity_gpu_millis,
            n.allocatable_cpu_millicores, n.allocatable_memory_bytes, n.allocatable_gpu_millis
        from ledger.node_history as n
        where n.valid_to > h0 and n.valid_from < h1 + interval '7 days' and n.created_at < h1
    ), begun as (
        select v.*,
            case when row_number() over w = 1 then v.created_at else v.valid_from end as begin_at,
            lead(v.valid_from) over w as next_at,
            first_value(v.created_at) over (
                partition by v.cluster_id, v.node order by v.created_at, v.uid groups between 1 following and unbounded following
            ) as successor_at
        from version as v
        window w as (partition by v.cluster_id, v.uid order by v.valid_from)
    ), cut as (
        select b.*, s.sheet_id,
            greatest(b.begin_at, s.from_at) as cut_from_at,
            least(b.valid_to, b.next_at, b.successor_at, c.retired_at, s.to_at) as cut_to_at
        from begun as b
        join ledger.cluster as c using (cluster_id)
        join sheet as s on s.datacenter = c.datacenter
    ), shaped as (
        select t.*, p.position,
            concat_ws('/', coalesce(t.sheet_id, -1), coalesce(p.position, -1), coalesce(t.capacity_cpu_millicores, -1),
                coalesce(t.capacity_memory_bytes, -1), coalesce(t.capacity_gpu_millis, -1),
                coalesce(t.allocatable_cpu_millicores, -1), coalesce(t.allocatable_memory_bytes, -1),
                coalesce(t.allocatable_gpu_millis, -1)) as shape
        from cut as t
        left join lateral (
            select p.position
            from ledger.price_class as p
            where p.sheet_id = t.sheet_id
              and (cardinality(p.instance_types) = 0 or t.labels ->> 'node.kubernetes.io/instance-type' = any (p.instance_types))
              and t.labels @> p.labels
            order by p.position
            limit 1
        ) as p on true
        where t.cut_from_at < t.cut_to_at
    ), island as (
        select s.*,
            count(*) filter (where s.shape is distinct from s.shape_before or s.cut_from_at is distinct from s.to_before)
                over (partition by s.cluster_id, s.uid order by s.cut_from_at) as run
        from (
            select s.*, lag(s.shape) over w as shape_before, lag(s.cut_to_at) over w as to_before
            from shaped as s
            window w as (partition by s.cluster_id, s.uid order by s.cut_from_at)
        ) as s
    )
    select i.cluster_id, i.uid, min(i.node), min(i.cut_from_at), max(i.cut_to_at), min(i.sheet_id), min(i.position),
        min(i.capacity_cpu_millicores), min(i.capacity_memory_bytes), min(i.capacity_gpu_millis),
        min(i.allocatable_cpu_millicores), min(i.allocatable_memory_bytes), min(i.allocatable_gpu_millis)
    from island as i
    group by i.cluster_id, i.uid, i.run;
end;

-- The same parts as in 0011, without arrays on the way: it is called three times a node and hour.
create or replace function ledger.cost_parts(nanos bigint, whole bigint, amounts bigint[]) returns bigint[]
language plpgsql immutable parallel safe
as $$
declare
    product numeric;
    first bigint;
    second bigint;
    third bigint;
    first_rest numeric;
    second_rest numeric;
    third_rest numeric;
    remaining bigint;
begin
    if nanos is null or whole is null then
        return null;
    end if;
    if whole = 0 or nanos = 0 then
        return '{0, 0, 0}';
    end if;
    product := nanos::numeric * amounts[1];
    first := div(product, whole);
    first_rest := product - first::numeric * whole;
    product := nanos::numeric * amounts[2];
    second := div(product, whole);
    second_rest := product - second::numeric * whole;
    product := nanos::numeric * amounts[3];
    third := div(product, whole);
    third_rest := product - third::numeric * whole;
    remaining := nanos - first - second - third;
    if remaining = 1 then
        if first_rest >= second_rest and first_rest >= third_rest then
            first := first + 1;
        elsif second_rest >= third_rest then
            second := second + 1;
        else
            third := third + 1;
        end if;
    elsif remaining = 2 then
        -- All but the last of the smallest.
        if third_rest <= first_rest and third_rest <= second_rest then
            first := first + 1;
            second := second + 1;
        elsif second_rest <= first_rest then
            first := first + 1;
            third := third + 1;
        else
            second := second + 1;
            third := third + 1;
        end if;
    end if;
    return array[first, second, third];
end
$$;

-- As in 0011, but that requests of containers are joined where they stand, and that no step is
-- pulled into the next (`offset 0`), which would compute its amounts once for each use.
create or replace function ledger.rate(h0 timestamptz, h1 timestamptz) returns void
language plpgsql
set search_path = ledger, pg_catalog, pg_temp
set timezone = 'UTC'
set work_mem = '384MB'
set jit = off
set client_min_messages = warning
set max_parallel_workers_per_gather = 2
as $$
declare
    whole_us bigint := (extract(epoch from h1 - h0) * 1000000)::bigint;
    month_hours numeric := extract(epoch from date_trunc('month', h0) + interval '1 month' - date_trunc('month', h0)) / 3600;
    rollup_labels text[] := coalesce((select array(select jsonb_array_elements_text(s.value::jsonb))
        from ledger.setting as s where s.name = 'cost.rollup_labels'), '{}');
begin
    drop table if exists pg_temp.rated_segment, pg_temp.rated_pod, pg_temp.rated_charge,
        pg_temp.rated_node, pg_temp.rated_line, pg_temp.rated_owner;

    create temp table rated_segment on commit drop as
    select row_number() over (order by s.cluster_id, s.node_uid, s.from_at)::integer as segment, s.*,
        (extract(epoch from s.to_at - s.from_at) * 1000000)::bigint as length_us
    from ledger.cost_segment(h0, h1) as s;
    create temp table rated_owner on commit drop as select * from ledger.cost_owner(h0, h1);
    analyze rated_segment;
    analyze rated_owner;

    -- A pod's life may lie on several segments; one on a node that is not known lies on none, and is not priced.
    perform set_config('enable_nestloop', 'off', true);
    create temp table rated_pod on commit drop as
    with piece as (
        select i.*, s.segment,
            i.alone and (s.segment is null or s.from_at <= i.from_at and s.to_at >= i.to_at) as whole,
            case when s.segment is null then i.from_at else greatest(i.from_at, s.from_at) end as piece_from_at,
            case when s.segment is null then i.to_at else least(i.to_at, s.to_at) end as piece_to_at
        from ledger.cost_interval(h0, h1) as i
        left join rated_segment as s
            on s.cluster_id = i.cluster_id and s.node = i.node and s.from_at < i.to_at and s.to_at > i.from_at
    )
    select row_number() over ()::integer as piece, p.cluster_id, p.uid, p.namespace, p.workload_kind, p.workload,
        p.segment, p.piece_from_at as from_at, p.piece_to_at as to_at, p.whole,
        case
            when p.piece_from_at = h0 and p.piece_to_at = h1 then whole_us
            else (extract(epoch from p.piece_to_at - p.piece_from_at) * 1000000)::bigint
        end as length_us,
        p.request_cpu_millicores, p.request_memory_bytes, p.request_gpu_millis,
        coalesce(nullif(p.labels ->> o.allow_label_owner, ''), o.team, '__unallocated__') as team,
        case when nullif(p.labels ->> o.allow_label_owner, '') is not null then 'pod_label' else coalesce(o.owner_source, 'none') end as owner_source,
        case
            when cardinality(rollup_labels) = 0 then '{}'::jsonb
            else coalesce((select jsonb_object_agg(l.name, p.labels -> l.name) from unnest(rollup_labels) as l (name) where p.labels ? l.name), '{}')
        end as labels
    from piece as p
    left join rated_owner as o on o.cluster_id = p.cluster_id and o.namespace = p.namespace;
    analyze rated_pod;

    -- Usage is known by container and hour: pieces of a life take part in it by their length.
    create temp table rated_charge on commit drop as
    with life as (
        -- Only of pods that may have several pieces; the others' is the piece.
        select p.cluster_id, p.uid, sum(p.length_us)::bigint as life_us from rated_pod as p where not p.whole group by 1, 2
    ), span as (
        select p.piece, p.segment, greatest(p.from_at, c.from_at) as from_at, p.cluster_id, p.uid, c.container,
            case
                when c.from_at = '-infinity' and c.to_at = 'infinity' then p.length_us
                else (extract(epoch from least(p.to_at, c.to_at) - greatest(p.from_at, c.from_at)) * 1000000)::bigint
            end as length_us,
            greatest(coalesce(l.life_us, p.length_us), 1) as life_us,
            c.request_cpu_millicores as cpu, c.request_memory_bytes as memory, c.request_gpu_millis as gpu,
            p.request_cpu_millicores is null and c.request_cpu_millicores is null
                or p.request_memory_bytes is null and c.request_memory_bytes is null as unknown
        from rated_pod as p
        join ledger.cost_container(h0, h1) as c on c.cluster_id = p.cluster_id and c.uid = p.uid and c.from_at < p.to_at and c.to_at > p.from_at
        left join life as l on not p.whole and l.cluster_id = p.cluster_id and l.uid = p.uid
        offset 0
    ), seen as (
        select s.*, u.cpu_core_us, u.memory_byte_seconds, u.cpu_charged_core_us, u.memory_charged_byte_seconds, u.gpu_used_card_us,
            s.length_us::double precision / s.life_us as part,
            case when u.covered_ms is null then 0 else least(u.covered_ms * 1000, s.life_us)::double precision / s.life_us end as covered
        from span as s
        left join ledger.usage_hourly as u
            on u.cluster_id = s.cluster_id and u.hour_at = h0 and u.pod_uid = s.uid and u.container = s.container
        offset 0
    )
    select s.piece, s.segment, s.from_at, s.uid, s.container,
        (coalesce(s.cpu_charged_core_us * s.part, 0) + coalesce(s.cpu::double precision * s.length_us * (1 - s.covered) / 1000, 0))::bigint as cpu,
        (coalesce(s.memory_charged_byte_seconds * s.part, 0)
            + coalesce(s.memory::double precision * s.length_us * (1 - s.covered) / 1000000, 0))::bigint as memory,
        coalesce(s.gpu::double precision * s.length_us / 1000, 0)::bigint as gpu,
        coalesce(s.cpu::double precision * s.length_us / 1000, 0)::bigint as cpu_requested,
        coalesce(s.memory::double precision * s.length_us / 1000000, 0)::bigint as memory_requested,
        coalesce(s.cpu_core_us * s.part, 0)::bigint as cpu_used,
        coalesce(s.memory_byte_seconds * s.part, 0)::bigint as memory_used,
        coalesce(s.gpu_used_card_us * s.part, 0)::bigint as gpu_used,
        s.length_us / 1000 as life_ms,
        (s.length_us * s.covered / 1000)::bigint as usage_ms,
        case when s.unknown then (s.length_us * (1 - s.covered) / 1000)::bigint else 0 end as unknown_ms
    from seen as s;
    -- What a pod reserves beyond its containers: init containers that need more, and overhead.
    insert into rated_charge
    select p.piece, p.segment, p.from_at, p.uid, 'pod-init',
        greatest((coalesce(p.request_cpu_millicores, 0)::double precision * p.length_us / 1000)::bigint - coalesce(c.cpu, 0), 0),
        greatest((coalesce(p.request_memory_bytes, 0)::double precision * p.length_us / 1000000)::bigint - coalesce(c.memory, 0), 0),
        greatest((coalesce(p.request_gpu_millis, 0)::double precision * p.length_us / 1000)::bigint - coalesce(c.gpu, 0), 0),
        greatest((coalesce(p.request_cpu_millicores, 0)::double precision * p.length_us / 1000)::bigint - coalesce(c.cpu, 0), 0),
        greatest((coalesce(p.request_memory_bytes, 0)::double precision * p.length_us / 1000000)::bigint - coalesce(c.memory, 0), 0),
        0, 0, 0, p.length_us / 1000, 0,
        case when c.piece is null and (p.request_cpu_millicores is null or p.request_memory_bytes is null) then p.length_us / 1000 else 0 end
    from rated_pod as p
    left join (
        select c.piece, sum(c.cpu_requested)::bigint as cpu, sum(c.memory_requested)::bigint as memory, sum(c.gpu)::bigint as gpu
        from rated_charge as c group by c.piece
    ) as c on c.piece = p.piece
    where c.piece is null
       or (coalesce(p.request_cpu_millicores, 0)::double precision * p.length_us / 1000)::bigint > c.cpu + p.length_us / 1000000
       or (coalesce(p.request_memory_bytes, 0)::double precision * p.length_us / 1000000)::bigint > c.memory + 4096
       or (coalesce(p.request_gpu_millis, 0)::double precision * p.length_us / 1000)::bigint > c.gpu;
    analyze rated_charge;
    perform set_config('enable_nestloop', 'on', true);

    -- What nodes cost: the price of the node over its capacity, or of each resource; each rounded once.
    create temp table rated_node on commit drop as
    with charged as (
        select c.segment, sum(c.cpu)::bigint as cpu, sum(c.memory)::bigint as memory, sum(c.gpu)::bigint as gpu
        from rated_charge as c where c.segment is not null group by c.segment
    ), amount as (
        select s.*, p.class, p.per, p.node_price, p.core_price, p.gib_price, p.gpu_price, p.cpu_to_ram, p.gpu_to_ram, p.discount,
            round(s.capacity_cpu_millicores::numeric * s.length_us / 1000)::bigint as cpu_capacity,
            round(s.capacity_memory_bytes::numeric * s.length_us / 1000000)::bigint as memory_capacity,
            round(coalesce(s.capacity_gpu_millis, 0)::numeric * s.length_us / 1000)::bigint as gpu_capacity,
            least(round(s.allocatable_cpu_millicores::numeric * s.length_us / 1000), round(s.capacity_cpu_millicores::numeric * s.length_us / 1000))::bigint as cpu_allocatable,
            least(round(s.allocatable_memory_bytes::numeric * s.length_us / 1000000), round(s.capacity_memory_bytes::numeric * s.length_us / 1000000))::bigint as memory_allocatable,
            least(round(coalesce(s.allocatable_gpu_millis, 0)::numeric * s.length_us / 1000), round(coalesce(s.capacity_gpu_millis, 0)::numeric * s.length_us / 1000))::bigint as gpu_allocatable,
            coalesce(c.cpu, 0) as cpu_charged, coalesce(c.memory, 0) as memory_charged, coalesce(c.gpu, 0) as gpu_charged,
            -- Billionths of the currency for the segment, for each unit of the currency in the price.
            s.length_us::numeric / 3600000000
                / case when p.per = 'hour' then 1 when h.month_basis = '730h' then 730 else month_hours end
                * (1 - p.discount) * 1000000000 as nanos,
            s.capacity_cpu_millicores::numeric / 1000 as cores,
            s.capacity_memory_bytes::numeric / 1073741824 as gib,
            coalesce(s.capacity_gpu_millis, 0)::numeric / 1000 as gpus
        from rated_segment as s
        left join charged as c on c.segment = s.segment
        left join ledger.price_sheet as h on h.sheet_id = s.sheet_id
        left join ledger.price_class as p on p.sheet_id = s.sheet_id and p.position = s.class_position
        offset 0
    ), costed as (
        select a.*,
            round(a.nanos * case when a.node_price is null then a.core_price * a.cores
                else a.node_price * a.cores * a.cpu_to_ram / nullif(a.cores * a.cpu_to_ram + a.gib + a.gpus * a.gpu_to_ram, 0) end)::bigint as cpu_nanos,
            round(a.nanos * case when a.node_price is null then a.gib_price * a.gib
                else a.node_price * a.gib / nullif(a.cores * a.cpu_to_ram + a.gib + a.gpus * a.gpu_to_ram, 0) end)::bigint as memory_nanos,
            round(a.nanos * case when a.node_price is null then a.gpu_price * a.gpus
                else a.node_price * a.gpus * a.gpu_to_ram / nullif(a.cores * a.cpu_to_ram + a.gib + a.gpus * a.gpu_to_ram, 0) end)::bigint as gpu_nanos
        from amount as a
        offset 0
    ), parted as (
        select c.*,
            c.cpu_nanos is not null and c.memory_nanos is not null and c.gpu_nanos is not null as priced,
            ledger.cost_parts(c.cpu_nanos, c.cpu_capacity, ledger.cost_amounts(c.cpu_charged, c.cpu_capacity, c.cpu_allocatable)) as cpu_parts,
            ledger.cost_parts(c.memory_nanos, c.memory_capacity, ledger.cost_amounts(c.memory_charged, c.memory_capacity, c.memory_allocatable)) as memory_parts,
            ledger.cost_parts(c.gpu_nanos, c.gpu_capacity, ledger.cost_amounts(c.gpu_charged, c.gpu_capacity, c.gpu_allocatable)) as gpu_parts
        from costed as c
        offset 0
    )
    select p.segment, p.cluster_id, p.node_uid, p.node, p.from_at, p.to_at, p.length_us, p.sheet_id, p.priced,
        case when p.priced then p.class end as node_class,
        p.cpu_capacity, p.cpu_allocatable, p.cpu_charged, case when p.priced then p.cpu_nanos end as cpu_nanos,
        case when p.priced then p.cpu_parts end as cpu_parts,
        p.memory_capacity, p.memory_allocatable, p.memory_charged, case when p.priced then p.memory_nanos end as memory_nanos,
        case when p.priced then p.memory_parts end as memory_parts,
        p.gpu_capacity, p.gpu_allocatable, p.gpu_charged, case when p.priced then p.gpu_nanos end as gpu_nanos,
        case when p.priced then p.gpu_parts end as gpu_parts
    from parted as p;
    analyze rated_node;
    perform ledger.rate_lines();
end
$$;

-- As in 0011, in one pass: what a charge costs goes straight into its line.
create or replace function ledger.rate_lines() returns void
language plpgsql
set search_path = ledger, pg_catalog, pg_temp
set work_mem = '384MB'
set jit = off
set client_min_messages = warning
as $$
begin
    perform set_config('enable_nestloop', 'off', true);
    -- Groups are fewer than they look: they are summed in memory. What is ranked is sorted all the same.
    perform set_config('enable_sort', 'off', true);
    -- Products of money and time go beyond 64 bits: the floors are exact, and their remainders are only put in order.
    create temp table rated_line on commit drop as
    with product as (
        select c.*, n.priced, n.node_class,
            n.cpu_parts[1] as cpu_whole, n.memory_parts[1] as memory_whole, n.gpu_parts[1] as gpu_whole,
            case when c.cpu > 0 then n.cpu_parts[1]::numeric * c.cpu end as cpu_product,
            case when c.memory > 0 then n.memory_parts[1]::numeric * c.memory end as memory_product,
            case when c.gpu > 0 then n.gpu_parts[1]::numeric * c.gpu end as gpu_product,
            n.cpu_charged, n.memory_charged, n.gpu_charged
        from rated_charge as c
        left join rated_node as n on n.segment = c.segment
        offset 0
    ), floor as (
        select p.*,
            coalesce(div(p.cpu_product, p.cpu_charged)::bigint, 0) as cpu_down,
            coalesce(div(p.memory_product, p.memory_charged)::bigint, 0) as memory_down,
            coalesce(div(p.gpu_product, p.gpu_charged)::bigint, 0) as gpu_down
        from product as p
        offset 0
    ), rest as (
        select f.piece, f.segment, f.from_at, f.uid, f.container, f.priced, f.node_class, f.cpu, f.memory, f.gpu, f.cpu_requested,
            f.memory_requested, f.cpu_used, f.memory_used, f.gpu_used, f.life_ms, f.usage_ms, f.unknown_ms,
            f.cpu_whole, f.memory_whole, f.gpu_whole, f.cpu_down, f.memory_down, f.gpu_down,
            coalesce((f.cpu_product - f.cpu_down::numeric * f.cpu_charged)::double precision, -1) as cpu_rest,
            coalesce((f.memory_product - f.memory_down::numeric * f.memory_charged)::double precision, -1) as memory_rest,
            coalesce((f.gpu_product - f.gpu_down::numeric * f.gpu_charged)::double precision, -1) as gpu_rest
        from floor as f
        offset 0
    ), ranked as (
        select r.*,
            row_number() over (partition by r.segment order by r.cpu_rest desc, r.uid, r.container, r.from_at) as cpu_rank,
            row_number() over (partition by r.segment order by r.memory_rest desc, r.uid, r.container, r.from_at) as memory_rank,
            case
                when r.gpu > 0 then row_number() over (partition by r.segment order by r.gpu_rest desc, r.uid, r.container, r.from_at)
            end as gpu_rank,
            sum(r.cpu_down) over s as cpu_sum, sum(r.memory_down) over s as memory_sum, sum(r.gpu_down) over s as gpu_sum
        from rest as r
        window s as (partition by r.segment)
    )
    select p.cluster_id, p.namespace, p.workload_kind, p.workload, r.container, r.node_class, p.team, p.owner_source, p.labels,
        coalesce(sum(r.cpu_down + (r.cpu_rank <= r.cpu_whole - r.cpu_sum)::integer) filter (where r.priced), 0)::bigint as cpu_nanos,
        coalesce(sum(r.memory_down + (r.memory_rank <= r.memory_whole - r.memory_sum)::integer) filter (where r.priced), 0)::bigint as memory_nanos,
        coalesce(sum(r.gpu_down + (r.gpu_rank <= r.gpu_whole - r.gpu_sum)::integer) filter (where r.priced and r.gpu > 0), 0)::bigint as gpu_nanos,
        sum(r.cpu) as cpu_charged_core_us, sum(r.memory) as memory_charged_byte_seconds, sum(r.gpu) as gpu_charged_card_us,
        sum(r.cpu_requested) as cpu_requested_core_us, sum(r.memory_requested) as memory_requested_byte_seconds,
        sum(r.cpu_used) as cpu_used_core_us, sum(r.memory_used) as memory_used_byte_seconds, sum(r.gpu_used) as gpu_used_card_us,
        sum(r.life_ms)::bigint as life_ms, sum(r.usage_ms)::bigint as usage_ms, sum(r.unknown_ms)::bigint as unknown_ms,
        coalesce(sum(r.life_ms) filter (where r.priced is not true), 0)::bigint as unpriced_ms, count(*)::integer as pods
    from ranked as r
    join rated_pod as p on p.piece = r.piece
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
    union all
    select n.cluster_id, b.name, null, null, null, n.node_class, b.name, 'none', '{}',
        sum(n.cpu_parts[b.part])::bigint, sum(n.memory_parts[b.part])::bigint, sum(n.gpu_parts[b.part])::bigint,
        sum((ledger.cost_amounts(n.cpu_charged, n.cpu_capacity, n.cpu_allocatable))[b.part]),
        sum((ledger.cost_amounts(n.memory_charged, n.memory_capacity, n.memory_allocatable))[b.part]),
        sum((ledger.cost_amounts(n.gpu_charged, n.gpu_capacity, n.gpu_allocatable))[b.part]),
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from rated_node as n
    cross join (values ('__idle__', 2), ('__system__', 3)) as b (name, part)
    where n.priced
    group by n.cluster_id, b.name, n.node_class;
    perform set_config('enable_sort', 'on', true);
    perform set_config('enable_nestloop', 'on', true);
    analyze rated_line;
end
$$;

-- As in 0012, but that it takes note of the usage it reads.
create or replace function ledger.cost_fill(hour timestamptz, why text default 'rerate', at timestamptz default now()) returns bigint
language plpgsql
security definer
set search_path = ledger, pg_catalog, pg_temp
set timezone = 'UTC'
set work_mem = '384MB'
set jit = off
set client_min_messages = warning
as $$
declare
    h0 timestamptz := date_trunc('hour', hour);
    h1 timestamptz := date_trunc('hour', hour) + interval '1 hour';
    began timestamptz := clock_timestamp();
    until timestamptz := least(h1, at);
    known timestamptz;
    run bigint;
    month_closed boolean;
begin
    perform pg_advisory_xact_lock(hashtext('ledger.cost_fill'));
    if until <= h0 then
        raise exception 'cost_fill: hour % has not begun at %', h0, at using errcode = '22023';
    end if;
    select k.known_all into known from ledger.cost_known(at) as k;
    -- What is folded after this shows up as late; what was folded before is read below.
    delete from ledger.usage_fold where hour_at = h0 or folded_at < began - interval '100 days';
    perform ledger.rate(h0, until);

    insert into ledger.cost_run (hour_at, reason, as_of, known_until, sheet_ids, nodes, pods, lines, cost_nanos, began_at, filled_at)
    select h0, why, until, known, coalesce(array_agg(distinct n.sheet_id) filter (where n.sheet_id is not null), '{}'),
        count(distinct (n.cluster_id, n.node_uid)), (select count(*) filter (where p.whole) from rated_pod as p)
            + (select count(*) from (select from rated_pod as p where not p.whole group by p.cluster_id, p.uid) as p),
        (select count(*) from rated_line), coalesce(sum(n.cpu_nanos + n.memory_nanos + n.gpu_nanos), 0), began, clock_timestamp()
    from rated_node as n
    returning run_id into run;

    insert into ledger.cost_line (cluster_id, namespace, workload_kind, workload, container, node_class, team, owner_source, labels)
    select distinct r.cluster_id, r.namespace, r.workload_kind, r.workload, r.container, r.node_class, r.team, r.owner_source, r.labels
    from rated_line as r
    where not exists (
        select from ledger.cost_line as l
        where l.cluster_id = r.cluster_id and l.namespace = r.namespace and l.team = r.team and l.owner_source = r.owner_source
          and l.labels = r.labels and coalesce(l.workload, '') = coalesce(r.workload, '')
          and (l.workload_kind, l.workload, l.container, l.node_class)
              is not distinct from (r.workload_kind, r.workload, r.container, r.node_class)
    );
    create temp table rated_booking on commit drop as
    select l.line_id, r.cpu_nanos, r.memory_nanos, r.gpu_nanos, r.cpu_charged_core_us, r.memory_charged_byte_seconds,
        r.gpu_charged_card_us, r.cpu_requested_core_us, r.memory_requested_byte_seconds, r.cpu_used_core_us,
        r.memory_used_byte_seconds, r.gpu_used_card_us, r.life_ms, r.usage_ms, r.unknown_ms, r.unpriced_ms, r.pods
    from rated_line as r
    join ledger.cost_line as l
        on l.cluster_id = r.cluster_id and l.namespace = r.namespace and l.team = r.team and l.owner_source = r.owner_source
       and l.labels = r.labels and coalesce(l.workload, '') = coalesce(r.workload, '')
       and coalesce(l.container, '') = coalesce(r.container, '')
       and (l.workload_kind, l.workload, l.container, l.node_class)
           is not distinct from (r.workload_kind, r.workload, r.container, r.node_class);

    month_closed := exists (select from ledger.cost_month as m where m.month_at = date_trunc('month', h0));
    if month_closed then
        insert into ledger.cost_adjustment (booked_at, hour_at, line_id, run_id, cpu_nanos, memory_nanos, gpu_nanos)
        select clock_timestamp(), h0, d.line_id, run, sum(d.cpu), sum(d.memory), sum(d.gpu)
        from (
            select b.line_id, b.cpu_nanos as cpu, b.memory_nanos as memory, b.gpu_nanos as gpu from rated_booking as b
            union all
            select h.line_id, -h.cpu_nanos, -h.memory_nanos, -h.gpu_nanos from ledger.cost_hourly as h where h.hour_at = h0
            union all
            select a.line_id, -a.cpu_nanos, -a.memory_nanos, -a.gpu_nanos from ledger.cost_adjustment as a where a.hour_at = h0
        ) as d
        group by d.line_id
        having sum(d.cpu) <> 0 or sum(d.memory) <> 0 or sum(d.gpu) <> 0;
    else
        delete from ledger.cost_hourly where hour_at = h0;
        insert into ledger.cost_hourly select h0, b.* from rated_booking as b;
        delete from ledger.cost_node_hourly where hour_at = h0;
        insert into ledger.cost_node_hourly
        select h0, n.cluster_id, n.node_uid, n.from_at, n.to_at, n.node, n.node_class, n.sheet_id,
            n.cpu_capacity, n.cpu_allocatable, n.cpu_charged, ledger.cost_k(n.cpu_charged, n.cpu_capacity),
            n.cpu_nanos, n.cpu_parts[1], n.cpu_parts[2], n.cpu_parts[3],
            n.memory_capacity, n.memory_allocatable, n.memory_charged, ledger.cost_k(n.memory_charged, n.memory_capacity),
            n.memory_nanos, n.memory_parts[1], n.memory_parts[2], n.memory_parts[3],
            n.gpu_capacity, n.gpu_allocatable, n.gpu_charged, ledger.cost_k(n.gpu_charged, n.gpu_capacity),
            n.gpu_nanos, n.gpu_parts[1], n.gpu_parts[2], n.gpu_parts[3]
        from rated_node as n;
        perform ledger.cost_check_hour(h0);
    end if;
    insert into ledger.cost_hour as c (hour_at, run_id, known_until, complete, partial, filled_at)
    values (h0, run, known, known >= h1, until < h1, began)
    on conflict (hour_at) do update set
        run_id = excluded.run_id, known_until = excluded.known_until, complete = excluded.complete,
        partial = excluded.partial, filled_at = excluded.filled_at, fillings = c.fillings + 1;
    drop table pg_temp.rated_booking, pg_temp.rated_segment, pg_temp.rated_pod, pg_temp.rated_charge,
        pg_temp.rated_node, pg_temp.rated_line, pg_temp.rated_owner;
    return run;
end
$$;

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

create function ledger.note_fold() returns trigger
language plpgsql
set search_path = ledger, pg_catalog
as $$
begin
    -- Without prices nothing is rated, and nobody would take the notes away.
    if exists (select from ledger.price_sheet as s where s.superseded_at is null) then
        insert into ledger.usage_fold (hour_at) select distinct f.hour_at from folded as f;
    end if;
    return null;
end
$$;
comment on function ledger.note_fold is 'Notes the hours that a batch folded usage into.';
create trigger note_insert after insert on ledger.usage_window referencing new table as folded
    for each statement execute function ledger.note_fold();
create trigger note_update after update on ledger.usage_window referencing new table as folded
    for each statement execute function ledger.note_fold();

-- Hours to rate now, the oldest first: those that are over and were not rated, those of which more is known, those whose
-- usage came late. `history` is where the first run begins, `lateness` how far back what was rated is rated again.
drop function ledger.cost_due;
create function ledger.cost_due(
    at timestamptz default now(), history interval default '1 day', lateness interval default '7 days'
)
returns table (hour_at timestamptz, reason text)
language sql stable
security definer
set search_path = ledger, pg_catalog
set timezone = 'UTC'
begin atomic
    with known as (
        select k.known_all, k.known_fresh from ledger.cost_known(at) as k
    ), filled as (
        select max(h.hour_at) filter (where not h.partial) + interval '1 hour' as until from ledger.cost_hour as h
    ), next as (
        select g.hour_at, 'first' as reason
        from known as k, filled as f
        cross join lateral generate_series(
            coalesce(f.until, date_trunc('hour', at - history)), k.known_fresh - interval '1 hour', interval '1 hour') as g (hour_at)
    ), more as (
        select h.hour_at, 'known' as reason
        from ledger.cost_hour as h, known as k
        where not h.complete and not h.partial and h.hour_at >= at - lateness and k.known_all > h.known_until
    ), late as (
        select u.hour_at, 'usage' as reason
        from ledger.usage_fold as u
        join ledger.cost_hour as h using (hour_at)
        where u.hour_at >= at - lateness and not h.partial
        group by u.hour_at
    )
    select distinct on (d.hour_at) d.hour_at, d.reason
    from (select * from next union all select * from more union all select * from late) as d
    order by d.hour_at, d.reason;
end;
comment on function ledger.cost_due is 'Hours to rate now, the oldest first, and why.';
