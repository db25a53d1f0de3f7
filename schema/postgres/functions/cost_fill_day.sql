-- Makes the rows of a UTC day, and of its month, from its hours.
create or replace function ledger.cost_fill_day(day timestamptz) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set work_mem = '192MB'
set jit = off
as $$
declare
    day_from timestamptz := date_trunc('day', day);
    day_to timestamptz := date_trunc('day', day) + interval '1 day';
    month_from timestamptz := date_trunc('month', day);
begin
    perform ledger.take_lock('cost_fill');
    delete from ledger.cost_daily where day_at = day_from;
    insert into ledger.cost_daily (day_at, line_id, {cost_measures: %}, pods, first_at, last_at)
    select day_from, h.line_id, {cost_measures: sum(h.%)}, max(h.pods),
        min(coalesce(h.first_at, h.hour_at)), max(coalesce(h.last_at, h.hour_at + interval '1 hour'))
    from ledger.cost_hourly as h
    where h.hour_at >= day_from and h.hour_at < day_to
    group by h.line_id;

    delete from ledger.cost_namespace_daily where day_at = day_from;
    insert into ledger.cost_namespace_daily (day_at, cluster_id, {cost_namespace_dimensions: %}, {cost_measures: %}, first_at, last_at)
    select day_from, l.cluster_id, {cost_namespace_dimensions: l.%}, {cost_measures: sum(d.%)}, min(d.first_at), max(d.last_at)
    from ledger.cost_daily as d
    join ledger.cost_line as l using (line_id)
    where d.day_at = day_from
    group by l.cluster_id, {cost_namespace_dimensions: l.%};

    delete from ledger.cost_namespace_monthly where month_at = month_from;
    insert into ledger.cost_namespace_monthly (month_at, cluster_id, {cost_namespace_dimensions: %}, {cost_measures: %})
    select month_from, d.cluster_id, {cost_namespace_dimensions: d.%}, {cost_measures: sum(d.%)}
    from ledger.cost_namespace_daily as d
    where d.day_at >= month_from and d.day_at < month_from + interval '1 month'
    group by d.cluster_id, {cost_namespace_dimensions: d.%};

    delete from ledger.cost_node_daily where day_at = day_from;
    insert into ledger.cost_node_daily
    select day_from, n.cluster_id, n.node_class, r.resource,
        coalesce(sum(r.capacity), 0), coalesce(sum(r.allocatable), 0), sum(r.charged), coalesce(sum(r.cost), 0),
        coalesce(sum(r.allocated), 0), coalesce(sum(r.idle), 0), coalesce(sum(r.system), 0),
        (sum(extract(epoch from n.to_at - n.from_at)) * 1000)::bigint,
        (coalesce(sum(extract(epoch from n.to_at - n.from_at)) filter (where r.cost is null), 0) * 1000)::bigint
    from ledger.cost_node_hourly as n
    cross join lateral (values
        ('cpu', cpu_capacity, cpu_allocatable, cpu_charged, cpu_cost_nanos, cpu_allocated_nanos, cpu_idle_nanos, cpu_system_nanos),
        ('memory', memory_capacity, memory_allocatable, memory_charged, memory_cost_nanos, memory_allocated_nanos, memory_idle_nanos, memory_system_nanos),
        ('gpu', gpu_capacity, gpu_allocatable, gpu_charged, gpu_cost_nanos, gpu_allocated_nanos, gpu_idle_nanos, gpu_system_nanos)
    ) as r (resource, capacity, allocatable, charged, cost, allocated, idle, system)
    where n.hour_at >= day_from and n.hour_at < day_to
    group by n.cluster_id, n.node_class, r.resource;

    insert into ledger.cost_day as d (day_at, hours, filled_at)
    select day_from, count(*), clock_timestamp() from ledger.cost_hour
    where hour_at >= day_from and hour_at < day_to and not partial
    on conflict (day_at) do update set hours = excluded.hours, filled_at = excluded.filled_at;

    perform ledger.cost_write_check('day', day_from, (
        select jsonb_object_agg(n.cluster_id, n.sums) from (
            select cluster_id, jsonb_build_array(sum(cost_nanos), sum(allocated_nanos), sum(idle_nanos), sum(system_nanos), sum(unpriced_ms)) as sums
            from ledger.cost_node_daily where day_at = day_from group by cluster_id
        ) as n
    ), (
        select jsonb_object_agg(n.cluster_id, n.sums) from (
            select cluster_id, jsonb_build_array(
                coalesce(sum(cpu_nanos + memory_nanos + gpu_nanos) filter (where namespace not in ('__idle__', '__system__')), 0),
                coalesce(sum(cpu_nanos + memory_nanos + gpu_nanos) filter (where namespace = '__idle__'), 0),
                coalesce(sum(cpu_nanos + memory_nanos + gpu_nanos) filter (where namespace = '__system__'), 0)) as sums
            from ledger.cost_namespace_daily where day_at = day_from group by cluster_id
        ) as n
    ));
end
$$;
comment on function ledger.cost_fill_day is 'Makes the rows of a UTC day, and of its month, from its hours.';
