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
    p.phase not in ('Succeeded', 'Failed') as lives, -- True until the pod has ended: what its containers wait for or request counts no longer then.
    c.node, -- Node of the pod.
    -- columns: container
    case when c.state = 'terminated' then c.finished_at else c.last_finished_at end as ended_at, -- When it last ended: end of the current state if it is terminated, else of the previous run. NULL if the kubelet does not know (reason ContainerStatusUnknown).
    case when c.state = 'terminated' then c.started_at else c.last_started_at end as end_started_at, -- Begin of the run that ended then.
    case when c.state = 'terminated' then c.reason else c.last_reason end as end_reason, -- Reason of that end, such as OOMKilled.
    case when c.state = 'terminated' then c.exit_code else c.last_exit_code end as end_exit_code, -- Exit code of that end.
    round(coalesce(c.reserved_cpu_millicores, c.request_cpu_millicores) / 1000.0, 3) as cpu_reserved_cores, -- CPU cores that the scheduler reserves for it, and that it is charged: the largest of what is requested, allocated and in force; without what is requested once a resize was refused as infeasible. NULL = nothing is set.
    coalesce(c.reserved_memory_bytes, c.request_memory_bytes) as memory_reserved_bytes, -- Bytes of memory that the scheduler reserves for it, likewise.
    c.valid_from, -- Begin of this version: since then it is so.
    c.observed_at, -- When the emitter observed this version.
    c.landed_at -- When this version was committed here.
from {container} as c
join {cluster} as l using (cluster_id)
left join {pod} as p on p.cluster_id = c.cluster_id and p.namespace = c.namespace and p.uid = c.uid
left join {team} as t on t.cluster_id = c.cluster_id and t.namespace = c.namespace
