/*---
alert: RequestsNeverUsed
group: cost
interval: 15m
for: 0s
cooldown: 30m
repeat_interval: 24h
columns: {value: used_percent, labels: [datacenter, cluster, namespace, workload_kind, workload], annotations: [cost, requested]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.workload }} of {{ labels.namespace }} used {{ value | count }} % of the CPU it requested and cost {{ annotations.cost }} yesterday"
  runbook: requests-never-used
freshness: none
---*/
-- Where usage was seen for half of the day at least: what was not seen is not unused.
select
    datacenter,
    cluster,
    namespace,
    workload_kind,
    workload,
    round(100 * sum(cpu_used_core_hours) / nullif(sum(cpu_request_core_hours), 0), 1) as used_percent,
    round(sum(cost), 2) as cost,
    round(sum(cpu_request_core_hours), 1) as requested
from cost_workload_daily
where day_at = date_trunc('day', as_of(), 'UTC') - interval '1 day'
group by datacenter, cluster, namespace, workload_kind, workload
having sum(cpu_used_core_hours) <= 0.05 * sum(cpu_request_core_hours)
   and sum(usage_hours) >= 0.5 * sum(container_hours)
   and sum(cost) >= 10
