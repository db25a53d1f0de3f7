/*---
alert: RuleLimitExceeded
group: fleetledger
interval: 1m
cooldown: 1h
columns: {value: last_rows, labels: [rule], annotations: [rule_name]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ annotations.rule_name }} returned more rows than its limit: known alerts continue, and only the first new ones, by their labels, are created"
  runbook: rule-limit-exceeded
freshness: none
---*/
select rule, rule_name, last_rows
from rule
where limit_exceeded
