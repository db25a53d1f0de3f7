/*---
alert: UnlimitedPodsUnderMemoryPressure
group: workload-health
interval: 1m
for: 5m
cooldown: 30m
repeat_interval: 4h
columns: {value: unlimited_pods, labels: [datacenter, cluster, node], annotations: [example]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.node }} of {{ labels.cluster }} is short of memory and runs {{ value | count('pod') }} without a memory limit, such as {{ annotations.example }}"
  runbook: unlimited-pods-under-memory-pressure
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- A pod without limit is no fault of its own; on a node that runs out of memory it is the likely one. The few nodes first:
-- otherwise every pod of the fleet is looked at.
with pressed as materialized (
    select datacenter, cluster, node
    from node
    where conditions @> '[{"type": "MemoryPressure", "status": "True"}]'
)
select
    c.datacenter,
    c.cluster,
    c.node,
    count(*) as unlimited_pods,
    min(p.namespace || '/' || p.pod) as example
from pressed as c
join pod as p using (datacenter, cluster, node)
where p.lives
  and p.memory_limit_bytes is null
group by c.datacenter, c.cluster, c.node
