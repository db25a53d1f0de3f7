-- view: cost_workload_daily
-- forms: live asof
-- Cost of each namespace, workload and container in each UTC day, by class of nodes. The current day contains the hours rated so far. Compute only.
select
    h.day_at, -- Begin of the UTC day.
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    {cost_dimension_lines: i}
    {cost_measure_lines: h}
    c.hours -- Hours of the day that were rated, of 24.
from ledger.cost_daily as h
join ledger.cost_line as i using (line_id)
join {cluster} as l using (cluster_id)
join ledger.cost_day as c on c.day_at = h.day_at
where h.day_at <= {schema}.as_of()
