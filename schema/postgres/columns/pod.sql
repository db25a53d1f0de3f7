-- Generated from schema/avro/pod.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

    {alias}.uid, -- Kubernetes uid of the pod: its identity.
    {alias}.uid_text, -- Text of uid where that was hashed from another form; NULL in the common case.
    {alias}.namespace, -- Namespace name.
    {alias}.pod, -- Pod name.
    {alias}.created_at, -- metadata.creationTimestamp; NULL where the object has none.
    {alias}.deletion_requested_at, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    {alias}.deletion_grace_seconds, -- metadata.deletionGracePeriodSeconds, in seconds.
    {alias}.labels, -- Allow-listed labels.
    {alias}.annotations, -- Allow-listed annotations.
    {alias}.finalizers, -- metadata.finalizers, sorted.
    {alias}.node, -- Node the pod is bound to.
    {alias}.nominated_node, -- Node a preempting pod waits for.
    {alias}.phase, -- Pending, Running, Succeeded, Failed or Unknown.
    {alias}.reason, -- status.reason, such as Evicted.
    {alias}.message, -- status.message, cut at 1024 bytes.
    {alias}.status, -- STATUS as kubectl prints it, such as Running, CrashLoopBackOff, Init:0/1, Completed or Terminating.
    {alias}.qos_class, -- Guaranteed, Burstable or BestEffort.
    {alias}.priority, -- Resolved priority.
    {alias}.priority_class, -- Priority class name.
    {alias}.preemption_policy, -- spec.preemptionPolicy: PreemptLowerPriority or Never.
    {alias}.owner_kind, -- Kind of the controlling owner reference.
    {alias}.owner, -- Name of the controlling owner.
    {alias}.owner_uid, -- Uid of the controlling owner.
    {alias}.workload_kind, -- Kind of the top-level owner, such as Deployment; of the last owner known by reference where owner_resolved is false.
    {alias}.workload, -- Name of the top-level owner, or of that one.
    {alias}.workload_uid, -- Uid of the top-level owner, or of that one.
    {alias}.owner_resolved, -- True if the chain of owners was followed to its end; true for a pod without an owner.
    {alias}.service_account, -- Service account name.
    {alias}.scheduler, -- Scheduler name.
    {alias}.runtime_class, -- Runtime class name.
    {alias}.restart_policy, -- Always, OnFailure or Never.
    {alias}.termination_grace_period_seconds, -- spec.terminationGracePeriodSeconds: how long the pod may take to end when nobody says otherwise, in seconds.
    {alias}.hostname, -- spec.hostname: name of the host that the pod sees, where it is not the pod's.
    {alias}.host_network, -- True if the pod uses the host's network.
    {alias}.host_pid, -- True if the pod uses the host's process namespace.
    {alias}.host_ipc, -- True if the pod uses the host's IPC namespace.
    {alias}.host_ip, -- IP of the node.
    {alias}.pod_ips, -- IPs of the pod: the primary one, then the others sorted.
    {alias}.started_at, -- status.startTime: when the kubelet acknowledged the pod.
    {alias}.conditions, -- Conditions, sorted by type; probe times left out.
    {alias}.scheduled_at, -- When the pod was bound to its node.
    {alias}.unschedulable_reason, -- Reason of condition PodScheduled while it is False, such as Unschedulable or SchedulingGated; NULL for a pod that is bound.
    {alias}.unschedulable_message, -- The scheduler's message while the pod cannot be scheduled; NULL for a pod that is bound.
    {alias}.ready, -- True if condition Ready is True.
    {alias}.ready_since, -- Since when condition Ready is True; NULL while it is not.
    {alias}.finished_at, -- When a pod that Succeeded or Failed ended: with its last container; one evicted before they ran, with the eviction; one that the kubelet rejected, when it was scheduled. NULL = nobody says.
    {alias}.restart_count, -- Restarts of all containers together, init containers and sidecars included.
    {alias}.restarts, -- RESTARTS as kubectl prints it: of init containers while the pod initializes, of sidecars and app containers afterwards.
    {alias}.last_restart_at, -- When the run before the newest of these restarts ended, which kubectl prints as its age; NULL if there was no restart.
    {alias}.ready_containers, -- READY as kubectl prints it, such as 1/2: containers that are ready, of all app containers and sidecars.
    round({alias}.request_cpu_millicores / 1000.0, 3) as cpu_request_cores, -- Requested CPU cores; NULL = not set.
    {alias}.request_memory_bytes as memory_request_bytes, -- Requested bytes of memory; NULL = not set.
    {alias}.request_ephemeral_storage_bytes as ephemeral_storage_request_bytes, -- Requested bytes of ephemeral storage; NULL = not set.
    round({alias}.request_gpu_millis / 1000.0, 3) as gpu_request, -- Requested GPU cards; NULL = not set.
    {alias}.request_other as other_request, -- Requested: every other resource by name.
    round({alias}.limit_cpu_millicores / 1000.0, 3) as cpu_limit_cores, -- Limit in CPU cores; NULL = not set.
    {alias}.limit_memory_bytes as memory_limit_bytes, -- Limit in bytes of memory; NULL = not set.
    {alias}.limit_ephemeral_storage_bytes as ephemeral_storage_limit_bytes, -- Limit in bytes of ephemeral storage; NULL = not set.
    round({alias}.limit_gpu_millis / 1000.0, 3) as gpu_limit, -- Limit in GPU cards; NULL = not set.
    {alias}.limit_other as other_limit, -- Limit: every other resource by name.
    round({alias}.overhead_cpu_millicores / 1000.0, 3) as cpu_overhead_cores, -- Overhead in CPU cores; NULL = not set.
    {alias}.overhead_memory_bytes as memory_overhead_bytes, -- Overhead in bytes of memory; NULL = not set.
    {alias}.overhead_ephemeral_storage_bytes as ephemeral_storage_overhead_bytes, -- Overhead in bytes of ephemeral storage; NULL = not set.
    round({alias}.overhead_gpu_millis / 1000.0, 3) as gpu_overhead, -- Overhead in GPU cards; NULL = not set.
    {alias}.overhead_other as other_overhead, -- Overhead: every other resource by name.
    {alias}.host_path_mounts, -- hostPath volumes and who mounts them, sorted by volume.
