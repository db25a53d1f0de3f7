/*---
alert: WorkloadPodsLeaking
group: workload-history
interval: 5m
for: 15m
cooldown: 30m
repeat_interval: 4h
columns: {value: surplus_pods, labels: [datacenter, cluster, namespace, workload], annotations: [new_pods]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.namespace }}/{{ labels.workload }} of {{ labels.cluster }} has {{ value | count('pod') }} too many, {{ annotations.new_pods }} of them new"
  runbook: workload-pods-leaking
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- Far more pods than were asked for, and still more of them: what is only left over does not grow. Pods that succeeded were
-- asked for; those of a Job that failed are its retries.
with growing as (
    select datacenter, cluster, workload_uid, count(*) as new_pods
    from pod
    where created_at > as_of() - interval '30 minutes'
      and workload_uid is not null
      and (lives or phase = 'Failed' and workload_kind <> 'Job' and workload_kind <> 'CronJob')
    group by datacenter, cluster, workload_uid
    having count(*) >= 5
)
select
    w.datacenter,
    w.cluster,
    w.namespace,
    w.workload,
    p.pods - coalesce(w.desired, w.active, 0) as surplus_pods,
    g.new_pods::text as new_pods
from growing as g
join workload as w on w.datacenter = g.datacenter and w.cluster = g.cluster and w.uid = g.workload_uid
cross join lateral (
    select count(*) as pods
    from pod as p
    where p.datacenter = g.datacenter and p.cluster = g.cluster and p.workload_uid = g.workload_uid
      and (p.lives or p.phase = 'Failed' and p.workload_kind <> 'Job' and p.workload_kind <> 'CronJob')
) as p
where p.pods >= 3::bigint * coalesce(w.desired, w.active, 0) + 10
