-- view: node_condition
-- forms: live asof
-- Conditions of nodes, one row each.
select
    n.datacenter, -- Name of the datacenter.
    n.cluster, -- Name of the cluster.
    n.node, -- Node name.
    n.uid, -- Uid of the node.
    c.type as condition, -- Condition type, such as Ready or MemoryPressure.
    c.status, -- True, False or Unknown.
    c.reason, -- Machine-readable reason.
    c.message, -- Human-readable message.
    to_timestamp(c.last_transition_at / 1000000.0) as last_transition_at, -- When the status last changed.
    to_timestamp(c.heartbeat_stale_since / 1000000.0) as heartbeat_stale_since -- Last heartbeat, while it is too old.
from {schema}.node as n
cross join lateral jsonb_to_recordset(n.conditions) as c (
    type text, status text, reason text, message text, last_transition_at bigint, heartbeat_stale_since bigint
)
