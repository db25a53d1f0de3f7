-- Sets roles up in this database: what they are set to, and what they are members of. Safe to repeat; changes only what differs.
create or replace function ledger.apply_role_settings() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    one record;
begin
    execute format('revoke temporary on database %I from public', current_database());
    -- The rules' role has a function of a moment parsed for it before it runs a query (queries/src/prepare/resolved.rs).
    execute format('grant temporary on database %I to fleetledger_ingest, fleetledger_rules', current_database());
    for one in
        select m.granted, m.member
        from ledger.role_memberships() as m
        join pg_roles as r on r.rolname = m.member
        where not pg_has_role(r.oid, m.granted, 'member')
    loop
        begin
            execute format('grant %I to %I', one.granted, one.member);
        exception when unique_violation then
            null; -- roles are the server's: another of its databases is being migrated at this moment
        end;
    end loop;
    for one in
        select s.*
        from ledger.role_settings() as s
        join pg_roles as r on r.rolname = s.role_name
        where not exists (
            select from pg_db_role_setting as d
            join pg_database as b on b.oid = d.setdatabase
            where d.setrole = r.oid and b.datname = current_database()
              and s.setting || '=' || s.setting_value = any (d.setconfig)
        )
    loop
        begin
            execute format(
                'alter role %I in database %I set %I = %L', one.role_name, current_database(), one.setting, one.setting_value
            );
        exception when insufficient_privilege then
            if not one.only_superuser then
                raise;
            end if;
            raise notice '% of % is not set: only a superuser or the creator of the role can set it', one.setting, one.role_name;
        end;
    end loop;
end
$$;
comment on function ledger.apply_role_settings is 'Sets what roles are set to in this database and are members of, where it differs.';
-- Only the owner sets roles up.
revoke execute on function ledger.apply_role_settings from public;
