-- Rates [h0, h1) of the hour that begins at h0 into temporary tables: rated_segment and rated_node (what nodes cost and whom
-- for), rated_pod, rated_charge (one row for each container of each pod on each segment) and rated_line (what is booked); of
-- clusters in `leave_out` nothing, nor of nodes and pods in `leave_objects`.
-- Each step is one statement into a table with statistics, because a plan of all of it would be a guess. No CTE is pulled
-- into the next one (`offset 0`), which would compute its amounts once for each use.
create or replace function ledger.rate(h0 timestamptz, h1 timestamptz, leave_out integer[] default '{}', leave_objects uuid[] default '{}')
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
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
    from ledger.cost_segment(h0, h1) as s
    where s.cluster_id <> all (leave_out) and s.node_uid <> all (leave_objects);
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
        where i.cluster_id <> all (leave_out) and i.uid <> all (leave_objects)
    )
    -- Names of owners and teams are what somebody wrote, of any length; a line is found by an index.
    select row_number() over ()::integer as piece, p.cluster_id, p.uid, p.namespace,
        left(p.workload_kind, 253) as workload_kind, left(p.workload, 253) as workload, p.segment, p.piece_from_at as from_at, p.piece_to_at as to_at, p.whole,
        case
            when p.piece_from_at = h0 and p.piece_to_at = h1 then whole_us
            else (extract(epoch from p.piece_to_at - p.piece_from_at) * 1000000)::bigint
        end as length_us,
        p.request_cpu_millicores, p.request_memory_bytes, p.request_gpu_millis,
        left(coalesce(nullif(p.labels ->> o.allow_label_owner, ''), o.team, '__unallocated__'), 253) as team,
        case when nullif(p.labels ->> o.allow_label_owner, '') is not null then 'pod_label' else coalesce(o.owner_source, 'none') end as owner_source,
        case
            when cardinality(rollup_labels) = 0 then '{}'::jsonb
            else coalesce((select jsonb_object_agg(l.name, p.labels -> l.name) from unnest(rollup_labels) as l (name) where p.labels ? l.name), '{}')
        end as labels
    from piece as p
    left join rated_owner as o on o.cluster_id = p.cluster_id and o.namespace = p.namespace;
    analyze rated_pod;

    -- Usage is known by container and hour: pieces of a life take part in it by their length. Amounts are 64 bits; what they
    -- are multiplied with goes beyond, and one object that claims the largest must not end the rating of all others.
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
            ledger.cost_covered_us(u.covered_ms, s.length_us, s.life_us) as covered_us
        from span as s
        left join ledger.usage_hourly as u
            on u.cluster_id = s.cluster_id and u.hour_at = h0 and u.pod_uid = s.uid and u.container = s.container
        offset 0
    )
    select s.piece, s.segment, s.from_at, s.uid, s.container,
        ledger.cost_share(s.cpu_charged_core_us, s.length_us, s.life_us) + ledger.cost_amount(s.cpu, s.length_us - s.covered_us, 0.001) as cpu,
        ledger.cost_share(s.memory_charged_byte_seconds, s.length_us, s.life_us)
            + ledger.cost_amount(s.memory, s.length_us - s.covered_us, 0.000001) as memory,
        ledger.cost_amount(s.gpu, s.length_us, 0.001) as gpu,
        ledger.cost_amount(s.cpu, s.length_us, 0.001) as cpu_requested,
        ledger.cost_amount(s.memory, s.length_us, 0.000001) as memory_requested,
        ledger.cost_share(s.cpu_core_us, s.length_us, s.life_us) as cpu_used,
        ledger.cost_share(s.memory_byte_seconds, s.length_us, s.life_us) as memory_used,
        ledger.cost_share(s.gpu_used_card_us, s.length_us, s.life_us) as gpu_used,
        s.length_us / 1000 as life_ms,
        s.covered_us / 1000 as usage_ms,
        case when s.unknown then (s.length_us - s.covered_us) / 1000 else 0 end as unknown_ms
    from seen as s;
    -- What a pod reserves beyond its containers: init containers that need more, and overhead.
    insert into rated_charge
    select p.piece, p.segment, p.from_at, p.uid, 'pod-init', p.cpu, p.memory, p.gpu, p.cpu, p.memory, 0, 0, 0, p.length_us / 1000, 0,
        case when p.bare and (p.request_cpu_millicores is null or p.request_memory_bytes is null) then p.length_us / 1000 else 0 end
    from (
        select p.*, c.piece is null as bare,
            greatest(ledger.cost_amount(p.request_cpu_millicores, p.length_us, 0.001) - coalesce(c.cpu, 0), 0) as cpu,
            greatest(ledger.cost_amount(p.request_memory_bytes, p.length_us, 0.000001) - coalesce(c.memory, 0), 0) as memory,
            greatest(ledger.cost_amount(p.request_gpu_millis, p.length_us, 0.001) - coalesce(c.gpu, 0), 0) as gpu
        from rated_pod as p
        left join (
            select c.piece, sum(c.cpu_requested) as cpu, sum(c.memory_requested) as memory, sum(c.gpu) as gpu
            from rated_charge as c group by c.piece
        ) as c on c.piece = p.piece
        offset 0
    ) as p
    where p.bare or p.cpu > p.length_us / 1000000 or p.memory > 4096 or p.gpu > 0;
    analyze rated_charge;
    perform set_config('enable_nestloop', 'on', true);

    -- What nodes cost: the price of the node over its capacity, or of each resource; each rounded once.
    create temp table rated_node on commit drop as
    with charged as (
        select c.segment, sum(c.cpu) as cpu, sum(c.memory) as memory, sum(c.gpu) as gpu
        from rated_charge as c where c.segment is not null group by c.segment
    ), amount as (
        select s.*, p.class, p.per, p.node_price, p.core_price, p.gib_price, p.gpu_price, p.cpu_to_ram, p.gpu_to_ram, p.discount,
            round(s.capacity_cpu_millicores::numeric * s.length_us / 1000) as cpu_capacity,
            round(s.capacity_memory_bytes::numeric * s.length_us / 1000000) as memory_capacity,
            round(coalesce(s.capacity_gpu_millis, 0)::numeric * s.length_us / 1000) as gpu_capacity,
            least(round(s.allocatable_cpu_millicores::numeric * s.length_us / 1000), round(s.capacity_cpu_millicores::numeric * s.length_us / 1000)) as cpu_allocatable,
            least(round(s.allocatable_memory_bytes::numeric * s.length_us / 1000000), round(s.capacity_memory_bytes::numeric * s.length_us / 1000000)) as memory_allocatable,
            least(round(coalesce(s.allocatable_gpu_millis, 0)::numeric * s.length_us / 1000), round(coalesce(s.capacity_gpu_millis, 0)::numeric * s.length_us / 1000)) as gpu_allocatable,
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
                else a.node_price * a.cores * a.cpu_to_ram / nullif(a.cores * a.cpu_to_ram + a.gib + a.gpus * a.gpu_to_ram, 0) end) as cpu_nanos,
            round(a.nanos * case when a.node_price is null then a.gib_price * a.gib
                else a.node_price * a.gib / nullif(a.cores * a.cpu_to_ram + a.gib + a.gpus * a.gpu_to_ram, 0) end) as memory_nanos,
            round(a.nanos * case when a.node_price is null then a.gpu_price * a.gpus
                else a.node_price * a.gpus * a.gpu_to_ram / nullif(a.cores * a.cpu_to_ram + a.gib + a.gpus * a.gpu_to_ram, 0) end) as gpu_nanos
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
comment on function ledger.rate is 'Rates the hour that begins at h0, up to h1, into temporary tables.';
