-- How an hour is rated: what stood and lived in it, who is charged for what, and what the nodes cost. Every instant is
-- the object's own (created, scheduled, finished, deleted), never that of a sample.

-- An entry of the map of owners as a pattern of LIKE: * stands for anything.
create function ledger.owner_pattern(namespace text) returns text
language sql immutable parallel safe
return replace(replace(replace(replace(namespace, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%');
comment on function ledger.owner_pattern is 'A namespace of the map of owners as a pattern of LIKE.';

-- The label goes before the map, the map before the cluster's default.
drop function ledger.wanted_team;
create function ledger.wanted_team(cluster_ids integer[], at timestamptz)
returns table (cluster_id integer, namespace text, team text, owner_source text)
language sql stable
begin atomic
    select n.cluster_id, n.namespace, coalesce(n.of_label, n.of_annotation, m.team) as team,
        case
            when n.of_label is not null then 'label'
            when n.of_annotation is not null then 'annotation'
            when m.namespace is not null then 'map'
            else 'default'
        end as owner_source
    from (
        select distinct on (n.cluster_id, n.namespace)
            n.cluster_id, n.namespace, c.datacenter, c.cluster,
            nullif(n.labels ->> s.value, '') as of_label,
            nullif(n.annotations ->> s.value, '') as of_annotation
        from ledger.namespace as n
        join ledger.cluster as c using (cluster_id)
        left join ledger.setting as s on s.name = 'owners.namespace_label'
        where n.cluster_id = any (cluster_ids)
        order by n.cluster_id, n.namespace, n.created_at desc, n.uid
    ) as n
    left join lateral (
        select m.team, m.namespace
        from ledger.owner_map as m
        where m.superseded_at is null and m.valid_from <= at and coalesce(m.valid_to, 'infinity') > at
          and (m.datacenter is null or m.datacenter = n.datacenter)
          and (m.cluster is null or m.cluster = n.cluster)
          and (m.namespace is null or n.namespace like ledger.owner_pattern(m.namespace))
        order by m.namespace is null, m.position
        limit 1
    ) as m on n.of_label is null and n.of_annotation is null;
end;
comment on function ledger.wanted_team is 'Owner that each namespace of these clusters should have at an instant, and where it comes from.';

create or replace function ledger.apply_owners(cluster_ids integer[], at timestamptz) returns integer
language plpgsql
security definer
set search_path = ledger, pg_catalog
as $$
declare
    ended integer;
    begun integer;
begin
    with gone as (
        delete from ledger.namespace_team as t
        where t.cluster_id = any (cluster_ids)
          and not exists (
              select from ledger.wanted_team(cluster_ids, at) as w
              where w.cluster_id = t.cluster_id and w.namespace = t.namespace and w.team = t.team
                and w.owner_source = t.owner_source
          )
        returning t.cluster_id, t.namespace, t.team, t.valid_from, t.owner_source
    )
    insert into ledger.namespace_team_history (cluster_id, namespace, team, valid_from, valid_to, owner_source)
    select cluster_id, namespace, team, valid_from, greatest(at, valid_from + interval '1 microsecond'), owner_source
    from gone;
    get diagnostics ended = row_count;

    insert into ledger.namespace_team (cluster_id, namespace, team, valid_from, owner_source)
    select w.cluster_id, w.namespace, w.team,
        greatest(at, (
            select max(h.valid_to) from ledger.namespace_team_history as h
            where h.cluster_id = w.cluster_id and h.namespace = w.namespace
        )),
        w.owner_source
    from ledger.wanted_team(cluster_ids, at) as w
    where w.team is not null
    on conflict (cluster_id, namespace) do nothing;
    get diagnostics begun = row_count;
    return ended + begun;
end
$$;

-- Owner of each namespace as of an hour: the one at its begin; of a namespace that was made within it, the first one.
create function ledger.cost_owner(h0 timestamptz, h1 timestamptz)
returns table (cluster_id integer, namespace text, team text, owner_source text, allow_label_owner text)
language sql stable
begin atomic
    with known as (
        select t.cluster_id, t.namespace, t.team, t.owner_source, t.valid_from
        from ledger.namespace_team as t
        where t.valid_from < h1 and t.owner_source in ('label', 'annotation')
        union all
        select t.cluster_id, t.namespace, t.team, t.owner_source, t.valid_from
        from ledger.namespace_team_history as t
        where t.valid_from < h1 and t.valid_to > h0 and t.owner_source in ('label', 'annotation')
    ), name as (
        select n.cluster_id, n.namespace, min(n.created_at) as created_at from ledger.namespace as n group by 1, 2
        union
        select n.cluster_id, n.namespace, min(n.created_at) from ledger.namespace_history as n
        where n.valid_to > h0 group by 1, 2
        union
        select k.cluster_id, k.namespace, '-infinity' from known as k
    ), of_label as (
        select distinct on (k.cluster_id, k.namespace) k.*
        from known as k
        where k.valid_from <= h0
           or not exists (select from name as n where n.cluster_id = k.cluster_id and n.namespace = k.namespace
                and n.created_at < h0 and n.created_at > '-infinity')
        order by k.cluster_id, k.namespace, k.valid_from
    ), one as (
        select distinct n.cluster_id, n.namespace, c.datacenter, c.cluster
        from name as n join ledger.cluster as c using (cluster_id)
    ), owner as (
        select o.cluster_id, o.namespace,
            coalesce(l.team, m.team) as team,
            case
                when l.team is not null then l.owner_source
                when m.namespace is not null then 'map'
                when m.team is not null then 'default'
            end as owner_source
        from one as o
        left join of_label as l on l.cluster_id = o.cluster_id and l.namespace = o.namespace
        left join lateral (
            select m.team, m.namespace
            from ledger.owner_map as m
            where m.superseded_at is null and m.valid_from <= h0 and coalesce(m.valid_to, 'infinity') > h0
              and (m.datacenter is null or m.datacenter = o.datacenter)
              and (m.cluster is null or m.cluster = o.cluster)
              and (m.namespace is null or o.namespace like ledger.owner_pattern(m.namespace))
            order by m.namespace is null, m.position
            limit 1
        ) as m on l.team is null
    )
    select o.cluster_id, o.namespace, o.team, o.owner_source, t.allow_label_owner
    from owner as o
    left join lateral (
        select t.allow_label_owner
        from ledger.cost_team as t
        where t.team = o.team and t.superseded_at is null and t.valid_from <= h0 and coalesce(t.valid_to, 'infinity') > h0
        order by t.valid_from desc
        limit 1
    ) as t on true
    where o.team is not null;
end;
comment on function ledger.cost_owner is 'Owner of each namespace as of an hour, and the label by which its pods may name another.';

-- Which sheet is in force where, between the instants at which that changes.
create function ledger.cost_sheet(h0 timestamptz, h1 timestamptz)
returns table (datacenter text, from_at timestamptz, to_at timestamptz, sheet_id integer)
language sql stable
begin atomic
    with sheet as (
        select s.sheet_id, s.datacenters, s.valid_from, coalesce(s.valid_to, 'infinity') as valid_to
        from ledger.price_sheet as s
        where s.superseded_at is null and s.valid_from < h1 and coalesce(s.valid_to, 'infinity') > h0
    ), edge as (
        select h0 as at
        union select valid_from from sheet where valid_from > h0
        union select valid_to from sheet where valid_to < h1
    ), span as (
        select at as from_at, coalesce(lead(at) over (order by at), h1) as to_at from edge
    )
    select d.datacenter, s.from_at, s.to_at, f.sheet_id
    from (select distinct c.datacenter from ledger.cluster as c) as d
    cross join span as s
    left join lateral (
        select f.sheet_id
        from sheet as f
        where f.valid_from <= s.from_at and f.valid_to > s.from_at
          and (f.datacenters is null or d.datacenter = any (f.datacenters))
        order by f.datacenters is null, f.valid_from desc, f.sheet_id desc
        limit 1
    ) as f on true;
end;
comment on function ledger.cost_sheet is 'Price sheet in force in each datacenter, between the instants at which that changes.';

-- Nodes between h0 and h1, cut where a price, the capacity or what is allocatable changes. A node lives from its
-- creation until it is deleted, its successor of the same name is made, or its cluster is retired; whether it is ready
-- or cordoned is no matter. What is seen a week late is still found.
create function ledger.cost_segment(h0 timestamptz, h1 timestamptz)
returns table (
    cluster_id integer, node_uid text, node text, from_at timestamptz, to_at timestamptz, sheet_id integer,
    class_position integer, capacity_cpu_millicores bigint, capacity_memory_bytes bigint, capacity_gpu_millis bigint,
    allocatable_cpu_millicores bigint, allocatable_memory_bytes bigint, allocatable_gpu_millis bigint
)
language sql stable
begin atomic
    with version as (
        select n.cluster_id, n.uid, n.node, n.created_at, n.labels, n.valid_from, 'infinity'::timestamptz as valid_to,
            n.capacity_cpu_millicores, n.capacity_memory_bytes, n.capacity_gpu_millis,
            n.allocatable_cpu_millicores, n.allocatable_memory_bytes, n.allocatable_gpu_millis
        from ledger.node as n
        where n.created_at < h1
        union all
        select n.cluster_id, n.uid, n.node, n.created_at, n.labels, n.valid_from, n.valid_to,
            n.capacity_cpu_millicores, n.capacity_memory_bytes, n.capacity_gpu_millis,
            n.allocatable_cpu_millicores, n.allocatable_memory_bytes, n.allocatable_gpu_millis
        from ledger.node_history as n
        where n.valid_to > h0 and n.valid_from < h1 + interval '7 days' and n.created_at < h1
    ), life as (
        select l.cluster_id, l.uid, lead(l.created_at) over (partition by l.cluster_id, l.node order by l.created_at, l.uid) as successor_at
        from (select v.cluster_id, v.uid, v.node, min(v.created_at) as created_at from version as v group by 1, 2, 3) as l
    ), begun as (
        select v.*,
            case when row_number() over w = 1 then v.created_at else v.valid_from end as begin_at,
            lead(v.valid_from) over w as next_at
        from version as v
        window w as (partition by v.cluster_id, v.uid order by v.valid_from)
    ), cut as (
        select b.*, s.sheet_id,
            greatest(b.begin_at, s.from_at) as cut_from_at,
            least(b.valid_to, b.next_at, l.successor_at, c.retired_at, s.to_at) as cut_to_at
        from begun as b
        join life as l using (cluster_id, uid)
        join ledger.cluster as c using (cluster_id)
        join ledger.cost_sheet(h0, h1) as s on s.datacenter = c.datacenter
    ), shaped as (
        select t.*, p.position,
            concat_ws('/', coalesce(t.sheet_id, -1), coalesce(p.position, -1), coalesce(t.capacity_cpu_millicores, -1),
                coalesce(t.capacity_memory_bytes, -1), coalesce(t.capacity_gpu_millis, -1),
                coalesce(t.allocatable_cpu_millicores, -1), coalesce(t.allocatable_memory_bytes, -1),
                coalesce(t.allocatable_gpu_millis, -1)) as shape
        from cut as t
        left join lateral (
            select p.position
            from ledger.price_class as p
            where p.sheet_id = t.sheet_id
              and (cardinality(p.instance_types) = 0 or t.labels ->> 'node.kubernetes.io/instance-type' = any (p.instance_types))
              and t.labels @> p.labels
            order by p.position
            limit 1
        ) as p on true
        where t.cut_from_at < t.cut_to_at
    ), island as (
        select s.*,
            count(*) filter (where s.shape is distinct from s.shape_before or s.cut_from_at is distinct from s.to_before)
                over (partition by s.cluster_id, s.uid order by s.cut_from_at) as run
        from (
            select s.*, lag(s.shape) over w as shape_before, lag(s.cut_to_at) over w as to_before
            from shaped as s
            window w as (partition by s.cluster_id, s.uid order by s.cut_from_at)
        ) as s
    )
    select i.cluster_id, i.uid, min(i.node), min(i.cut_from_at), max(i.cut_to_at), min(i.sheet_id), min(i.position),
        min(i.capacity_cpu_millicores), min(i.capacity_memory_bytes), min(i.capacity_gpu_millis),
        min(i.allocatable_cpu_millicores), min(i.allocatable_memory_bytes), min(i.allocatable_gpu_millis)
    from island as i
    group by i.cluster_id, i.uid, i.run;
end;
comment on function ledger.cost_segment is 'Nodes between two instants, cut where a price, the capacity or what is allocatable changes.';

-- Pods between h0 and h1: from scheduled until terminal or deleted, cut where what they request changes. The first
-- version that is known reaches back to when the pod was scheduled; no version reaches beyond the end of the pod.
create function ledger.cost_interval(h0 timestamptz, h1 timestamptz)
returns table (
    cluster_id integer, uid text, namespace text, pod text, node text, workload_kind text, workload text, labels jsonb,
    annotations jsonb, request_cpu_millicores bigint, request_memory_bytes bigint, request_gpu_millis bigint,
    from_at timestamptz, to_at timestamptz, alone boolean
)
language sql stable
begin atomic
    with past as materialized (
        select p.cluster_id, p.uid, p.namespace, p.pod, p.node, p.workload_kind, p.workload, p.labels, p.annotations,
            p.request_cpu_millicores, p.request_memory_bytes, p.request_gpu_millis,
            coalesce(p.scheduled_at, p.started_at, p.created_at) as begin_at,
            case when p.phase in ('Succeeded', 'Failed') then coalesce(p.finished_at, p.valid_from) end as ended_at,
            p.valid_from, p.valid_to
        from ledger.pod_history as p
        where p.valid_to > h0 and p.valid_from < h1 + interval '7 days' and p.node is not null and p.created_at < h1
    ), changed as materialized (
        select distinct p.cluster_id, p.uid from past as p
    ), several as (
        select v.*,
            case when row_number() over w = 1 then v.begin_at else v.valid_from end as since_at,
            least(v.valid_to, lead(v.valid_from) over w, min(v.ended_at) over (partition by v.cluster_id, v.uid)) as until_at
        from (
            select * from past
            union all
            select p.cluster_id, p.uid, p.namespace, p.pod, p.node, p.workload_kind, p.workload, p.labels, p.annotations,
                p.request_cpu_millicores, p.request_memory_bytes, p.request_gpu_millis,
                coalesce(p.scheduled_at, p.started_at, p.created_at),
                case when p.phase in ('Succeeded', 'Failed') then coalesce(p.finished_at, p.valid_from) end,
                p.valid_from, 'infinity'
            from changed as c
            join ledger.pod as p on p.cluster_id = c.cluster_id and p.uid = c.uid
            where p.node is not null
        ) as v
        window w as (partition by v.cluster_id, v.uid order by v.valid_from)
    ), one as (
        select s.cluster_id, s.uid, s.namespace, s.pod, s.node, s.workload_kind, s.workload, s.labels, s.annotations,
            s.request_cpu_millicores, s.request_memory_bytes, s.request_gpu_millis,
            s.since_at, s.until_at, false as alone
        from several as s
        union all
        select p.cluster_id, p.uid, p.namespace, p.pod, p.node, p.workload_kind, p.workload, p.labels, p.annotations,
            p.request_cpu_millicores, p.request_memory_bytes, p.request_gpu_millis,
            coalesce(p.scheduled_at, p.started_at, p.created_at),
            case when p.phase in ('Succeeded', 'Failed') then coalesce(p.finished_at, p.valid_from) else 'infinity' end,
            true
        from ledger.pod as p
        where p.node is not null and p.created_at < h1
          and (p.phase not in ('Succeeded', 'Failed') or coalesce(p.finished_at, p.valid_from) > h0)
          and not exists (select from changed as c where c.cluster_id = p.cluster_id and c.uid = p.uid)
    )
    select o.cluster_id, o.uid, o.namespace, o.pod, o.node, o.workload_kind, o.workload, o.labels, o.annotations,
        o.request_cpu_millicores, o.request_memory_bytes, o.request_gpu_millis,
        greatest(o.since_at, h0), least(o.until_at, c.retired_at, h1), o.alone
    from one as o
    join ledger.cluster as c using (cluster_id)
    where o.since_at < h1 and o.until_at > h0 and greatest(o.since_at, h0) < least(o.until_at, c.retired_at, h1);
end;
comment on function ledger.cost_interval is 'Pods between two instants with what they request: from scheduled until terminal or deleted.';

-- Requests of the containers that run side by side; the first known version reaches back, the last one forward.
create function ledger.cost_container(h0 timestamptz, h1 timestamptz)
returns table (
    cluster_id integer, uid text, container text, request_cpu_millicores bigint, request_memory_bytes bigint,
    request_gpu_millis bigint, from_at timestamptz, to_at timestamptz
)
language sql stable
begin atomic
    with past as materialized (
        select c.cluster_id, c.uid, c.container, c.request_cpu_millicores, c.request_memory_bytes, c.request_gpu_millis,
            c.valid_from
        from ledger.container_history as c
        where c.valid_to > h0 and c.valid_from < h1 + interval '7 days' and c.container_type <> 'init'
    ), changed as materialized (
        select distinct p.cluster_id, p.uid, p.container from past as p
    ), several as (
        select v.*,
            case when row_number() over w = 1 then '-infinity' else v.valid_from end as since_at,
            coalesce(lead(v.valid_from) over w, 'infinity') as until_at
        from (
            select * from past
            union all
            select c.cluster_id, c.uid, c.container, c.request_cpu_millicores, c.request_memory_bytes,
                c.request_gpu_millis, c.valid_from
            from changed as g
            join ledger.container as c on c.cluster_id = g.cluster_id and c.uid = g.uid and c.container = g.container
        ) as v
        window w as (partition by v.cluster_id, v.uid, v.container order by v.valid_from)
    )
    select s.cluster_id, s.uid, s.container, s.request_cpu_millicores, s.request_memory_bytes, s.request_gpu_millis,
        s.since_at, s.until_at
    from several as s
    union all
    select c.cluster_id, c.uid, c.container, c.request_cpu_millicores, c.request_memory_bytes, c.request_gpu_millis,
        '-infinity', 'infinity'
    from ledger.container as c
    where c.container_type <> 'init'
      and not exists (
          select from changed as g
          where g.cluster_id = c.cluster_id and g.uid = c.uid and g.container = c.container
      );
end;
comment on function ledger.cost_container is 'Requests of containers that run side by side, by time.';

-- Cost of what is allocated, idle and kept by the system: in proportion to amounts, which sum to `whole`, rounded down;
-- then the largest remainders get one more each, the first of equals first. Amounts that do not sum to the whole give
-- parts that do not sum to the cost, and the table refuses them.
create function ledger.cost_parts(nanos bigint, whole bigint, amounts bigint[]) returns bigint[]
language plpgsql immutable parallel safe
as $$
declare
    product numeric[];
    part bigint[];
    rest numeric[];
    remaining bigint;
begin
    if nanos is null or whole is null then
        return null;
    end if;
    if whole = 0 then
        return array[0, 0, 0]::bigint[];
    end if;
    product := array[nanos::numeric * amounts[1], nanos::numeric * amounts[2], nanos::numeric * amounts[3]];
    part := array[div(product[1], whole), div(product[2], whole), div(product[3], whole)]::bigint[];
    rest := array[product[1] - part[1]::numeric * whole, product[2] - part[2]::numeric * whole, product[3] - part[3]::numeric * whole];
    remaining := nanos - part[1] - part[2] - part[3];
    if remaining >= 1 then
        if rest[1] >= rest[2] and rest[1] >= rest[3] then
            part[1] := part[1] + 1;
            rest[1] := -1;
        elsif rest[2] >= rest[3] then
            part[2] := part[2] + 1;
            rest[2] := -1;
        else
            part[3] := part[3] + 1;
            rest[3] := -1;
        end if;
    end if;
    if remaining >= 2 then
        if rest[1] >= rest[2] and rest[1] >= rest[3] then
            part[1] := part[1] + 1;
        elsif rest[2] >= rest[3] then
            part[2] := part[2] + 1;
        else
            part[3] := part[3] + 1;
        end if;
    end if;
    return part;
end
$$;
comment on function ledger.cost_parts is 'Cost of what is allocated, idle and kept by the system, by largest remainder.';

-- Rates [h0, h1) of the hour that begins at h0 into temporary tables: rated_segment (what nodes cost and whom for),
-- rated_charge (one row for each container of each pod on each segment) and rated_line (what is booked).
create function ledger.rate(h0 timestamptz, h1 timestamptz) returns void
language plpgsql
set search_path = ledger, pg_catalog, pg_temp
set timezone = 'UTC'
set work_mem = '384MB'
set jit = off
set client_min_messages = warning
set max_parallel_workers_per_gather = 2
as $$
declare
    whole_us bigint := (extract(epoch from h1 - h0) * 1000000)::bigint;
    month_hours numeric := extract(epoch from date_trunc('month', h0) + interval '1 month' - date_trunc('month', h0)) / 3600;
    rollup_labels text[] := coalesce((select array(select jsonb_array_elements_text(s.value::jsonb))
        from ledger.setting as s where s.name = 'cost.rollup_labels'), '{}');
begin
    drop table if exists pg_temp.rated_segment, pg_temp.rated_pod, pg_temp.rated_container, pg_temp.rated_charge,
        pg_temp.rated_node, pg_temp.rated_share, pg_temp.rated_line, pg_temp.rated_owner;

    create temp table rated_segment on commit drop as
    select row_number() over (order by s.cluster_id, s.node_uid, s.from_at)::integer as segment, s.*,
        (extract(epoch from s.to_at - s.from_at) * 1000000)::bigint as length_us
    from ledger.cost_segment(h0, h1) as s;
    create temp table rated_owner on commit drop as select * from ledger.cost_owner(h0, h1);
    analyze rated_segment;
    analyze rated_owner;

    -- A pod's life may lie on several segments; one on a node that is not known lies on none, and is not priced.
    perform set_config('enable_nestloop', 'off', true);
    create temp table rated_pod on commit drop as
    with piece as (
        select i.*, s.segment,
            i.alone and (s.segment is null or s.from_at <= i.from_at and s.to_at >= i.to_at) as whole,
            case when s.segment is null then i.from_at else greatest(i.from_at, s.from_at) end as piece_from_at,
            case when s.segment is null then i.to_at else least(i.to_at, s.to_at) end as piece_to_at
        from ledger.cost_interval(h0, h1) as i
        left join rated_segment as s
            on s.cluster_id = i.cluster_id and s.node = i.node and s.from_at < i.to_at and s.to_at > i.from_at
    )
    select row_number() over ()::integer as piece, p.cluster_id, p.uid, p.namespace, p.workload_kind, p.workload,
        p.segment, p.piece_from_at as from_at, p.piece_to_at as to_at, p.whole,
        case
            when p.piece_from_at = h0 and p.piece_to_at = h1 then whole_us
            else (extract(epoch from p.piece_to_at - p.piece_from_at) * 1000000)::bigint
        end as length_us,
        p.request_cpu_millicores, p.request_memory_bytes, p.request_gpu_millis,
        coalesce(nullif(p.labels ->> o.allow_label_owner, ''), o.team, '__unallocated__') as team,
        case when nullif(p.labels ->> o.allow_label_owner, '') is not null then 'pod_label' else coalesce(o.owner_source, 'none') end as owner_source,
        case
            when cardinality(rollup_labels) = 0 then '{}'::jsonb
            else coalesce((select jsonb_object_agg(l.name, p.labels -> l.name) from unnest(rollup_labels) as l (name) where p.labels ? l.name), '{}')
        end as labels
    from piece as p
    left join rated_owner as o on o.cluster_id = p.cluster_id and o.namespace = p.namespace;
    analyze rated_pod;

    create temp table rated_container on commit drop as select * from ledger.cost_container(h0, h1);
    analyze rated_container;

    -- Usage is known by container and hour: pieces of a life take part in it by their length.
    create temp table rated_charge on commit drop as
    with life as (
        -- Only of pods that may have several pieces; the others' is the piece.
        select p.cluster_id, p.uid, sum(p.length_us)::bigint as life_us from rated_pod as p where not p.whole group by 1, 2
    ), span as (
        select p.piece, p.segment, p.cluster_id, p.uid, c.container,
            case
                when c.from_at = '-infinity' and c.to_at = 'infinity' then p.length_us
                else (extract(epoch from least(p.to_at, c.to_at) - greatest(p.from_at, c.from_at)) * 1000000)::bigint
            end as length_us,
            greatest(coalesce(l.life_us, p.length_us), 1) as life_us,
            c.request_cpu_millicores as cpu, c.request_memory_bytes as memory, c.request_gpu_millis as gpu,
            p.request_cpu_millicores is null and c.request_cpu_millicores is null
                or p.request_memory_bytes is null and c.request_memory_bytes is null as unknown
        from rated_pod as p
        join rated_container as c on c.cluster_id = p.cluster_id and c.uid = p.uid and c.from_at < p.to_at and c.to_at > p.from_at
        left join life as l on not p.whole and l.cluster_id = p.cluster_id and l.uid = p.uid
    ), seen as (
        select s.*, u.cpu_core_us, u.memory_byte_seconds, u.cpu_charged_core_us, u.memory_charged_byte_seconds, u.gpu_used_card_us,
            s.length_us::double precision / s.life_us as part,
            case when u.covered_ms is null then 0 else least(u.covered_ms * 1000, s.life_us)::double precision / s.life_us end as covered
        from span as s
        left join ledger.usage_hourly as u
            on u.cluster_id = s.cluster_id and u.hour_at = h0 and u.pod_uid = s.uid and u.container = s.container
    )
    select row_number() over ()::integer as charge, s.piece, s.segment, s.uid, s.container,
        (coalesce(s.cpu_charged_core_us * s.part, 0) + coalesce(s.cpu::double precision * s.length_us * (1 - s.covered) / 1000, 0))::bigint as cpu,
        (coalesce(s.memory_charged_byte_seconds * s.part, 0)
            + coalesce(s.memory::double precision * s.length_us * (1 - s.covered) / 1000000, 0))::bigint as memory,
        coalesce(s.gpu::double precision * s.length_us / 1000, 0)::bigint as gpu,
        coalesce(s.cpu::double precision * s.length_us / 1000, 0)::bigint as cpu_requested,
        coalesce(s.memory::double precision * s.length_us / 1000000, 0)::bigint as memory_requested,
        coalesce(s.cpu_core_us * s.part, 0)::bigint as cpu_used,
        coalesce(s.memory_byte_seconds * s.part, 0)::bigint as memory_used,
        coalesce(s.gpu_used_card_us * s.part, 0)::bigint as gpu_used,
        s.length_us / 1000 as life_ms,
        (s.length_us * s.covered / 1000)::bigint as usage_ms,
        case when s.unknown then (s.length_us * (1 - s.covered) / 1000)::bigint else 0 end as unknown_ms
    from seen as s;
    -- What a pod reserves beyond its containers: init containers that need more, and overhead.
    insert into rated_charge
    select -p.piece, p.piece, p.segment, p.uid, 'pod-init',
        greatest((coalesce(p.request_cpu_millicores, 0)::double precision * p.length_us / 1000)::bigint - coalesce(c.cpu, 0), 0),
        greatest((coalesce(p.request_memory_bytes, 0)::double precision * p.length_us / 1000000)::bigint - coalesce(c.memory, 0), 0),
        greatest((coalesce(p.request_gpu_millis, 0)::double precision * p.length_us / 1000)::bigint - coalesce(c.gpu, 0), 0),
        greatest((coalesce(p.request_cpu_millicores, 0)::double precision * p.length_us / 1000)::bigint - coalesce(c.cpu, 0), 0),
        greatest((coalesce(p.request_memory_bytes, 0)::double precision * p.length_us / 1000000)::bigint - coalesce(c.memory, 0), 0),
        0, 0, 0, p.length_us / 1000, 0,
        case when c.piece is null and (p.request_cpu_millicores is null or p.request_memory_bytes is null) then p.length_us / 1000 else 0 end
    from rated_pod as p
    left join (
        select c.piece, sum(c.cpu_requested)::bigint as cpu, sum(c.memory_requested)::bigint as memory, sum(c.gpu)::bigint as gpu
        from rated_charge as c group by c.piece
    ) as c on c.piece = p.piece
    where c.piece is null
       or (coalesce(p.request_cpu_millicores, 0)::double precision * p.length_us / 1000)::bigint > c.cpu + p.length_us / 1000000
       or (coalesce(p.request_memory_bytes, 0)::double precision * p.length_us / 1000000)::bigint > c.memory + 4096
       or (coalesce(p.request_gpu_millis, 0)::double precision * p.length_us / 1000)::bigint > c.gpu;
    analyze rated_charge;
    perform set_config('enable_nestloop', 'on', true);

    -- What nodes cost: the price of the node over its capacity, or of each resource; each rounded once.
    create temp table rated_node on commit drop as
    with charged as (
        select c.segment, sum(c.cpu)::bigint as cpu, sum(c.memory)::bigint as memory, sum(c.gpu)::bigint as gpu
        from rated_charge as c where c.segment is not null group by c.segment
    ), amount as (
        select s.*, p.class, p.per, p.node_price, p.core_price, p.gib_price, p.gpu_price, p.cpu_to_ram, p.gpu_to_ram, p.discount,
            round(s.capacity_cpu_millicores::numeric * s.length_us / 1000)::bigint as cpu_capacity,
            round(s.capacity_memory_bytes::numeric * s.length_us / 1000000)::bigint as memory_capacity,
            round(coalesce(s.capacity_gpu_millis, 0)::numeric * s.length_us / 1000)::bigint as gpu_capacity,
            least(round(s.allocatable_cpu_millicores::numeric * s.length_us / 1000), round(s.capacity_cpu_millicores::numeric * s.length_us / 1000))::bigint as cpu_allocatable,
            least(round(s.allocatable_memory_bytes::numeric * s.length_us / 1000000), round(s.capacity_memory_bytes::numeric * s.length_us / 1000000))::bigint as memory_allocatable,
            least(round(coalesce(s.allocatable_gpu_millis, 0)::numeric * s.length_us / 1000), round(coalesce(s.capacity_gpu_millis, 0)::numeric * s.length_us / 1000))::bigint as gpu_allocatable,
            coalesce(c.cpu, 0) as cpu_charged, coalesce(c.memory, 0) as memory_charged, coalesce(c.gpu, 0) as gpu_charged,
            -- Billionths of the currency for the segment, for each unit of the currency in the price.
            s.length_us::numeric / 3600000000
                / case when p.per = 'hour' then 1 when h.month_basis = '730h' then 730 else month_hours end
                * (1 - p.discount) * 1000000000 as nanos,
            s.capacity_cpu_millicores::numeric / 1000 as cores,
            s.capacity_memory_bytes::numeric / 1073741824 as gib,
            coalesce(s.capacity_gpu_millis, 0)::numeric / 1000 as gpus
        from rated_segment as s
        left join charged as c on c.segment = s.segment
        left join ledger.price_sheet as h on h.sheet_id = s.sheet_id
        left join ledger.price_class as p on p.sheet_id = s.sheet_id and p.position = s.class_position
    ), costed as (
        select a.*,
            round(a.nanos * case when a.node_price is null then a.core_price * a.cores
                else a.node_price * a.cores * a.cpu_to_ram / nullif(a.cores * a.cpu_to_ram + a.gib + a.gpus * a.gpu_to_ram, 0) end)::bigint as cpu_nanos,
            round(a.nanos * case when a.node_price is null then a.gib_price * a.gib
                else a.node_price * a.gib / nullif(a.cores * a.cpu_to_ram + a.gib + a.gpus * a.gpu_to_ram, 0) end)::bigint as memory_nanos,
            round(a.nanos * case when a.node_price is null then a.gpu_price * a.gpus
                else a.node_price * a.gpus * a.gpu_to_ram / nullif(a.cores * a.cpu_to_ram + a.gib + a.gpus * a.gpu_to_ram, 0) end)::bigint as gpu_nanos
        from amount as a
    ), parted as (
        select c.*,
            c.cpu_nanos is not null and c.memory_nanos is not null and c.gpu_nanos is not null as priced,
            ledger.cost_parts(c.cpu_nanos, c.cpu_capacity, ledger.cost_amounts(c.cpu_charged, c.cpu_capacity, c.cpu_allocatable)) as cpu_parts,
            ledger.cost_parts(c.memory_nanos, c.memory_capacity, ledger.cost_amounts(c.memory_charged, c.memory_capacity, c.memory_allocatable)) as memory_parts,
            ledger.cost_parts(c.gpu_nanos, c.gpu_capacity, ledger.cost_amounts(c.gpu_charged, c.gpu_capacity, c.gpu_allocatable)) as gpu_parts
        from costed as c
    )
    select p.segment, p.cluster_id, p.node_uid, p.node, p.from_at, p.to_at, p.length_us, p.sheet_id, p.priced,
        case when p.priced then p.class end as node_class,
        p.cpu_capacity, p.cpu_allocatable, p.cpu_charged, case when p.priced then p.cpu_nanos end as cpu_nanos,
        case when p.priced then p.cpu_parts end as cpu_parts,
        p.memory_capacity, p.memory_allocatable, p.memory_charged, case when p.priced then p.memory_nanos end as memory_nanos,
        case when p.priced then p.memory_parts end as memory_parts,
        p.gpu_capacity, p.gpu_allocatable, p.gpu_charged, case when p.priced then p.gpu_nanos end as gpu_nanos,
        case when p.priced then p.gpu_parts end as gpu_parts
    from parted as p;
    analyze rated_node;
    perform ledger.rate_lines();
end
$$;
comment on function ledger.rate is 'Rates the hour that begins at h0, up to h1, into temporary tables.';

-- What of a capacity is allocated, idle and kept by the system: each by its own rule.
create function ledger.cost_amounts(charged bigint, capacity bigint, allocatable bigint) returns bigint[]
language sql immutable parallel safe
return array[
    least(charged, capacity),
    greatest(0, coalesce(allocatable, capacity) - least(charged, capacity)),
    capacity - least(charged, capacity) - greatest(0, coalesce(allocatable, capacity) - least(charged, capacity))
];
comment on function ledger.cost_amounts is 'What of a capacity is allocated, idle, and kept by the system.';

-- Shares what nodes allocated among those who were charged, and sums it by line.
create function ledger.rate_lines() returns void
language plpgsql
set search_path = ledger, pg_catalog, pg_temp
set work_mem = '384MB'
set jit = off
set client_min_messages = warning
as $$
begin
    -- Products of money and time go beyond 64 bits: the floors are exact, and their remainders are only put in order.
    create temp table rated_share on commit drop as
    with product as (
        select c.charge, c.segment, c.uid, c.container, c.cpu, c.memory, c.gpu,
            n.cpu_parts[1] as cpu_whole, n.memory_parts[1] as memory_whole, n.gpu_parts[1] as gpu_whole,
            n.cpu_charged, n.memory_charged, n.gpu_charged,
            n.cpu_parts[1]::numeric * c.cpu as cpu_product,
            n.memory_parts[1]::numeric * c.memory as memory_product,
            case when c.gpu > 0 then n.gpu_parts[1]::numeric * c.gpu end as gpu_product
        from rated_charge as c
        join rated_node as n on n.segment = c.segment
        where n.priced
    ), floor as (
        select p.*,
            case when p.cpu > 0 then div(p.cpu_product, p.cpu_charged)::bigint else 0 end as cpu_down,
            case when p.memory > 0 then div(p.memory_product, p.memory_charged)::bigint else 0 end as memory_down,
            case when p.gpu > 0 then div(p.gpu_product, p.gpu_charged)::bigint else 0 end as gpu_down
        from product as p
    ), rest as (
        select f.charge, f.segment, f.uid, f.container, f.cpu_whole, f.memory_whole, f.gpu_whole, f.cpu_down, f.memory_down, f.gpu_down,
            case when f.cpu > 0 then (f.cpu_product - f.cpu_down::numeric * f.cpu_charged)::double precision else -1 end as cpu_rest,
            case when f.memory > 0 then (f.memory_product - f.memory_down::numeric * f.memory_charged)::double precision else -1 end as memory_rest,
            case when f.gpu > 0 then (f.gpu_product - f.gpu_down::numeric * f.gpu_charged)::double precision else -1 end as gpu_rest
        from floor as f
    ), ranked as (
        select r.*,
            row_number() over (partition by r.segment order by r.cpu_rest desc, r.uid, r.container, r.charge) as cpu_rank,
            row_number() over (partition by r.segment order by r.memory_rest desc, r.uid, r.container, r.charge) as memory_rank,
            row_number() over (partition by r.segment order by r.gpu_rest desc, r.uid, r.container, r.charge) as gpu_rank,
            sum(r.cpu_down) over s as cpu_sum, sum(r.memory_down) over s as memory_sum, sum(r.gpu_down) over s as gpu_sum
        from rest as r
        window s as (partition by r.segment)
    )
    select r.charge,
        r.cpu_down + case when r.cpu_rank <= r.cpu_whole - r.cpu_sum then 1 else 0 end as cpu_nanos,
        r.memory_down + case when r.memory_rank <= r.memory_whole - r.memory_sum then 1 else 0 end as memory_nanos,
        r.gpu_down + case when r.gpu_rank <= r.gpu_whole - r.gpu_sum then 1 else 0 end as gpu_nanos
    from ranked as r;
    analyze rated_share;

    perform set_config('enable_nestloop', 'off', true);
    -- Groups are fewer than they look: they are summed in memory.
    perform set_config('enable_sort', 'off', true);
    create temp table rated_line on commit drop as
    select p.cluster_id, p.namespace, p.workload_kind, p.workload, c.container, n.node_class, p.team, p.owner_source, p.labels,
        coalesce(sum(s.cpu_nanos), 0)::bigint as cpu_nanos, coalesce(sum(s.memory_nanos), 0)::bigint as memory_nanos,
        coalesce(sum(s.gpu_nanos), 0)::bigint as gpu_nanos,
        sum(c.cpu) as cpu_charged_core_us, sum(c.memory) as memory_charged_byte_seconds, sum(c.gpu) as gpu_charged_card_us,
        sum(c.cpu_requested) as cpu_requested_core_us, sum(c.memory_requested) as memory_requested_byte_seconds,
        sum(c.cpu_used) as cpu_used_core_us, sum(c.memory_used) as memory_used_byte_seconds, sum(c.gpu_used) as gpu_used_card_us,
        sum(c.life_ms)::bigint as life_ms, sum(c.usage_ms)::bigint as usage_ms, sum(c.unknown_ms)::bigint as unknown_ms,
        coalesce(sum(c.life_ms) filter (where n.priced is not true), 0)::bigint as unpriced_ms, count(*)::integer as pods
    from rated_charge as c
    join rated_pod as p on p.piece = c.piece
    left join rated_node as n on n.segment = c.segment
    left join rated_share as s on s.charge = c.charge
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
    union all
    select n.cluster_id, b.name, null, null, null, n.node_class, b.name, 'none', '{}',
        sum(n.cpu_parts[b.part])::bigint, sum(n.memory_parts[b.part])::bigint, sum(n.gpu_parts[b.part])::bigint,
        sum((ledger.cost_amounts(n.cpu_charged, n.cpu_capacity, n.cpu_allocatable))[b.part]),
        sum((ledger.cost_amounts(n.memory_charged, n.memory_capacity, n.memory_allocatable))[b.part]),
        sum((ledger.cost_amounts(n.gpu_charged, n.gpu_capacity, n.gpu_allocatable))[b.part]),
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from rated_node as n
    cross join (values ('__idle__', 2), ('__system__', 3)) as b (name, part)
    where n.priced
    group by n.cluster_id, b.name, n.node_class;
    perform set_config('enable_sort', 'on', true);
    perform set_config('enable_nestloop', 'on', true);
    analyze rated_line;
end
$$;
comment on function ledger.rate_lines is 'Shares what nodes allocated among those who were charged; part of ledger.rate.';
