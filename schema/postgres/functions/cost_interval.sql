-- Pods between h0 and h1: from scheduled until terminal or deleted, cut where what they request changes. The first
-- version that is known reaches back to when the pod was scheduled; no version reaches beyond the end of the pod.
create or replace function ledger.cost_interval(h0 timestamptz, h1 timestamptz)
returns table (
    cluster_id integer, uid uuid, namespace text, pod text, node text, workload_kind text, workload text, labels jsonb,
    annotations jsonb, request_cpu_millicores bigint, request_memory_bytes bigint, request_gpu_millis bigint,
    from_at timestamptz, to_at timestamptz, alone boolean
)
language sql stable
begin atomic
    with past as materialized (
        select p.cluster_id, p.uid, p.namespace, p.pod, p.node, p.workload_kind, p.workload, p.labels, p.annotations,
            p.request_cpu_millicores, p.request_memory_bytes, p.request_gpu_millis,
            coalesce(p.scheduled_at, p.started_at, p.created_at, p.valid_from) as begin_at, p.phase, p.finished_at, p.valid_from, p.valid_to
        from ledger.pod_history as p
        where p.valid_to > h0 and p.valid_from < h1 + interval '7 days' and p.node is not null and coalesce(p.created_at, p.valid_from) < h1
    ), changed as materialized (
        select distinct p.cluster_id, p.uid from past as p
    ), several as (
        select v.*,
            case when row_number() over w = 1 then v.begin_at else v.valid_from end as since_at,
            least(v.valid_to, lead(v.valid_from) over w, ledger.cost_pod_end(
                v.begin_at, last_value(v.finished_at) over whole,
                min(v.valid_from) filter (where v.phase in ('Succeeded', 'Failed')) over whole, bool_or(v.phase = 'Running') over whole
            )) as until_at
        from (
            select * from past
            union all
            select p.cluster_id, p.uid, p.namespace, p.pod, p.node, p.workload_kind, p.workload, p.labels, p.annotations,
                p.request_cpu_millicores, p.request_memory_bytes, p.request_gpu_millis,
                coalesce(p.scheduled_at, p.started_at, p.created_at, p.valid_from), p.phase, p.finished_at, p.valid_from, 'infinity'
            from changed as c
            join ledger.pod as p on p.cluster_id = c.cluster_id and p.uid = c.uid
            where p.node is not null
        ) as v
        window w as (partition by v.cluster_id, v.uid order by v.valid_from),
            whole as (w rows between unbounded preceding and unbounded following)
    ), one as (
        select s.cluster_id, s.uid, s.namespace, s.pod, s.node, s.workload_kind, s.workload, s.labels, s.annotations,
            s.request_cpu_millicores, s.request_memory_bytes, s.request_gpu_millis,
            s.since_at, s.until_at, false as alone
        from several as s
        union all
        select p.cluster_id, p.uid, p.namespace, p.pod, p.node, p.workload_kind, p.workload, p.labels, p.annotations,
            p.request_cpu_millicores, p.request_memory_bytes, p.request_gpu_millis,
            coalesce(p.scheduled_at, p.started_at, p.created_at, p.valid_from),
            case when p.phase in ('Succeeded', 'Failed') then coalesce(p.finished_at, p.valid_from) else 'infinity' end,
            true
        from ledger.pod as p
        where p.node is not null and coalesce(p.created_at, p.valid_from) < h1
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
