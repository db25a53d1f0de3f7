-- What our roles are members of. A dump of a database holds none of it, so migrate grants it each time.
create or replace function ledger.role_memberships()
returns table (granted text, member text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    values ('fleetledger_select', 'fleetledger_reader'), ('fleetledger_select', 'fleetledger_evaluate')
    union all
    select 'fleetledger_team', t.role_name from ledger.team_role as t
$$;
comment on function ledger.role_memberships is 'What roles are members of.';
