-- script: once
-- Cost between two instants, from whole days where they stand and from hours at the edges: instants count by whole hours.
create function fleet.cost_namespace_parts(from_at timestamptz, to_at timestamptz)
returns table (datacenter text, cluster text, namespace text, team text, owner_source text, node_class text, cpu_nanos bigint, memory_nanos bigint, gpu_nanos bigint, cpu_charged_core_us numeric, memory_charged_byte_seconds numeric, gpu_charged_card_us numeric, cpu_requested_core_us numeric, memory_requested_byte_seconds numeric, cpu_used_core_us numeric, memory_used_byte_seconds numeric, life_ms bigint, usage_ms bigint, unknown_ms bigint, unpriced_ms bigint, adjustment_nanos bigint)
language sql stable parallel safe
begin atomic
    with day as (
        select g.day_at, greatest(g.day_at, from_at) as begin_at, least(g.day_at + interval '1 day', to_at) as end_at,
            d.day_at is not null and g.day_at >= from_at and g.day_at + interval '1 day' <= to_at as whole
        from generate_series(date_trunc('day', from_at, 'UTC'), to_at - interval '1 microsecond', interval '1 day') as g (day_at)
        left join ledger.cost_day as d on d.day_at = g.day_at
    )
    select l.datacenter, l.cluster, d.namespace, d.team, d.owner_source, d.node_class, d.cpu_nanos, d.memory_nanos, d.gpu_nanos, d.cpu_charged_core_us, d.memory_charged_byte_seconds, d.gpu_charged_card_us, d.cpu_requested_core_us, d.memory_requested_byte_seconds, d.cpu_used_core_us, d.memory_used_byte_seconds, d.life_ms, d.usage_ms, d.unknown_ms, d.unpriced_ms, 0::bigint
    from day as w
    join ledger.cost_namespace_daily as d on d.day_at = w.day_at
    join ledger.cluster as l using (cluster_id)
    where w.whole
    union all
    select l.datacenter, l.cluster, i.namespace, i.team, i.owner_source, i.node_class, h.cpu_nanos, h.memory_nanos, h.gpu_nanos, h.cpu_charged_core_us, h.memory_charged_byte_seconds, h.gpu_charged_card_us, h.cpu_requested_core_us, h.memory_requested_byte_seconds, h.cpu_used_core_us, h.memory_used_byte_seconds, h.life_ms, h.usage_ms, h.unknown_ms, h.unpriced_ms, 0::bigint
    from day as w
    join ledger.cost_hourly as h on h.hour_at >= w.begin_at and h.hour_at < w.end_at
    join ledger.cost_line as i using (line_id)
    join ledger.cluster as l using (cluster_id)
    where not w.whole
    union all
    select l.datacenter, l.cluster, i.namespace, i.team, i.owner_source, i.node_class, 0::bigint, 0::bigint, 0::bigint, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::bigint, 0::bigint, 0::bigint, 0::bigint, a.cpu_nanos + a.memory_nanos + a.gpu_nanos
    from ledger.cost_adjustment as a
    join ledger.cost_line as i using (line_id)
    join ledger.cluster as l using (cluster_id)
    where a.booked_at >= from_at and a.booked_at < to_at;
