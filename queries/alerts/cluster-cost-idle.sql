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
-- Idle is what could have been requested and was neither requested nor used. Of a day that began before the cluster was
-- first heard of, nobody knows the pods that came and went before.
select
    d.datacenter,
    d.cluster,
    round(100 * sum(d.idle_cost) / nullif(sum(d.cost), 0), 1) as idle_percent,
    round(sum(d.idle_cost), 2) as idle_cost,
    round(sum(d.cost), 2) as cost
from cost_node_daily as d
join cluster as c on c.datacenter = d.datacenter and c.cluster = d.cluster and greatest(c.first_seen_at, d.day_at) = d.day_at
where d.day_at = date_trunc('day', as_of(), 'UTC') - interval '1 day'
group by d.datacenter, d.cluster
having sum(d.idle_cost) >= 0.6 * sum(d.cost)
