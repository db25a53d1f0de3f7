-- view: namespace_sample
-- forms: live
-- Each namespace every hour, as it was at the end of it, and how often its containers restarted within it.
select
    r.window_at, -- Begin of the hour.
    r.datacenter, -- Name of the datacenter.
    r.cluster, -- Name of the cluster.
    r.namespace, -- Namespace.
    r.team, -- Its owner when the hour was filled; NULL if nobody was named.
    r.pods, -- Pods.
    r.pods_running, -- Pods in phase Running.
    r.pods_ready, -- Pods that are ready.
    r.pods_pending, -- Pods in phase Pending.
    r.pods_failed, -- Pods in phase Failed.
    r.cpu_request_cores, -- CPU cores requested by pods that have not ended.
    r.memory_request_bytes, -- Bytes of memory requested by pods that have not ended.
    r.gpu_request, -- GPU cards requested by pods that have not ended; NULL = none is requested.
    r.restarts -- Restarts of containers within the hour.
from ledger.rollup_namespace as r
