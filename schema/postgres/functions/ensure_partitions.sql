-- Makes every missing daily partition from `from_day` to `to_day` (UTC, both included) of every partitioned
-- table; returns how many it made. The ingester calls it each hour, and for the days of a batch that met a
-- missing partition.
create or replace function ledger.ensure_partitions(
    from_day date default (now() at time zone 'UTC')::date,
    to_day date default (now() at time zone 'UTC')::date + 7
) returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
    one ledger.partitioned_table;
    day date;
    made integer := 0;
begin
    if to_day - from_day > 60 then
        raise exception 'ensure_partitions: % to % is more than 60 days', from_day, to_day using errcode = '22023';
    end if;
    perform ledger.take_lock('partition');
    for one in select * from ledger.partitioned_table order by table_name loop
        if one.has_old_partition and not exists (select from ledger.partition_bounds(one.table_name)) then
            perform ledger.attach_partition(one.table_name, one.table_name || '_old', '-infinity', from_day::timestamptz);
            made := made + 1;
        end if;
        for day in select generate_series(from_day, to_day, interval '1 day')::date loop
            if not exists (
                select from ledger.partition_bounds(one.table_name) as b
                where b.from_at <= day::timestamptz and day::timestamptz < b.to_at
            ) then
                perform ledger.attach_partition(
                    one.table_name, ledger.partition_name(one.table_name, day, false),
                    day::timestamptz, (day + 1)::timestamptz
                );
                made := made + 1;
            end if;
        end loop;
    end loop;
    return made;
end
$$;
comment on function ledger.ensure_partitions is 'Makes missing daily partitions, by default from today to a week ahead.';
