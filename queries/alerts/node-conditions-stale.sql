/*---
alert: NodeConditionsStale
group: node-health
interval: 1m
for: 15m
cooldown: 30m
repeat_interval: 4h
columns: {value: stale_seconds, labels: [datacenter, cluster, node], annotations: [conditions]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.node }} of {{ labels.cluster }} is alive, but has not confirmed {{ annotations.conditions }} for {{ value | duration }}"
  runbook: node-conditions-stale
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- The Lease is renewed and the conditions are not: what they say is a memory.
select
    n.datacenter,
    n.cluster,
    n.node,
    extract(epoch from as_of() - to_timestamp(min(c.heartbeat_stale_since) / 1000000.0)) as stale_seconds,
    string_agg(c.type, ', ' order by c.type) as conditions
from node as n
cross join lateral jsonb_to_recordset(n.conditions) as c (type text, heartbeat_stale_since bigint)
where n.heartbeat_stale_since is null
  and c.heartbeat_stale_since is not null
group by n.datacenter, n.cluster, n.node