end;
comment on function fleet.cost_namespace_parts is 'What the functions cost_by_… of namespaces and above sum up.';
create function fleet.cost_line_parts(from_at timestamptz, to_at timestamptz)
returns table (datacenter text, cluster text, namespace text, workload_kind text, workload text, container text, team text, node_class text, labels jsonb, cpu_nanos bigint, memory_nanos bigint, gpu_nanos bigint, cpu_charged_core_us numeric, memory_charged_byte_seconds numeric, gpu_charged_card_us numeric, cpu_requested_core_us numeric, memory_requested_byte_seconds numeric, cpu_used_core_us numeric, memory_used_byte_seconds numeric, life_ms bigint, usage_ms bigint, unknown_ms bigint, unpriced_ms bigint, adjustment_nanos bigint)
language sql stable parallel safe
begin atomic
    with day as (
        select g.day_at, greatest(g.day_at, from_at) as begin_at, least(g.day_at + interval '1 day', to_at) as end_at,
            d.day_at is not null and g.day_at >= from_at and g.day_at + interval '1 day' <= to_at as whole
        from generate_series(date_trunc('day', from_at, 'UTC'), to_at - interval '1 microsecond', interval '1 day') as g (day_at)
        left join ledger.cost_day as d on d.day_at = g.day_at
    )
    select l.datacenter, l.cluster, i.namespace, i.workload_kind, i.workload, i.container, i.team, i.node_class, i.labels, d.cpu_nanos, d.memory_nanos, d.gpu_nanos, d.cpu_charged_core_us, d.memory_charged_byte_seconds, d.gpu_charged_card_us, d.cpu_requested_core_us, d.memory_requested_byte_seconds, d.cpu_used_core_us, d.memory_used_byte_seconds, d.life_ms, d.usage_ms, d.unknown_ms, d.unpriced_ms, 0::bigint
    from day as w
    join ledger.cost_daily as d on d.day_at = w.day_at
    join ledger.cost_line as i using (line_id)
    join ledger.cluster as l using (cluster_id)
    where w.whole
    union all
    select l.datacenter, l.cluster, i.namespace, i.workload_kind, i.workload, i.container, i.team, i.node_class, i.labels, h.cpu_nanos, h.memory_nanos, h.gpu_nanos, h.cpu_charged_core_us, h.memory_charged_byte_seconds, h.gpu_charged_card_us, h.cpu_requested_core_us, h.memory_requested_byte_seconds, h.cpu_used_core_us, h.memory_used_byte_seconds, h.life_ms, h.usage_ms, h.unknown_ms, h.unpriced_ms, 0::bigint
    from day as w
    join ledger.cost_hourly as h on h.hour_at >= w.begin_at and h.hour_at < w.end_at
    join ledger.cost_line as i using (line_id)
    join ledger.cluster as l using (cluster_id)
    where not w.whole
    union all
    select l.datacenter, l.cluster, i.namespace, i.workload_kind, i.workload, i.container, i.team, i.node_class, i.labels, 0::bigint, 0::bigint, 0::bigint, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::bigint, 0::bigint, 0::bigint, 0::bigint, a.cpu_nanos + a.memory_nanos + a.gpu_nanos
    from ledger.cost_adjustment as a
    join ledger.cost_line as i using (line_id)
    join ledger.cluster as l using (cluster_id)
    where a.booked_at >= from_at and a.booked_at < to_at;
end;
comment on function fleet.cost_line_parts is 'What the functions cost_by_… below namespaces sum up.';
create function fleet.cost_by_container(from_at timestamptz, to_at timestamptz)
returns table (datacenter text, cluster text, namespace text, workload_kind text, workload text, container text, team text, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, adjustment_cost numeric, currency text, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric, memory_efficiency numeric, usage_coverage numeric, unknown_hours numeric, unpriced_hours numeric)
language sql stable parallel safe
begin atomic
    select p.datacenter, p.cluster, p.namespace, p.workload_kind, p.workload, p.container, p.team,
        round((sum(p.cpu_nanos) + sum(p.memory_nanos) + sum(p.gpu_nanos)) / 1e9, 9),
        round(sum(p.cpu_nanos) / 1e9, 9),
        round(sum(p.memory_nanos) / 1e9, 9),
        round(sum(p.gpu_nanos) / 1e9, 9),
        round(sum(p.adjustment_nanos) / 1e9, 9),
        (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1),
        round(sum(p.cpu_charged_core_us) / 3.6e9, 6),
        round(sum(p.memory_charged_byte_seconds) / 3865470566400.0, 6),
        round(sum(p.gpu_charged_card_us) / 3.6e9, 6),
        round(sum(p.cpu_used_core_us) / nullif(sum(p.cpu_requested_core_us) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0), 4),
        round(sum(p.memory_used_byte_seconds) / nullif(sum(p.memory_requested_byte_seconds) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0), 4),
        round(sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 4),
        round(sum(p.unknown_ms) / 3.6e6, 6),
        round(sum(p.unpriced_ms) / 3.6e6, 6)
    from fleet.cost_line_parts(from_at, to_at) as p
    group by 1, 2, 3, 4, 5, 6, 7;
end;
comment on function fleet.cost_by_container is 'Cost of each container of each workload between two instants, by whole hours. Idle and system are rows of their own, so that the sum is what the nodes cost. Compute only. adjustment_cost is what was booked in that time for closed months, and is not in cost. Efficiency is usage by request where usage was seen.';
create function fleet.cost_by_workload(from_at timestamptz, to_at timestamptz)
returns table (datacenter text, cluster text, namespace text, workload_kind text, workload text, team text, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, adjustment_cost numeric, currency text, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric, memory_efficiency numeric, usage_coverage numeric, unknown_hours numeric, unpriced_hours numeric)
language sql stable parallel safe
begin atomic
    select p.datacenter, p.cluster, p.namespace, p.workload_kind, p.workload, p.team,
        round((sum(p.cpu_nanos) + sum(p.memory_nanos) + sum(p.gpu_nanos)) / 1e9, 9),
        round(sum(p.cpu_nanos) / 1e9, 9),
        round(sum(p.memory_nanos) / 1e9, 9),
        round(sum(p.gpu_nanos) / 1e9, 9),
        round(sum(p.adjustment_nanos) / 1e9, 9),
        (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1),
        round(sum(p.cpu_charged_core_us) / 3.6e9, 6),
        round(sum(p.memory_charged_byte_seconds) / 3865470566400.0, 6),
        round(sum(p.gpu_charged_card_us) / 3.6e9, 6),
        round(sum(p.cpu_used_core_us) / nullif(sum(p.cpu_requested_core_us) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0), 4),
        round(sum(p.memory_used_byte_seconds) / nullif(sum(p.memory_requested_byte_seconds) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0), 4),
        round(sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 4),
        round(sum(p.unknown_ms) / 3.6e6, 6),
        round(sum(p.unpriced_ms) / 3.6e6, 6)
    from fleet.cost_line_parts(from_at, to_at) as p
    group by 1, 2, 3, 4, 5, 6;
