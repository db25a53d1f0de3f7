/*---
alert: PoolWithoutHeadroom
group: headroom
interval: 5m
for: 15m
cooldown: 30m
repeat_interval: 4h
columns: {value: free_percent, labels: [datacenter, cluster, pool], annotations: [scarce]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "pool {{ labels.pool }} of {{ labels.cluster }} has {{ value | count }} % of its {{ annotations.scarce }} left"
  runbook: pool-without-headroom
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- Adds up every pod that runs, so it runs seldom: docs/performance.md says why no sum is kept.
with pools as (
    select
        n.datacenter,
        n.cluster,
        coalesce(n.labels ->> 'fleetledger.io/pool', n.labels ->> 'node.kubernetes.io/instance-type', 'none') as pool,
        1 - sum(r.cpu_request_cores) / nullif(sum(n.cpu_allocatable_cores), 0) as free_cpu,
        1 - sum(r.memory_request_bytes) / nullif(sum(n.memory_allocatable_bytes), 0) as free_memory
    from node as n
    left join node_request as r using (datacenter, cluster, node)
    where not n.unschedulable
      and not n.is_virtual
      and n.ready_status = 'True'
    group by 1, 2, 3
)
select
    datacenter,
    cluster,
    pool,
    round(least(free_cpu, free_memory) * 100, 1) as free_percent,
    case when free_cpu <= free_memory then 'CPU' else 'memory' end as scarce
from pools
where least(free_cpu, free_memory) < 0.05
