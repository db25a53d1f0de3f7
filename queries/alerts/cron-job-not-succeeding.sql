/*---
alert: CronJobNotSucceeding
group: workload-history
interval: 5m
for: 0s
cooldown: 30m
repeat_interval: 24h
columns: {value: unsuccessful_seconds, labels: [datacenter, cluster, namespace, workload], annotations: [schedule]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.namespace }}/{{ labels.workload }} of {{ labels.cluster }} ({{ annotations.schedule }}) has not succeeded for {{ value | duration }}"
  runbook: cron-job-not-succeeding
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    datacenter,
    cluster,
    namespace,
    workload,
    extract(epoch from last_scheduled_at - coalesce(last_successful_at, created_at)) as unsuccessful_seconds,
    schedule
from workload
where workload_kind = 'CronJob'
  and not suspended
  and last_scheduled_at - coalesce(last_successful_at, created_at) >= interval '6 hours'
