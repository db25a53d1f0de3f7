    round((%.cpu_nanos + %.memory_nanos + %.gpu_nanos) / 1e9, 9) as cost, -- Cost of CPU, memory and GPUs; compute only. Exact to nine digits; 0 where no price is known, see unpriced_hours.
    round(%.cpu_nanos / 1e9, 9) as cpu_cost, -- Cost of CPU.
    round(%.memory_nanos / 1e9, 9) as memory_cost, -- Cost of memory.
    round(%.gpu_nanos / 1e9, 9) as gpu_cost, -- Cost of GPUs.
    (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1) as currency, -- ISO 4217 code of the currency of all amounts.
    round(%.cpu_charged_core_us / 3.6e9, 6) as cpu_core_hours, -- CPU charged: max(request, usage), in core-hours.
    round(%.memory_charged_byte_seconds / 3865470566400.0, 6) as memory_gib_hours, -- Memory charged, in GiB-hours.
    round(%.gpu_charged_card_us / 3.6e9, 6) as gpu_hours, -- GPUs charged, in card-hours.
    round(%.cpu_requested_core_us / 3.6e9, 6) as cpu_request_core_hours, -- CPU requested, in core-hours; what has no request adds nothing here.
    round(%.memory_requested_byte_seconds / 3865470566400.0, 6) as memory_request_gib_hours, -- Memory requested, in GiB-hours.
    case when %.usage_ms > 0 then round(%.cpu_used_core_us / 3.6e9, 6) end as cpu_used_core_hours, -- CPU used in usage_hours, in core-hours; NULL = not seen.
    case when %.usage_ms > 0 then round(%.memory_used_byte_seconds / 3865470566400.0, 6) end as memory_used_gib_hours, -- Memory used in usage_hours, in GiB-hours; NULL = not seen.
    round(%.life_ms / 3.6e6, 6) as container_hours, -- Time charged, summed over containers, in hours.
    round(%.usage_ms / 3.6e6, 6) as usage_hours, -- Part of it for which usage was seen.
    round(%.unknown_ms / 3.6e6, 6) as unknown_hours, -- Part of it with neither request nor usage: charged nothing, and not known to be nothing.
    round(%.unpriced_ms / 3.6e6, 6) as unpriced_hours, -- Part of it on nodes without a known price or capacity: not in cost.
    case when %.usage_ms = 0 then 'request' when %.usage_ms >= %.life_ms then 'usage' else 'mixed' end as charge_basis, -- usage: max(request, usage) throughout; request: usage was never seen; mixed.
