-- Rates an hour of some clusters, without some of their objects, as a trial and takes it back; returns what went wrong, NULL if nothing did. Only faults of
-- what is rated count: a server that is out of space or shutting down says nothing about a cluster.
create or replace function ledger.cost_try(hour timestamptz, at timestamptz, clusters integer[], leave_objects uuid[] default '{}') returns text
language plpgsql
set search_path = ledger, pg_catalog, pg_temp
as $$
declare
    others integer[] := array(select c.cluster_id from ledger.cluster as c where c.cluster_id <> all (clusters));
begin
    perform ledger.cost_fill(hour, 'rerate', at, others, leave_objects);
    raise exception 'taken back' using errcode = 'FL001';
exception
    when sqlstate 'FL001' then
        return null;
    when data_exception or integrity_constraint_violation or cardinality_violation or program_limit_exceeded then
        return sqlerrm;
end
$$;
revoke execute on function ledger.cost_try from public;
comment on function ledger.cost_try is 'What goes wrong when an hour of some clusters is rated; NULL = nothing.';
