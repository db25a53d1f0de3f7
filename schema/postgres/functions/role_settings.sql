-- What our roles are set to in this database. pg_restore leaves it out unless it makes the database, so migrate sets it each time.
create or replace function ledger.role_settings()
returns table (role_name text, setting text, setting_value text, only_superuser boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select r.role_name, s.setting, s.setting_value, false
    from unnest(array['fleetledger_ingest', 'fleetledger_evaluate']) as r (role_name)
    cross join (values ('jit', 'off'), ('search_path', 'fleet')) as s (setting, setting_value)
    union all
    select r.role_name, s.setting, s.setting_value, s.only_superuser or r.is_a_persons
    from (
        select 'fleetledger_reader' as role_name, false as is_a_persons
        union all
        select 'fleetledger_rules', false
        union all
        -- Logins of people: members of the group of readers that somebody else made, and that only who made them may set up.
        select r.rolname, true
        from pg_roles as r
        where r.rolcanlogin and not r.rolsuper and pg_has_role(r.oid, 'fleetledger_select', 'member')
          and r.rolname not in ('fleetledger_ingest', 'fleetledger_evaluate', 'fleetledger_rules', 'fleetledger_reader')
          and not pg_has_role(r.oid, 'fleetledger_ingest', 'member') and not pg_has_role(r.oid, 'fleetledger_evaluate', 'member')
          and r.oid <> (select d.datdba from pg_database as d where d.datname = current_database())
    ) as r
    cross join (values
        ('jit', 'off', false),
        ('search_path', 'fleet', false),
        ('max_parallel_workers_per_gather', '0', false),
        ('statement_timeout', '60s', false),
        -- What containers cost over a week is summed up in memory: with 4 MB it is sorted on disk, and takes half as long again.
        ('work_mem', '16MB', false),
        ('idle_in_transaction_session_timeout', '60s', false),
        -- A superuser's to set, and then not the reader's to lift.
        ('temp_file_limit', '10GB', true)
    ) as s (setting, setting_value, only_superuser)
    union all
    select t.role_name, s.setting, s.setting_value, s.only_superuser
    from ledger.team_role as t
    cross join (values
        ('jit', 'off', false),
        ('search_path', 'fleet', false),
        ('max_parallel_workers_per_gather', '0', false),
        ('statement_timeout', '60s', false),
        ('idle_in_transaction_session_timeout', '60s', false),
        ('temp_file_limit', '1GB', true)
    ) as s (setting, setting_value, only_superuser)
$$;
comment on function ledger.role_settings is 'What roles are set to in this database; only_superuser: what the owner may not be able to set.';
