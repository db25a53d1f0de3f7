-- An entry of the map of owners as a pattern of LIKE: * stands for anything.
create or replace function ledger.owner_pattern(namespace text) returns text
language sql immutable parallel safe
return replace(replace(replace(replace(namespace, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%');
comment on function ledger.owner_pattern is 'A namespace of the map of owners as a pattern of LIKE.';
