-- Makes a partition unless a table of its name is there, and attaches it. It is made as a table of its own: `partition of`
-- would lock every reader out of the parent.
create or replace function ledger.attach_partition(of_table text, name text, from_at timestamptz, to_at timestamptz) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
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
comment on function ledger.attach_partition is 'Makes a partition and attaches it.';
