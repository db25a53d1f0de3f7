-- script: once
create function fleet.node_changes(from_at timestamptz, to_at timestamptz)
returns table (
    changed_at timestamptz, datacenter text, cluster text, node text, what text, was text, became text
)
language sql stable parallel safe
begin atomic
    select v.valid_from as changed_at, v.datacenter, v.cluster, v.node, d.what, d.was, d.became
    from (
        select
            h.*, lag(h.uid) over w as old_uid, lag(h.ready_status) over w as old_ready, lag(h.ready_reason) over w as old_reason,
            lag(h.unschedulable) over w as old_unschedulable, lag(h.heartbeat_stale_since) over w as old_silent,
            lag(h.boot_id) over w as old_boot, lag(h.kernel_version) over w as old_kernel,
            lag(h.kubelet_version) over w as old_kubelet, lag(h.cpu_allocatable_cores) over w as old_cpu,
            lag(h.memory_allocatable_bytes) over w as old_memory
        from fleet.node_history as h
        where h.valid_from <= to_at and (h.valid_to > from_at or h.valid_to is null)
        window w as (partition by h.datacenter, h.cluster, h.node order by h.valid_from)
    ) as v
    cross join lateral (
        values
            ('object made again', v.old_uid::text, v.uid::text),
            ('ready', v.old_ready || coalesce(' ' || v.old_reason, ''), v.ready_status || coalesce(' ' || v.ready_reason, '')),
            ('cordoned', v.old_unschedulable::text, v.unschedulable::text),
            ('silent since', coalesce(v.old_silent::text, 'not silent'), coalesce(v.heartbeat_stale_since::text, 'not silent')),
            ('boot', v.old_boot, v.boot_id),
            ('kernel', v.old_kernel, v.kernel_version),
            ('kubelet', v.old_kubelet, v.kubelet_version),
            ('allocatable cores', v.old_cpu::text, v.cpu_allocatable_cores::text),
            ('allocatable memory', v.old_memory::text, v.memory_allocatable_bytes::text)
    ) as d (what, was, became)
    where v.valid_from >= from_at and v.old_uid is not null and d.was is distinct from d.became;
end;
comment on function fleet.node_changes(timestamptz, timestamptz) is 'What changed on nodes within a range: readiness, cordon, silence, boot, versions, allocatable. Name a node.';

create function fleet.workload_changes(from_at timestamptz, to_at timestamptz)
returns table (
    changed_at timestamptz, datacenter text, cluster text, namespace text, workload text, what text, was text, became text
)
language sql stable parallel safe
begin atomic
    select v.valid_from as changed_at, v.datacenter, v.cluster, v.namespace, v.workload, d.what, d.was, d.became
    from (
        select
            h.*, lag(h.uid) over w as old_uid, lag(h.images) over w as old_images, lag(h.desired) over w as old_desired,
            lag(h.paused) over w as old_paused, lag(h.suspended) over w as old_suspended
        from fleet.workload_history as h
        where h.valid_from <= to_at and (h.valid_to > from_at or h.valid_to is null)
        window w as (
            partition by h.datacenter, h.cluster, h.namespace, h.workload, h.workload_kind order by h.valid_from
        )
    ) as v
    cross join lateral (
        values
            ('object made again', v.old_uid::text, v.uid::text),
            ('images', array_to_string(v.old_images, ', '), array_to_string(v.images, ', ')),
            ('desired', v.old_desired::text, v.desired::text),
            ('paused', v.old_paused::text, v.paused::text),
            ('suspended', v.old_suspended::text, v.suspended::text)
    ) as d (what, was, became)
    where v.valid_from >= from_at and v.old_uid is not null and d.was is distinct from d.became;
end;
comment on function fleet.workload_changes(timestamptz, timestamptz) is 'What changed on workloads within a range: images, replicas asked for, pauses. Name a namespace.';

