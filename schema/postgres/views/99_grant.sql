-- script: once
-- Whoever may log in has what PUBLIC has. Of ours that is nothing: each role below is given what it needs.
revoke execute on all functions in schema fleet, fleet_asof, ledger from public;
do $$
declare
    own regprocedure;
begin
    -- Large objects fill a disk beyond every limit of a role. Where the owner is no superuser the server warns that nothing was
    -- revoked. These functions have the same arguments in every version: what is revoked of one that has not would be in
    -- dumps, and a newer server refuses them (pg_logical_emit_message).
    for own in
        select p.oid::regprocedure from pg_proc as p
        where p.pronamespace = 'pg_catalog'::regnamespace
          and p.proname in (
              'lo_creat', 'lo_create', 'lo_from_bytea', 'lo_put', 'lowrite', 'lo_truncate', 'lo_truncate64'
          )
    loop
        execute format('revoke execute on function %s from public', own);
    end loop;
end
$$;
grant usage on schema fleet, fleet_asof to fleetledger_select, fleetledger_ingest, fleetledger_evaluate;
grant select on all tables in schema fleet, fleet_asof to fleetledger_select;
grant execute on all functions in schema fleet, fleet_asof to fleetledger_select;
-- The ingester's login shows the state of what it lands (`fleetledger status`). It is no member of fleetledger_select, whose
-- long transactions are ended.
grant select on all tables in schema fleet, fleet_asof to fleetledger_ingest;
grant execute on all functions in schema fleet, fleet_asof to fleetledger_ingest;
-- What views call, they call as who reads them.
grant execute on function ledger.cost_container, ledger.cost_interval, ledger.cost_pod_end, ledger.cost_owner,
    ledger.owner_pattern, ledger.cost_amount, ledger.cost_amounts, ledger.cost_share, ledger.cost_covered_us to fleetledger_select;
grant execute on function ledger.cron_next to fleetledger_select, fleetledger_team;
-- Readers reach the tables through the views alone: they have no USAGE on schema ledger.
grant select on all tables in schema ledger to fleetledger_select;
revoke select on ledger.dead_letter from fleetledger_select;
grant select (
    dead_letter_id, topic, partition, record_offset, kafka_at, datacenter, cluster, cluster_uid, kind, uid, reason,
    detail, schema_ref, died_at, state, settled_at
) on ledger.dead_letter to fleetledger_select;
revoke select on ledger.dead_letter_overflow from fleetledger_select;
grant select (
    datacenter, cluster, cluster_uid, day_on, topic, reason, letters, bytes, first_at, last_at, partition, record_offset,
    detail, record_key
) on ledger.dead_letter_overflow to fleetledger_select;

-- What teams may read, their own rows of it (migrations/0012_team.sql): these views, what they and the functions of fleet
-- stand on, and nothing else. Each table below has a policy for teams, or is said to tell of nobody.
do $$
declare
    own text;
begin
    execute 'grant usage on schema fleet, fleet_asof to fleetledger_team';
    execute 'grant execute on all functions in schema fleet, fleet_asof to fleetledger_team';
    foreach own in array array[
        'namespace', 'workload', 'pod', 'pod_condition', 'container', 'alert', 'alert_history', 'namespace_sample', 'cost_hourly',
        'cost_daily', 'cost_workload_daily', 'cost_monthly', 'cost_adjustment', 'team_budget', 'namespace_history',
        'workload_history', 'pod_history', 'container_history'
    ] loop
        execute format('grant select on fleet.%I to fleetledger_team', own);
        if to_regclass('fleet_asof.' || own) is not null then
            execute format('grant select on fleet_asof.%I to fleetledger_team', own);
        end if;
    end loop;
    foreach own in array array[
        'team_role', 'namespace_team', 'namespace_team_history', 'owner_span', 'rollup_namespace', 'alert_instance',
        'alert_event', 'cost_team', 'cost_line', 'cost_namespace_daily', 'cost_namespace_monthly', 'cost_hourly', 'cost_daily',
        'cost_adjustment', 'namespace', 'workload', 'pod', 'container', 'namespace_history', 'workload_history', 'pod_history',
        'container_history'
    ] loop
        execute format('grant select on ledger.%I to fleetledger_team', own);
    end loop;
