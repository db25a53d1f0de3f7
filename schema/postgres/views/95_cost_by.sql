-- script: once
-- Cost between two instants, from whole days where they stand and from hours at the edges: instants count by whole hours.
-- Hours are read day by day (`offset 0` keeps that join a loop), so that partitions of days that stand are never opened.
create function fleet.cost_days(from_at timestamptz, to_at timestamptz)
returns table (day_at timestamptz, begin_at timestamptz, end_at timestamptz, whole boolean)
language sql stable parallel safe
begin atomic
    select g.day_at, greatest(g.day_at, from_at), least(g.day_at + interval '1 day', to_at),
        d.day_at is not null and g.day_at >= from_at and g.day_at + interval '1 day' <= to_at
    from generate_series(date_trunc('day', from_at, 'UTC'), to_at - interval '1 microsecond', interval '1 day') as g (day_at)
    left join ledger.cost_day as d on d.day_at = g.day_at;
end;
comment on function fleet.cost_days is 'UTC days between two instants, where each begins and ends within them, and whether it stands as a whole: then no hour of it is read.';
create function fleet.cost_namespace_parts(from_at timestamptz, to_at timestamptz)
returns table (datacenter text, cluster text, {cost_namespace_dimensions: % %type}, {cost_measures: % %type}, adjustment_nanos numeric, first_at timestamptz, last_at timestamptz)
language sql stable parallel safe
begin atomic
    with day as (
        select * from fleet.cost_days(from_at, to_at)
    )
    select l.datacenter, l.cluster, {cost_namespace_dimensions: d.%}, {cost_measures: d.%}, 0::numeric,
        coalesce(d.first_at, d.day_at), coalesce(d.last_at, d.day_at + interval '1 day')
    from day as w
    join ledger.cost_namespace_daily as d on d.day_at = w.day_at and d.day_at >= from_at and d.day_at < to_at
    join ledger.cluster as l using (cluster_id)
    where w.whole
    union all
    select l.datacenter, l.cluster, {cost_namespace_dimensions: i.%}, {cost_measures: h.%}, 0::numeric,
        coalesce(h.first_at, h.hour_at), coalesce(h.last_at, h.hour_at + interval '1 hour')
    from day as w
    cross join lateral (
        select h.* from ledger.cost_hourly as h
        where h.hour_at >= w.begin_at and h.hour_at < w.end_at and h.hour_at >= from_at and h.hour_at < to_at
        offset 0
    ) as h
    join ledger.cost_line as i using (line_id)
    join ledger.cluster as l using (cluster_id)
    where not w.whole
    union all
    select l.datacenter, l.cluster, {cost_namespace_dimensions: i.%}, {cost_measures: 0::%type}, a.cpu_nanos + a.memory_nanos + a.gpu_nanos, null, null
    from ledger.cost_adjustment as a
    join ledger.cost_line as i using (line_id)
    join ledger.cluster as l using (cluster_id)
    where a.booked_at >= from_at and a.booked_at < to_at;
end;
comment on function fleet.cost_namespace_parts is 'What the functions cost_by_… of namespaces and above sum up.';
create function fleet.cost_line_parts(from_at timestamptz, to_at timestamptz)
returns table (datacenter text, cluster text, {cost_dimensions: % %type}, {cost_measures: % %type}, adjustment_nanos numeric, first_at timestamptz, last_at timestamptz)
language sql stable parallel safe
begin atomic
    with day as (
        select * from fleet.cost_days(from_at, to_at)
    )
    select l.datacenter, l.cluster, {cost_dimensions: i.%}, {cost_measures: d.%}, 0::numeric,
        coalesce(d.first_at, d.day_at), coalesce(d.last_at, d.day_at + interval '1 day')
    from day as w
    join ledger.cost_daily as d on d.day_at = w.day_at and d.day_at >= from_at and d.day_at < to_at
    join ledger.cost_line as i using (line_id)
    join ledger.cluster as l using (cluster_id)
    where w.whole
    union all
    select l.datacenter, l.cluster, {cost_dimensions: i.%}, {cost_measures: h.%}, 0::numeric,
        coalesce(h.first_at, h.hour_at), coalesce(h.last_at, h.hour_at + interval '1 hour')
    from day as w
    cross join lateral (
        select h.* from ledger.cost_hourly as h
        where h.hour_at >= w.begin_at and h.hour_at < w.end_at and h.hour_at >= from_at and h.hour_at < to_at
        offset 0
    ) as h
    join ledger.cost_line as i using (line_id)
    join ledger.cluster as l using (cluster_id)
    where not w.whole
    union all
    select l.datacenter, l.cluster, {cost_dimensions: i.%}, {cost_measures: 0::%type}, a.cpu_nanos + a.memory_nanos + a.gpu_nanos, null, null
    from ledger.cost_adjustment as a
    join ledger.cost_line as i using (line_id)
    join ledger.cluster as l using (cluster_id)
    where a.booked_at >= from_at and a.booked_at < to_at;
end;
comment on function fleet.cost_line_parts is 'What the functions cost_by_… below namespaces sum up.';
-- The sums of an hour, a day or a month by whatever they are asked by: one text for all of them.
do $script$
declare
    one record;
begin
    for one in select * from (values
        ('container', 'line', 'each container of each workload', 'datacenter, cluster, namespace, workload_kind, workload, container, team'),
        ('workload', 'line', 'each workload', 'datacenter, cluster, namespace, workload_kind, workload, team'),
        ('namespace', 'namespace', 'each namespace', 'datacenter, cluster, namespace, team'),
        ('team', 'namespace', 'each team', 'team'),
        ('cluster', 'namespace', 'each cluster', 'datacenter, cluster'),
        ('datacenter', 'namespace', 'each datacenter', 'datacenter')
    ) as f (name, parts, whose, columns) loop
        execute format($function$
            create function fleet.cost_by_%1$s(from_at timestamptz, to_at timestamptz)
            returns table (%2$s, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, adjustment_cost numeric,
                currency text, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric,
                memory_efficiency numeric, usage_coverage numeric, unknown_hours numeric, unpriced_hours numeric)
            language sql stable parallel safe
            begin atomic
                select %3$s,
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
                from fleet.cost_%4$s_parts(from_at, to_at) as p
                group by %3$s;
            end
            $function$,
            one.name, replace(one.columns, ',', ' text,') || ' text', 'p.' || replace(one.columns, ', ', ', p.'), one.parts);
        execute format('comment on function fleet.cost_by_%s is %L', one.name,
            'Cost of ' || one.whose || ' between two instants, by whole hours. Idle and system are rows of their own, so that the '
            'sum is what the nodes cost. Compute only. adjustment_cost is what was booked in that time for closed months, and is '
            'not in cost. Efficiency is usage by request where usage was seen.');
    end loop;
end
$script$;
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
