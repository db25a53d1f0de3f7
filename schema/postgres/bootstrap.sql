-- Schemas, roles and the list of migrations: safe to run at every migration, by several at once (the lock is
-- per database, roles are per server).
create schema if not exists ledger;
create schema if not exists fleet;
create schema if not exists fleet_asof;

do $$
declare
    role_name text;
begin
    foreach role_name in array array[
        'fleetledger_ingest', 'fleetledger_evaluate', 'fleetledger_rules', 'fleetledger_select', 'fleetledger_reader',
        'fleetledger_team'
    ] loop
        if not exists (select from pg_roles where rolname = role_name) then
            begin
                execute format(
                    'create role %I %s', role_name,
                    case when role_name in ('fleetledger_select', 'fleetledger_team') then 'nologin' else 'login' end
                );
            exception when duplicate_object or unique_violation then
                null; -- another database of this server is being migrated at this moment
            end;
        end if;
    end loop;
end
$$;

-- Readers are many and share a server with the ingester: a third of its connections for the role that people share, and
-- no more. What only a superuser may do is left out where the owner is none; the evaluator and doctor say so.
do $$
declare
    own text;
    open_to_all constant integer := current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true)::integer, 0);
begin
    -- 100 is what releases before set, whatever the server had.
    if exists (
        select from pg_roles
        where rolname = 'fleetledger_reader' and (rolconnlimit = -1 or rolconnlimit = 100 and open_to_all / 3 < 100)
    ) then
        begin
            execute format('alter role fleetledger_reader connection limit %s', least(100, greatest(5, open_to_all / 3)));
        exception when others then
            null; -- another database of this server is being migrated at this moment
        end;
    end if;
    if not pg_has_role('fleetledger_evaluate', 'pg_signal_backend', 'member')
        or not pg_has_role('fleetledger_evaluate', 'pg_read_all_stats', 'member')
    then
        begin
            grant pg_signal_backend, pg_read_all_stats to fleetledger_evaluate;
        exception when others then
            null; -- likewise, or no superuser
        end;
    end if;
    -- From version 16 on connections can be reserved for these three, so that readers cannot take the last ones.
    foreach own in array array['fleetledger_ingest', 'fleetledger_evaluate', 'fleetledger_rules'] loop
        if to_regrole('pg_use_reserved_connections') is not null
            and not pg_has_role(own, 'pg_use_reserved_connections', 'member')
        then
            begin
                execute format('grant pg_use_reserved_connections to %I', own);
            exception when others then
                null; -- likewise
            end;
        end if;
    end loop;
end
$$;

create table if not exists ledger.migration (
    name text primary key,
    sha256 text not null,
    applied_at timestamptz not null default now()
);
comment on table ledger.migration is 'Migrations that were applied, with the checksum of their text.';
comment on column ledger.migration.name is 'File name.';
comment on column ledger.migration.sha256 is 'SHA-256 of its text when it was applied.';
comment on column ledger.migration.applied_at is 'When it was applied.';

create table if not exists ledger.repeatable_set (
    only_row boolean primary key default true check (only_row),
    sha256 text not null,
    replaced_at timestamptz not null default now()
);
comment on table ledger.repeatable_set is 'Of which texts functions and views were made.';
comment on column ledger.repeatable_set.only_row is 'There is one row.';
comment on column ledger.repeatable_set.sha256 is 'SHA-256 of all of them.';
comment on column ledger.repeatable_set.replaced_at is 'When they were last replaced.';
