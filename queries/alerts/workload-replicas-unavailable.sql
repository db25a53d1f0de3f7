/*---
alert: WorkloadReplicasUnavailable
group: workload-health
interval: 1m
for: 15m
cooldown: 30m
repeat_interval: 4h
columns: {value: missing, labels: [datacenter, cluster, namespace, workload_kind, workload], annotations: [desired]}
labels: {severity: page, team: platform}
annotations:
  summary: "{{ value | count }} of {{ annotations.desired }} replicas of {{ labels.namespace }}/{{ labels.workload }} of {{ labels.cluster }} are not available"
  runbook: workload-replicas-unavailable
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    datacenter,
    cluster,
    namespace,
    workload_kind,
    workload,
    desired - coalesce(available, ready, 0) as missing,
    desired::text as desired
from workload
where workload_kind in ('Deployment', 'StatefulSet')
  and coalesce(available, ready, 0) * 2 < desired
