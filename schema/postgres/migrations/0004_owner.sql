-- Who owns a namespace: for now the namespace's label or annotation that setting owners.namespace_label names.

-- Owner that each namespace of these clusters should have. A name may stand twice for a moment when a namespace
-- is made again; the newest uid counts.
create function ledger.wanted_team(cluster_ids integer[])
returns table (cluster_id integer, namespace text, team text)
language sql stable
set search_path = ledger, pg_catalog
begin atomic
    select distinct on (n.cluster_id, n.namespace)
        n.cluster_id,
        n.namespace,
        nullif(coalesce(n.labels ->> s.value, n.annotations ->> s.value), '') as team
    from ledger.namespace as n
    cross join ledger.setting as s
    where s.name = 'owners.namespace_label' and n.cluster_id = any (cluster_ids)
    order by n.cluster_id, n.namespace, n.created_at desc, n.uid;
end;

-- Called by the ingester after namespaces changed, and by whoever changes the setting. The two statements see
-- the same namespaces: the caller's transaction changed them before.
create function ledger.apply_owners(cluster_ids integer[], at timestamptz) returns integer
language plpgsql
security definer
set search_path = ledger, pg_catalog
as $$
declare
    ended integer;
    begun integer;
begin
    with gone as (
        delete from ledger.namespace_team as t
        where t.cluster_id = any (cluster_ids)
          and not exists (
              select from ledger.wanted_team(cluster_ids) as w
              where w.cluster_id = t.cluster_id and w.namespace = t.namespace and w.team = t.team
          )
        returning t.cluster_id, t.namespace, t.team, t.valid_from
    )
    insert into ledger.namespace_team_history (cluster_id, namespace, team, valid_from, valid_to)
    select cluster_id, namespace, team, valid_from, greatest(at, valid_from + interval '1 microsecond')
    from gone;
    get diagnostics ended = row_count;

    insert into ledger.namespace_team (cluster_id, namespace, team, valid_from)
    select w.cluster_id, w.namespace, w.team,
        greatest(at, (
            select max(h.valid_to) from ledger.namespace_team_history as h
            where h.cluster_id = w.cluster_id and h.namespace = w.namespace
        ))
    from ledger.wanted_team(cluster_ids) as w
    where w.team is not null
    on conflict (cluster_id, namespace) do nothing;
    get diagnostics begun = row_count;
    return ended + begun;
end
$$;
comment on function ledger.wanted_team is 'Owner that each namespace of these clusters should have.';
comment on function ledger.apply_owners is 'Brings namespace_team of these clusters in line with the namespaces, as of that instant; returns how many intervals began or ended.';
