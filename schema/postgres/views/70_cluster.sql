-- view: cluster
-- forms: live asof
-- Every cluster that ever sent a record, and its state.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    l.cluster_uid, -- Uid of its kube-system namespace: its identity.
    case
        when l.retired_at <= {schema}.as_of() then 'retired'
        when f.observed_at is null or f.observed_at < {schema}.as_of() - make_interval(secs => s.stale_seconds) then 'stale'
        else 'fresh'
    end as state, -- fresh, stale (silent for longer than setting freshness.stale_seconds, 300 by default) or retired.
    f.observed_at, -- Up to when all of its kinds of objects are known; usage, which may be off, does not count.
    extract(epoch from {schema}.as_of() - f.observed_at)::double precision as age_seconds, -- How long ago that is, in seconds.
    l.first_seen_at, -- When its first record landed.
    l.retired_at, -- When it was retired.
    l.source -- Where its objects come from: watch, dump (sent once, and stale from then on) or simulate; NULL = its emitter does not say.
from {cluster} as l
left join (
    select cluster_id, min(observed_at) as observed_at from {freshness} as k where k.kind <> 6 group by cluster_id
) as f using (cluster_id)
cross join (
    select coalesce(max(value::double precision), 300) as stale_seconds
    from ledger.setting where name = 'freshness.stale_seconds'
) as s
where l.first_seen_at <= {schema}.as_of()
  and l.state <> 'forgotten'
