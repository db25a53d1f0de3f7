-- view: cost_balance
-- forms: live asof
-- Whether allocated cost adds up: what nodes cost compared with what was booked, read back after every rating: per hour of the last 35 days and per day.
select
    k.period, -- hour or day.
    k.at, -- Begin of the hour or day.
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    k.unbalanced_since is null as balanced, -- True if nodes = allocated + idle + system, and each equals what was booked on lines.
    round(k.node_nanos / 1e9, 9) as cost, -- What the nodes cost.
    round(k.allocated_nanos / 1e9, 9) as allocated_cost, -- Part of it that pods are charged, summed over nodes.
    round(k.idle_nanos / 1e9, 9) as idle_cost, -- Idle, summed over nodes.
    round(k.system_nanos / 1e9, 9) as system_cost, -- System, summed over nodes.
    round(k.line_allocated_nanos / 1e9, 9) as booked_cost, -- Booked on namespaces.
    round((k.line_allocated_nanos + k.line_idle_nanos + k.line_system_nanos - k.node_nanos) / 1e9, 9) as difference, -- All that is booked minus what the nodes cost: 0.
    round(k.unpriced_ms / 3.6e6, 6) as unpriced_hours, -- Node-hours without a known price or capacity.
    k.checked_at, -- When it was last read back.
    k.unbalanced_since -- Since when the sums differ; NULL = they are equal.
from ledger.cost_check as k
join {cluster} as l using (cluster_id)
where k.at <= {schema}.as_of() and k.checked_at <= {schema}.as_of()
