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
  summary: "{{ labels.node }} of {{ labels.cluster }} evicted {{ value | count('pod') }} within an hour: {{ annotations.message }}"
  runbook: pods-evicted-from-node
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- By when each was evicted, not by when it was first seen or last edited: the kubelet writes that in condition DisruptionTarget,
-- an older one ends the containers, and one that never let the pod run starts it at that instant.
select
    p.datacenter,
    p.cluster,
    p.node,
    count(*) as evicted,
    coalesce(max(p.message), 'no message') as message
from pod as p
cross join lateral (
    select coalesce(max(to_timestamp(c.last_transition_at / 1000000.0)), p.finished_at, p.started_at, p.created_at) as evicted_at
    from jsonb_to_recordset(p.conditions) as c (type text, status text, last_transition_at bigint)
    where c.type = 'DisruptionTarget' and c.status = 'True'
) as e
where p.phase = 'Failed'
  and p.reason = 'Evicted'
  and e.evicted_at > as_of() - interval '1 hour'
group by p.datacenter, p.cluster, p.node
having count(*) >= 5
