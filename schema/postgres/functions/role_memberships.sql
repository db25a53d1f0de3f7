-- What our roles are members of. A dump of a database holds none of it, so migrate grants it each time.
create or replace function ledger.role_memberships()
returns table (granted text, member text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select 'fleetledger_select', r.role_name
    from unnest(array['fleetledger_reader', 'fleetledger_evaluate', 'fleetledger_rules']) as r (role_name)
    union all
    select 'fleetledger_team', t.role_name from ledger.team_role as t
$$;
comment on function ledger.role_memberships is 'What roles are members of.';
