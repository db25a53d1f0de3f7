-- view: namespace
-- forms: live asof at history
-- Every namespace that exists, one row each.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    s.namespace, -- Namespace name.
    s.uid, -- Kubernetes uid of the namespace: its identity.
    t.team, -- Owner of the namespace; NULL if nobody is named.
    -- columns: namespace
    s.unknown as unknown_fields, -- Fields a newer emitter sent that this version does not know; NULL in the common case.
    s.valid_from, -- Begin of this version: since then it is so.
    s.observed_at, -- When the emitter observed this version.
    s.landed_at -- When this version was committed here.
from {namespace} as s
join {cluster} as l using (cluster_id)
left join {team} as t on t.cluster_id = s.cluster_id and t.namespace = s.namespace
