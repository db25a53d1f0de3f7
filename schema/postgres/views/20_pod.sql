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
    -- columns: pod
    p.phase not in ('Succeeded', 'Failed') as lives, -- True until the pod has ended, whatever its phase is called: what lives holds what it requests.
    p.unknown as unknown_fields, -- Fields a newer emitter sent that this version does not know; NULL in the common case.
    p.valid_from, -- Begin of this version: since then it is so.
    p.observed_at, -- When the emitter observed this version.
    p.landed_at -- When this version was committed here.
from {pod} as p
join {cluster} as l using (cluster_id)
left join {team} as t on t.cluster_id = p.cluster_id and t.namespace = p.namespace
