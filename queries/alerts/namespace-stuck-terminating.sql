/*---
alert: NamespaceStuckTerminating
group: namespaces
interval: 5m
for: 0s
cooldown: 30m
repeat_interval: 24h
columns: {value: terminating_seconds, labels: [datacenter, cluster, namespace], annotations: [cause]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "namespace {{ labels.namespace }} of {{ labels.cluster }} is stuck terminating: {{ annotations.cause }}"
  runbook: namespace-stuck-terminating
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    n.datacenter,
    n.cluster,
    n.namespace,
    extract(epoch from as_of() - n.deletion_requested_at) as terminating_seconds,
    coalesce(c.message, 'finalizers ' || array_to_string(n.finalizers, ', ')) as cause
from namespace as n
left join lateral (
    select min(message) as message
    from jsonb_to_recordset(n.conditions) as t (type text, status text, message text)
    where t.status = 'True'
) as c on true
where n.phase = 'Terminating'
  and n.deletion_requested_at <= as_of() - interval '30 minutes'
