-- How a rated hour is booked: hours, days, months; what is due; months that are closed.

-- Up to when every source is known, and every source that is not silent.
create function ledger.cost_known(at timestamptz, out known_all timestamptz, out known_fresh timestamptz)
language sql stable
begin atomic
    with source as (
        select min(f.observed_at) as observed_at
        from ledger.freshness as f
        join ledger.cluster as c using (cluster_id)
        where c.state = 'active' and f.kind in (1, 2, 3)
        group by f.cluster_id
    )
    select least(coalesce(min(s.observed_at), at), at),
        least(coalesce(min(s.observed_at) filter (where s.observed_at >= at - interval '5 minutes'), at), at)
    from source as s;
end;
comment on function ledger.cost_known is 'Up to when every cluster is known, and every cluster that is not silent.';

-- Makes the rows of a UTC day, and of its month, from its hours.
create function ledger.cost_fill_day(day timestamptz) returns void
language plpgsql
security definer
set search_path = ledger, pg_catalog, pg_temp
set timezone = 'UTC'
set work_mem = '192MB'
set jit = off
as $$
declare
    day_from timestamptz := date_trunc('day', day);
    day_to timestamptz := date_trunc('day', day) + interval '1 day';
    month_from timestamptz := date_trunc('month', day);
begin
    perform pg_advisory_xact_lock(hashtext('ledger.cost_fill'));
    delete from ledger.cost_daily where day_at = day_from;
    insert into ledger.cost_daily
    select day_from, h.line_id, sum(cpu_nanos), sum(memory_nanos), sum(gpu_nanos), sum(cpu_charged_core_us),
        sum(memory_charged_byte_seconds), sum(gpu_charged_card_us), sum(cpu_requested_core_us),
        sum(memory_requested_byte_seconds), sum(cpu_used_core_us), sum(memory_used_byte_seconds), sum(gpu_used_card_us),
        sum(life_ms), sum(usage_ms), sum(unknown_ms), sum(unpriced_ms), max(pods)
    from ledger.cost_hourly as h
    where h.hour_at >= day_from and h.hour_at < day_to
    group by h.line_id;

    delete from ledger.cost_namespace_daily where day_at = day_from;
    insert into ledger.cost_namespace_daily
    select day_from, l.cluster_id, l.namespace, l.team, l.owner_source, l.node_class,
        sum(cpu_nanos), sum(memory_nanos), sum(gpu_nanos), sum(cpu_charged_core_us), sum(memory_charged_byte_seconds),
        sum(gpu_charged_card_us), sum(cpu_requested_core_us), sum(memory_requested_byte_seconds), sum(cpu_used_core_us),
        sum(memory_used_byte_seconds), sum(gpu_used_card_us), sum(life_ms), sum(usage_ms), sum(unknown_ms), sum(unpriced_ms)
    from ledger.cost_daily as d
    join ledger.cost_line as l using (line_id)
    where d.day_at = day_from
    group by 2, 3, 4, 5, 6;

    delete from ledger.cost_namespace_monthly where month_at = month_from;
    insert into ledger.cost_namespace_monthly
    select month_from, cluster_id, namespace, team, owner_source, node_class,
        sum(cpu_nanos), sum(memory_nanos), sum(gpu_nanos), sum(cpu_charged_core_us), sum(memory_charged_byte_seconds),
        sum(gpu_charged_card_us), sum(cpu_requested_core_us), sum(memory_requested_byte_seconds), sum(cpu_used_core_us),
        sum(memory_used_byte_seconds), sum(gpu_used_card_us), sum(life_ms), sum(usage_ms), sum(unknown_ms), sum(unpriced_ms)
    from ledger.cost_namespace_daily
    where day_at >= month_from and day_at < month_from + interval '1 month'
    group by 2, 3, 4, 5, 6;

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

-- Writes what was read back of a period: arrays of nodes' sums and lines' sums by cluster.
create function ledger.cost_write_check(of_period text, period_at timestamptz, nodes jsonb, lines jsonb) returns void
language sql
set search_path = ledger, pg_catalog
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

