-- view: usage_hourly
-- forms: live asof
-- What each container used in each UTC hour, as far as it is known; a container without a row was not seen, which is not 0. Compute only: no storage, no network. The running hour is partial, and late windows still add to past ones; the as-of form leaves out hours that had not begun.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    u.hour_at, -- Begin of the UTC hour.
    u.node, -- Node the container ran on.
    u.namespace, -- Namespace of the pod.
    u.pod, -- Name of the pod.
    u.container, -- Container name.
    u.pod_uid as uid, -- Uid of the pod.
    round(u.covered_ms / 1000.0, 3) as covered_seconds, -- Time of the hour for which CPU and memory are known, in seconds.
    round(u.cpu_core_us / 1000000.0, 6) as cpu_core_seconds, -- CPU used in the covered time, in core-seconds.
    u.memory_byte_seconds, -- Memory used in the covered time, in byte-seconds.
    round(u.cpu_charged_core_us / 1000000.0, 6) as cpu_charged_core_seconds, -- Sum of max(request, usage) over the covered time, in core-seconds; a missing request counts as 0.
    u.memory_charged_byte_seconds, -- The same for memory, in byte-seconds.
    round(u.cpu_core_us / 1000.0 / nullif(u.covered_ms, 0), 6) as cpu_cores, -- Mean CPU over the covered time, in cores; NULL = no time is covered.
    least(round(u.memory_byte_seconds * 1000.0 / nullif(u.covered_ms, 0)), 9223372036854775807)::bigint as memory_bytes, -- Mean memory over the covered time, in bytes; NULL = no time is covered.
    case when u.covered_ms > 0 then round(u.cpu_max_millicores / 1000.0, 3) end as cpu_max_cores, -- Highest CPU between two readings, in cores; NULL = no time is covered.
    case when u.covered_ms > 0 then u.memory_max_bytes end as memory_max_bytes, -- Highest memory read, in bytes; NULL = no time is covered.
    case when u.gpu_covered_ms > 0 then round(u.gpu_used_card_us / 1000000.0, 6) end as gpu_card_seconds, -- GPUs used in their covered time, in card-seconds; NULL = not seen.
    round(u.gpu_covered_ms / 1000.0, 3) as gpu_covered_seconds, -- Time of the hour for which GPU usage is known, in seconds.
    u.folded_at -- When a window was last added.
from ledger.usage_hourly as u
join {cluster} as l using (cluster_id)
where u.hour_at <= {schema}.as_of()
