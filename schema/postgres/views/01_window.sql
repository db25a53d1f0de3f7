-- script: both
create function {schema}.window_from() returns timestamptz
language sql stable parallel safe
return coalesce(
    nullif(current_setting('fleet.window_from', true), '')::timestamptz,
    date_trunc('hour', {schema}.as_of()) - interval '1 hour'
);
comment on function {schema}.window_from() is 'Begin of the window a rollup fills: setting fleet.window_from, else the begin of the last full hour.';
create function {schema}.window_to() returns timestamptz
language sql stable parallel safe
return coalesce(nullif(current_setting('fleet.window_to', true), '')::timestamptz, date_trunc('hour', {schema}.as_of()));
comment on function {schema}.window_to() is 'End of the window a rollup fills: setting fleet.window_to, else the end of the last full hour.';
