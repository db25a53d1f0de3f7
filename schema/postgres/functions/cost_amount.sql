-- So much for so long, in other units: an amount may be the largest of 64 bits, its product with time is not.
create or replace function ledger.cost_amount(amount bigint, length_us bigint, unit numeric) returns numeric
language sql immutable parallel safe
return case when amount is null then 0 else round(amount::numeric * length_us * unit) end;
comment on function ledger.cost_amount is 'So much for so long, in other units; 0 where nothing is set.';
