-- The instant of a wall-clock time that Go's time.Date gives: where a clock change makes it none or two, the zone's offset as of
-- about that time decides.
create or replace function ledger.cron_date(wall timestamp, zone text) returns timestamptz
language plpgsql immutable parallel safe
as $$
declare
    as_utc timestamptz := wall at time zone 'UTC';
    off interval := (as_utc at time zone zone) - wall;
begin
    if off <> interval '0' then
        off := ((as_utc - off) at time zone zone) - ((as_utc - off) at time zone 'UTC');
    end if;
    return as_utc - off;
end;
$$;
comment on function ledger.cron_date is 'The instant of a wall-clock time in a zone, as Go decides it where clocks change.';
