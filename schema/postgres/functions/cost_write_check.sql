-- Writes what was read back of a period: arrays of nodes' sums and lines' sums by cluster.
create or replace function ledger.cost_write_check(of_period text, period_at timestamptz, nodes jsonb, lines jsonb) returns void
language sql
set search_path = pg_catalog, pg_temp
begin atomic
    insert into ledger.cost_check as k
        (period, at, cluster_id, node_nanos, allocated_nanos, idle_nanos, system_nanos, line_allocated_nanos,
         line_idle_nanos, line_system_nanos, unpriced_ms, checked_at, unbalanced_since)
    select of_period, period_at, c.*, clock_timestamp(),
        case when c.node = c.allocated + c.idle + c.system
            and (c.allocated, c.idle, c.system) = (c.line_allocated, c.line_idle, c.line_system) then null else clock_timestamp() end
    from (
        select coalesce(n.key, l.key)::integer as cluster_id,
            coalesce((n.value ->> 0)::numeric, 0) as node, coalesce((n.value ->> 1)::numeric, 0) as allocated,
            coalesce((n.value ->> 2)::numeric, 0) as idle, coalesce((n.value ->> 3)::numeric, 0) as system,
            coalesce((l.value ->> 0)::numeric, 0) as line_allocated, coalesce((l.value ->> 1)::numeric, 0) as line_idle,
            coalesce((l.value ->> 2)::numeric, 0) as line_system, coalesce((n.value ->> 4)::bigint, 0) as unpriced
        from jsonb_each(coalesce(nodes, '{}')) as n
        full join jsonb_each(coalesce(lines, '{}')) as l on l.key = n.key
    ) as c
    on conflict (period, at, cluster_id) do update set
        node_nanos = excluded.node_nanos, allocated_nanos = excluded.allocated_nanos, idle_nanos = excluded.idle_nanos,
        system_nanos = excluded.system_nanos, line_allocated_nanos = excluded.line_allocated_nanos,
        line_idle_nanos = excluded.line_idle_nanos, line_system_nanos = excluded.line_system_nanos,
        unpriced_ms = excluded.unpriced_ms, checked_at = excluded.checked_at,
        unbalanced_since = case when excluded.unbalanced_since is not null then coalesce(k.unbalanced_since, excluded.unbalanced_since) end;
end;
comment on function ledger.cost_write_check is 'Writes what was read back of a period.';
