-- Reads an hour back as it stands and compares nodes with lines.
create or replace function ledger.cost_check_hour(h0 timestamptz) returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select ledger.cost_write_check('hour', h0, (
        select jsonb_object_agg(n.cluster_id, n.sums) from (
            select cluster_id, jsonb_build_array(
                coalesce(sum(cpu_cost_nanos + memory_cost_nanos + gpu_cost_nanos), 0),
                coalesce(sum(cpu_allocated_nanos + memory_allocated_nanos + gpu_allocated_nanos), 0),
                coalesce(sum(cpu_idle_nanos + memory_idle_nanos + gpu_idle_nanos), 0),
                coalesce(sum(cpu_system_nanos + memory_system_nanos + gpu_system_nanos), 0),
                (coalesce(sum(extract(epoch from to_at - from_at)) filter (where cpu_cost_nanos is null), 0) * 1000)::bigint) as sums
            from ledger.cost_node_hourly where hour_at = h0 group by cluster_id
        ) as n
    ), (
        select jsonb_object_agg(n.cluster_id, n.sums) from (
            select l.cluster_id, jsonb_build_array(
                coalesce(sum(cpu_nanos + memory_nanos + gpu_nanos) filter (where l.namespace not in ('__idle__', '__system__')), 0),
                coalesce(sum(cpu_nanos + memory_nanos + gpu_nanos) filter (where l.namespace = '__idle__'), 0),
                coalesce(sum(cpu_nanos + memory_nanos + gpu_nanos) filter (where l.namespace = '__system__'), 0)) as sums
            from ledger.cost_hourly as h
            join ledger.cost_line as l using (line_id)
            where h.hour_at = h0
            group by l.cluster_id
        ) as n
    ));
end;
comment on function ledger.cost_check_hour is 'Reads an hour back as it stands and compares nodes with lines.';
