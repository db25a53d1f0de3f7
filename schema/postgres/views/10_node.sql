-- view: node
-- forms: live asof at history
-- Every node that exists, one row each.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    n.node, -- Node name.
    n.uid, -- Kubernetes uid of the node: its identity.
    -- columns: node
    n.labels ->> 'type' in ('virtual-kubelet', 'virtual-node', 'kwok') is true or n.labels ->> 'eks.amazonaws.com/compute-type' = 'fargate' is true or (n.labels ? 'node-role.kubernetes.io/virtual-node') is true or n.taints @? '$[*] ? (@.key starts with "virtual-kubelet.io/" || @.key starts with "virtual-node." || @.key starts with "kwok.x-k8s.io/" || @.key == "eks.amazonaws.com/compute-type" && @.value == "fargate")' as is_virtual, -- True for a virtual node, behind which there is no machine that other pods could use: its capacity is a number that somebody chose.
    n.unknown as unknown_fields, -- Fields a newer emitter sent that this version does not know; NULL in the common case.
    n.valid_from, -- Begin of this version: since then it is so.
    n.observed_at, -- When the emitter observed this version.
    n.landed_at -- When this version was committed here.
from {node} as n
join {cluster} as l using (cluster_id)
