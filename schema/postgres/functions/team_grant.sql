-- Makes the role of a team, or checks the one that is there: it must be a member of fleetledger_team and of nothing else.
create or replace function ledger.team_grant(team text) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    role_name text := 'fleetledger_team_' || team;
    beyond text;
begin
    if coalesce(team, '') = '' or team like '\_\_%' then
        raise exception '"%" is not the name of a team: write it as its namespaces do', team;
    end if;
    if octet_length(role_name) > 63 then
        raise exception 'team "%" has a name of more than 46 bytes, and names of roles are limited to 63', team;
    end if;
    if not exists (select from pg_roles as r where r.rolname = role_name) then
        execute format('create role %I login connection limit 10', role_name);
    end if;
    execute format('grant fleetledger_team to %I', role_name);
    select string_agg(quote_ident(r.rolname), ', ' order by r.rolname) into beyond
    from pg_roles as r
    where r.rolname not in (role_name, 'fleetledger_team') and pg_has_role(role_name, r.oid, 'member');
    select concat_ws(', ', beyond, case when r.rolsuper then 'superuser' end, case when r.rolbypassrls then 'bypassrls' end,
        case when r.rolcreaterole then 'createrole' end, case when r.rolreplication then 'replication' end)
    into beyond
    from pg_roles as r where r.rolname = role_name;
    if beyond <> '' then
        raise exception 'role "%" has privileges that a team may not have: %', role_name, beyond
            using hint = 'Revoke them, or drop the role; then grant again.';
    end if;
    insert into ledger.team_role (role_name, team) values (role_name, team) on conflict do nothing;
    perform ledger.apply_role_settings();
    return role_name;
end
$$;
comment on function ledger.team_grant is 'Makes the role that sees one team''s rows, unless it is there, and returns its name. Give it a password, or let it in by a certificate.';
-- Only the owner makes roles.
revoke execute on function ledger.team_grant from public;
