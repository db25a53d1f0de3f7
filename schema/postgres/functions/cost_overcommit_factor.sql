-- Below 1 where a node is overcommitted: a pod is then charged that part of what it requested or used.
create or replace function ledger.cost_overcommit_factor(charged numeric, capacity numeric) returns numeric
language sql immutable parallel safe
return case when charged > coalesce(capacity, charged) then round(capacity / charged, 9) else 1 end;
comment on function ledger.cost_overcommit_factor is 'min(1, capacity / charged), to nine digits.';
