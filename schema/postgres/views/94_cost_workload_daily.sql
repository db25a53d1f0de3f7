-- view: cost_workload_daily
-- forms: live asof
-- Cost of each namespace, workload and container in each UTC day, by class of nodes. The running day holds the hours that were rated. Compute only.
select
    h.day_at, -- Begin of the UTC day.
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    i.namespace, -- Namespace; __idle__ and __system__ for what nobody was charged.
    i.team, -- Owner as of the hour; __unallocated__ if nobody is known, __idle__ and __system__ as the namespace.
    i.owner_source, -- Where the owner comes from: label, annotation, map, default, pod_label, none.
    i.workload_kind, -- Kind of the top-level owner; NULL = a pod without one.
    i.workload, -- Name of the top-level owner; NULL = a pod without one.
    i.container, -- Container; pod-init for what a pod reserves beyond its containers.
    i.node_class, -- Class of nodes by the price sheet; NULL = no price is known.
    i.labels, -- Labels of the pods that setting cost.rollup_labels names.
    round((h.cpu_nanos + h.memory_nanos + h.gpu_nanos) / 1e9, 9) as cost, -- Cost of CPU, memory and GPUs; compute only. Exact to nine digits; 0 where no price is known, see unpriced_hours.
    round(h.cpu_nanos / 1e9, 9) as cpu_cost, -- Cost of CPU.
    round(h.memory_nanos / 1e9, 9) as memory_cost, -- Cost of memory.
    round(h.gpu_nanos / 1e9, 9) as gpu_cost, -- Cost of GPUs.
    (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1) as currency, -- ISO 4217 code of the currency of all amounts.
    round(h.cpu_charged_core_us / 3.6e9, 6) as cpu_core_hours, -- CPU charged: max(request, usage), in core-hours.
    round(h.memory_charged_byte_seconds / 3865470566400.0, 6) as memory_gib_hours, -- Memory charged, in GiB-hours.
    round(h.gpu_charged_card_us / 3.6e9, 6) as gpu_hours, -- GPUs charged, in card-hours.
    round(h.cpu_requested_core_us / 3.6e9, 6) as cpu_request_core_hours, -- CPU requested, in core-hours; what has no request adds nothing here.
    round(h.memory_requested_byte_seconds / 3865470566400.0, 6) as memory_request_gib_hours, -- Memory requested, in GiB-hours.
    case when h.usage_ms > 0 then round(h.cpu_used_core_us / 3.6e9, 6) end as cpu_used_core_hours, -- CPU used in usage_hours, in core-hours; NULL = not seen.
    case when h.usage_ms > 0 then round(h.memory_used_byte_seconds / 3865470566400.0, 6) end as memory_used_gib_hours, -- Memory used in usage_hours, in GiB-hours; NULL = not seen.
    round(h.life_ms / 3.6e6, 6) as container_hours, -- Time charged, summed over containers, in hours.
    round(h.usage_ms / 3.6e6, 6) as usage_hours, -- Part of it for which usage was seen.
    round(h.unknown_ms / 3.6e6, 6) as unknown_hours, -- Part of it with neither request nor usage: charged nothing, and not known to be nothing.
    round(h.unpriced_ms / 3.6e6, 6) as unpriced_hours, -- Part of it on nodes that no price or capacity is known of: not in cost.
    case when h.usage_ms = 0 then 'request' when h.usage_ms >= h.life_ms then 'usage' else 'mixed' end as charge_basis, -- usage: max(request, usage) throughout; request: usage was never seen; mixed.
    c.hours -- Hours of the day that were rated, of 24.
from ledger.cost_daily as h
join ledger.cost_line as i using (line_id)
join {cluster} as l using (cluster_id)
join ledger.cost_day as c on c.day_at = h.day_at
where h.day_at <= {schema}.as_of()
