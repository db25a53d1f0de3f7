/*---
alert: PodPendingTooLong
group: pod-health
interval: 1m
for: 0s
cooldown: 30m
repeat_interval: 4h
columns: {value: pods, labels: [datacenter, cluster, namespace, workload], annotations: [reason]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ value | count('pod') }} of {{ labels.namespace }}/{{ labels.workload }} of {{ labels.cluster }} pending for 15 minutes: {{ annotations.reason }}"
  runbook: pod-pending-too-long
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- A pod with scheduling gates waits for whoever gated it: its time begins when they are gone. A bound pod is scheduled, whatever
-- a condition that nobody renewed says.
select
    p.datacenter,
    p.cluster,
    p.namespace,
    coalesce(p.workload, p.pod) as workload,
    count(*) as pods,
    coalesce(max(p.unschedulable_message) filter (where p.node is null), 'bound to a node, containers not started') as reason
from pod as p
cross join lateral (
    select max(h.valid_to) as freed_at
    from pod_history as h
    where h.datacenter = p.datacenter and h.cluster = p.cluster and h.uid = p.uid
      and h.unschedulable_reason = 'SchedulingGated'
      and h.node is null
) as g
where p.phase = 'Pending'
  and p.deletion_requested_at is null
  and p.created_at <= as_of() - interval '15 minutes'
  and (p.unschedulable_reason is distinct from 'SchedulingGated' or p.node is not null)
  and (g.freed_at is null or g.freed_at <= as_of() - interval '15 minutes')
group by 1, 2, 3, 4