end;
comment on function fleet.cost_by_workload is 'Cost of each workload between two instants, by whole hours. Idle and system are rows of their own, so that the sum is what the nodes cost. Compute only. adjustment_cost is what was booked in that time for closed months, and is not in cost. Efficiency is usage by request where usage was seen.';
create function fleet.cost_by_namespace(from_at timestamptz, to_at timestamptz)
returns table (datacenter text, cluster text, namespace text, team text, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, adjustment_cost numeric, currency text, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric, memory_efficiency numeric, usage_coverage numeric, unknown_hours numeric, unpriced_hours numeric)
language sql stable parallel safe
begin atomic
    select p.datacenter, p.cluster, p.namespace, p.team,
        round((sum(p.cpu_nanos) + sum(p.memory_nanos) + sum(p.gpu_nanos)) / 1e9, 9),
        round(sum(p.cpu_nanos) / 1e9, 9),
        round(sum(p.memory_nanos) / 1e9, 9),
        round(sum(p.gpu_nanos) / 1e9, 9),
        round(sum(p.adjustment_nanos) / 1e9, 9),
        (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1),
        round(sum(p.cpu_charged_core_us) / 3.6e9, 6),
        round(sum(p.memory_charged_byte_seconds) / 3865470566400.0, 6),
        round(sum(p.gpu_charged_card_us) / 3.6e9, 6),
        round(sum(p.cpu_used_core_us) / nullif(sum(p.cpu_requested_core_us) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0), 4),
        round(sum(p.memory_used_byte_seconds) / nullif(sum(p.memory_requested_byte_seconds) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0), 4),
        round(sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 4),
        round(sum(p.unknown_ms) / 3.6e6, 6),
        round(sum(p.unpriced_ms) / 3.6e6, 6)
    from fleet.cost_namespace_parts(from_at, to_at) as p
    group by 1, 2, 3, 4;
end;
comment on function fleet.cost_by_namespace is 'Cost of each namespace between two instants, by whole hours. Idle and system are rows of their own, so that the sum is what the nodes cost. Compute only. adjustment_cost is what was booked in that time for closed months, and is not in cost. Efficiency is usage by request where usage was seen.';
create function fleet.cost_by_team(from_at timestamptz, to_at timestamptz)
returns table (team text, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, adjustment_cost numeric, currency text, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric, memory_efficiency numeric, usage_coverage numeric, unknown_hours numeric, unpriced_hours numeric)
language sql stable parallel safe
begin atomic
    select p.team,
        round((sum(p.cpu_nanos) + sum(p.memory_nanos) + sum(p.gpu_nanos)) / 1e9, 9),
        round(sum(p.cpu_nanos) / 1e9, 9),
        round(sum(p.memory_nanos) / 1e9, 9),
        round(sum(p.gpu_nanos) / 1e9, 9),
        round(sum(p.adjustment_nanos) / 1e9, 9),
        (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1),
        round(sum(p.cpu_charged_core_us) / 3.6e9, 6),
        round(sum(p.memory_charged_byte_seconds) / 3865470566400.0, 6),
        round(sum(p.gpu_charged_card_us) / 3.6e9, 6),
        round(sum(p.cpu_used_core_us) / nullif(sum(p.cpu_requested_core_us) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0), 4),
        round(sum(p.memory_used_byte_seconds) / nullif(sum(p.memory_requested_byte_seconds) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0), 4),
        round(sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 4),
        round(sum(p.unknown_ms) / 3.6e6, 6),
        round(sum(p.unpriced_ms) / 3.6e6, 6)
    from fleet.cost_namespace_parts(from_at, to_at) as p
    group by 1;
