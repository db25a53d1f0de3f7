/*---
alert: WorkloadCreateFailing
group: workload-health
interval: 1m
for: 5m
cooldown: 30m
repeat_interval: 4h
columns: {value: failing_seconds, labels: [datacenter, cluster, namespace, workload_kind, workload], annotations: [message]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "no pod could be created for {{ labels.namespace }}/{{ labels.workload }} of {{ labels.cluster }} for {{ value | duration }}: {{ annotations.message }}"
  runbook: workload-create-failing
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- The pods that are missing do not exist, so nothing can be seen of them: a quota, a policy or a webhook refuses them, and only
-- the controller's condition says so.
select
    w.datacenter,
    w.cluster,
    w.namespace,
    w.workload_kind,
    w.workload,
    extract(epoch from as_of() - coalesce(to_timestamp(c.last_transition_at / 1000000.0), w.created_at)) as failing_seconds,
    coalesce(c.message, 'no message') as message
from workload as w
cross join lateral jsonb_to_recordset(w.conditions) as c (
    type text, status text, reason text, message text, last_transition_at bigint
)
where w.conditions @> '[{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}]'
  and c.type = 'ReplicaFailure'
