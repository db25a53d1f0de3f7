-- view: pod
-- forms: live asof at history
-- Every pod that exists, one row each, with its effective requests.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    p.namespace, -- Namespace name.
    p.pod, -- Pod name.
    p.uid, -- Kubernetes uid of the pod: its identity.
    t.team, -- Owner of the namespace; NULL if nobody is named.
    p.created_at, -- metadata.creationTimestamp.
    p.deletion_requested_at, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    p.deletion_grace_seconds, -- metadata.deletionGracePeriodSeconds, in seconds.
    p.labels, -- Allow-listed labels.
    p.annotations, -- Allow-listed annotations.
    p.finalizers, -- metadata.finalizers, in the object's order.
    p.node, -- Node the pod is bound to.
    p.nominated_node, -- Node a preempting pod waits for.
    p.phase, -- Pending, Running, Succeeded, Failed or Unknown.
    p.reason, -- status.reason, such as Evicted.
    p.message, -- status.message, cut at 1024 bytes.
    p.qos_class, -- Guaranteed, Burstable or BestEffort.
    p.priority, -- Resolved priority.
    p.priority_class, -- Priority class name.
    p.owner_kind, -- Kind of the controlling owner reference.
    p.owner, -- Name of the controlling owner.
    p.owner_uid, -- Uid of the controlling owner.
    p.workload_kind, -- Kind of the top-level owner, such as Deployment.
    p.workload, -- Name of the top-level owner.
    p.workload_uid, -- Uid of the top-level owner.
    p.owner_resolved, -- True if the chain of owners was followed to its end; true for a pod without an owner.
    p.service_account, -- Service account name.
    p.scheduler, -- Scheduler name.
    p.runtime_class, -- Runtime class name.
    p.restart_policy, -- Always, OnFailure or Never.
    p.host_network, -- True if the pod uses the host's network.
    p.host_pid, -- True if the pod uses the host's process namespace.
    p.host_ipc, -- True if the pod uses the host's IPC namespace.
    p.host_ip, -- IP of the node.
    p.pod_ips, -- IPs of the pod.
    p.started_at, -- status.startTime: when the kubelet acknowledged the pod.
    p.conditions, -- Conditions, sorted by type; probe times left out.
    p.scheduled_at, -- When the pod was bound to its node.
    p.unschedulable_reason, -- Reason of condition PodScheduled while it is False, such as Unschedulable.
    p.unschedulable_message, -- The scheduler's message while the pod cannot be scheduled.
    p.ready, -- True if condition Ready is True.
    p.ready_since, -- Since when condition Ready is True; NULL while it is not.
    p.finished_at, -- End of the last container of a pod that Succeeded or Failed.
    p.restart_count, -- Restarts of all containers together.
    round(p.request_cpu_millicores / 1000.0, 3) as cpu_request_cores, -- Requested CPU cores; NULL = not set.
    p.request_memory_bytes as memory_request_bytes, -- Requested bytes of memory; NULL = not set.
    p.request_ephemeral_storage_bytes as ephemeral_storage_request_bytes, -- Requested bytes of ephemeral storage; NULL = not set.
    round(p.request_gpu_millis / 1000.0, 3) as gpu_request, -- Requested GPU cards; NULL = not set.
    p.request_other as other_request, -- Requested: every other resource by name.
    round(p.limit_cpu_millicores / 1000.0, 3) as cpu_limit_cores, -- Limit in CPU cores; NULL = not set.
    p.limit_memory_bytes as memory_limit_bytes, -- Limit in bytes of memory; NULL = not set.
    p.limit_ephemeral_storage_bytes as ephemeral_storage_limit_bytes, -- Limit in bytes of ephemeral storage; NULL = not set.
    round(p.limit_gpu_millis / 1000.0, 3) as gpu_limit, -- Limit in GPU cards; NULL = not set.
    p.limit_other as other_limit, -- Limit: every other resource by name.
    round(p.overhead_cpu_millicores / 1000.0, 3) as cpu_overhead_cores, -- Overhead in CPU cores; NULL = not set.
    p.overhead_memory_bytes as memory_overhead_bytes, -- Overhead in bytes of memory; NULL = not set.
    p.overhead_ephemeral_storage_bytes as ephemeral_storage_overhead_bytes, -- Overhead in bytes of ephemeral storage; NULL = not set.
    round(p.overhead_gpu_millis / 1000.0, 3) as gpu_overhead, -- Overhead in GPU cards; NULL = not set.
    p.overhead_other as other_overhead, -- Overhead: every other resource by name.
    p.host_path_mounts, -- hostPath volumes and who mounts them, sorted by volume.
    p.unknown as unknown_fields, -- Fields a newer emitter sent that this version does not know; NULL in the common case.
    p.valid_from, -- Begin of this version: since then it is so.
    p.observed_at, -- When the emitter observed this version.
    p.landed_at -- When this version was committed here.
from {pod} as p
join {cluster} as l using (cluster_id)
left join {team} as t on t.cluster_id = p.cluster_id and t.namespace = p.namespace