-- Rates an hour and books it; returns the run. Whoever rates an hour again replaces its rows, unless its month is
-- closed: then the differences are booked as adjustments, dated now.
create function ledger.cost_fill(hour timestamptz, why text default 'rerate', at timestamptz default now()) returns bigint
language plpgsql
security definer
set search_path = ledger, pg_catalog, pg_temp
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
    perform pg_advisory_xact_lock(hashtext('ledger.cost_fill'));
    if until <= h0 then
        raise exception 'cost_fill: hour % has not begun at %', h0, at using errcode = '22023';
    end if;
    select k.known_all into known from ledger.cost_known(at) as k;
    perform ledger.rate(h0, until);

    insert into ledger.cost_run (hour_at, reason, as_of, known_until, sheet_ids, nodes, pods, lines, cost_nanos, began_at, filled_at)
    select h0, why, until, known, coalesce(array_agg(distinct n.sheet_id) filter (where n.sheet_id is not null), '{}'),
        count(distinct (n.cluster_id, n.node_uid)), (select count(*) from (select from rated_pod as p group by p.cluster_id, p.uid) as p),
        (select count(*) from rated_line), coalesce(sum(n.cpu_nanos + n.memory_nanos + n.gpu_nanos), 0), began, clock_timestamp()
    from rated_node as n
    returning run_id into run;

    insert into ledger.cost_line (cluster_id, namespace, workload_kind, workload, container, node_class, team, owner_source, labels)
    select distinct r.cluster_id, r.namespace, r.workload_kind, r.workload, r.container, r.node_class, r.team, r.owner_source, r.labels
    from rated_line as r
    where not exists (
        select from ledger.cost_line as l
        where l.cluster_id = r.cluster_id and l.namespace = r.namespace and l.team = r.team and l.owner_source = r.owner_source
          and l.labels = r.labels and coalesce(l.workload, '') = coalesce(r.workload, '')
          and (l.workload_kind, l.workload, l.container, l.node_class)
              is not distinct from (r.workload_kind, r.workload, r.container, r.node_class)
    );
    create temp table rated_booking on commit drop as
    select l.line_id, r.cpu_nanos, r.memory_nanos, r.gpu_nanos, r.cpu_charged_core_us, r.memory_charged_byte_seconds,
        r.gpu_charged_card_us, r.cpu_requested_core_us, r.memory_requested_byte_seconds, r.cpu_used_core_us,
        r.memory_used_byte_seconds, r.gpu_used_card_us, r.life_ms, r.usage_ms, r.unknown_ms, r.unpriced_ms, r.pods
    from rated_line as r
    join ledger.cost_line as l
        on l.cluster_id = r.cluster_id and l.namespace = r.namespace and l.team = r.team and l.owner_source = r.owner_source
       and l.labels = r.labels and coalesce(l.workload, '') = coalesce(r.workload, '')
       and coalesce(l.container, '') = coalesce(r.container, '')
       and (l.workload_kind, l.workload, l.container, l.node_class)
           is not distinct from (r.workload_kind, r.workload, r.container, r.node_class);

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
        group by d.line_id
        having sum(d.cpu) <> 0 or sum(d.memory) <> 0 or sum(d.gpu) <> 0;
    else
        delete from ledger.cost_hourly where hour_at = h0;
        insert into ledger.cost_hourly select h0, b.* from rated_booking as b;
        delete from ledger.cost_node_hourly where hour_at = h0;
        insert into ledger.cost_node_hourly
        select h0, n.cluster_id, n.node_uid, n.from_at, n.to_at, n.node, n.node_class, n.sheet_id,
            n.cpu_capacity, n.cpu_allocatable, n.cpu_charged, ledger.cost_k(n.cpu_charged, n.cpu_capacity),
            n.cpu_nanos, n.cpu_parts[1], n.cpu_parts[2], n.cpu_parts[3],
            n.memory_capacity, n.memory_allocatable, n.memory_charged, ledger.cost_k(n.memory_charged, n.memory_capacity),
            n.memory_nanos, n.memory_parts[1], n.memory_parts[2], n.memory_parts[3],
            n.gpu_capacity, n.gpu_allocatable, n.gpu_charged, ledger.cost_k(n.gpu_charged, n.gpu_capacity),
            n.gpu_nanos, n.gpu_parts[1], n.gpu_parts[2], n.gpu_parts[3]
        from rated_node as n;
        perform ledger.cost_check_hour(h0);
    end if;
    insert into ledger.cost_hour as c (hour_at, run_id, known_until, complete, partial, filled_at)
    values (h0, run, known, known >= h1, until < h1, began)
    on conflict (hour_at) do update set
        run_id = excluded.run_id, known_until = excluded.known_until, complete = excluded.complete,
        partial = excluded.partial, filled_at = excluded.filled_at, fillings = c.fillings + 1;
    drop table pg_temp.rated_booking, pg_temp.rated_segment, pg_temp.rated_pod, pg_temp.rated_container,
        pg_temp.rated_charge, pg_temp.rated_node, pg_temp.rated_share, pg_temp.rated_line, pg_temp.rated_owner;
    return run;
