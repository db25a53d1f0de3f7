/*---
alert: PoolKernelsDiffer
group: care
interval: 15m
for: 24h
cooldown: 30m
repeat_interval: 24h
columns: {value: kernels, labels: [datacenter, cluster, pool, operating_system], annotations: [versions]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "pool {{ labels.pool }} ({{ labels.operating_system }}) of {{ labels.cluster }} has run {{ value | count('kernel') }} for a day: {{ annotations.versions }}"
  runbook: pool-kernels-differ
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- A rolling upgrade passes through this state; a pool that stays in it was left half done. Windows and Linux have kernels of
-- their own, and a virtual node has none.
select
    datacenter,
    cluster,
    coalesce(labels ->> 'fleetledger.io/pool', labels ->> 'node.kubernetes.io/instance-type', 'none') as pool,
    coalesce(operating_system, 'unknown') as operating_system,
    count(distinct kernel_version) as kernels,
    string_agg(distinct kernel_version, ', ' order by kernel_version) as versions
from node
where kernel_version <> ''
  and not is_virtual
group by 1, 2, 3, 4
having count(distinct kernel_version) >= 2
