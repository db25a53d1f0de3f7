-- Generated from schema/avro/workload.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

    {alias}.uid, -- Kubernetes uid of the workload: its identity.
    {alias}.uid_text, -- Text of uid where that was hashed from another form; NULL in the common case.
    {alias}.namespace, -- Namespace name.
    {alias}.workload, -- Workload name.
    {alias}.workload_kind, -- Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob.
    {alias}.created_at, -- metadata.creationTimestamp; NULL where the object has none.
    {alias}.deletion_requested_at, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    {alias}.labels, -- Allow-listed labels.
    {alias}.annotations, -- Allow-listed annotations.
    {alias}.finalizers, -- metadata.finalizers, sorted.
    {alias}.owner_kind, -- Kind of the controlling owner reference.
    {alias}.owner, -- Name of the controlling owner.
    {alias}.owner_uid, -- Uid of the controlling owner.
    {alias}.generation, -- metadata.generation.
    {alias}.observed_generation, -- status.observedGeneration.
    {alias}.desired, -- Replicas asked for; for a DaemonSet the nodes that should run it, for a Job its parallelism; null for a CronJob.
    {alias}.current, -- Replicas that exist; for a DaemonSet the nodes that run it, for a Job its active pods.
    {alias}.updated, -- Replicas of the newest revision.
    {alias}.ready, -- Ready replicas.
    {alias}.available, -- Replicas ready for minReadySeconds.
    {alias}.unavailable, -- Replicas still needed to be available.
    {alias}.misscheduled, -- DaemonSet: nodes that run it and should not.
    {alias}.paused, -- Deployment: rollout paused.
    {alias}.suspended, -- Job, CronJob: suspended.
    {alias}.completions, -- Job: completions asked for.
    {alias}.succeeded, -- Job: pods succeeded.
    {alias}.failed, -- Job: pods failed.
    {alias}.active, -- Job: active pods; CronJob: active jobs.
    {alias}.terminating, -- Pods that are terminating: terminatingReplicas of a Deployment or ReplicaSet, terminating of a Job; null where the server does not count them.
    {alias}.completed_indexes, -- Indexed Job: completed indexes, such as 1,3-5.
    {alias}.failed_indexes, -- Indexed Job with backoffLimitPerIndex: failed indexes, such as 1,3-5.
    {alias}.started_at, -- Job: start.
    {alias}.completed_at, -- Job: completion.
    {alias}.schedule, -- CronJob: schedule in cron format.
    {alias}.time_zone, -- CronJob: time zone of the schedule.
    {alias}.last_scheduled_at, -- CronJob: last time a job was scheduled.
    {alias}.last_successful_at, -- CronJob: last time a job succeeded.
    {alias}.strategy, -- Update strategy type.
    {alias}.selector, -- Label selector's matchLabels.
    {alias}.images, -- Images of the pod template: init containers in their order, then containers by name.
    {alias}.conditions, -- Conditions, sorted by type; update times left out.
