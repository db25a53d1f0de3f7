-- Lengths of time are written as Go does: 1h30m, 1.5h, 90s.
create or replace function ledger.cron_every(length text, after timestamptz) returns timestamptz
language plpgsql immutable parallel safe
as $$
declare
    seconds numeric;
begin
    if length !~ '^[+-]?([0-9]{1,9}([.][0-9]{0,9})?(ns|us|µs|ms|s|m|h))+$' then
        return null;
    end if;
    select sum(part[1]::numeric * case part[2]
        when 'h' then 3600
        when 'm' then 60
        when 's' then 1
        when 'ms' then 0.001
        when 'ns' then 0.000000001
        else 0.000001
    end) into seconds
    from regexp_matches(length, '([0-9]+[.]?[0-9]*)(ns|us|µs|ms|s|m|h)', 'g') as part;
    return date_trunc('second', after, 'UTC') + make_interval(
        secs => case when starts_with(length, '-') then 1 else greatest(floor(seconds), 1) end::double precision
    );
end;
$$;
comment on function ledger.cron_every is 'The next instant of a schedule @every, counted from the one before, in whole seconds of one at least; NULL if the length of time is none.';
