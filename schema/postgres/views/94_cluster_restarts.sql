-- view: cluster_restarts
-- forms: live
-- Restarts of containers by cluster, every five minutes.
select
    r.window_at, -- Begin of the five minutes.
    r.datacenter, -- Name of the datacenter.
    r.cluster, -- Name of the cluster.
    r.restarts -- Restarts within them.
from ledger.rollup_cluster as r
