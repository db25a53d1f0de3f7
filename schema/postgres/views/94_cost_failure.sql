-- view: cost_failure
-- forms: live asof
-- What is excluded from cost: nodes and pods that hours were rated without, hours of clusters that could not be rated, and days that could not be summed. The rest is rated without them, and rating them is retried automatically.
select
    f.period, -- hour or day.
    f.at, -- Begin of the hour or day.
    l.datacenter, -- Name of the datacenter; NULL = the whole hour or day is excluded.
    l.cluster, -- Name of the cluster; NULL = likewise.
    f.error, -- What the database said.
    f.failed_since, -- When it was first tried.
    f.failed_at, -- When it was last tried.
    f.attempts, -- How many times it was tried.
    f.objects -- Nodes and pods that the hour was rated without, such as `pod shop/web-1`; empty = all of the cluster is excluded, or the whole hour or day.
from ledger.cost_failure as f
left join {cluster} as l using (cluster_id)
where f.failed_since <= {schema}.as_of()
