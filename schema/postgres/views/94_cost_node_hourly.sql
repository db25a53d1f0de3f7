-- view: cost_node_hourly
-- forms: live asof
-- What each node cost in each UTC hour by resource, and whom for: cost = allocated + idle + system. An hour has several rows where a price, the capacity or what is allocatable changed.
select
    n.hour_at, -- Begin of the UTC hour.
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    n.node, -- Node name.
    n.node_uid as uid, -- Kubernetes uid of the node.
    n.from_at, -- Begin of the segment.
    n.to_at, -- End of the segment, exclusive.
    n.node_class, -- Class of nodes by the price sheet; NULL = no price is known.
    s.sheet, -- Price sheet; NULL = none is in force.
    r.resource, -- cpu, memory or gpu.
    round(r.cost_nanos / 1e9, 9) as cost, -- What it cost; NULL = no price or capacity is known.
    round(r.allocated_nanos / 1e9, 9) as allocated_cost, -- Part of it that pods are charged.
    round(r.idle_nanos / 1e9, 9) as idle_cost, -- Part of it that could have been requested and was neither requested nor used.
    round(r.system_nanos / 1e9, 9) as system_cost, -- Part of it that the node keeps for itself.
    s.currency, -- ISO 4217 code of the currency.
    r.overcommit_factor, -- min(1, capacity / charged): below 1 where the node is overcommitted.
    round(r.capacity / r.unit, 6) as capacity_hours, -- Capacity in core-hours, GiB-hours or card-hours.
    round(r.allocatable / r.unit, 6) as allocatable_hours, -- What pods may request of it, likewise.
    round(r.charged / r.unit, 6) as charged_hours, -- Charged to pods, likewise; beyond the capacity where overcommit_factor is below 1.
    round((ledger.cost_amounts(r.charged, r.capacity, r.allocatable))[1] / r.unit, 6) as allocated_hours, -- Part of the capacity that pods are charged: no more than there is. capacity = allocated + idle + system.
    round((ledger.cost_amounts(r.charged, r.capacity, r.allocatable))[2] / r.unit, 6) as idle_hours, -- Part of it that could have been requested and was neither requested nor used.
    round((ledger.cost_amounts(r.charged, r.capacity, r.allocatable))[3] / r.unit, 6) as system_hours -- Part of it that the node keeps for itself.
from ledger.cost_node_hourly as n
join {cluster} as l using (cluster_id)
left join ledger.price_sheet as s using (sheet_id)
cross join lateral (values
    ('cpu', 3.6e9, n.cpu_capacity, n.cpu_allocatable, n.cpu_charged, n.cpu_overcommit_factor, n.cpu_cost_nanos, n.cpu_allocated_nanos, n.cpu_idle_nanos, n.cpu_system_nanos),
    ('memory', 3865470566400.0, n.memory_capacity, n.memory_allocatable, n.memory_charged, n.memory_overcommit_factor, n.memory_cost_nanos, n.memory_allocated_nanos, n.memory_idle_nanos, n.memory_system_nanos),
    ('gpu', 3.6e9, n.gpu_capacity, n.gpu_allocatable, n.gpu_charged, n.gpu_overcommit_factor, n.gpu_cost_nanos, n.gpu_allocated_nanos, n.gpu_idle_nanos, n.gpu_system_nanos)
) as r (resource, unit, capacity, allocatable, charged, overcommit_factor, cost_nanos, allocated_nanos, idle_nanos, system_nanos)
where n.hour_at <= {schema}.as_of()
