-- view: cost_daily
-- forms: live asof
-- Cost of each namespace and team in each UTC day, by class of nodes. Idle and system are rows too: the sum is what the nodes cost. Compute only.
select
    d.day_at, -- Begin of the UTC day.
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    d.namespace, -- Namespace; __idle__ and __system__ for what nobody was charged.
    d.team, -- Owner as of each hour; __unallocated__ if nobody is known, __idle__ and __system__ as the namespace.
    d.owner_source, -- Where the owner comes from: label, annotation, map, default, pod_label, none.
    d.node_class, -- Class of nodes by the price sheet; NULL = no price is known.
    round((d.cpu_nanos + d.memory_nanos + d.gpu_nanos) / 1e9, 9) as cost, -- Cost of CPU, memory and GPUs; compute only. Exact to nine digits; 0 where no price is known, see unpriced_hours.
    round(d.cpu_nanos / 1e9, 9) as cpu_cost, -- Cost of CPU.
    round(d.memory_nanos / 1e9, 9) as memory_cost, -- Cost of memory.
    round(d.gpu_nanos / 1e9, 9) as gpu_cost, -- Cost of GPUs.
    (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1) as currency, -- ISO 4217 code of the currency of all amounts.
    round(d.cpu_charged_core_us / 3.6e9, 6) as cpu_core_hours, -- CPU charged: max(request, usage), in core-hours.
    round(d.memory_charged_byte_seconds / 3865470566400.0, 6) as memory_gib_hours, -- Memory charged, in GiB-hours.
    round(d.gpu_charged_card_us / 3.6e9, 6) as gpu_hours, -- GPUs charged, in card-hours.
    round(d.cpu_requested_core_us / 3.6e9, 6) as cpu_request_core_hours, -- CPU requested, in core-hours; what has no request adds nothing here.
    round(d.memory_requested_byte_seconds / 3865470566400.0, 6) as memory_request_gib_hours, -- Memory requested, in GiB-hours.
    case when d.usage_ms > 0 then round(d.cpu_used_core_us / 3.6e9, 6) end as cpu_used_core_hours, -- CPU used in usage_hours, in core-hours; NULL = not seen.
    case when d.usage_ms > 0 then round(d.memory_used_byte_seconds / 3865470566400.0, 6) end as memory_used_gib_hours, -- Memory used in usage_hours, in GiB-hours; NULL = not seen.
    round(d.life_ms / 3.6e6, 6) as container_hours, -- Time charged, summed over containers, in hours.
    round(d.usage_ms / 3.6e6, 6) as usage_hours, -- Part of it for which usage was seen.
    round(d.unknown_ms / 3.6e6, 6) as unknown_hours, -- Part of it with neither request nor usage: charged nothing, and not known to be nothing.
    round(d.unpriced_ms / 3.6e6, 6) as unpriced_hours, -- Part of it on nodes that no price or capacity is known of: not in cost.
    case when d.usage_ms = 0 then 'request' when d.usage_ms >= d.life_ms then 'usage' else 'mixed' end as charge_basis, -- usage: max(request, usage) throughout; request: usage was never seen; mixed.
    c.hours -- Hours of the day that were rated, of 24.
from ledger.cost_namespace_daily as d
join {cluster} as l using (cluster_id)
join ledger.cost_day as c on c.day_at = d.day_at
where d.day_at <= {schema}.as_of()
