/*---
alert: PodStuckTerminating
group: pod-health
interval: 1m
for: 0s
cooldown: 30m
repeat_interval: 4h
columns: {value: overdue_seconds, labels: [datacenter, cluster, namespace, pod], annotations: [cause]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.namespace }}/{{ labels.pod }} of {{ labels.cluster }} is still terminating {{ value | duration }} after its grace period: {{ annotations.cause }}"
  runbook: pod-stuck-terminating
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- A writable mount of the host's root is the cause to look at first: the runtime cannot unmount what the pod itself
-- holds open through it.
with stuck as (
    select
        datacenter, cluster, namespace, pod, node, finalizers, host_path_mounts,
        deletion_requested_at + make_interval(secs => least(coalesce(deletion_grace_seconds, 30), 1000000000)) as due_at
    from pod
    where deletion_requested_at is not null
)
select
    s.datacenter,
    s.cluster,
    s.namespace,
    s.pod,
    extract(epoch from as_of() - s.due_at) as overdue_seconds,
    case
        when n.heartbeat_stale_since is not null then 'node ' || s.node || ' is silent'
        when m.volume is not null then 'volume ' || m.volume || ' mounts the host''s root writable'
        when cardinality(s.finalizers) > 0 then 'finalizers ' || array_to_string(s.finalizers, ', ')
        else 'the kubelet of ' || coalesce(s.node, 'no node') || ' has not confirmed'
    end as cause
from stuck as s
left join node as n using (datacenter, cluster, node)
left join lateral (
    select min(h.volume) as volume
    from jsonb_to_recordset(s.host_path_mounts) as h (volume text, path text, writable boolean)
    where h.path in ('/', 'C:\', 'c:\') and h.writable
) as m on true
where s.due_at <= as_of() - interval '10 minutes'
