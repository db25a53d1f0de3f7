/*---
alert: CostOutOfBalance
group: cost-books
interval: 5m
for: 10m
cooldown: 30m
repeat_interval: 24h
columns: {value: periods, labels: [datacenter, cluster, period]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "cost of {{ labels.cluster }} does not add up in {{ value | count(labels.period) }}"
  runbook: cost-out-of-balance
freshness: none
---*/
-- What nodes cost is not what was booked: nobody should be shown the figures.
select
    datacenter,
    cluster,
    period,
    count(*) as periods
from cost_balance
where not balanced
group by datacenter, cluster, period
