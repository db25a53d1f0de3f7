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
    w.created_at, -- metadata.creationTimestamp.
    w.deletion_requested_at, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    w.labels, -- Allow-listed labels.
    w.annotations, -- Allow-listed annotations.
    w.finalizers, -- metadata.finalizers, in the object's order.
    w.owner_kind, -- Kind of the controlling owner reference.
    w.owner, -- Name of the controlling owner.
    w.owner_uid, -- Uid of the controlling owner.
    w.generation, -- metadata.generation.
    w.observed_generation, -- status.observedGeneration.
    w.desired, -- Replicas asked for; for a DaemonSet the nodes that should run it, for a Job its parallelism; null for a CronJob.
    w.current, -- Replicas that exist; for a DaemonSet the nodes that run it, for a Job its active pods.
    w.updated, -- Replicas of the newest revision.
    w.ready, -- Ready replicas.
    w.available, -- Replicas ready for minReadySeconds.
    w.unavailable, -- Replicas still needed to be available.
    w.misscheduled, -- DaemonSet: nodes that run it and should not.
    w.paused, -- Deployment: rollout paused.
    w.suspended, -- Job, CronJob: suspended.
    w.completions, -- Job: completions asked for.
    w.succeeded, -- Job: pods succeeded.
    w.failed, -- Job: pods failed.
    w.active, -- Job: active pods; CronJob: active jobs.
    w.started_at, -- Job: start.
    w.completed_at, -- Job: completion.
    w.schedule, -- CronJob: schedule in cron format.
    w.time_zone, -- CronJob: time zone of the schedule.
    w.last_scheduled_at, -- CronJob: last time a job was scheduled.
    w.last_successful_at, -- CronJob: last time a job succeeded.
    w.strategy, -- Update strategy type.
    w.selector, -- Label selector's matchLabels.
    w.images, -- Images of the pod template: init containers, then containers.
    w.conditions, -- Conditions, sorted by type; update times left out.
    w.unknown as unknown_fields, -- Fields a newer emitter sent that this version does not know; NULL in the common case.
    w.valid_from, -- Begin of this version: since then it is so.
    w.observed_at, -- When the emitter observed this version.
    w.landed_at -- When this version was committed here.
from {workload} as w
join {cluster} as l using (cluster_id)
left join {team} as t on t.cluster_id = w.cluster_id and t.namespace = w.namespace
