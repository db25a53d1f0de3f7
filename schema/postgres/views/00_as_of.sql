-- script: both
create function {schema}.as_of() returns timestamptz
language sql stable parallel safe
return coalesce(nullif(current_setting('fleet.as_of', true), '')::timestamptz, now());
comment on function {schema}.as_of() is 'The instant a query asks about: setting fleet.as_of, else now. Views of schema fleet always show now; set search_path = fleet_asof to ask about another instant.';
