-- Rates an hour; the nodes and pods that end it are set aside by name, or else their cluster, and the rest is rated without
-- them. Returns the run; NULL if no cluster is at fault and the hour as a whole is set aside. Who failed before is tried
-- first, the others by halves.
create or replace function ledger.cost_fill_rest(hour timestamptz, why text default 'rerate', at timestamptz default now()) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
    h0 timestamptz := date_trunc('hour', hour);
    run bigint;
    fault text;
    of_cluster text;
    bad integer[] := '{}';
    without uuid[];
    bad_objects uuid[] := '{}';
    suspects integer[];
    firsts integer[];
    lasts integer[];
    first integer;
    last integer;
begin
    begin
        run := ledger.cost_fill(h0, why, at);
        delete from ledger.cost_failure as f where f.period = 'hour' and f.at = h0;
        return run;
    exception
        when data_exception or integrity_constraint_violation or cardinality_violation or program_limit_exceeded then
            fault := sqlerrm;
    end;
    -- An hour that has not begun is whose asks, not a cluster's.
    if least(h0 + interval '1 hour', at) <= h0 then
        raise exception '%', fault using errcode = '22023';
    end if;
    delete from ledger.cost_failure as f where f.period = 'hour' and f.at = h0 and f.cluster_id = 0;
    suspects := array(select distinct f.cluster_id from ledger.cost_failure as f where f.cluster_id <> 0 order by 1);
    foreach first in array suspects loop
        of_cluster := ledger.cost_try(h0, at, array[first]);
        if of_cluster is null then
            delete from ledger.cost_failure as f where f.period = 'hour' and f.at = h0 and f.cluster_id = first;
        else
            without := ledger.cost_find_objects(h0, at, first);
            bad := case when without is null then bad || first else bad end;
            bad_objects := bad_objects || coalesce(without, '{}');
            perform ledger.cost_set_aside('hour', h0, first, of_cluster, at, coalesce(without, '{}'));
        end if;
    end loop;
    suspects := array(select c.cluster_id from ledger.cluster as c where c.cluster_id <> all (suspects) order by 1);
    firsts := array[1];
    lasts := array[cardinality(suspects)];
    while cardinality(firsts) > 0 loop
        first := firsts[1];
        last := lasts[1];
        firsts := firsts[2:];
        lasts := lasts[2:];
        continue when first > last;
        of_cluster := ledger.cost_try(h0, at, suspects[first:last]);
        if of_cluster is null then
            continue;
        elsif first = last then
            without := ledger.cost_find_objects(h0, at, suspects[first]);
            bad := case when without is null then bad || suspects[first] else bad end;
            bad_objects := bad_objects || coalesce(without, '{}');
            perform ledger.cost_set_aside('hour', h0, suspects[first], of_cluster, at, coalesce(without, '{}'));
        else
            firsts := firsts || array[first, (first + last) / 2 + 1];
            lasts := lasts || array[(first + last) / 2, last];
        end if;
    end loop;
    begin
        return ledger.cost_fill(h0, why, at, bad, bad_objects);
    exception
        when data_exception or integrity_constraint_violation or cardinality_violation or program_limit_exceeded then
            fault := sqlerrm;
    end;
    perform ledger.cost_set_aside('hour', h0, 0, fault, at);
    return null;
end
$$;
comment on function ledger.cost_fill_rest is 'Rates an hour; what ends it is set aside by name, object by object or as a cluster, and the rest is rated without it.';
