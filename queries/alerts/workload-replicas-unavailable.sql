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
  summary: "{{ value | count }} of {{ annotations.desired | count('replica') }} of {{ labels.namespace }}/{{ labels.workload }} of {{ labels.cluster }} {{ 'is' if value == 1 else 'are' }} not available"
  runbook: workload-replicas-unavailable
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- Replicas that crash again and again are available for moments: what lacked half of them within the last five minutes lacks
-- them still. How many are ready says it where an old API server does not say how many are available.
select
    w.datacenter,
    w.cluster,
    w.namespace,
    w.workload_kind,
    w.workload,
    h.missing,
    w.desired::text as desired
from workload as w
cross join lateral (
    select max(v.desired - coalesce(v.available, v.ready, 0)) as missing
    from workload_history as v
    where v.datacenter = w.datacenter and v.cluster = w.cluster and v.uid = w.uid
      and (v.valid_to > as_of() - interval '5 minutes' or v.valid_to is null)
      and v.desired = w.desired
      and coalesce(v.available, v.ready, 0) * 2 < v.desired
) as h
where w.workload_kind in ('Deployment', 'StatefulSet')
  and h.missing is not null