end
$$;
-- Of nobody: names of clusters, the currency, which hours, days and months were rated.
grant select (cluster_id, datacenter, cluster) on ledger.cluster to fleetledger_team;
grant select (sheet_id, currency) on ledger.price_sheet to fleetledger_team;
grant select (hour_at, run_id, complete, partial) on ledger.cost_hour to fleetledger_team;
grant select (day_at, hours) on ledger.cost_day to fleetledger_team;
grant select (month_at, closed_at) on ledger.cost_month to fleetledger_team;

grant usage on schema ledger to fleetledger_ingest;
grant select, insert, update, delete on all tables in schema ledger to fleetledger_ingest;
revoke insert, update, delete on ledger.migration, ledger.repeatable_set, ledger.partitioned_table, ledger.team_role
    from fleetledger_ingest;
grant update (retention_days) on ledger.partitioned_table to fleetledger_ingest;
grant usage on all sequences in schema ledger to fleetledger_ingest;
grant execute on all functions in schema ledger to fleetledger_ingest;
-- A lock is taken by functions alone (functions/take_lock.sql); nobody but the owner can lock its table.
do $$
declare
    own text;
begin
    for own in
        select c.relname::text from pg_class as c
        where c.relnamespace = to_regnamespace('ledger') and c.relkind = 'r' and c.relname like 'lock\_%'
    loop
        execute format('revoke all on ledger.%I from fleetledger_select, fleetledger_ingest', own);
    end loop;
end
$$;
revoke execute on function ledger.attach_partition, ledger.team_grant, ledger.team_revoke, ledger.apply_role_settings from public, fleetledger_ingest;

-- Evaluators write what is theirs, and the ingester does not.
grant usage on schema ledger to fleetledger_evaluate;
do $$
declare
    own text;
begin
    foreach own in array array[
        'rule_set', 'evaluator', 'rule_group', 'rule', 'refused_rule', 'rule_run', 'alert_instance', 'alert_event', 'snooze',
        'alert_ack', 'page_group', 'outbox', 'delivery'
    ] || array(
        -- Windows of rollups, and the tables that migrations make for them.
        select c.relname::text from pg_class as c
        where c.relnamespace = to_regnamespace('ledger') and c.relkind in ('r', 'p') and not c.relispartition
          and (c.relname like 'rollup\_%' or c.relname = 'user_rollup')
    ) loop
        execute format('grant select, insert, update, delete on ledger.%I to fleetledger_evaluate', own);
        execute format('revoke insert, update, delete on ledger.%I from fleetledger_ingest', own);
    end loop;
end
$$;
-- Prices, owners and what is booked change by functions and by who may apply them; no other role writes cost.
do $$
declare
    own text;
begin
    for own in
        select c.relname::text from pg_class as c
        where c.relnamespace = to_regnamespace('ledger') and c.relkind in ('r', 'p') and not c.relispartition
          and (c.relname like 'cost\_%' or c.relname like 'price\_%' or c.relname = 'owner_map')
    loop
        execute format('revoke insert, update, delete on ledger.%I from fleetledger_ingest', own);
        if own in ('price_sheet', 'price_class', 'owner_map', 'cost_team', 'cost_sharing') then
            execute format('grant select, insert, update on ledger.%I to fleetledger_evaluate', own);
        end if;
    end loop;
end
$$;
revoke execute on function ledger.cost_fill, ledger.cost_fill_rest, ledger.cost_fill_day, ledger.cost_fill_day_rest,
    ledger.cost_close, ledger.cost_check_hour, ledger.cost_due, ledger.rate, ledger.rate_lines, ledger.cost_write_check from public, fleetledger_ingest;
grant execute on function ledger.cost_fill, ledger.cost_fill_rest, ledger.cost_fill_day, ledger.cost_fill_day_rest,
    ledger.cost_close, ledger.cost_due, ledger.cost_retry, ledger.apply_owners, ledger.partition_bounds, ledger.role_settings,
    ledger.role_memberships
    to fleetledger_evaluate;
-- What has happened is not changed afterwards.
revoke update, delete on ledger.alert_event, ledger.delivery, ledger.rule_run from fleetledger_evaluate;
grant usage on sequence ledger.alert_event_number, ledger.snooze_snooze_id_seq,
    ledger.alert_ack_alert_ack_id_seq, ledger.outbox_outbox_id_seq, ledger.delivery_number
    to fleetledger_evaluate;
grant execute on function ledger.ensure_partitions, ledger.take_lock, ledger.try_lock, ledger.lock_holder to fleetledger_evaluate;

-- What they are set to in this database, and are members of.
select ledger.apply_role_settings();
