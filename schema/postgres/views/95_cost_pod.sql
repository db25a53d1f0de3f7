-- script: once
-- Pods are not stored: they are rated on demand from hours whose nodes were. Parameters are named with their function:
-- segments of nodes and lives of pods have columns from_at and to_at too, which would be taken in their place.
create function fleet.cost_rollup_labels() returns text[]
language sql stable parallel safe
begin atomic
    select array(select jsonb_array_elements_text(s.value::jsonb) from ledger.setting as s where s.name = 'cost.rollup_labels');
end;
comment on function fleet.cost_rollup_labels is 'Labels of pods that cost is kept by; others are answered on demand.';
create function fleet.cost_of_pod(pod_uid uuid, from_at timestamptz default '-infinity', to_at timestamptz default 'infinity')
returns table (hour_at timestamptz, node text, from_hour_at timestamptz, to_hour_at timestamptz, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, cost numeric, currency text)
language sql stable
begin atomic
    with version as (
        select p.cluster_id, p.node, coalesce(p.scheduled_at, p.started_at, p.created_at, p.valid_from) as begin_at,
            p.phase, p.finished_at, p.request_cpu_millicores, p.request_memory_bytes, p.request_gpu_millis, p.valid_from, 'infinity'::timestamptz as valid_to
        from ledger.pod as p where p.uid = pod_uid and p.node is not null
        union all
        select p.cluster_id, p.node, coalesce(p.scheduled_at, p.started_at, p.created_at, p.valid_from),
            p.phase, p.finished_at, p.request_cpu_millicores, p.request_memory_bytes, p.request_gpu_millis, p.valid_from, p.valid_to
        from ledger.pod_history as p where p.uid = pod_uid and p.node is not null
    ), life as (
        select v.*, case when row_number() over w = 1 then v.begin_at else v.valid_from end as since_at,
            least(v.valid_to, lead(v.valid_from) over w, ledger.cost_pod_end(
                v.begin_at, last_value(v.finished_at) over whole,
                min(v.valid_from) filter (where v.phase in ('Succeeded', 'Failed')) over whole, bool_or(v.phase = 'Running') over whole
            )) as until_at
        from version as v
        window w as (order by v.valid_from), whole as (w rows between unbounded preceding and unbounded following)
    ), piece as (
        select n.*, v.request_cpu_millicores, v.request_memory_bytes, v.request_gpu_millis,
            greatest(n.from_at, v.since_at) as piece_from_at, least(n.to_at, v.until_at) as piece_to_at,
            extract(epoch from least(n.to_at, v.until_at) - greatest(n.from_at, v.since_at)) as seconds,
            sum(extract(epoch from least(n.to_at, v.until_at) - greatest(n.from_at, v.since_at))) over (partition by n.hour_at) as life_seconds
        from life as v
        -- Hour by hour and by the node's uid, as the key has it: a name would read every node of all those hours.
        cross join lateral (
            select m.uid from ledger.node as m where m.cluster_id = v.cluster_id and m.node = v.node
            union
            select m.uid from ledger.node_history as m
            where m.cluster_id = v.cluster_id and m.node = v.node and m.valid_to > v.since_at
        ) as m
        cross join lateral generate_series(
            date_trunc('hour', greatest(v.since_at, cost_of_pod.from_at), 'UTC'),
            least(v.until_at, cost_of_pod.to_at, (select coalesce(max(h.hour_at) + interval '1 hour', '-infinity') from ledger.cost_hour as h))
                - interval '1 microsecond',
            interval '1 hour'
        ) as g (hour_at)
        cross join lateral (
            select n.* from ledger.cost_node_hourly as n
            where n.hour_at = g.hour_at and n.cluster_id = v.cluster_id and n.node_uid = m.uid
              and n.from_at < v.until_at and n.to_at > v.since_at and n.hour_at >= cost_of_pod.from_at and n.hour_at < cost_of_pod.to_at
            offset 0
        ) as n
    ), charged as (
        select p.*,
            -- Usage takes the place of the request for the time it covers, as when the hour was rated.
            coalesce(u.cpu_charged * p.seconds / p.life_seconds, 0) + coalesce(p.request_cpu_millicores, 0)::numeric * 1000 * p.seconds
                - coalesce(u.cpu_covered * p.seconds / p.life_seconds, 0) as cpu,
            coalesce(u.memory_charged * p.seconds / p.life_seconds, 0) + coalesce(p.request_memory_bytes, 0)::numeric * p.seconds
                - coalesce(u.memory_covered * p.seconds / p.life_seconds, 0) as memory,
            coalesce(p.request_gpu_millis, 0)::numeric * 1000 * p.seconds as gpu
        from piece as p
        left join lateral (
            select sum(u.cpu_charged_core_us) as cpu_charged, sum(u.memory_charged_byte_seconds) as memory_charged,
                sum(coalesce(c.request_cpu_millicores, 0)::numeric * least(u.covered_ms, p.life_seconds * 1000)) as cpu_covered,
                sum(coalesce(c.request_memory_bytes, 0)::numeric * least(u.covered_ms / 1000.0, p.life_seconds)) as memory_covered
            from ledger.usage_hourly as u
            left join lateral (
                select x.request_cpu_millicores, x.request_memory_bytes, x.container_type from (
                    select coalesce(c.reserved_cpu_millicores, c.request_cpu_millicores) as request_cpu_millicores,
                        coalesce(c.reserved_memory_bytes, c.request_memory_bytes) as request_memory_bytes, c.container_type,
                        'infinity'::timestamptz as valid_to
                    from ledger.container as c where c.cluster_id = p.cluster_id and c.uid = pod_uid and c.container = u.container
                    union all
                    select coalesce(c.reserved_cpu_millicores, c.request_cpu_millicores),
                        coalesce(c.reserved_memory_bytes, c.request_memory_bytes), c.container_type, c.valid_to
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
create function fleet.cost_pod_parts(from_at timestamptz, to_at timestamptz)
returns table (
    datacenter text, cluster text, node text, node_class text, namespace text, team text, workload_kind text, workload text,
    pod text, uid uuid, container text, labels jsonb, annotations jsonb,
    cpu_nanos numeric, memory_nanos numeric, gpu_nanos numeric, cpu_charged_core_us numeric,
    memory_charged_byte_seconds numeric, gpu_charged_card_us numeric, cpu_requested_core_us numeric,
    memory_requested_byte_seconds numeric, cpu_used_core_us numeric, memory_used_byte_seconds numeric,
    life_ms bigint, usage_ms bigint, adjustment_nanos numeric, first_at timestamptz, last_at timestamptz
)
language sql stable
-- Nobody knows how many rows a step gives: a loop over two of them would compare everything with everything.
set enable_nestloop = off
set work_mem = '128MB'
begin atomic
    with node as materialized (
        select n.* from ledger.cost_node_hourly as n where n.hour_at >= cost_pod_parts.from_at and n.hour_at < cost_pod_parts.to_at
    ), container as materialized (
        select c.* from ledger.cost_container(cost_pod_parts.from_at, cost_pod_parts.to_at) as c
    ), owner as materialized (
        select h.hour_at, o.*
        from (select distinct n.hour_at from node as n) as h
        cross join lateral ledger.cost_owner(h.hour_at, h.hour_at + interval '1 hour') as o
    ), piece as (
        select row_number() over () as piece, i.*, n.hour_at, n.node_class, n.cpu_charged, n.memory_charged, n.gpu_charged,
            n.cpu_allocated_nanos, n.memory_allocated_nanos, n.gpu_allocated_nanos,
            greatest(i.from_at, n.from_at) as piece_from_at, least(i.to_at, n.to_at) as piece_to_at,
            (extract(epoch from least(i.to_at, n.to_at) - greatest(i.from_at, n.from_at)) * 1000000)::bigint as length_us,
            greatest(sum((extract(epoch from least(i.to_at, n.to_at) - greatest(i.from_at, n.from_at)) * 1000000)::bigint)
                over (partition by i.cluster_id, i.uid, n.hour_at), 1)::bigint as life_us
        from ledger.cost_interval(cost_pod_parts.from_at, cost_pod_parts.to_at) as i
        join node as n on n.cluster_id = i.cluster_id and n.node = i.node and n.from_at < i.to_at and n.to_at > i.from_at
    ), span as (
        select p.*, c.container, c.request_cpu_millicores as cpu, c.request_memory_bytes as memory, c.request_gpu_millis as gpu,
            (extract(epoch from least(p.piece_to_at, c.to_at) - greatest(p.piece_from_at, c.from_at)) * 1000000)::bigint as span_us,
            greatest(p.piece_from_at, c.from_at) as first_at, least(p.piece_to_at, c.to_at) as last_at
        from piece as p
        join container as c
            on c.cluster_id = p.cluster_id and c.uid = p.uid and c.from_at < p.piece_to_at and c.to_at > p.piece_from_at
    ), seen as (
        select s.*, u.cpu_core_us, u.memory_byte_seconds, u.cpu_charged_core_us, u.memory_charged_byte_seconds,
            ledger.cost_covered_us(u.covered_ms, s.span_us, s.life_us) as covered_us
        from span as s
        left join ledger.usage_hourly as u
            on u.cluster_id = s.cluster_id and u.hour_at = s.hour_at and u.pod_uid = s.uid and u.container = s.container
           and u.hour_at >= cost_pod_parts.from_at and u.hour_at < cost_pod_parts.to_at
    ), charge as (
        select s.piece, s.container,
            ledger.cost_share(s.cpu_charged_core_us, s.span_us, s.life_us)
                + ledger.cost_amount(s.cpu, s.span_us - s.covered_us, 0.001) as cpu,
            ledger.cost_share(s.memory_charged_byte_seconds, s.span_us, s.life_us)
                + ledger.cost_amount(s.memory, s.span_us - s.covered_us, 0.000001) as memory,
            ledger.cost_amount(s.gpu, s.span_us, 0.001) as gpu,
            ledger.cost_amount(s.cpu, s.span_us, 0.001) as cpu_requested,
            ledger.cost_amount(s.memory, s.span_us, 0.000001) as memory_requested,
            ledger.cost_share(s.cpu_core_us, s.span_us, s.life_us) as cpu_used,
            ledger.cost_share(s.memory_byte_seconds, s.span_us, s.life_us) as memory_used,
            s.span_us / 1000 as life_ms, s.covered_us / 1000 as usage_ms, s.first_at, s.last_at
        from seen as s
    ), init as (
        select p.piece, 'pod-init' as container,
            greatest(ledger.cost_amount(p.request_cpu_millicores, p.length_us, 0.001) - coalesce(c.cpu, 0), 0) as cpu,
            greatest(ledger.cost_amount(p.request_memory_bytes, p.length_us, 0.000001) - coalesce(c.memory, 0), 0) as memory,
            greatest(ledger.cost_amount(p.request_gpu_millis, p.length_us, 0.001) - coalesce(c.gpu, 0), 0) as gpu,
            p.length_us / 1000 as life_ms, c.piece is null as bare, p.length_us, p.piece_from_at as first_at, p.piece_to_at as last_at
        from piece as p
        left join (
            select c.piece, sum(c.cpu_requested) as cpu, sum(c.memory_requested) as memory, sum(c.gpu) as gpu
            from charge as c group by c.piece
        ) as c on c.piece = p.piece
    ), charged as (
        select * from charge
        union all
        select i.piece, i.container, i.cpu, i.memory, i.gpu, i.cpu, i.memory, 0, 0, i.life_ms, 0, i.first_at, i.last_at
        from init as i
        where i.bare or i.cpu > i.length_us / 1000000 or i.memory > 4096 or i.gpu > 0
    )
    select l.datacenter, l.cluster, p.node, p.node_class, p.namespace,
        coalesce(nullif(p.labels ->> o.allow_label_owner, ''), o.team, '__unallocated__'),
        p.workload_kind, p.workload, p.pod, p.uid, c.container, p.labels, p.annotations,
        coalesce(c.cpu * p.cpu_allocated_nanos / nullif(p.cpu_charged, 0), 0),
        coalesce(c.memory * p.memory_allocated_nanos / nullif(p.memory_charged, 0), 0),
        coalesce(c.gpu * p.gpu_allocated_nanos / nullif(p.gpu_charged, 0), 0),
        c.cpu, c.memory, c.gpu, c.cpu_requested, c.memory_requested, c.cpu_used, c.memory_used, c.life_ms, c.usage_ms, 0::numeric, c.first_at, c.last_at
    from charged as c
    join piece as p on p.piece = c.piece
    join ledger.cluster as l on l.cluster_id = p.cluster_id
    left join owner as o on o.hour_at = p.hour_at and o.cluster_id = p.cluster_id and o.namespace = p.namespace
    union all
    select l.datacenter, l.cluster, n.node, n.node_class, b.name, b.name, null, null, null, null, null, '{}'::jsonb, '{}'::jsonb,
        b.cpu, b.memory, b.gpu, coalesce(a.cpu[b.part], 0), coalesce(a.memory[b.part], 0), coalesce(a.gpu[b.part], 0), 0, 0, 0, 0, 0, 0, 0,
        n.from_at, n.to_at
    from node as n
    join ledger.cluster as l on l.cluster_id = n.cluster_id
    cross join lateral (values
        ('__idle__', 2, n.cpu_idle_nanos, n.memory_idle_nanos, n.gpu_idle_nanos),
        ('__system__', 3, n.cpu_system_nanos, n.memory_system_nanos, n.gpu_system_nanos)
    ) as b (name, part, cpu, memory, gpu)
    cross join lateral (
        select ledger.cost_amounts(n.cpu_charged, n.cpu_capacity, n.cpu_allocatable) as cpu,
            ledger.cost_amounts(n.memory_charged, n.memory_capacity, n.memory_allocatable) as memory,
            ledger.cost_amounts(n.gpu_charged, n.gpu_capacity, n.gpu_allocatable) as gpu
    ) as a
    where b.cpu is not null;
end;
comment on function fleet.cost_pod_parts is 'Cost of every container of every pod between two instants, rated on demand from hours whose nodes were: for windows of some million pod-hours at most. Idle and system are rows of each node.';
