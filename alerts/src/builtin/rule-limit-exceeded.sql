/*---
alert: RuleLimitExceeded
group: fleetledger
interval: 1m
cooldown: 1h
columns: {value: last_rows, labels: [rule], annotations: [rule_name]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ annotations.rule_name }} gave more rows than its limit: known alerts go on, and of the new ones only the first by their labels are made"
  runbook: rule-limit-exceeded
freshness: none
---*/
select rule, rule_name, last_rows
from rule
where limit_exceeded
