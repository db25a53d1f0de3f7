/*---
alert: ContainerCrashLooping
group: pod-health
interval: 1m
for: 5m
cooldown: 30m
repeat_interval: 4h
columns: {value: restarts, labels: [datacenter, cluster, namespace, workload, container], annotations: [last_end]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.container }} of {{ labels.namespace }}/{{ labels.workload }} of {{ labels.cluster }} crashes again and again, {{ value | count }} restarts: {{ annotations.last_end }}"
  runbook: container-crash-looping
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    datacenter,
    cluster,
    namespace,
    coalesce(workload, pod) as workload,
    container,
    max(restart_count) as restarts,
    min(coalesce(last_reason, 'no reason') || ', exit code ' || coalesce(last_exit_code::text, 'unknown')) as last_end
from container
where state = 'waiting'
  and reason = 'CrashLoopBackOff'
  and restart_count >= 5
group by 1, 2, 3, 4, 5
