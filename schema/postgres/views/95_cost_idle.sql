-- script: once
-- What nodes cost between two instants, from whole days where they stand and from hours at the edges.
create function fleet.cost_idle(from_at timestamptz, to_at timestamptz)
returns table (datacenter text, cluster text, node_class text, resource text, cost numeric, allocated_cost numeric, idle_cost numeric, system_cost numeric, idle_share numeric, currency text)
language sql stable parallel safe
begin atomic
    with day as (
        select * from fleet.cost_days(from_at, to_at)
    ), part as (
        select n.cluster_id, n.node_class, n.resource, n.cost_nanos, n.allocated_nanos, n.idle_nanos, n.system_nanos
        from day as w
        join ledger.cost_node_daily as n on n.day_at = w.day_at and n.day_at >= cost_idle.from_at and n.day_at < cost_idle.to_at
        where w.whole
        union all
        select n.cluster_id, n.node_class, r.resource, coalesce(r.cost, 0), coalesce(r.allocated, 0), coalesce(r.idle, 0), coalesce(r.system, 0)
        from day as w
        cross join lateral (
            select n.* from ledger.cost_node_hourly as n
            where n.hour_at >= w.begin_at and n.hour_at < w.end_at and n.hour_at >= cost_idle.from_at and n.hour_at < cost_idle.to_at
            offset 0
        ) as n
        cross join lateral (values
            ('cpu', n.cpu_cost_nanos, n.cpu_allocated_nanos, n.cpu_idle_nanos, n.cpu_system_nanos),
            ('memory', n.memory_cost_nanos, n.memory_allocated_nanos, n.memory_idle_nanos, n.memory_system_nanos),
            ('gpu', n.gpu_cost_nanos, n.gpu_allocated_nanos, n.gpu_idle_nanos, n.gpu_system_nanos)
        ) as r (resource, cost, allocated, idle, system)
        where not w.whole
    )
    select l.datacenter, l.cluster, p.node_class, p.resource,
        round(sum(p.cost_nanos) / 1e9, 9), round(sum(p.allocated_nanos) / 1e9, 9), round(sum(p.idle_nanos) / 1e9, 9),
        round(sum(p.system_nanos) / 1e9, 9), round(sum(p.idle_nanos) / nullif(sum(p.cost_nanos), 0), 4),
        (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1)
    from part as p
    join ledger.cluster as l using (cluster_id)
    group by 1, 2, 3, 4;
end;
comment on function fleet.cost_idle is 'What nodes cost between two instants by cluster, class and resource: allocated, idle and system, and the share that is idle.';
