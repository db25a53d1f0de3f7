-- view: pod_condition
-- forms: live asof
-- Conditions of pods, one row each.
select
    p.datacenter, -- Name of the datacenter.
    p.cluster, -- Name of the cluster.
    p.namespace, -- Namespace.
    p.pod, -- Pod name.
    p.uid, -- Uid of the pod.
    p.team, -- Owner of the namespace.
    c.type as condition, -- Condition type, such as PodScheduled or Ready.
    c.status, -- True, False or Unknown.
    c.reason, -- Machine-readable reason.
    c.message, -- Human-readable message.
    to_timestamp(c.last_transition_at / 1000000.0) as last_transition_at -- When the status last changed.
from {schema}.pod as p
cross join lateral jsonb_to_recordset(p.conditions) as c (
    type text, status text, reason text, message text, last_transition_at bigint
)