create function fleet.restarts(from_at timestamptz, to_at timestamptz)
returns table (
    restarted_at timestamptz, datacenter text, cluster text, namespace text, pod text, container text, uid uuid, node text,
    image text, restarts integer, reason text, exit_code integer, message text
)
language sql stable parallel safe
begin atomic
    select
        c.valid_from as restarted_at, l.datacenter, l.cluster, c.namespace, c.pod, c.container, c.uid, c.node, c.image,
        least(c.restart_count::bigint - b.restart_count, 2147483647)::integer as restarts, c.last_reason as reason, c.last_exit_code as exit_code,
        c.last_message as message
    from (
        -- The margin: the end of a run may be told of an hour late and not later.
        select
            s.cluster_id, s.valid_from, s.namespace, s.pod, s.container, s.uid, s.node, s.image, s.restart_count,
            s.last_reason, s.last_exit_code, s.last_message
        from ledger.container as s
        where (case when s.state = 'terminated' then s.finished_at else s.last_finished_at end) >= from_at - interval '1 hour'
        union all
        select
            h.cluster_id, h.valid_from, h.namespace, h.pod, h.container, h.uid, h.node, h.image, h.restart_count,
            h.last_reason, h.last_exit_code, h.last_message
        from ledger.container_history as h
        where h.valid_to > from_at and h.restart_count > 0
    ) as c
    join ledger.cluster as l using (cluster_id)
    -- What stood before ended when this began; within the range, so that few partitions are looked at.
    join ledger.container_history as b
        on b.cluster_id = c.cluster_id and b.uid = c.uid and b.container = c.container and b.valid_to = c.valid_from
        and b.valid_to >= from_at and b.valid_to <= to_at
    where c.valid_from >= from_at and c.valid_from <= to_at and c.restart_count > b.restart_count;
end;
comment on function fleet.restarts(timestamptz, timestamptz) is 'Restarts of containers within a range, as they were seen: restarts says how many one row stands for. Name a namespace where the range is long; for counts of the fleet read cluster_restarts.';

create function fleet.surplus_pods(from_at timestamptz, to_at timestamptz)
returns table (
    datacenter text, cluster text, namespace text, team text, workload_kind text, workload text, desired bigint, pods bigint,
    new_pods bigint, newest_at timestamptz
)
language sql stable parallel safe
begin atomic
    select
        l.datacenter, l.cluster, w.namespace, w.team, w.workload_kind, w.workload,
        coalesce(w.desired, w.active, 0)::bigint as desired, p.pods, g.new_pods, g.newest_at
    from (
        -- By namespace too, although the workload says it: so who asks for a namespace reads no pods of others.
        select n.cluster_id, n.namespace, n.workload_uid, count(*) as new_pods, max(n.created_at) as newest_at
        from ledger.pod as n
        where n.created_at >= from_at and n.created_at <= to_at and n.workload_uid is not null
            -- What succeeded was asked for, and what failed of a Job was tried again.
            and n.phase <> 'Succeeded' and (n.phase <> 'Failed' or n.workload_kind not in ('Job', 'CronJob'))
        group by n.cluster_id, n.namespace, n.workload_uid
        having count(*) >= 5
    ) as g
    cross join lateral (
        -- Ten at least, so that most workloads are not even looked at.
        select count(*) as pods
        from ledger.pod as a
        where a.workload_uid = g.workload_uid and a.cluster_id = g.cluster_id
            and a.phase <> 'Succeeded' and (a.phase <> 'Failed' or a.workload_kind not in ('Job', 'CronJob'))
        having count(*) >= 10
    ) as p
    join ledger.cluster as l on l.cluster_id = g.cluster_id
    join fleet.workload as w
        on w.datacenter = l.datacenter and w.cluster = l.cluster and w.namespace = g.namespace and w.uid = g.workload_uid
    where p.pods >= 3::bigint * coalesce(w.desired, w.active, 0) + 10;
end;
comment on function fleet.surplus_pods(timestamptz, timestamptz) is 'Workloads with far more pods than were asked for, to which pods were added within a range.';
