/*---
alert: RuleEvaluationFailing
group: fleetledger
interval: 1m
cooldown: 30m
repeat_interval: 4h
columns: {value: failures, labels: [rule], annotations: [rule_name, last_error]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ annotations.rule_name }} has failed {{ value | count('time') }} in a row: {{ annotations.last_error }}"
  runbook: rule-evaluation-failing
freshness: none
---*/
-- Its alerts are held meanwhile: an error is never "no rows". Goes where the rule itself would.
select rule, rule_name, failures, last_error
from rule
where failures >= 3
