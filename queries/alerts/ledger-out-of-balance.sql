/*---
alert: LedgerOutOfBalance
group: pipeline
interval: 1m
for: 0s
cooldown: 30m
repeat_interval: 4h
columns: {value: unbalanced_seconds, labels: [datacenter, cluster, kind], annotations: [counts]}
labels: {severity: page, team: platform}
annotations:
  summary: "{{ labels.kind }} of {{ labels.cluster }} is out of balance: {{ annotations.counts }}"
  runbook: ledger-out-of-balance
freshness: none
---*/
select
    datacenter,
    cluster,
    kind,
    extract(epoch from as_of() - unbalanced_since) as unbalanced_seconds,
    in_cluster || ' in the cluster, ' || in_ledger || ' delivered, ' || coalesce(in_table, 0) || ' in the table' as counts
from balance
where not balanced
  and unbalanced_since <= as_of() - interval '15 minutes'
