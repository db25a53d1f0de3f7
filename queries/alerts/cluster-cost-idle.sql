/*---
alert: ClusterCostIdle
group: cost
interval: 15m
for: 0s
cooldown: 30m
repeat_interval: 24h
columns: {value: idle_percent, labels: [datacenter, cluster], annotations: [idle_cost, cost]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ value | count }} % of what the nodes of {{ labels.cluster }} cost yesterday was idle"
  runbook: cluster-cost-idle
freshness: none
---*/
-- Idle is what could have been requested and was neither requested nor used.
select
    datacenter,
    cluster,
    round(100 * sum(idle_cost) / nullif(sum(cost), 0), 1) as idle_percent,
    round(sum(idle_cost), 2) as idle_cost,
    round(sum(cost), 2) as cost
from cost_node_daily
where day_at = date_trunc('day', as_of(), 'UTC') - interval '1 day'
group by datacenter, cluster
having sum(idle_cost) >= 0.6 * sum(cost)
