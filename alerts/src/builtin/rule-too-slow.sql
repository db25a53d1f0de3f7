/*---
alert: RuleTooSlow
group: fleetledger
interval: 1m
cooldown: 6h
columns: {value: last_seconds, labels: [rule], annotations: [rule_name]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ annotations.rule_name }} took {{ value | duration }}, more than half of its timeout"
  runbook: rule-too-slow
freshness: none
---*/
select rule, rule_name, last_seconds
from rule
where too_slow >= 3