end;
comment on function fleet.cost_by_team is 'Cost of each team between two instants, by whole hours. Idle and system are rows of their own, so that the sum is what the nodes cost. Compute only. adjustment_cost is what was booked in that time for closed months, and is not in cost. Efficiency is usage by request where usage was seen.';
create function fleet.cost_by_cluster(from_at timestamptz, to_at timestamptz)
returns table (datacenter text, cluster text, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, adjustment_cost numeric, currency text, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric, memory_efficiency numeric, usage_coverage numeric, unknown_hours numeric, unpriced_hours numeric)
language sql stable parallel safe
begin atomic
    select p.datacenter, p.cluster,
        round((sum(p.cpu_nanos) + sum(p.memory_nanos) + sum(p.gpu_nanos)) / 1e9, 9),
        round(sum(p.cpu_nanos) / 1e9, 9),
        round(sum(p.memory_nanos) / 1e9, 9),
        round(sum(p.gpu_nanos) / 1e9, 9),
        round(sum(p.adjustment_nanos) / 1e9, 9),
        (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1),
        round(sum(p.cpu_charged_core_us) / 3.6e9, 6),
        round(sum(p.memory_charged_byte_seconds) / 3865470566400.0, 6),
        round(sum(p.gpu_charged_card_us) / 3.6e9, 6),
        round(sum(p.cpu_used_core_us) / nullif(sum(p.cpu_requested_core_us) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0), 4),
        round(sum(p.memory_used_byte_seconds) / nullif(sum(p.memory_requested_byte_seconds) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0), 4),
        round(sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 4),
        round(sum(p.unknown_ms) / 3.6e6, 6),
        round(sum(p.unpriced_ms) / 3.6e6, 6)
    from fleet.cost_namespace_parts(from_at, to_at) as p
    group by 1, 2;
end;
comment on function fleet.cost_by_cluster is 'Cost of each cluster between two instants, by whole hours. Idle and system are rows of their own, so that the sum is what the nodes cost. Compute only. adjustment_cost is what was booked in that time for closed months, and is not in cost. Efficiency is usage by request where usage was seen.';
create function fleet.cost_by_datacenter(from_at timestamptz, to_at timestamptz)
returns table (datacenter text, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, adjustment_cost numeric, currency text, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric, memory_efficiency numeric, usage_coverage numeric, unknown_hours numeric, unpriced_hours numeric)
language sql stable parallel safe
begin atomic
    select p.datacenter,
        round((sum(p.cpu_nanos) + sum(p.memory_nanos) + sum(p.gpu_nanos)) / 1e9, 9),
        round(sum(p.cpu_nanos) / 1e9, 9),
        round(sum(p.memory_nanos) / 1e9, 9),
        round(sum(p.gpu_nanos) / 1e9, 9),
        round(sum(p.adjustment_nanos) / 1e9, 9),
        (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1),
        round(sum(p.cpu_charged_core_us) / 3.6e9, 6),
        round(sum(p.memory_charged_byte_seconds) / 3865470566400.0, 6),
        round(sum(p.gpu_charged_card_us) / 3.6e9, 6),
        round(sum(p.cpu_used_core_us) / nullif(sum(p.cpu_requested_core_us) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0), 4),
        round(sum(p.memory_used_byte_seconds) / nullif(sum(p.memory_requested_byte_seconds) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0), 4),
        round(sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 4),
        round(sum(p.unknown_ms) / 3.6e6, 6),
        round(sum(p.unpriced_ms) / 3.6e6, 6)
    from fleet.cost_namespace_parts(from_at, to_at) as p
    group by 1;
