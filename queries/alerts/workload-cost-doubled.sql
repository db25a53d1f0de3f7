/*---
alert: WorkloadCostDoubled
group: cost
interval: 15m
for: 0s
cooldown: 30m
repeat_interval: 24h
columns: {value: growth, labels: [datacenter, cluster, namespace, workload_kind, workload], annotations: [cost, before]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.workload }} of {{ labels.namespace }} cost {{ annotations.cost }} yesterday and {{ annotations.before }} a week earlier"
  runbook: workload-cost-doubled
freshness: none
---*/
-- The same weekday a week before, so that weekends are no news; what costs less than 10 a day is not worth a ticket. Of a
-- day that began before the cluster was first heard of, only pods are known that lived on.
with yesterday as (
    select datacenter, cluster, namespace, workload_kind, workload, sum(cost) as cost
    from cost_workload_daily
    where day_at = date_trunc('day', as_of(), 'UTC') - interval '1 day'
    group by datacenter, cluster, namespace, workload_kind, workload
),
week_before as (
    select d.datacenter, d.cluster, d.namespace, d.workload_kind, d.workload, sum(d.cost) as cost
    from cost_workload_daily as d
    join cluster as c on c.datacenter = d.datacenter and c.cluster = d.cluster and greatest(c.first_seen_at, d.day_at) = d.day_at
    where d.day_at = date_trunc('day', as_of(), 'UTC') - interval '8 days'
    group by d.datacenter, d.cluster, d.namespace, d.workload_kind, d.workload
)
select
    y.datacenter,
    y.cluster,
    y.namespace,
    y.workload_kind,
    y.workload,
    round(y.cost / nullif(b.cost, 0), 2) as growth,
    round(y.cost, 2) as cost,
    round(b.cost, 2) as before
from yesterday as y
join week_before as b using (datacenter, cluster, namespace, workload_kind, workload)
where y.cost >= 2 * b.cost
  and y.cost >= 10
