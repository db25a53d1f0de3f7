-- view: node_request
-- forms: live asof
-- What the pods of each node request together, those that live; nodes without any have no row.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    r.node, -- Node name.
    r.pods, -- Pods bound to it that live.
    round(r.cpu_millicores / 1000.0, 3) as cpu_request_cores, -- Requested CPU cores; NULL = no pod has any set.
    r.memory_bytes as memory_request_bytes, -- Requested bytes of memory; NULL = no pod has any set.
    round(r.gpu_millis / 1000.0, 3) as gpu_request -- Requested GPU cards; NULL = no pod has any set.
from (
    select
        p.cluster_id,
        p.node,
        count(*) as pods,
        sum(p.request_cpu_millicores) as cpu_millicores,
        sum(p.request_memory_bytes) as memory_bytes,
        sum(p.request_gpu_millis) as gpu_millis
    from {pod} as p
    where p.phase not in ('Succeeded', 'Failed') and p.node is not null
    group by p.cluster_id, p.node
) as r
join {cluster} as l using (cluster_id)
