/*---
alert: NamespaceWithoutOwner
group: care
interval: 15m
for: 0s
cooldown: 30m
repeat_interval: 24h
columns: {value: age_seconds, labels: [datacenter, cluster, namespace]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "namespace {{ labels.namespace }} of {{ labels.cluster }} has had no owner for {{ value | duration }}"
  runbook: namespace-without-owner
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- Nobody is asked to pay for it, and nobody is paged for it.
select
    s.datacenter,
    s.cluster,
    s.namespace,
    extract(epoch from as_of() - s.created_at) as age_seconds
from namespace as s
where s.team is null
  and s.namespace not like 'kube-%'
  and s.namespace <> 'default'
  and s.created_at <= as_of() - interval '7 days'
