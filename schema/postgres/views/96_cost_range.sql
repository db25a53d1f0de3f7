-- script: once
-- Sums over days by line before anything is rounded or named: a month of a large fleet is some million rows of days.
create function fleet.cost_lines(from_at timestamptz, to_at timestamptz)
returns table (
    datacenter text, cluster text, namespace text, team text, workload_kind text, workload text, container text,
    node_class text, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, cpu_core_hours numeric,
    memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric, memory_efficiency numeric, currency text
)
language sql stable parallel safe
begin atomic
    select
        l.datacenter, l.cluster, i.namespace, i.team, i.workload_kind, i.workload, i.container, i.node_class,
        round((sum(d.cpu_nanos) + sum(d.memory_nanos) + sum(d.gpu_nanos)) / 1e9, 9) as cost,
        round(sum(d.cpu_nanos) / 1e9, 9) as cpu_cost,
        round(sum(d.memory_nanos) / 1e9, 9) as memory_cost,
        round(sum(d.gpu_nanos) / 1e9, 9) as gpu_cost,
        round(sum(d.cpu_charged_core_us) / 3.6e9, 6) as cpu_core_hours,
        round(sum(d.memory_charged_byte_seconds) / 3865470566400.0, 6) as memory_gib_hours,
        round(sum(d.gpu_charged_card_us) / 3.6e9, 6) as gpu_hours,
        round(
            sum(d.cpu_used_core_us) filter (where d.usage_ms > 0)
                / nullif(sum(d.cpu_requested_core_us) filter (where d.usage_ms > 0), 0), 4
        ) as cpu_efficiency,
        round(
            sum(d.memory_used_byte_seconds) filter (where d.usage_ms > 0)
                / nullif(sum(d.memory_requested_byte_seconds) filter (where d.usage_ms > 0), 0), 4
        ) as memory_efficiency,
        (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1) as currency
    from ledger.cost_daily as d
    join ledger.cost_line as i using (line_id)
    join ledger.cluster as l using (cluster_id)
    where d.day_at >= from_at and d.day_at <= to_at
    group by i.line_id, l.cluster_id;
end;
comment on function fleet.cost_lines(timestamptz, timestamptz) is 'Cost of each container of each workload, by team and class of nodes, in UTC days that begin within a range. Idle and system are rows too. Efficiency is used of requested where usage was seen. Compute only.';

create function fleet.cost_unused(from_at timestamptz, to_at timestamptz)
returns table (
    datacenter text, cluster text, namespace text, team text, workload_kind text, workload text, container text,
    unused_cost numeric, cost numeric, cpu_efficiency numeric, memory_efficiency numeric
)
language sql stable parallel safe
begin atomic
    select
        l.datacenter, l.cluster, i.namespace, i.team, i.workload_kind, i.workload, i.container,
        round((
            sum(d.cpu_nanos) * greatest(0, 1 - sum(d.cpu_used_core_us) / nullif(sum(d.cpu_charged_core_us), 0))
            + sum(d.memory_nanos)
                * greatest(0, 1 - sum(d.memory_used_byte_seconds) / nullif(sum(d.memory_charged_byte_seconds), 0))
        ) / 1e9, 9) as unused_cost,
        round((sum(d.cpu_nanos) + sum(d.memory_nanos) + sum(d.gpu_nanos)) / 1e9, 9) as cost,
        round(sum(d.cpu_used_core_us) / nullif(sum(d.cpu_requested_core_us), 0), 4) as cpu_efficiency,
        round(sum(d.memory_used_byte_seconds) / nullif(sum(d.memory_requested_byte_seconds), 0), 4) as memory_efficiency
    from ledger.cost_daily as d
    join ledger.cost_line as i using (line_id)
    join ledger.cluster as l using (cluster_id)
    where d.day_at >= from_at and d.day_at <= to_at and d.usage_ms >= d.life_ms and d.usage_ms > 0
    group by i.line_id, l.cluster_id;
end;
comment on function fleet.cost_unused(timestamptz, timestamptz) is 'What containers of workloads were charged for CPU and memory and did not use, in UTC days that begin within a range and in which usage was seen throughout.';
