-- Rates an hour and books it; returns the run. Whoever rates an hour again replaces its rows, unless its month is
-- closed: then the differences are booked as adjustments, dated now. The notes of usage folded into the hour are deleted
-- before it is read, so that what commits meanwhile leaves a note that this run did not see. Clusters in `leave_out` keep what
-- was booked of them; nodes and pods in `leave_objects` are as if they had never been.
create or replace function ledger.cost_fill(
    hour timestamptz, why text default 'rerate', at timestamptz default now(), leave_out integer[] default '{}',
    leave_objects uuid[] default '{}'
) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set work_mem = '384MB'
set jit = off
set client_min_messages = warning
as $$
declare
    h0 timestamptz := date_trunc('hour', hour);
    h1 timestamptz := date_trunc('hour', hour) + interval '1 hour';
    began timestamptz := clock_timestamp();
    until timestamptz := least(h1, at);
    known timestamptz;
    run bigint;
    month_closed boolean;
begin
    perform ledger.take_lock('cost_fill');
    if until <= h0 then
        raise exception 'cost_fill: hour % has not begun at %', h0, at using errcode = '22023';
    end if;
    select k.known_all into known from ledger.cost_known(at) as k;
    -- What is folded after this shows up as late; what was folded before is read below.
    delete from ledger.usage_fold where hour_at = h0 or folded_at < began - interval '100 days';
    perform ledger.rate(h0, until, leave_out, leave_objects);

    insert into ledger.cost_run (hour_at, reason, as_of, known_until, sheet_ids, nodes, pods, lines, cost_nanos, began_at, filled_at)
    select h0, why, until, known, coalesce(array_agg(distinct n.sheet_id) filter (where n.sheet_id is not null), '{}'),
        count(distinct (n.cluster_id, n.node_uid)), (select count(*) filter (where p.whole) from rated_pod as p)
            + (select count(*) from (select from rated_pod as p where not p.whole group by p.cluster_id, p.uid) as p),
        (select count(*) from rated_line), coalesce(sum(n.cpu_nanos + n.memory_nanos + n.gpu_nanos), 0), began, clock_timestamp()
    from rated_node as n
    returning run_id into run;

    insert into ledger.cost_line (cluster_id, {cost_dimensions: %})
    select distinct r.cluster_id, {cost_dimensions: r.%}
    from rated_line as r
    where not exists (
        select from ledger.cost_line as l
        where l.cluster_id = r.cluster_id and l.namespace = r.namespace and l.team = r.team and l.owner_source = r.owner_source
          and l.labels = r.labels and coalesce(l.workload, '') = coalesce(r.workload, '')
          and ({cost_dimensions: l.%}) is not distinct from ({cost_dimensions: r.%})
    );
    create temp table rated_booking on commit drop as
    select l.line_id, {cost_measures: r.%}, r.pods, r.first_at, r.last_at
    from rated_line as r
    join ledger.cost_line as l
        on l.cluster_id = r.cluster_id and l.namespace = r.namespace and l.team = r.team and l.owner_source = r.owner_source
       and l.labels = r.labels and coalesce(l.workload, '') = coalesce(r.workload, '')
       and coalesce(l.container, '') = coalesce(r.container, '')
       and ({cost_dimensions: l.%}) is not distinct from ({cost_dimensions: r.%});

    month_closed := exists (select from ledger.cost_month as m where m.month_at = date_trunc('month', h0));
    if month_closed then
        insert into ledger.cost_adjustment (booked_at, hour_at, line_id, run_id, cpu_nanos, memory_nanos, gpu_nanos)
        select clock_timestamp(), h0, d.line_id, run, sum(d.cpu), sum(d.memory), sum(d.gpu)
        from (
            select b.line_id, b.cpu_nanos as cpu, b.memory_nanos as memory, b.gpu_nanos as gpu from rated_booking as b
            union all
            select h.line_id, -h.cpu_nanos, -h.memory_nanos, -h.gpu_nanos from ledger.cost_hourly as h where h.hour_at = h0
            union all
            select a.line_id, -a.cpu_nanos, -a.memory_nanos, -a.gpu_nanos from ledger.cost_adjustment as a where a.hour_at = h0
        ) as d
        where leave_out = '{}' or d.line_id not in (select l.line_id from ledger.cost_line as l where l.cluster_id = any (leave_out))
        group by d.line_id
        having sum(d.cpu) <> 0 or sum(d.memory) <> 0 or sum(d.gpu) <> 0;
    else
        delete from ledger.cost_hourly as h
        where h.hour_at = h0
          and (leave_out = '{}' or h.line_id not in (select l.line_id from ledger.cost_line as l where l.cluster_id = any (leave_out)));
        insert into ledger.cost_hourly (hour_at, line_id, {cost_measures: %}, pods, first_at, last_at)
        select h0, b.line_id, {cost_measures: b.%}, b.pods, b.first_at, b.last_at from rated_booking as b;
        delete from ledger.cost_node_hourly as n where n.hour_at = h0 and n.cluster_id <> all (leave_out);
        insert into ledger.cost_node_hourly
        select h0, n.cluster_id, n.node_uid, n.from_at, n.to_at, n.node, n.node_class, n.sheet_id,
            n.cpu_capacity, n.cpu_allocatable, n.cpu_charged, ledger.cost_overcommit_factor(n.cpu_charged, n.cpu_capacity),
            n.cpu_nanos, n.cpu_parts[1], n.cpu_parts[2], n.cpu_parts[3],
            n.memory_capacity, n.memory_allocatable, n.memory_charged, ledger.cost_overcommit_factor(n.memory_charged, n.memory_capacity),
            n.memory_nanos, n.memory_parts[1], n.memory_parts[2], n.memory_parts[3],
            n.gpu_capacity, n.gpu_allocatable, n.gpu_charged, ledger.cost_overcommit_factor(n.gpu_charged, n.gpu_capacity),
            n.gpu_nanos, n.gpu_parts[1], n.gpu_parts[2], n.gpu_parts[3]
        from rated_node as n;
        perform ledger.cost_check_hour(h0);
    end if;
    insert into ledger.cost_hour as c (hour_at, run_id, known_until, complete, partial, filled_at)
    values (h0, run, known, known >= h1, until < h1, began)
    on conflict (hour_at) do update set
        run_id = excluded.run_id, known_until = excluded.known_until, complete = excluded.complete,
        partial = excluded.partial, filled_at = excluded.filled_at, fillings = c.fillings + 1;
    drop table pg_temp.rated_booking, pg_temp.rated_segment, pg_temp.rated_pod, pg_temp.rated_charge,
        pg_temp.rated_node, pg_temp.rated_line, pg_temp.rated_owner;
    return run;
end
$$;
comment on function ledger.cost_fill is 'Rates an hour and books it; in a closed month as adjustments.';
