-- Makes the rows of a UTC day, or sets it aside by name; true if they were made.
create or replace function ledger.cost_fill_day_rest(day timestamptz, at timestamptz default now()) returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
begin
    perform ledger.cost_fill_day(day);
    delete from ledger.cost_failure as f where f.period = 'day' and f.at = date_trunc('day', day);
    return true;
exception
    when data_exception or integrity_constraint_violation or cardinality_violation or program_limit_exceeded then
        perform ledger.cost_set_aside('day', date_trunc('day', day), 0, sqlerrm, at);
        return false;
end
$$;
comment on function ledger.cost_fill_day_rest is 'Makes the rows of a UTC day, or sets it aside by name.';
