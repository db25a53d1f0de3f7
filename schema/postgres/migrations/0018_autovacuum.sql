-- What autovacuum does by default is meant for tables that change little. A busy fleet changes a tenth of its rows within
-- seconds, so its tables were analyzed each minute, every one of their columns: at 5,000 changes a second this took a core
-- for a quarter of the time, and changes waited ten times as long meanwhile.
--
-- Lists and documents are shown and searched within, never compared as a whole: statistics of them tell a plan nothing and
-- are half the work. A partition that is only appended to is analyzed, and its pages are marked, when it has doubled.

create function ledger.set_statistics(of_table text) returns void
language plpgsql
set search_path = ledger, pg_catalog
as $$
declare
    one text;
begin
    for one in
        select a.attname
        from pg_attribute as a
        join pg_type as t on t.oid = a.atttypid
        where a.attrelid = format('ledger.%I', of_table)::regclass and a.attnum > 0 and not a.attisdropped
          and (t.typname = 'jsonb' or t.typcategory = 'A')
    loop
        execute format('alter table ledger.%I alter column %I set statistics 0', of_table, one);
    end loop;
end
$$;
comment on function ledger.set_statistics is 'Keeps no statistics of the lists and documents of a table.';

create function ledger.set_partition_storage(of_table text, name text) returns void
language plpgsql
set search_path = ledger, pg_catalog
as $$
declare
    filled integer := coalesce((select fillfactor from ledger.partitioned_table where table_name = of_table), 100);
begin
    execute format('alter table ledger.%I set (fillfactor = %s)', name, filled);
    -- Rows of a partition whose pages are filled to the last are never updated.
    if filled = 100 then
        execute format(
            'alter table ledger.%I set (autovacuum_analyze_scale_factor = 1, autovacuum_vacuum_insert_scale_factor = 1)', name
        );
    end if;
    perform ledger.set_statistics(name);
end
$$;
comment on function ledger.set_partition_storage is 'Storage parameters of a partition: a partitioned table has none that its partitions could inherit.';

create or replace function ledger.attach_partition(of_table text, name text, from_at timestamptz, to_at timestamptz) returns void
language plpgsql
set search_path = ledger, pg_catalog
set timezone = 'UTC'
as $$
begin
    if to_regclass(format('ledger.%I', name)) is null then
        execute format('create table ledger.%I (like ledger.%I including all)', name, of_table);
        execute format('revoke all on ledger.%I from public', name);
        perform ledger.set_partition_storage(of_table, name);
    end if;
    execute format(
        'alter table ledger.%I attach partition ledger.%I for values from (%s) to (%L)',
        of_table, name,
        case when from_at = '-infinity' then 'minvalue' else quote_literal(from_at) end,
        to_at
    );
end
$$;

revoke execute on function ledger.set_statistics, ledger.set_partition_storage from public;
select ledger.set_statistics(t)
from unnest(array['node', 'namespace', 'workload', 'watchdog', 'pod', 'container']) as t;
select ledger.set_partition_storage(t.table_name, b.partition_name)
from ledger.partitioned_table as t, ledger.partition_bounds(t.table_name) as b;
