/*---
alert: TeamOverBudget
group: cost
interval: 15m
for: 0s
cooldown: 30m
repeat_interval: 24h
columns: {value: spent, labels: [budget_of], annotations: [cost, budget, currency]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.budget_of }} has spent {{ annotations.cost }} of {{ annotations.budget }} {{ annotations.currency }} this month"
  runbook: team-over-budget
freshness: none
---*/
-- Budgets are for a calendar month, in UTC.
select
    team as budget_of,
    spent,
    round(cost, 2) as cost,
    round(budget, 2) as budget,
    coalesce(currency, '') as currency
from team_budget
where spent >= 1
