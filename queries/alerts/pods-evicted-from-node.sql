/*---
alert: PodsEvictedFromNode
group: pod-history
interval: 5m
for: 0s
keep_firing_for: 15m
cooldown: 30m
repeat_interval: 4h
columns: {value: evicted, labels: [datacenter, cluster, node], annotations: [message]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.node }} of {{ labels.cluster }} evicted {{ value | count }} pods within an hour: {{ annotations.message }}"
  runbook: pods-evicted-from-node
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    datacenter,
    cluster,
    node,
    count(*) as evicted,
    coalesce(max(message), 'no message') as message
from pod
where phase = 'Failed'
  and reason = 'Evicted'
  and valid_from > as_of() - interval '1 hour'
group by datacenter, cluster, node
having count(*) >= 5
