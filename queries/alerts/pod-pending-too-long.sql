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
  summary: "{{ value | count }} pods of {{ labels.namespace }}/{{ labels.workload }} of {{ labels.cluster }} have been pending for 15 minutes: {{ annotations.reason }}"
  runbook: pod-pending-too-long
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    datacenter,
    cluster,
    namespace,
    coalesce(workload, pod) as workload,
    count(*) as pods,
    coalesce(max(unschedulable_message), 'bound to a node, containers not started') as reason
from pod
where phase = 'Pending'
  and deletion_requested_at is null
  and created_at <= as_of() - interval '15 minutes'
group by 1, 2, 3, 4
