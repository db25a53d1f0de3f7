-- view: workload
-- forms: live asof at history
-- Every Deployment, StatefulSet, DaemonSet, ReplicaSet without owner, Job and CronJob that exists, one row each.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    w.namespace, -- Namespace name.
    w.workload_kind, -- Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob.
    w.workload, -- Workload name.
    w.uid, -- Kubernetes uid of the workload: its identity.
    t.team, -- Owner of the namespace; NULL if nobody is named.
    -- columns: workload
    w.completed_at is null and not (w.conditions @> '[{"type": "Complete", "status": "True"}]' or w.conditions @> '[{"type": "Failed", "status": "True"}]') as lives, -- False for a Job that has ended, well or not; true for everything else.
    case when w.workload_kind <> 'Job' then w.desired when w.suspended or w.completed_at is not null or w.conditions @> '[{"type": "Complete", "status": "True"}]' or w.conditions @> '[{"type": "Failed", "status": "True"}]' then 0 when w.completions is null and w.succeeded > 0 then w.active else greatest(least(w.desired, w.completions - w.succeeded), 0) end as wanted, -- Replicas that should run now: desired; of a Job no more than its completions still need, none when it has ended or is suspended.
    w.unknown as unknown_fields, -- Fields a newer emitter sent that this version does not know; NULL in the common case.
    w.valid_from, -- Begin of this version: since then it is so.
    w.observed_at, -- When the emitter observed this version.
    w.landed_at -- When this version was committed here.
from {workload} as w
join {cluster} as l using (cluster_id)
left join {team} as t on t.cluster_id = w.cluster_id and t.namespace = w.namespace