end;
comment on function fleet.cost_by_datacenter is 'Cost of each datacenter between two instants, by whole hours. Idle and system are rows of their own, so that the sum is what the nodes cost. Compute only. adjustment_cost is what was booked in that time for closed months, and is not in cost. Efficiency is usage by request where usage was seen.';
create function fleet.cost_idle(from_at timestamptz, to_at timestamptz)
returns table (datacenter text, cluster text, node_class text, resource text, cost numeric, allocated_cost numeric, idle_cost numeric, system_cost numeric, idle_share numeric, currency text)
language sql stable parallel safe
begin atomic
    with day as (
        select g.day_at, greatest(g.day_at, from_at) as begin_at, least(g.day_at + interval '1 day', to_at) as end_at,
            d.day_at is not null and g.day_at >= from_at and g.day_at + interval '1 day' <= to_at as whole
        from generate_series(date_trunc('day', from_at, 'UTC'), to_at - interval '1 microsecond', interval '1 day') as g (day_at)
        left join ledger.cost_day as d on d.day_at = g.day_at
    ), part as (
        select n.cluster_id, n.node_class, n.resource, n.cost_nanos, n.allocated_nanos, n.idle_nanos, n.system_nanos
        from day as w
        join ledger.cost_node_daily as n on n.day_at = w.day_at
        where w.whole
        union all
        select n.cluster_id, n.node_class, r.resource, coalesce(r.cost, 0), coalesce(r.allocated, 0), coalesce(r.idle, 0), coalesce(r.system, 0)
        from day as w
        join ledger.cost_node_hourly as n on n.hour_at >= w.begin_at and n.hour_at < w.end_at
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
create function fleet.cost_efficiency(from_at timestamptz, to_at timestamptz)
returns table (datacenter text, cluster text, namespace text, workload_kind text, workload text, team text, cost numeric, cpu_request_core_hours numeric, cpu_used_core_hours numeric, cpu_efficiency numeric, memory_request_gib_hours numeric, memory_used_gib_hours numeric, memory_efficiency numeric, usage_coverage numeric, unused_cost numeric)
language sql stable parallel safe
begin atomic
    select p.datacenter, p.cluster, p.namespace, p.workload_kind, p.workload, p.team,
        round((sum(p.cpu_nanos) + sum(p.memory_nanos) + sum(p.gpu_nanos)) / 1e9, 9),
        round(sum(p.cpu_requested_core_us) / 3.6e9, 6),
        case when sum(p.usage_ms) > 0 then round(sum(p.cpu_used_core_us) / 3.6e9, 6) end,
        round(sum(p.cpu_used_core_us) / nullif(sum(p.cpu_requested_core_us) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0), 4),
        round(sum(p.memory_requested_byte_seconds) / 3865470566400.0, 6),
        case when sum(p.usage_ms) > 0 then round(sum(p.memory_used_byte_seconds) / 3865470566400.0, 6) end,
        round(sum(p.memory_used_byte_seconds) / nullif(sum(p.memory_requested_byte_seconds) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0), 4),
        round(sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 4),
        case when sum(p.usage_ms) > 0 then round((
            sum(p.cpu_nanos) * greatest(0, 1 - sum(p.cpu_used_core_us) / nullif(sum(p.cpu_charged_core_us) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0))
            + sum(p.memory_nanos) * greatest(0, 1 - sum(p.memory_used_byte_seconds) / nullif(sum(p.memory_charged_byte_seconds) * sum(p.usage_ms) / nullif(sum(p.life_ms), 0), 0))
        ) / 1e9, 9) end
    from fleet.cost_line_parts(from_at, to_at) as p
    where p.namespace not in ('__idle__', '__system__')
    group by 1, 2, 3, 4, 5, 6;
end;
comment on function fleet.cost_efficiency is 'Usage by request of each workload between two instants, where usage was seen, and unused_cost: the part of its cost of CPU and memory that was reserved and not used.';
create function fleet.cost_of_pod(pod_uid text, from_at timestamptz default '-infinity', to_at timestamptz default 'infinity')
returns table (hour_at timestamptz, node text, from_hour_at timestamptz, to_hour_at timestamptz, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, cost numeric, currency text)
language sql stable
begin atomic
    with version as (
        select p.cluster_id, p.node, coalesce(p.scheduled_at, p.started_at, p.created_at) as begin_at,
            case when p.phase in ('Succeeded', 'Failed') then coalesce(p.finished_at, p.valid_from) end as ended_at,
            p.request_cpu_millicores, p.request_memory_bytes, p.request_gpu_millis, p.valid_from, 'infinity'::timestamptz as valid_to
        from ledger.pod as p where p.uid = pod_uid and p.node is not null
        union all
        select p.cluster_id, p.node, coalesce(p.scheduled_at, p.started_at, p.created_at),
            case when p.phase in ('Succeeded', 'Failed') then coalesce(p.finished_at, p.valid_from) end,
            p.request_cpu_millicores, p.request_memory_bytes, p.request_gpu_millis, p.valid_from, p.valid_to
        from ledger.pod_history as p where p.uid = pod_uid and p.node is not null
    ), life as (
        select v.*, case when row_number() over w = 1 then v.begin_at else v.valid_from end as since_at,
            least(v.valid_to, lead(v.valid_from) over w, min(v.ended_at) over ()) as until_at
        from version as v
        window w as (order by v.valid_from)
    ), piece as (
        select n.*, v.request_cpu_millicores, v.request_memory_bytes, v.request_gpu_millis,
            greatest(n.from_at, v.since_at) as piece_from_at, least(n.to_at, v.until_at) as piece_to_at,
            extract(epoch from least(n.to_at, v.until_at) - greatest(n.from_at, v.since_at)) as seconds,
            sum(extract(epoch from least(n.to_at, v.until_at) - greatest(n.from_at, v.since_at))) over (partition by n.hour_at) as life_seconds
        from life as v
        join ledger.cost_node_hourly as n
            on n.cluster_id = v.cluster_id and n.node = v.node and n.from_at < v.until_at and n.to_at > v.since_at
           and n.hour_at >= date_trunc('hour', v.since_at) and n.hour_at < v.until_at
           and n.hour_at >= from_at and n.hour_at < to_at
    ), charged as (
        select p.*,
            -- Usage takes the place of the request for the time it covers, as when the hour was rated.
            coalesce(u.cpu_charged * p.seconds / p.life_seconds, 0) + coalesce(p.request_cpu_millicores, 0) * 1000 * p.seconds
                - coalesce(u.cpu_covered * p.seconds / p.life_seconds, 0) as cpu,
            coalesce(u.memory_charged * p.seconds / p.life_seconds, 0) + coalesce(p.request_memory_bytes, 0) * p.seconds
                - coalesce(u.memory_covered * p.seconds / p.life_seconds, 0) as memory,
            coalesce(p.request_gpu_millis, 0) * 1000 * p.seconds as gpu
        from piece as p
        left join lateral (
            select sum(u.cpu_charged_core_us) as cpu_charged, sum(u.memory_charged_byte_seconds) as memory_charged,
                sum(coalesce(c.request_cpu_millicores, 0) * least(u.covered_ms, p.life_seconds * 1000)) as cpu_covered,
                sum(coalesce(c.request_memory_bytes, 0) * least(u.covered_ms / 1000.0, p.life_seconds)) as memory_covered
            from ledger.usage_hourly as u
            left join lateral (
                select x.request_cpu_millicores, x.request_memory_bytes, x.container_type from (
                    select c.request_cpu_millicores, c.request_memory_bytes, c.container_type, 'infinity'::timestamptz as valid_to
                    from ledger.container as c where c.cluster_id = p.cluster_id and c.uid = pod_uid and c.container = u.container
                    union all
                    select c.request_cpu_millicores, c.request_memory_bytes, c.container_type, c.valid_to
                    from ledger.container_history as c where c.uid = pod_uid and c.container = u.container and c.valid_to > p.piece_from_at
                ) as x order by x.valid_to limit 1
            ) as c on true
            where u.cluster_id = p.cluster_id and u.hour_at = p.hour_at and u.pod_uid = cost_of_pod.pod_uid
              and coalesce(c.container_type, 'app') <> 'init'
        ) as u on true
    )
    select c.hour_at, c.node, c.piece_from_at, c.piece_to_at,
        round(c.cpu / 3.6e9, 6), round(c.memory / 3865470566400.0, 6), round(c.gpu / 3.6e9, 6),
        round(c.cpu * c.cpu_allocated_nanos / nullif(c.cpu_charged, 0) / 1e9, 9),
        round(c.memory * c.memory_allocated_nanos / nullif(c.memory_charged, 0) / 1e9, 9),
        round(coalesce(c.gpu * c.gpu_allocated_nanos / nullif(c.gpu_charged, 0), 0) / 1e9, 9),
        round((coalesce(c.cpu * c.cpu_allocated_nanos / nullif(c.cpu_charged, 0), 0)
            + coalesce(c.memory * c.memory_allocated_nanos / nullif(c.memory_charged, 0), 0)
            + coalesce(c.gpu * c.gpu_allocated_nanos / nullif(c.gpu_charged, 0), 0)) / 1e9, 9),
        (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1)
    from charged as c
    where c.piece_from_at < c.piece_to_at
    order by c.hour_at, c.piece_from_at;
end;
comment on function fleet.cost_of_pod is 'What a pod, by its uid, cost in each hour that was rated: its part of what its nodes allocated. NULL = no price is known.';
create function fleet.cost_focus(from_at timestamptz, to_at timestamptz)
returns table (
    "BilledCost" numeric, "EffectiveCost" numeric, "ListCost" numeric, "ContractedCost" numeric, "BillingCurrency" text,
    "BillingPeriodStart" timestamptz, "BillingPeriodEnd" timestamptz, "ChargePeriodStart" timestamptz, "ChargePeriodEnd" timestamptz,
    "ChargeCategory" text, "ChargeClass" text, "ChargeDescription" text, "ChargeFrequency" text,
    "ConsumedQuantity" numeric, "ConsumedUnit" text, "PricingQuantity" numeric, "PricingUnit" text, "PricingCategory" text,
    "ProviderName" text, "PublisherName" text, "InvoiceIssuerName" text, "RegionId" text, "RegionName" text,
    "ResourceId" text, "ResourceName" text, "ResourceType" text, "ServiceCategory" text, "ServiceName" text,
    "SkuId" text, "SubAccountId" text, "SubAccountName" text, "BillingAccountId" text, "BillingAccountName" text, "Tags" jsonb
)
language sql stable parallel safe
begin atomic
    with part as (
        select 'Usage' as category, null::text as class, h.hour_at, h.hour_at + interval '1 hour' as end_at, i.*, r.resource, r.nanos, r.quantity, r.unit
        from ledger.cost_hourly as h
        join ledger.cost_line as i using (line_id)
        cross join lateral (values
            ('cpu', h.cpu_nanos, round(h.cpu_charged_core_us / 3.6e9, 6), 'Core-Hours'),
            ('memory', h.memory_nanos, round(h.memory_charged_byte_seconds / 3865470566400.0, 6), 'GiB-Hours'),
            ('gpu', h.gpu_nanos, round(h.gpu_charged_card_us / 3.6e9, 6), 'GPU-Hours')
        ) as r (resource, nanos, quantity, unit)
        where h.hour_at >= from_at and h.hour_at < to_at and (r.nanos <> 0 or r.quantity <> 0)
        union all
        select 'Adjustment', 'Correction', a.hour_at, a.hour_at + interval '1 hour', i.*, r.resource, r.nanos, null, null
        from ledger.cost_adjustment as a
        join ledger.cost_line as i using (line_id)
        cross join lateral (values ('cpu', a.cpu_nanos), ('memory', a.memory_nanos), ('gpu', a.gpu_nanos)) as r (resource, nanos)
        where a.booked_at >= from_at and a.booked_at < to_at and r.nanos <> 0
    )
    select round(p.nanos / 1e9, 9), round(p.nanos / 1e9, 9), round(p.nanos / 1e9, 9), round(p.nanos / 1e9, 9),
        (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1),
        date_trunc('month', p.hour_at, 'UTC'), date_trunc('month', p.hour_at, 'UTC') + interval '1 month', p.hour_at, p.end_at,
        p.category, p.class,
        p.resource || ' of ' || concat_ws('/', p.namespace, p.workload, p.container), 'Usage-Based',
        p.quantity, p.unit, p.quantity, p.unit, 'Standard',
        'fleetledger', 'fleetledger', 'fleetledger', l.datacenter, l.datacenter,
        concat_ws('/', l.cluster_uid, p.namespace, p.workload_kind, p.workload, p.container),
        coalesce(p.workload, p.namespace), coalesce(p.workload_kind, 'Pod'), 'Compute', 'Kubernetes',
        concat_ws('/', p.node_class, p.resource), l.cluster_uid || '/' || p.namespace, p.namespace, l.cluster_uid, l.cluster,
        p.labels || jsonb_strip_nulls(jsonb_build_object('team', p.team, 'namespace', p.namespace, 'workload', p.workload,
            'container', p.container, 'node_class', p.node_class))
    from part as p
    join ledger.cluster as l using (cluster_id);
end;
comment on function fleet.cost_focus is 'Cost by hour, line and resource in the columns of FOCUS 1.x; what was booked for closed months is an Adjustment with class Correction.';
create function fleet.cost_rollup_labels() returns text[]
language sql stable parallel safe
begin atomic
    select array(select jsonb_array_elements_text(s.value::jsonb) from ledger.setting as s where s.name = 'cost.rollup_labels');
end;
comment on function fleet.cost_rollup_labels is 'Labels of pods that cost is kept by; others are answered on demand.';
create function fleet.cost_pod_parts(from_at timestamptz, to_at timestamptz)
returns table (
    datacenter text, cluster text, node text, node_class text, namespace text, team text, workload_kind text, workload text,
    pod text, uid text, container text, labels jsonb, annotations jsonb,
    cpu_nanos numeric, memory_nanos numeric, gpu_nanos numeric, cpu_charged_core_us bigint,
    memory_charged_byte_seconds bigint, gpu_charged_card_us bigint, cpu_requested_core_us bigint,
    memory_requested_byte_seconds bigint, cpu_used_core_us bigint, memory_used_byte_seconds bigint,
    life_ms bigint, usage_ms bigint, adjustment_nanos bigint
)
language sql stable
begin atomic
    with node as materialized (
        select n.* from ledger.cost_node_hourly as n where n.hour_at >= from_at and n.hour_at < to_at
    ), owner as (
        select h.hour_at, o.*
        from (select distinct n.hour_at from node as n) as h
        cross join lateral ledger.cost_owner(h.hour_at, h.hour_at + interval '1 hour') as o
    ), piece as (
        select row_number() over () as piece, i.*, n.hour_at, n.node_class, n.cpu_charged, n.memory_charged, n.gpu_charged,
            n.cpu_allocated_nanos, n.memory_allocated_nanos, n.gpu_allocated_nanos,
            greatest(i.from_at, n.from_at) as piece_from_at, least(i.to_at, n.to_at) as piece_to_at,
            (extract(epoch from least(i.to_at, n.to_at) - greatest(i.from_at, n.from_at)) * 1000000)::bigint as length_us,
            greatest(sum((extract(epoch from least(i.to_at, n.to_at) - greatest(i.from_at, n.from_at)) * 1000000)::bigint)
                over (partition by i.cluster_id, i.uid, n.hour_at), 1) as life_us
        from ledger.cost_interval(from_at, to_at) as i
        join node as n on n.cluster_id = i.cluster_id and n.node = i.node and n.from_at < i.to_at and n.to_at > i.from_at
    ), span as (
        select p.*, c.container, c.request_cpu_millicores as cpu, c.request_memory_bytes as memory, c.request_gpu_millis as gpu,
            (extract(epoch from least(p.piece_to_at, c.to_at) - greatest(p.piece_from_at, c.from_at)) * 1000000)::bigint as span_us
        from piece as p
        join ledger.cost_container(from_at, to_at) as c
            on c.cluster_id = p.cluster_id and c.uid = p.uid and c.from_at < p.piece_to_at and c.to_at > p.piece_from_at
    ), seen as (
        select s.*, u.cpu_core_us, u.memory_byte_seconds, u.cpu_charged_core_us, u.memory_charged_byte_seconds,
            s.span_us::double precision / s.life_us::double precision as part,
            case when u.covered_ms is null then 0 else least(u.covered_ms * 1000, s.life_us)::double precision / s.life_us::double precision end as covered
        from span as s
        left join ledger.usage_hourly as u
            on u.cluster_id = s.cluster_id and u.hour_at = s.hour_at and u.pod_uid = s.uid and u.container = s.container
           and u.hour_at >= from_at and u.hour_at < to_at
    ), charge as (
        select s.piece, s.container,
            (coalesce(s.cpu_charged_core_us * s.part, 0) + coalesce(s.cpu::double precision * s.span_us * (1 - s.covered) / 1000, 0))::bigint as cpu,
            (coalesce(s.memory_charged_byte_seconds * s.part, 0)
                + coalesce(s.memory::double precision * s.span_us * (1 - s.covered) / 1000000, 0))::bigint as memory,
            coalesce(s.gpu::double precision * s.span_us / 1000, 0)::bigint as gpu,
            coalesce(s.cpu::double precision * s.span_us / 1000, 0)::bigint as cpu_requested,
            coalesce(s.memory::double precision * s.span_us / 1000000, 0)::bigint as memory_requested,
            coalesce(s.cpu_core_us * s.part, 0)::bigint as cpu_used,
            coalesce(s.memory_byte_seconds * s.part, 0)::bigint as memory_used,
            s.span_us / 1000 as life_ms, (s.span_us * s.covered / 1000)::bigint as usage_ms
        from seen as s
    ), init as (
        select p.piece, 'pod-init' as container,
            greatest((coalesce(p.request_cpu_millicores, 0)::double precision * p.length_us / 1000)::bigint - coalesce(c.cpu, 0), 0) as cpu,
            greatest((coalesce(p.request_memory_bytes, 0)::double precision * p.length_us / 1000000)::bigint - coalesce(c.memory, 0), 0) as memory,
            greatest((coalesce(p.request_gpu_millis, 0)::double precision * p.length_us / 1000)::bigint - coalesce(c.gpu, 0), 0) as gpu,
            p.length_us / 1000 as life_ms, c.piece is null as bare, p.length_us
        from piece as p
        left join (
            select c.piece, sum(c.cpu_requested)::bigint as cpu, sum(c.memory_requested)::bigint as memory, sum(c.gpu)::bigint as gpu
            from charge as c group by c.piece
        ) as c on c.piece = p.piece
    ), charged as (
        select * from charge
        union all
        select i.piece, i.container, i.cpu, i.memory, i.gpu, i.cpu, i.memory, 0, 0, i.life_ms, 0
        from init as i
        where i.bare or i.cpu > i.length_us / 1000000 or i.memory > 4096 or i.gpu > 0
    )
    select l.datacenter, l.cluster, p.node, p.node_class, p.namespace,
        coalesce(nullif(p.labels ->> o.allow_label_owner, ''), o.team, '__unallocated__'),
        p.workload_kind, p.workload, p.pod, p.uid, c.container, p.labels, p.annotations,
        coalesce(c.cpu * p.cpu_allocated_nanos::numeric / nullif(p.cpu_charged, 0), 0),
        coalesce(c.memory * p.memory_allocated_nanos::numeric / nullif(p.memory_charged, 0), 0),
        coalesce(c.gpu * p.gpu_allocated_nanos::numeric / nullif(p.gpu_charged, 0), 0),
        c.cpu, c.memory, c.gpu, c.cpu_requested, c.memory_requested, c.cpu_used, c.memory_used, c.life_ms, c.usage_ms, 0::bigint
    from charged as c
    join piece as p on p.piece = c.piece
    join ledger.cluster as l on l.cluster_id = p.cluster_id
    left join owner as o on o.hour_at = p.hour_at and o.cluster_id = p.cluster_id and o.namespace = p.namespace
    union all
    select l.datacenter, l.cluster, n.node, n.node_class, b.name, b.name, null, null, null, null, null, '{}'::jsonb, '{}'::jsonb,
        b.cpu, b.memory, b.gpu, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from node as n
    join ledger.cluster as l on l.cluster_id = n.cluster_id
    cross join lateral (values
        ('__idle__', n.cpu_idle_nanos, n.memory_idle_nanos, n.gpu_idle_nanos),
        ('__system__', n.cpu_system_nanos, n.memory_system_nanos, n.gpu_system_nanos)
    ) as b (name, cpu, memory, gpu)
    where b.cpu is not null;
end;
comment on function fleet.cost_pod_parts is 'Cost of every container of every pod between two instants, rated on demand from hours whose nodes were: for windows of some million pod-hours at most. Idle and system are rows of each node.';
