-- view: host_path_mount
-- forms: live asof
-- hostPath volumes of pods: who mounts what of the host, and whether they may write to it.
select
    p.datacenter, -- Name of the datacenter.
    p.cluster, -- Name of the cluster.
    p.namespace, -- Namespace.
    p.pod, -- Pod name.
    p.uid, -- Uid of the pod.
    p.team, -- Owner of the namespace.
    p.node, -- Node.
    m.volume, -- Volume name.
    m.path, -- Path on the host.
    m.path_type, -- hostPath type.
    m.writable, -- True if at least one container may write to it.
    m.containers, -- Containers that mount it.
    p.lives -- True until the pod has ended.
from {schema}.pod as p
cross join lateral jsonb_to_recordset(p.host_path_mounts) as m (
    volume text, path text, path_type text, writable boolean, containers text[]
)
