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
  summary: "{{ labels.container }} of {{ labels.namespace }}/{{ labels.workload }} of {{ labels.cluster }} keeps crashing, {{ value | count('restart') }}: {{ annotations.last_end }}"
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
    min(coalesce(end_reason, 'no reason') || ', exit code ' || coalesce(end_exit_code::text, 'unknown')) as last_end
from container
-- It loops while it runs, too: until it has run for ten minutes the kubelet does not forget, and nor does this rule.
where restart_count >= 5
  and (
      state = 'waiting' and reason = 'CrashLoopBackOff'
      or ended_at > as_of() - interval '10 minutes' and end_started_at > ended_at - interval '10 minutes'
  )
  and lives
group by 1, 2, 3, 4, 5
