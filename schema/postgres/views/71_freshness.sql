-- view: freshness
-- forms: live asof
-- Up to when each kind of each cluster is known: a rule asks this before it believes an absence.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    k.kind, -- node, pod, namespace, workload, watchdog or usage.
    f.observed_at, -- Up to when it is known.
    extract(epoch from {schema}.as_of() - f.observed_at)::double precision as age_seconds, -- How long ago that is, in seconds.
    coalesce(l.retired_at <= {schema}.as_of(), false) as retired -- True if the cluster was retired.
from {freshness} as f
join {cluster} as l using (cluster_id)
join (values (1, 'node'), (2, 'pod'), (3, 'namespace'), (4, 'workload'), (5, 'watchdog'), (6, 'usage')) as k (number, kind)
    on k.number = f.kind
