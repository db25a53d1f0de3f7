-- without views and functions
-- Products of what objects claim with time and prices, and sums of them, go beyond 64 bits: an API server accepts a node of
-- 8 PiB of memory, and one of 2^63-1 bytes.
do $$
declare
    one record;
begin
    for one in
        select c.relname, string_agg(format('alter column %I type numeric', a.attname), ', ' order by a.attnum) as changes
        from pg_class as c
        join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.atttypid = 'bigint'::regtype
        where c.relnamespace = 'ledger'::regnamespace and not c.relispartition
          and (c.relname in ('cost_hourly', 'cost_daily', 'cost_namespace_daily', 'cost_namespace_monthly', 'cost_node_daily', 'cost_adjustment')
                  and a.attname like '%\_nanos'
              or c.relname = 'cost_node_hourly' and a.attname ~ '^(cpu|memory|gpu)_')
        group by c.relname
    loop
        execute format('alter table ledger.%I %s', one.relname, one.changes);
    end loop;
end
$$;
