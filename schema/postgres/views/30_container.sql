-- view: container
-- forms: live asof at history
-- Every container (app, init, sidecar, ephemeral) of every pod that exists, one row each.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    c.namespace, -- Namespace of the pod.
    c.pod, -- Name of the pod.
    c.container, -- Container name.
    c.uid, -- Uid of the pod.
    t.team, -- Owner of the namespace; NULL if nobody is named.
    p.workload_kind, -- Kind of the pod's top-level owner.
    p.workload, -- Name of the pod's top-level owner.
    p.phase, -- Phase of the pod.
    c.node, -- Node of the pod.
    c.container_type, -- app, init, sidecar (an init container with restartPolicy Always) or ephemeral.
    c.position, -- Position within its list in the pod spec, from 0.
    c.image, -- Image as the spec names it.
    c.image_id, -- Image as the runtime resolved it, usually with its digest.
    c.image_digest, -- Digest of the resolved image.
    c.container_id, -- Runtime id of the current container.
    c.ready, -- True if the container passes its readiness probe.
    c.started, -- True once the startup probe passed.
    c.restart_count, -- Restarts in the life of the pod.
    c.state, -- waiting, running or terminated; null until the kubelet has reported.
    c.reason, -- Reason of the waiting or terminated state, such as CrashLoopBackOff or OOMKilled.
    c.message, -- Message of the current state, cut at 1024 bytes.
    c.exit_code, -- Exit code, if terminated.
    c.signal, -- Signal, if terminated by one.
    c.started_at, -- Start of the current running or terminated state.
    c.finished_at, -- End of the container, if terminated.
    c.last_reason, -- Reason of the previous termination.
    c.last_message, -- Message of the previous termination, cut at 1024 bytes.
    c.last_exit_code, -- Exit code of the previous termination.
    c.last_signal, -- Signal of the previous termination.
    c.last_started_at, -- Start of the previous run.
    c.last_finished_at, -- End of the previous run.
    round(c.request_cpu_millicores / 1000.0, 3) as cpu_request_cores, -- Requested CPU cores; NULL = not set.
    c.request_memory_bytes as memory_request_bytes, -- Requested bytes of memory; NULL = not set.
    c.request_ephemeral_storage_bytes as ephemeral_storage_request_bytes, -- Requested bytes of ephemeral storage; NULL = not set.
    round(c.request_gpu_millis / 1000.0, 3) as gpu_request, -- Requested GPU cards; NULL = not set.
    c.request_other as other_request, -- Requested: every other resource by name.
    round(c.limit_cpu_millicores / 1000.0, 3) as cpu_limit_cores, -- Limit in CPU cores; NULL = not set.
    c.limit_memory_bytes as memory_limit_bytes, -- Limit in bytes of memory; NULL = not set.
    c.limit_ephemeral_storage_bytes as ephemeral_storage_limit_bytes, -- Limit in bytes of ephemeral storage; NULL = not set.
    round(c.limit_gpu_millis / 1000.0, 3) as gpu_limit, -- Limit in GPU cards; NULL = not set.
    c.limit_other as other_limit, -- Limit: every other resource by name.
    c.valid_from, -- Begin of this version: since then it is so.
    c.observed_at, -- When the emitter observed this version.
    c.landed_at -- When this version was committed here.
from {container} as c
join {cluster} as l using (cluster_id)
left join {pod} as p on p.cluster_id = c.cluster_id and p.namespace = c.namespace and p.uid = c.uid
left join {team} as t on t.cluster_id = c.cluster_id and t.namespace = c.namespace
