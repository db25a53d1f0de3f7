-- view: cost_daily
-- forms: live asof
-- Cost of each namespace and team in each UTC day, by class of nodes. Idle and system are rows too: the sum is what the nodes cost. Compute only.
select
    d.day_at, -- Begin of the UTC day.
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    {cost_namespace_dimension_lines: d}
    {cost_measure_lines: d}
    c.hours -- Hours of the day that were rated, of 24.
from ledger.cost_namespace_daily as d
join {cluster} as l using (cluster_id)
join ledger.cost_day as c on c.day_at = d.day_at
where d.day_at <= {schema}.as_of()
