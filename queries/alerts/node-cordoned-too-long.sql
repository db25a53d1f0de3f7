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
-- Cordoned since the node controller added the taint; where it does not say, since the last version that was not cordoned, or
-- for as long as the node has been known.
select
    n.datacenter,
    n.cluster,
    n.node,
    extract(epoch from as_of() - c.cordoned_at) as cordoned_seconds
from node as n
cross join lateral (
    select max(to_timestamp(t.added_at / 1000000.0)) as tainted_at
    from jsonb_to_recordset(n.taints) as t (key text, added_at bigint)
    where t.key = 'node.kubernetes.io/unschedulable'
) as t
cross join lateral (
    select coalesce(t.tainted_at, max(h.valid_to) filter (where not h.unschedulable), min(h.valid_from)) as cordoned_at
    from node_history as h
    where h.datacenter = n.datacenter and h.cluster = n.cluster and h.uid = n.uid
) as c
where n.unschedulable
  and c.cordoned_at <= as_of() - interval '24 hours'
