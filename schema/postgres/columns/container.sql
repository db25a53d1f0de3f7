-- Generated from schema/avro/pod.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

    {alias}.uid, -- Uid of the pod.
    {alias}.container, -- Container name.
    {alias}.namespace, -- Namespace of the pod.
    {alias}.pod, -- Name of the pod.
    {alias}.node, -- Node of the pod.
    {alias}.container_type, -- app, init, sidecar (an init container with restartPolicy Always) or ephemeral.
    {alias}.position, -- Place within its list, from 0: of init containers and sidecars in the pod spec, of others by name.
    {alias}.image, -- Image as the spec names it.
    {alias}.image_id, -- Image as the runtime resolved it, usually with its digest.
    {alias}.image_digest, -- Digest of the resolved image.
    {alias}.container_id, -- Runtime id of the current container.
    round({alias}.request_in_force_cpu_millicores / 1000.0, 3) as cpu_request_in_force_cores, -- Requested CPU cores in force (status.resources): differs from what was asked during a resize in place. NULL = the kubelet does not say.
    {alias}.request_in_force_memory_bytes as memory_request_in_force_bytes, -- Requested bytes of memory in force; NULL = the kubelet does not say.
    round({alias}.limit_in_force_cpu_millicores / 1000.0, 3) as cpu_limit_in_force_cores, -- Limit in CPU cores in force; NULL = none, or the kubelet does not say.
    {alias}.limit_in_force_memory_bytes as memory_limit_in_force_bytes, -- Limit in bytes of memory in force; NULL = none, or the kubelet does not say.
    round({alias}.allocated_cpu_millicores / 1000.0, 3) as cpu_allocated_cores, -- CPU cores that the node has set aside (status.allocatedResources); NULL = the kubelet does not say.
    {alias}.allocated_memory_bytes as memory_allocated_bytes, -- Bytes of memory that the node has set aside; NULL = the kubelet does not say.
    {alias}.ready, -- True if the container passes its readiness probe.
    {alias}.started, -- True once the startup probe passed.
    {alias}.restart_count, -- Restarts in the life of the pod.
    {alias}.state, -- waiting, running or terminated; null until the kubelet has reported.
    {alias}.reason, -- Reason of the waiting or terminated state, such as CrashLoopBackOff or OOMKilled.
    {alias}.message, -- Message of the current state, cut at 1024 bytes.
    {alias}.exit_code, -- Exit code, if terminated.
    {alias}.signal, -- Signal, if terminated by one.
    {alias}.started_at, -- Start of the current running or terminated state.
    {alias}.finished_at, -- End of the container, if terminated.
    {alias}.last_reason, -- Reason of the previous termination.
    {alias}.last_message, -- Message of the previous termination, cut at 1024 bytes.
    {alias}.last_exit_code, -- Exit code of the previous termination.
    {alias}.last_signal, -- Signal of the previous termination.
    {alias}.last_started_at, -- Start of the previous run.
    {alias}.last_finished_at, -- End of the previous run.
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
