-- Partitions of a table with their bounds; -infinity begins the one that takes everything before the first day.
create or replace function ledger.partition_bounds(of_table text)
returns table (partition_name text, from_at timestamptz, to_at timestamptz)
language sql stable
set search_path = pg_catalog, pg_temp
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
comment on function ledger.partition_bounds is 'Partitions of a table with their bounds.';
