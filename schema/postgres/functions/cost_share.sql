-- Part of what is known of a container and hour that a piece of its life takes, by its length.
create or replace function ledger.cost_share(amount bigint, length_us bigint, life_us bigint) returns numeric
language sql immutable parallel safe
return case
    when amount is null then 0
    when length_us = life_us then amount::numeric
    else round(amount::numeric * length_us / life_us)
end;
comment on function ledger.cost_share is 'Part of what is known of a container and hour that a piece of its life takes.';
