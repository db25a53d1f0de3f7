-- view: cost_hourly
-- forms: live asof
-- Cost of each namespace, workload and container in each UTC hour, by class of nodes. Idle and system are rows too: the sum is what the nodes cost. Compute only: CPU, memory and GPUs.
select
    h.hour_at, -- Begin of the UTC hour.
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    {cost_dimension_lines: i}
    {cost_measure_lines: h}
    c.partial, -- True if the hour was still running when it was rated.
    c.complete, -- True if every source was known to the end of the hour; else it is rated again.
    c.run_id -- Run that rated it; see cost_run.
from ledger.cost_hourly as h
join ledger.cost_line as i using (line_id)
join {cluster} as l using (cluster_id)
join ledger.cost_hour as c on c.hour_at = h.hour_at
where h.hour_at <= {schema}.as_of()
