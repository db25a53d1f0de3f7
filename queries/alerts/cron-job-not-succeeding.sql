/*---
alert: CronJobNotSucceeding
group: workload-history
interval: 5m
for: 0s
cooldown: 30m
repeat_interval: 24h
columns: {value: unsuccessful_seconds, labels: [datacenter, cluster, namespace, workload], annotations: [schedule, cause]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.namespace }}/{{ labels.workload }} of {{ labels.cluster }} ({{ annotations.schedule }}) has not succeeded for {{ value | duration }}: {{ annotations.cause }}"
  runbook: cron-job-not-succeeding
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- By the schedule itself. A run that is due has six hours to succeed; while a job is active it has until six hours after the
-- next one is due. Time in which it was suspended, or had another schedule, does not count.
-- A dump says nothing of runs since it was made.
with overdue as (
    select
        w.datacenter, w.cluster, w.namespace, w.workload, w.uid, w.schedule, w.time_zone, w.active, w.last_scheduled_at,
        coalesce(w.last_successful_at, w.created_at) as succeeded_at,
        cron_next(w.schedule, w.time_zone, coalesce(w.last_successful_at, w.created_at)) as first_due_at,
        -- What was changed before the last two runs were due no longer matters.
        as_of() - interval '6 hours'
            - (cron_next(w.schedule, w.time_zone, cron_next(w.schedule, w.time_zone, as_of())) - as_of()) as look_back_to
    from workload as w
    join cluster as c using (datacenter, cluster)
    where w.workload_kind = 'CronJob'
      and c.source is distinct from 'dump'
      and not w.suspended
      and w.deletion_requested_at is null
      and cron_next(w.schedule, w.time_zone, coalesce(w.last_successful_at, w.created_at)) <= as_of() - interval '6 hours'
),
changed as (
    select o.*, cron_next(o.schedule, o.time_zone, h.changed_at) as due_since_change_at
    from overdue as o
    cross join lateral (
        select max(c.valid_to) as changed_at
        from workload_history as c
        where c.datacenter = o.datacenter and c.cluster = o.cluster and c.uid = o.uid
          and c.valid_to between o.look_back_to and as_of()
          and (c.suspended or (c.schedule, c.time_zone) is distinct from (o.schedule, o.time_zone))
    ) as h
)
select
    datacenter,
    cluster,
    namespace,
    workload,
    extract(epoch from as_of() - succeeded_at) as unsuccessful_seconds,
    concat_ws(' ', schedule, time_zone) as schedule,
    case
        when active > 0 then 'a job is still active'
        when last_scheduled_at >= greatest(first_due_at, due_since_change_at) then 'jobs do not succeed'
        else 'no job was created'
    end as cause
from changed
where (due_since_change_at is null or due_since_change_at <= as_of() - interval '6 hours')
  and (
      coalesce(active, 0) = 0
      or cron_next(schedule, time_zone, greatest(first_due_at, due_since_change_at)) <= as_of() - interval '6 hours'
  )
