-- script: once
-- What nodes cost between two instants, from whole days where they stand and from hours at the edges.
create function fleet.cost_idle(from_at timestamptz, to_at timestamptz)
returns table (datacenter text, cluster text, node_class text, resource text, cost numeric, allocated_cost numeric, idle_cost numeric, system_cost numeric, idle_share numeric, currency text, capacity_hours numeric, allocated_hours numeric, idle_hours numeric, system_hours numeric)
language sql stable parallel safe
begin atomic
    with day as (
        select * from fleet.cost_days(from_at, to_at)
    ), part as (
        select n.cluster_id, n.node_class, n.resource, n.cost_nanos, n.allocated_nanos, n.idle_nanos, n.system_nanos, n.capacity
        from day as w
        join ledger.cost_node_daily as n on n.day_at = w.day_at and n.day_at >= cost_idle.from_at and n.day_at < cost_idle.to_at
        where w.whole
        union all
        select n.cluster_id, n.node_class, r.resource, coalesce(r.cost, 0), coalesce(r.allocated, 0), coalesce(r.idle, 0), coalesce(r.system, 0), r.capacity
        from day as w
        cross join lateral (
            select n.* from ledger.cost_node_hourly as n
            where n.hour_at >= w.begin_at and n.hour_at < w.end_at and n.hour_at >= cost_idle.from_at and n.hour_at < cost_idle.to_at
            offset 0
        ) as n
        cross join lateral (values
            ('cpu', n.cpu_cost_nanos, n.cpu_allocated_nanos, n.cpu_idle_nanos, n.cpu_system_nanos, n.cpu_capacity),
            ('memory', n.memory_cost_nanos, n.memory_allocated_nanos, n.memory_idle_nanos, n.memory_system_nanos, n.memory_capacity),
            ('gpu', n.gpu_cost_nanos, n.gpu_allocated_nanos, n.gpu_idle_nanos, n.gpu_system_nanos, n.gpu_capacity)
        ) as r (resource, cost, allocated, idle, system, capacity)
        where not w.whole
    ), node as (
        select l.datacenter, l.cluster, p.node_class, p.resource, sum(p.cost_nanos) as cost, sum(p.allocated_nanos) as allocated,
            sum(p.idle_nanos) as idle, sum(p.system_nanos) as system,
            sum(p.capacity) / case p.resource when 'memory' then 3865470566400.0 else 3.6e9 end as hours
        from part as p
        join ledger.cluster as l using (cluster_id)
        group by 1, 2, 3, 4
    ), line as (
        -- What nobody was charged has lines of its own, of priced nodes alone.
        select p.datacenter, p.cluster, p.node_class, r.resource, sum(r.hours) filter (where p.namespace = '__idle__') as idle,
            sum(r.hours) filter (where p.namespace = '__system__') as system
        from fleet.cost_namespace_parts(cost_idle.from_at, cost_idle.to_at) as p
        cross join lateral (values
            ('cpu', p.cpu_charged_core_us / 3.6e9),
            ('memory', p.memory_charged_byte_seconds / 3865470566400.0),
            ('gpu', p.gpu_charged_card_us / 3.6e9)
        ) as r (resource, hours)
        where p.namespace in ('__idle__', '__system__')
        group by 1, 2, 3, 4
    )
    select n.datacenter, n.cluster, n.node_class, n.resource,
        round(n.cost / 1e9, 9), round(n.allocated / 1e9, 9), round(n.idle / 1e9, 9), round(n.system / 1e9, 9),
        round(n.idle / nullif(n.cost, 0), 4),
        (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1),
        round(n.hours, 6), round(n.hours - i.idle - i.system, 6), round(i.idle, 6), round(i.system, 6)
    from node as n
    left join line as i
        on i.datacenter = n.datacenter and i.cluster = n.cluster and i.node_class = n.node_class and i.resource = n.resource;
end;
comment on function fleet.cost_idle is 'What nodes cost between two instants by cluster, class and resource: allocated, idle and system in cost and in hours of their capacity (core-hours, GiB-hours, card-hours), and the share of the cost that is idle. Hours are NULL where no price is known.';
