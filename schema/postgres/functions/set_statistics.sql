-- Lists and documents are shown and searched within, never compared as a whole: statistics of them tell a plan nothing and
-- are half the work of ANALYZE. A day of history is found by namespace, uid and time, and 9,000 of its rows tell as much of
-- that as 30,000 do: ANALYZE of a busy day took a core for three seconds, and changes waited.
create or replace function ledger.set_statistics(of_table text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    one record;
begin
    for one in
        select a.attname as name, s.target
        from pg_attribute as a
        join pg_type as t on t.oid = a.atttypid
        cross join lateral (
            select case
                when t.typname = 'jsonb' or t.typcategory = 'A' then 0
                when of_table like '%\_history\_%' then 30
            end as target
        ) as s
        where a.attrelid = format('ledger.%I', of_table)::regclass and a.attnum > 0 and not a.attisdropped
          and s.target is not null
    loop
        execute format('alter table ledger.%I alter column %I set statistics %s', of_table, one.name, one.target);
    end loop;
end
$$;
comment on function ledger.set_statistics is 'Keeps no statistics of the lists and documents of a table, and coarser ones of a day of history.';
revoke execute on function ledger.set_statistics from public;
