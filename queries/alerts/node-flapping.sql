/*---
alert: NodeFlapping
group: node-history
interval: 5m
for: 0s
keep_firing_for: 30m
cooldown: 30m
repeat_interval: 4h
columns: {value: transitions, labels: [datacenter, cluster, node]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.node }} of {{ labels.cluster }} changed its readiness {{ value | count('time') }} within an hour"
  runbook: node-flapping
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- Each change of condition Ready gives ready_since another value; one from before the hour is no change within it.
select
    datacenter,
    cluster,
    node,
    count(distinct ready_since) as transitions
from node_history
where valid_from > as_of() - interval '1 hour'
  and ready_since > as_of() - interval '1 hour'
group by datacenter, cluster, node
having count(distinct ready_since) >= 6
