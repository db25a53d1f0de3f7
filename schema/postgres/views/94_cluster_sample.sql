-- view: cluster_sample
-- forms: live
-- Each cluster every five minutes, as it was at the end of them: what charts of weeks read in place of the history.
select
    r.window_at, -- Begin of the five minutes at whose end it was counted.
    r.datacenter, -- Name of the datacenter.
    r.cluster, -- Name of the cluster.
    r.nodes, -- Nodes.
    r.nodes_ready, -- Nodes that are Ready and not silent.
    r.nodes_cordoned, -- Nodes that are cordoned.
    r.cpu_allocatable_cores, -- Allocatable CPU cores of all nodes but virtual ones.
    r.memory_allocatable_bytes, -- Allocatable memory of all nodes but virtual ones, in bytes.
    r.gpu_allocatable, -- Allocatable GPU cards of all nodes but virtual ones; NULL = no node has any.
    r.pods, -- Pods.
    r.pods_running, -- Pods in phase Running.
    r.pods_ready, -- Pods that are ready.
    r.pods_pending, -- Pods in phase Pending.
    r.pods_failed, -- Pods in phase Failed.
    r.cpu_request_cores, -- CPU cores requested by pods that have not ended, on virtual nodes left out.
    r.memory_request_bytes, -- Bytes of memory requested by pods that have not ended, on virtual nodes left out.
    r.gpu_request -- GPU cards requested by pods that have not ended, on virtual nodes left out; NULL = none is requested.
from ledger.rollup_cluster as r
