/*---
alert: PoolKernelsDiffer
group: care
interval: 15m
for: 24h
cooldown: 30m
repeat_interval: 24h
columns: {value: kernels, labels: [datacenter, cluster, pool], annotations: [versions]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "pool {{ labels.pool }} of {{ labels.cluster }} has run {{ value | count }} kernels for a day: {{ annotations.versions }}"
  runbook: pool-kernels-differ
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- A rolling upgrade passes through this state; a pool that stays in it was left half done.
select
    datacenter,
    cluster,
    coalesce(labels ->> 'fleetledger.io/pool', labels ->> 'node.kubernetes.io/instance-type', 'none') as pool,
    count(distinct kernel_version) as kernels,
    string_agg(distinct kernel_version, ', ' order by kernel_version) as versions
from node
group by 1, 2, 3
having count(distinct kernel_version) >= 2
