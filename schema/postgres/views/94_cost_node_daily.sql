-- view: cost_node_daily
-- forms: live asof
-- What the nodes of each cluster and class cost in each UTC day by resource, and whom for: cost = allocated + idle + system.
select
    n.day_at, -- Begin of the UTC day.
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    n.node_class, -- Class of nodes by the price sheet; NULL = no price is known.
    n.resource, -- cpu, memory or gpu.
    round(n.cost_nanos / 1e9, 9) as cost, -- What they cost.
    round(n.allocated_nanos / 1e9, 9) as allocated_cost, -- Part of it that pods are charged.
    round(n.idle_nanos / 1e9, 9) as idle_cost, -- Part of it that could have been requested and was neither requested nor used.
    round(n.system_nanos / 1e9, 9) as system_cost, -- Part of it that the nodes keep for themselves.
    (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1) as currency, -- ISO 4217 code of the currency.
    round(n.capacity / case n.resource when 'memory' then 3865470566400.0 else 3.6e9 end, 6) as capacity_hours, -- Capacity in core-hours, GiB-hours or card-hours.
    round(n.allocatable / case n.resource when 'memory' then 3865470566400.0 else 3.6e9 end, 6) as allocatable_hours, -- What pods may request of it, likewise.
    round(n.charged / case n.resource when 'memory' then 3865470566400.0 else 3.6e9 end, 6) as charged_hours, -- Charged to pods, likewise.
    round(n.node_ms / 3.6e6, 6) as node_hours, -- Time the nodes stood, summed, in hours.
    round(n.unpriced_ms / 3.6e6, 6) as unpriced_hours, -- Part of it without a known price or capacity.
    round((n.capacity - i.idle - i.system) / case n.resource when 'memory' then 3865470566400.0 else 3.6e9 end, 6) as allocated_hours, -- Part of the capacity that pods are charged: no more than there is. capacity = allocated + idle + system; NULL = no price is known.
    round(i.idle / case n.resource when 'memory' then 3865470566400.0 else 3.6e9 end, 6) as idle_hours, -- Part of it that could have been requested and was neither requested nor used.
    round(i.system / case n.resource when 'memory' then 3865470566400.0 else 3.6e9 end, 6) as system_hours -- Part of it that the nodes keep for themselves.
from ledger.cost_node_daily as n
join {cluster} as l using (cluster_id)
left join lateral (
    select sum(a.charged) filter (where a.namespace = '__idle__') as idle, sum(a.charged) filter (where a.namespace = '__system__') as system
    from (
        select d.namespace, case n.resource
                when 'cpu' then d.cpu_charged_core_us
                when 'memory' then d.memory_charged_byte_seconds
                else d.gpu_charged_card_us
            end as charged
        from ledger.cost_namespace_daily as d
        where d.day_at = n.day_at and d.cluster_id = n.cluster_id and d.namespace in ('__idle__', '__system__')
          and d.node_class = n.node_class
    ) as a
) as i on true
where n.day_at <= {schema}.as_of()
