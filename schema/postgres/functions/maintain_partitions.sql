-- Merges the daily partitions of each month that ended more than 35 days ago into one, and drops what is
-- beyond its retention; returns what it did, one line each. An as-of query locks every partition it cannot
-- prune at plan time, so their number is kept below about 90 a table.
create or replace function ledger.maintain_partitions(at timestamptz default now()) returns setof text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
    one ledger.partitioned_table;
    part record;
    month date;
    name text;
begin
    perform ledger.take_lock('partition');
    for one in select * from ledger.partitioned_table order by table_name loop
        for part in
            select * from ledger.partition_bounds(one.table_name) as b
            where b.from_at <> '-infinity' and b.to_at < at - make_interval(days => one.retention_days)
        loop
            execute format('alter table ledger.%I detach partition ledger.%I', one.table_name, part.partition_name);
            execute format('drop table ledger.%I', part.partition_name);
            return next 'dropped ' || part.partition_name;
        end loop;
        if one.has_old_partition then
            execute format(
                'delete from ledger.%I where %I < %L', one.table_name || '_old', one.range_column,
                at - make_interval(days => one.retention_days)
            );
        end if;
        for month in
            select date_trunc('month', b.from_at)::date
            from ledger.partition_bounds(one.table_name) as b
            where b.from_at <> '-infinity' and b.to_at - b.from_at = interval '1 day'
            group by 1
            having date_trunc('month', min(b.from_at)) + interval '1 month' < at - interval '35 days'
               and min(b.from_at) = date_trunc('month', min(b.from_at))
               and max(b.to_at) = date_trunc('month', min(b.from_at)) + interval '1 month'
        loop
            name := ledger.partition_name(one.table_name, month, true);
            execute format('create table ledger.%I (like ledger.%I including all)', name, one.table_name);
            execute format('revoke all on ledger.%I from public', name);
            for part in
                select * from ledger.partition_bounds(one.table_name) as b
                where b.from_at >= month and b.to_at <= month + interval '1 month'
            loop
                execute format('alter table ledger.%I detach partition ledger.%I', one.table_name, part.partition_name);
                execute format('insert into ledger.%I select * from ledger.%I', name, part.partition_name);
                execute format('drop table ledger.%I', part.partition_name);
            end loop;
            perform ledger.attach_partition(one.table_name, name, month::timestamptz, (month + interval '1 month')::timestamptz);
            return next 'merged ' || name;
        end loop;
    end loop;
end
$$;
comment on function ledger.maintain_partitions is 'Merges old days into months and drops what is beyond retention.';
