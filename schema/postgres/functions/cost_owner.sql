-- Owner of each namespace as of an hour: the one at its begin; of a namespace that the ledger did not know then, the first one
-- that it learnt. So the hour in which a cluster is heard of for the first time has owners, and so have the hours before, which
-- are rated because its pods say since when they live.
create or replace function ledger.cost_owner(h0 timestamptz, h1 timestamptz)
returns table (cluster_id integer, namespace text, team text, owner_source text, allow_label_owner text)
language sql stable
begin atomic
    with known as (
        select t.cluster_id, t.namespace, t.team, t.owner_source, t.valid_from
        from ledger.namespace_team as t
        where t.owner_source in ('label', 'annotation')
        union all
        select t.cluster_id, t.namespace, t.team, t.owner_source, t.valid_from
        from ledger.namespace_team_history as t
        where t.valid_to > h0 and t.owner_source in ('label', 'annotation')
    ), name as (
        select n.cluster_id, n.namespace, min(n.valid_from) as known_at from ledger.namespace as n group by 1, 2
        union
        select n.cluster_id, n.namespace, min(n.valid_from) from ledger.namespace_history as n
        where n.valid_to > h0 group by 1, 2
        union
        select k.cluster_id, k.namespace, '-infinity' from known as k
    ), of_label as (
        select distinct on (k.cluster_id, k.namespace) k.*
        from known as k
        where k.valid_from <= h0
           or not exists (select from name as n where n.cluster_id = k.cluster_id and n.namespace = k.namespace
                and n.known_at <= h0 and n.known_at > '-infinity')
        order by k.cluster_id, k.namespace, k.valid_from
    ), one as (
        select distinct n.cluster_id, n.namespace, c.datacenter, c.cluster
        from name as n join ledger.cluster as c using (cluster_id)
    ), owner as (
        select o.cluster_id, o.namespace,
            coalesce(l.team, m.team) as team,
            case
                when l.team is not null then l.owner_source
                when m.namespace is not null then 'map'
                when m.team is not null then 'default'
            end as owner_source
        from one as o
        left join of_label as l on l.cluster_id = o.cluster_id and l.namespace = o.namespace
        left join lateral (
            select m.team, m.namespace
            from ledger.owner_map as m
            where m.superseded_at is null and m.valid_from <= h0 and coalesce(m.valid_to, 'infinity') > h0
              and (m.datacenter is null or m.datacenter = o.datacenter)
              and (m.cluster is null or m.cluster = o.cluster)
              and (m.namespace is null or o.namespace like ledger.owner_pattern(m.namespace))
            order by m.namespace is null, m.position
            limit 1
        ) as m on l.team is null
    )
    select o.cluster_id, o.namespace, o.team, o.owner_source, t.allow_label_owner
    from owner as o
    left join lateral (
        select t.allow_label_owner
        from ledger.cost_team as t
        where t.team = o.team and t.superseded_at is null and t.valid_from <= h0 and coalesce(t.valid_to, 'infinity') > h0
        order by t.valid_from desc
        limit 1
    ) as t on true
    where o.team is not null;
end;
comment on function ledger.cost_owner is 'Owner of each namespace as of an hour, and the label by which its pods may name another.';
