/*---
alert: ContainersOomKilled
group: pod-history
interval: 5m
for: 0s
cooldown: 30m
repeat_interval: 4h
columns: {value: killed, labels: [datacenter, cluster, namespace, workload, container], annotations: [memory_limit]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ value | count('pod') }} of {{ labels.namespace }}/{{ labels.workload }} of {{ labels.cluster }} had {{ labels.container }} killed at its memory limit ({{ annotations.memory_limit }}) within an hour"
  runbook: containers-oom-killed
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    datacenter,
    cluster,
    namespace,
    coalesce(workload, pod) as workload,
    container,
    count(*) as killed,
    coalesce(pg_size_pretty(max(memory_limit_bytes)), 'none') as memory_limit
from container
where ended_at > as_of() - interval '1 hour'
  and (
      end_reason = 'OOMKilled'
      or last_reason = 'OOMKilled' and last_finished_at > as_of() - interval '1 hour'
  )
group by 1, 2, 3, 4, 5
having count(*) >= 3
