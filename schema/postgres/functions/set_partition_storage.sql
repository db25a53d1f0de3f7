-- A partitioned table has no storage parameters that its partitions could inherit, so each gets them when it is made. A row
-- of the running hour is updated with every window: room on its page keeps that out of the indexes.
create or replace function ledger.set_partition_storage(of_table text, name text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
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
revoke execute on function ledger.set_partition_storage from public;