end
$$;
comment on function ledger.cost_fill is 'Rates an hour and books it; in a closed month as adjustments.';

create function ledger.cost_k(charged bigint, capacity bigint) returns numeric
language sql immutable parallel safe
return case when charged > coalesce(capacity, charged) then round(capacity::numeric / charged, 9) else 1 end;
comment on function ledger.cost_k is 'min(1, capacity / charged), to nine digits.';

-- Reads an hour back as it stands and compares nodes with lines.
create function ledger.cost_check_hour(h0 timestamptz) returns void
language sql
security definer
set search_path = ledger, pg_catalog
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

-- Hours to rate now, the oldest first: those that are over and were not rated, those of which more is known, those whose
-- usage came late. `history` is where the first run begins, `lateness` how far back what was rated is rated again, and
-- `usage_lateness` how far back late usage is looked for, which reads a row of every node and hour.
create function ledger.cost_due(
    at timestamptz default now(), history interval default '1 day', lateness interval default '7 days',
    usage_lateness interval default '7 days'
)
returns table (hour_at timestamptz, reason text)
language sql stable
security definer
set search_path = ledger, pg_catalog
set timezone = 'UTC'
begin atomic
    with known as (
        select k.known_all, k.known_fresh from ledger.cost_known(at) as k
    ), filled as (
        select max(h.hour_at) filter (where not h.partial) + interval '1 hour' as until from ledger.cost_hour as h
    ), next as (
        select g.hour_at, 'first' as reason
        from known as k, filled as f
        cross join lateral generate_series(
            coalesce(f.until, date_trunc('hour', at - history)), k.known_fresh - interval '1 hour', interval '1 hour') as g (hour_at)
    ), more as (
        select h.hour_at, 'known' as reason
        from ledger.cost_hour as h, known as k
        where not h.complete and not h.partial and h.hour_at >= at - lateness and k.known_all > h.known_until
    ), late as (
        select w.hour_at, 'usage' as reason
        from ledger.cost_hour as h
        join ledger.usage_window as w on w.hour_at = h.hour_at
        where h.hour_at >= at - usage_lateness and w.hour_at >= at - usage_lateness and not h.partial
        group by w.hour_at, h.filled_at
        having max(w.folded_at) > h.filled_at
    )
    select distinct on (d.hour_at) d.hour_at, d.reason
    from (select * from next union all select * from more union all select * from late) as d
    order by d.hour_at, d.reason;
end;
comment on function ledger.cost_due is 'Hours to rate now, the oldest first, and why.';

-- Closes a UTC month: from now on its rows do not change, and what is found later is booked as adjustments.
create function ledger.cost_close(month timestamptz, by_whom text, at timestamptz default now()) returns numeric
language plpgsql
security definer
set search_path = ledger, pg_catalog
set timezone = 'UTC'
as $$
declare
    month_from timestamptz := date_trunc('month', month);
    month_to timestamptz := date_trunc('month', month) + interval '1 month';
    rated bigint;
    first_hour timestamptz;
    total numeric;
begin
    perform pg_advisory_xact_lock(hashtext('ledger.cost_fill'));
    if month_to > at then
        raise exception 'month % is not over', to_char(month_from, 'YYYY-MM') using errcode = '22023';
    end if;
    if exists (select from ledger.cost_month as m where m.month_at = month_from) then
        raise exception 'month % is closed already', to_char(month_from, 'YYYY-MM') using errcode = '22023';
    end if;
    select count(*), min(h.hour_at) into rated, first_hour
    from ledger.cost_hour as h where h.hour_at >= month_from and h.hour_at < month_to and not h.partial;
    if rated = 0 then
        raise exception 'no hour of month % has been rated', to_char(month_from, 'YYYY-MM') using errcode = '22023';
    end if;
    if rated < extract(epoch from month_to - first_hour) / 3600 then
        raise exception 'month %: % of its hours have not been rated', to_char(month_from, 'YYYY-MM'),
            (extract(epoch from month_to - first_hour) / 3600)::bigint - rated
            using errcode = '22023', hint = 'rate them with fleetledger cost rerate';
    end if;
    select coalesce(sum(n.cost_nanos), 0) into total
    from ledger.cost_node_daily as n where n.day_at >= month_from and n.day_at < month_to;
    insert into ledger.cost_month (month_at, closed_at, closed_by, cost_nanos) values (month_from, at, by_whom, total);
    return total;
end
$$;
comment on function ledger.cost_close is 'Closes a UTC month; returns what its nodes cost, in billionths of the currency.';
