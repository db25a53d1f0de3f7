-- Called by the ingester after namespaces changed, and by whoever changes the setting. The two statements see
-- the same namespaces: the caller's transaction changed them before.
create or replace function ledger.apply_owners(cluster_ids integer[], at timestamptz) returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    ended integer;
    begun integer;
begin
    with gone as (
        delete from ledger.namespace_team as t
        where t.cluster_id = any (cluster_ids)
          and not exists (
              select from ledger.wanted_team(cluster_ids, at) as w
              where w.cluster_id = t.cluster_id and w.namespace = t.namespace and w.team = t.team
                and w.owner_source = t.owner_source
          )
        returning t.cluster_id, t.namespace, t.team, t.valid_from, t.owner_source
    )
    insert into ledger.namespace_team_history (cluster_id, namespace, team, valid_from, valid_to, owner_source)
    select cluster_id, namespace, team, valid_from, greatest(at, valid_from + interval '1 microsecond'), owner_source
    from gone;
    get diagnostics ended = row_count;

    insert into ledger.namespace_team (cluster_id, namespace, team, valid_from, owner_source)
    select w.cluster_id, w.namespace, w.team,
        greatest(at, (
            select max(h.valid_to) from ledger.namespace_team_history as h
            where h.cluster_id = w.cluster_id and h.namespace = w.namespace
        )),
        w.owner_source
    from ledger.wanted_team(cluster_ids, at) as w
    where w.team is not null
    on conflict (cluster_id, namespace) do nothing;
    get diagnostics begun = row_count;
    return ended + begun;
end
$$;
comment on function ledger.apply_owners is 'Brings namespace_team of these clusters in line with the namespaces, as of that instant; returns how many intervals began or ended.';
