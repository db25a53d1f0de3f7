-- Nodes between h0 and h1, cut where a price, the capacity or what is allocatable changes. A node lives from its
-- creation until it is deleted, its successor of the same name is made, or its cluster is retired; whether it is ready
-- or cordoned is no matter. What is seen a week late is still found. The successor comes from a window: a join would meet
-- every pair of a cluster's nodes.
create or replace function ledger.cost_segment(h0 timestamptz, h1 timestamptz)
returns table (
    cluster_id integer, node_uid uuid, node text, from_at timestamptz, to_at timestamptz, sheet_id integer,
    class_position integer, capacity_cpu_millicores bigint, capacity_memory_bytes bigint, capacity_gpu_millis bigint,
    allocatable_cpu_millicores bigint, allocatable_memory_bytes bigint, allocatable_gpu_millis bigint
)
language sql stable
begin atomic
    with sheet as materialized (
        select s.* from ledger.cost_sheet(h0, h1) as s
    ), version as (
        select n.cluster_id, n.uid, n.node, coalesce(n.created_at, n.valid_from) as created_at, n.labels, n.valid_from, 'infinity'::timestamptz as valid_to,
            n.capacity_cpu_millicores, n.capacity_memory_bytes, n.capacity_gpu_millis,
            n.allocatable_cpu_millicores, n.allocatable_memory_bytes, n.allocatable_gpu_millis
        from ledger.node as n
        where coalesce(n.created_at, n.valid_from) < h1
        union all
        select n.cluster_id, n.uid, n.node, coalesce(n.created_at, n.valid_from) as created_at, n.labels, n.valid_from, n.valid_to,
            n.capacity_cpu_millicores, n.capacity_memory_bytes, n.capacity_gpu_millis,
            n.allocatable_cpu_millicores, n.allocatable_memory_bytes, n.allocatable_gpu_millis
        from ledger.node_history as n
        where n.valid_to > h0 and n.valid_from < h1 + interval '7 days' and coalesce(n.created_at, n.valid_from) < h1
    ), begun as (
        select v.*,
            case when row_number() over w = 1 then v.created_at else v.valid_from end as begin_at,
            lead(v.valid_from) over w as next_at,
            first_value(v.created_at) over (
                partition by v.cluster_id, v.node order by v.created_at, v.uid groups between 1 following and unbounded following
            ) as successor_at
        from version as v
        window w as (partition by v.cluster_id, v.uid order by v.valid_from)
    ), cut as (
        select b.*, s.sheet_id,
            greatest(b.begin_at, s.from_at) as cut_from_at,
            least(b.valid_to, b.next_at, b.successor_at, c.retired_at, s.to_at) as cut_to_at
        from begun as b
        join ledger.cluster as c using (cluster_id)
        join sheet as s on s.datacenter = c.datacenter
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
