/*---
alert: FleetledgerHeartbeat
group: fleetledger
interval: 1m
repeat_interval: 5m
columns: {labels: []}
labels: {severity: info, team: platform}
annotations:
  summary: "fleetledger evaluates rules; page if this alert is no longer received"
  runbook: fleetledger-heartbeat
freshness: none
---*/
-- Always there: a dead man's switch outside pages when its notifications stop.
select 1 as beat
