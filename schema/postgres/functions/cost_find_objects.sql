-- Which nodes and pods of a cluster end the rating of its hour: those without which it can be rated, at most five of them. NULL
-- if leaving out so few does not help. Each is found by halves: objects are put back in the order of their uids until it fails.
create or replace function ledger.cost_find_objects(h0 timestamptz, at timestamptz, cluster integer) returns uuid[]
language plpgsql
set search_path = ledger, pg_catalog, pg_temp
as $$
declare
    found uuid[] := '{}';
    suspects uuid[];
    passes integer;
    fails integer;
    middle integer;
begin
    suspects := array(
        select n.uid from ledger.node as n where n.cluster_id = cluster
        union select n.uid from ledger.node_history as n where n.cluster_id = cluster and n.valid_to > h0
        union select p.uid from ledger.pod as p where p.cluster_id = cluster
        union select p.uid from ledger.pod_history as p where p.cluster_id = cluster and p.valid_to > h0
        order by 1
    );
    if ledger.cost_try(h0, at, array[cluster], suspects) is not null then
        return null;
    end if;
    while cardinality(found) < 5 loop
        passes := 0;
        fails := cardinality(suspects);
        while fails - passes > 1 loop
            middle := (passes + fails) / 2;
            if ledger.cost_try(h0, at, array[cluster], found || suspects[middle + 1:]) is null then
                passes := middle;
            else
                fails := middle;
            end if;
        end loop;
        found := found || suspects[fails];
        suspects := array_remove(suspects, suspects[fails]);
        if ledger.cost_try(h0, at, array[cluster], found) is null then
            return found;
        end if;
    end loop;
    return null;
end
$$;
revoke execute on function ledger.cost_find_objects from public;
comment on function ledger.cost_find_objects is 'Which nodes and pods of a cluster end the rating of its hour; NULL = leaving out five does not help.';
