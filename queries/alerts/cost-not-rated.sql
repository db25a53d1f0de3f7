/*---
alert: CostNotRated
group: cost-books
interval: 5m
for: 10m
cooldown: 30m
repeat_interval: 24h
columns: {value: periods, labels: [datacenter, cluster, period], annotations: [error]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "cost of {{ labels.cluster }} is incomplete in {{ value | count(labels.period) }}: {{ annotations.error }}"
  runbook: cost-not-rated
freshness: none
---*/
-- Everybody else is rated without it, so nothing else says that these figures are missing. Where single objects are at
-- fault they are named, and the rest of their cluster is rated too.
select
    coalesce(datacenter, 'all') as datacenter,
    coalesce(cluster, 'all') as cluster,
    period,
    count(*) as periods,
    max(concat_ws(': ', nullif(array_to_string(objects, ', '), ''), error)) as error
from cost_failure
group by 1, 2, 3
