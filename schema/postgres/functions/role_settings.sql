-- What our roles are set to in this database. pg_restore leaves it out unless it makes the database, so migrate sets it each time.
create or replace function ledger.role_settings()
returns table (role_name text, setting text, setting_value text, only_superuser boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select r.role_name, s.setting, s.setting_value, false
    from unnest(array['fleetledger_ingest', 'fleetledger_evaluate', 'fleetledger_reader']) as r (role_name)
    cross join (values ('jit', 'off'), ('search_path', 'fleet')) as s (setting, setting_value)
    union all
    select 'fleetledger_reader', s.setting, s.setting_value, s.only_superuser
    from (values
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
comment on function ledger.role_settings is 'What roles are set to in this database.';
