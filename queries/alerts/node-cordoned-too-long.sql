/*---
alert: NodeCordonedTooLong
group: care
interval: 15m
for: 0s
cooldown: 30m
repeat_interval: 24h
columns: {value: cordoned_seconds, labels: [datacenter, cluster, node]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.node }} of {{ labels.cluster }} has been cordoned for {{ value | duration }}"
  runbook: node-cordoned-too-long
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- Cordoned since the last version that was not, or since it was made.
select
    n.datacenter,
    n.cluster,
    n.node,
    extract(epoch from as_of() - c.cordoned_at) as cordoned_seconds
from node as n
cross join lateral (
    select coalesce(max(h.valid_to), n.created_at) as cordoned_at
    from node_history as h
    where h.datacenter = n.datacenter and h.cluster = n.cluster and h.uid = n.uid and not h.unschedulable
) as c
where n.unschedulable
  and c.cordoned_at <= as_of() - interval '24 hours'
