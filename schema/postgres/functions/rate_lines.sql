-- Shares what nodes allocated among those who were charged and sums it by line, in one pass: a share is never written down.
create or replace function ledger.rate_lines() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
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
            case when c.cpu > 0 then n.cpu_parts[1] * c.cpu end as cpu_product,
            case when c.memory > 0 then n.memory_parts[1] * c.memory end as memory_product,
            case when c.gpu > 0 then n.gpu_parts[1] * c.gpu end as gpu_product,
            n.cpu_charged, n.memory_charged, n.gpu_charged
        from rated_charge as c
        left join rated_node as n on n.segment = c.segment
        offset 0
    ), floor as (
        select p.*,
            coalesce(div(p.cpu_product, p.cpu_charged), 0) as cpu_down,
            coalesce(div(p.memory_product, p.memory_charged), 0) as memory_down,
            coalesce(div(p.gpu_product, p.gpu_charged), 0) as gpu_down
        from product as p
        offset 0
    ), rest as (
        select f.piece, f.segment, f.from_at, f.uid, f.container, f.priced, f.node_class, f.cpu, f.memory, f.gpu, f.cpu_requested,
            f.memory_requested, f.cpu_used, f.memory_used, f.gpu_used, f.life_ms, f.usage_ms, f.unknown_ms,
            f.cpu_whole, f.memory_whole, f.gpu_whole, f.cpu_down, f.memory_down, f.gpu_down,
            coalesce((f.cpu_product - f.cpu_down * f.cpu_charged)::double precision, -1) as cpu_rest,
            coalesce((f.memory_product - f.memory_down * f.memory_charged)::double precision, -1) as memory_rest,
            coalesce((f.gpu_product - f.gpu_down * f.gpu_charged)::double precision, -1) as gpu_rest
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
        coalesce(sum(r.cpu_down + (r.cpu_rank <= r.cpu_whole - r.cpu_sum)::integer) filter (where r.priced), 0) as cpu_nanos,
        coalesce(sum(r.memory_down + (r.memory_rank <= r.memory_whole - r.memory_sum)::integer) filter (where r.priced), 0) as memory_nanos,
        coalesce(sum(r.gpu_down + (r.gpu_rank <= r.gpu_whole - r.gpu_sum)::integer) filter (where r.priced and r.gpu > 0), 0) as gpu_nanos,
        sum(r.cpu) as cpu_charged_core_us, sum(r.memory) as memory_charged_byte_seconds, sum(r.gpu) as gpu_charged_card_us,
        sum(r.cpu_requested) as cpu_requested_core_us, sum(r.memory_requested) as memory_requested_byte_seconds,
        sum(r.cpu_used) as cpu_used_core_us, sum(r.memory_used) as memory_used_byte_seconds, sum(r.gpu_used) as gpu_used_card_us,
        sum(r.life_ms)::bigint as life_ms, sum(r.usage_ms)::bigint as usage_ms, sum(r.unknown_ms)::bigint as unknown_ms,
        coalesce(sum(r.life_ms) filter (where r.priced is not true), 0)::bigint as unpriced_ms, least(count(*), 2147483647)::integer as pods,
        min(r.from_at) as first_at, max(r.from_at + r.life_ms * interval '1 millisecond') as last_at
    from ranked as r
    join rated_pod as p on p.piece = r.piece
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
    union all
    select n.cluster_id, b.name, null, null, null, n.node_class, b.name, 'none', '{}',
        sum(n.cpu_parts[b.part]), sum(n.memory_parts[b.part]), sum(n.gpu_parts[b.part]),
        sum((ledger.cost_amounts(n.cpu_charged, n.cpu_capacity, n.cpu_allocatable))[b.part]),
        sum((ledger.cost_amounts(n.memory_charged, n.memory_capacity, n.memory_allocatable))[b.part]),
        sum((ledger.cost_amounts(n.gpu_charged, n.gpu_capacity, n.gpu_allocatable))[b.part]),
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, min(n.from_at), max(n.to_at)
    from rated_node as n
    cross join (values ('__idle__', 2), ('__system__', 3)) as b (name, part)
    where n.priced
    group by n.cluster_id, b.name, n.node_class;
    perform set_config('enable_sort', 'on', true);
    perform set_config('enable_nestloop', 'on', true);
    analyze rated_line;
end
$$;
comment on function ledger.rate_lines is 'Shares what nodes allocated among those who were charged; part of ledger.rate.';
