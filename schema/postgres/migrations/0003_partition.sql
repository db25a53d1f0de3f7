-- Partitions of append-only tables. They are made as tables of their own and then attached: `partition of`
-- would lock every reader out of the parent. There is no default partition: it would hide a missing day and
-- then make that day impossible to create.

create table ledger.partitioned_table (
    table_name text primary key,
    range_column text not null,
    has_old_partition boolean not null,
    retention_days integer not null check (retention_days >= 1)
);
comment on table ledger.partitioned_table is 'Tables partitioned by day, and how long their rows are kept.';
comment on column ledger.partitioned_table.table_name is 'Table in schema ledger.';
comment on column ledger.partitioned_table.range_column is 'Column it is partitioned by.';
comment on column ledger.partitioned_table.has_old_partition is 'True if one partition takes everything before the first day.';
comment on column ledger.partitioned_table.retention_days is 'Days after which a partition is dropped.';

insert into ledger.partitioned_table (table_name, range_column, has_old_partition, retention_days) values
    ('node_history', 'valid_to', true, 400),
    ('pod_history', 'valid_to', true, 400),
    ('container_history', 'valid_to', true, 400),
    ('namespace_history', 'valid_to', true, 400),
    ('workload_history', 'valid_to', true, 400),
    ('watchdog_history', 'valid_to', true, 400),
    ('freshness_history', 'minute_at', true, 35),
    ('batch', 'committed_at', true, 14);

-- Partition name of a day or month: pod_history_20260131, pod_history_202601.
create function ledger.partition_name(table_name text, day date, is_month boolean) returns text
language sql immutable
return table_name || '_' || to_char(day, case when is_month then 'YYYYMM' else 'YYYYMMDD' end);

-- Upper bound of the newest partition of a table, or null where it has none.
create function ledger.partition_bounds(of_table text)
returns table (partition_name text, from_at timestamptz, to_at timestamptz)
language sql stable
set search_path = pg_catalog
set timezone = 'UTC'
begin atomic
    select
        c.relname::text as partition_name,
        case
            when pg_get_expr(c.relpartbound, c.oid) like '%FROM (MINVALUE)%' then '-infinity'::timestamptz
            else substring(pg_get_expr(c.relpartbound, c.oid) from 'FROM \(''([^'']+)''\)')::timestamptz
        end as from_at,
        substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \(''([^'']+)''\)')::timestamptz as to_at
    from pg_inherits as i
    join pg_class as c on c.oid = i.inhrelid
    join pg_class as p on p.oid = i.inhparent
    join pg_namespace as n on n.oid = p.relnamespace
    where n.nspname = 'ledger' and p.relname = of_table;
end;

create function ledger.attach_partition(of_table text, name text, from_at timestamptz, to_at timestamptz) returns void
language plpgsql
set search_path = ledger, pg_catalog
set timezone = 'UTC'
as $$
begin
    if to_regclass(format('ledger.%I', name)) is null then
        execute format('create table ledger.%I (like ledger.%I including all)', name, of_table);
        execute format('revoke all on ledger.%I from public', name);
    end if;
    execute format(
        'alter table ledger.%I attach partition ledger.%I for values from (%s) to (%L)',
        of_table, name,
        case when from_at = '-infinity' then 'minvalue' else quote_literal(from_at) end,
        to_at
    );
end
$$;

-- Makes every missing daily partition from `from_day` to `to_day` (UTC, both included) of every partitioned
-- table; returns how many it made. The ingester calls it each hour, and for the days of a batch that met a
-- missing partition.
create function ledger.ensure_partitions(
    from_day date default (now() at time zone 'UTC')::date,
    to_day date default (now() at time zone 'UTC')::date + 7
) returns integer
language plpgsql
security definer
set search_path = ledger, pg_catalog
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
    perform pg_advisory_xact_lock(hashtext('ledger.ensure_partitions'));
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

-- Merges the daily partitions of each month that ended more than 35 days ago into one, and drops what is
-- beyond its retention; returns what it did, one line each. An as-of query locks every partition it cannot
-- prune at plan time, so their number is kept below about 90 a table.
create function ledger.maintain_partitions(at timestamptz default now()) returns setof text
language plpgsql
security definer
set search_path = ledger, pg_catalog
set timezone = 'UTC'
as $$
declare
    one ledger.partitioned_table;
    part record;
    month date;
    name text;
begin
    perform pg_advisory_xact_lock(hashtext('ledger.ensure_partitions'));
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

comment on function ledger.partition_name is 'Name of the partition of a day or month.';
comment on function ledger.partition_bounds is 'Partitions of a table with their bounds.';
comment on function ledger.attach_partition is 'Makes a partition and attaches it.';
comment on function ledger.ensure_partitions is 'Makes missing daily partitions, by default from today to a week ahead.';
comment on function ledger.maintain_partitions is 'Merges old days into months and drops what is beyond retention.';
