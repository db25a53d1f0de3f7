-- view: node_taint
-- forms: live asof
-- Taints of nodes, one row each.
select
    n.datacenter, -- Name of the datacenter.
    n.cluster, -- Name of the cluster.
    n.node, -- Node name.
    n.uid, -- Uid of the node.
    t.key, -- Taint key.
    t.value, -- Taint value.
    t.effect, -- NoSchedule, PreferNoSchedule or NoExecute.
    to_timestamp(t.added_at / 1000000.0) as added_at -- When it was added (NoExecute only).
from {schema}.node as n
cross join lateral jsonb_to_recordset(n.taints) as t (key text, value text, effect text, added_at bigint)
