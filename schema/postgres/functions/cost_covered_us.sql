-- Time of a piece of a life that usage covers, in microseconds: of the whole life in that hour so much is covered.
create or replace function ledger.cost_covered_us(covered_ms bigint, length_us bigint, life_us bigint) returns bigint
language sql immutable parallel safe
return case
    when covered_ms is null then 0
    when covered_ms >= life_us / 1000.0 then length_us
    else (length_us::double precision * covered_ms * 1000 / life_us)::bigint
end;
comment on function ledger.cost_covered_us is 'Time of a piece of a life that usage covers, in microseconds.';
