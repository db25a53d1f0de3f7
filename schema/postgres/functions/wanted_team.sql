-- Owner that each namespace of these clusters should have: the label goes before the annotation, that before the map, the map
-- before the cluster's default. A name may be there twice for a moment when a namespace is made again; the newest uid counts.
create or replace function ledger.wanted_team(cluster_ids integer[], at timestamptz)
returns table (cluster_id integer, namespace text, team text, owner_source text)
language sql stable
begin atomic
    select n.cluster_id, n.namespace, coalesce(n.of_label, n.of_annotation, m.team) as team,
        case
            when n.of_label is not null then 'label'
            when n.of_annotation is not null then 'annotation'
            when m.namespace is not null then 'map'
            else 'default'
        end as owner_source
    from (
        select distinct on (n.cluster_id, n.namespace)
            n.cluster_id, n.namespace, c.datacenter, c.cluster,
            nullif(n.labels ->> s.value, '') as of_label,
            nullif(n.annotations ->> s.value, '') as of_annotation
        from ledger.namespace as n
        join ledger.cluster as c using (cluster_id)
        left join ledger.setting as s on s.name = 'owners.namespace_label'
        where n.cluster_id = any (cluster_ids)
        order by n.cluster_id, n.namespace, n.created_at desc nulls last, n.uid
    ) as n
    left join lateral (
        select m.team, m.namespace
        from ledger.owner_map as m
        where m.superseded_at is null and m.valid_from <= at and coalesce(m.valid_to, 'infinity') > at
          and (m.datacenter is null or m.datacenter = n.datacenter)
          and (m.cluster is null or m.cluster = n.cluster)
          and (m.namespace is null or n.namespace like ledger.owner_pattern(m.namespace))
        order by m.namespace is null, m.position
        limit 1
    ) as m on n.of_label is null and n.of_annotation is null;
end;
comment on function ledger.wanted_team is 'Owner that each namespace of these clusters should have at an instant, and where it comes from.';
