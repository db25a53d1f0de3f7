-- view: cost_monthly
-- forms: live asof
-- Cost of each namespace and team in each UTC month, by class of nodes. Idle and system are rows too: the sum is what the nodes cost. Compute only.
select
    d.month_at, -- Begin of the UTC month.
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    {cost_namespace_dimension_lines: d}
    {cost_measure_lines: d}
    m.closed_at -- When the month was closed; NULL = its rows may still change.
from ledger.cost_namespace_monthly as d
join {cluster} as l using (cluster_id)
left join ledger.cost_month as m on m.month_at = d.month_at
where d.month_at <= {schema}.as_of()
