-- view: watchdog
-- forms: live asof at history
-- Every watchdog that exists, one row each.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    d.watchdog, -- Watchdog name.
    d.uid, -- Kubernetes uid of the watchdog: its identity.
    -- columns: watchdog
    d.unknown as unknown_fields, -- Fields a newer emitter sent that this version does not know; NULL in the common case.
    d.valid_from, -- Begin of this version: since then it is so.
    d.observed_at, -- When the emitter observed this version.
    d.landed_at -- When this version was committed here.
from {watchdog} as d
join {cluster} as l using (cluster_id)
