-- view: cost_adjustment
-- forms: live asof
-- Corrections of closed months, dated by when they were booked.
select
    a.booked_at, -- When it was booked.
    a.hour_at, -- Hour of the closed month it is about.
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    {cost_dimension_lines: i}
    round((a.cpu_nanos + a.memory_nanos + a.gpu_nanos) / 1e9, 9) as cost, -- Difference of the cost.
    round(a.cpu_nanos / 1e9, 9) as cpu_cost, -- Difference of the cost of CPU.
    round(a.memory_nanos / 1e9, 9) as memory_cost, -- Difference of the cost of memory.
    round(a.gpu_nanos / 1e9, 9) as gpu_cost, -- Difference of the cost of GPUs.
    a.run_id -- Run that found it.
from ledger.cost_adjustment as a
join ledger.cost_line as i using (line_id)
join {cluster} as l using (cluster_id)
where a.booked_at <= {schema}.as_of()
