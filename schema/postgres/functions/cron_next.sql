-- Goes field by field from the month down, as robfig/cron v3 does, which Kubernetes uses: what a clock change makes of a
-- schedule there, it makes of it here. Tested against that library and against crate croner (schema/tests/cron.rs).
create or replace function ledger.cron_next(schedule text, time_zone text, after timestamptz) returns timestamptz
language plpgsql immutable parallel unsafe
-- Readers may not look into schema ledger, where the functions that it calls are. It reads no row.
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    spec text := schedule;
    zone text := coalesce(nullif(time_zone, ''), 'UTC');
    fields text[];
    minutes bigint;
    hours bigint;
    days bigint;
    months bigint;
    weekdays bigint;
    next_at timestamptz := date_trunc('second', after, 'UTC') + interval '1 second';
    wall timestamp;
    last_year integer;
    -- Smaller fields begin anew once a larger one has moved.
    moved boolean := false;
    day_at timestamptz;
begin
    if spec ~ '^(CRON_)?TZ=' then
        zone := coalesce(nullif(substring(spec from '=([^ ]*) '), ''), 'UTC');
        spec := btrim(substring(spec from ' .*$'));
    end if;
    if spec like '@every %' then
        return ledger.cron_every(substring(spec from 8), after);
    end if;
    spec := case spec
        when '@yearly' then '0 0 1 1 *'
        when '@annually' then '0 0 1 1 *'
        when '@monthly' then '0 0 1 * *'
        when '@weekly' then '0 0 * * 0'
        when '@daily' then '0 0 * * *'
        when '@midnight' then '0 0 * * *'
        when '@hourly' then '0 * * * *'
        else spec
    end;
    fields := regexp_split_to_array(btrim(spec, E' \t\n\r'), '\s+');
    if cardinality(fields) is distinct from 5 or isfinite(after) is not true then
        return null;
    end if;
    minutes := ledger.cron_field(fields[1], 0, 59, null);
    hours := ledger.cron_field(fields[2], 0, 23, null);
    days := ledger.cron_field(fields[3], 1, 31, null);
    months := ledger.cron_field(fields[4], 1, 12, '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}');
    weekdays := ledger.cron_field(fields[5], 0, 6, '{sun,mon,tue,wed,thu,fri,sat}');
    if minutes & hours & days & months & weekdays is null then
        return null;
    end if;
    begin
        wall := next_at at time zone zone;
    exception when invalid_parameter_value then
        return null; -- a zone that this server does not know
    end;
    last_year := extract(year from wall) + 5;
    <<fields_from_the_month_down>>
    loop
        wall := next_at at time zone zone;
        if extract(year from wall) > last_year then
            return null;
        end if;
        while (months >> extract(month from wall)::integer) & 1 = 0 loop
            if not moved then
                moved := true;
                next_at := ledger.cron_date(date_trunc('month', wall), zone);
                wall := next_at at time zone zone;
            end if;
            next_at := ledger.cron_date(wall + interval '1 month', zone);
            wall := next_at at time zone zone;
            continue fields_from_the_month_down when extract(month from wall) = 1;
        end loop;
        -- A day of the month or of the week; both where one of them is a star.
        while not case
            when ((days | weekdays) >> 62) & 1 = 1
                then (days >> extract(day from wall)::integer) & (weekdays >> extract(dow from wall)::integer) & 1 = 1
            else ((days >> extract(day from wall)::integer) | (weekdays >> extract(dow from wall)::integer)) & 1 = 1
        end loop
            if not moved then
                moved := true;
                next_at := ledger.cron_date(date_trunc('day', wall), zone);
                wall := next_at at time zone zone;
            end if;
            day_at := next_at;
            next_at := ledger.cron_date(wall + interval '1 day', zone);
            wall := next_at at time zone zone;
            if extract(hour from wall) > 12 then
                next_at := next_at + make_interval(hours => 24 - extract(hour from wall)::integer);
            else
                next_at := next_at - make_interval(hours => extract(hour from wall)::integer);
            end if;
            -- Where a zone left out a whole day, the library goes round for ever.
            next_at := case when next_at > day_at then next_at else day_at + interval '1 day' end;
            wall := next_at at time zone zone;
            continue fields_from_the_month_down when extract(day from wall) = 1;
        end loop;
        while (hours >> extract(hour from wall)::integer) & 1 = 0 loop
            if not moved then
                moved := true;
                next_at := ledger.cron_date(date_trunc('hour', wall), zone);
            end if;
            next_at := next_at + interval '1 hour';
            wall := next_at at time zone zone;
            continue fields_from_the_month_down when extract(hour from wall) = 0;
        end loop;
        while (minutes >> extract(minute from wall)::integer) & 1 = 0 loop
            if not moved then
                moved := true;
                next_at := date_trunc('minute', next_at, 'UTC');
            end if;
            next_at := next_at + interval '1 minute';
            wall := next_at at time zone zone;
            continue fields_from_the_month_down when extract(minute from wall) = 0;
        end loop;
        exit when extract(second from wall) = 0;
        moved := true;
        next_at := date_trunc('minute', next_at, 'UTC') + interval '1 minute';
    end loop;
    return next_at;
end;
$$;
comment on function ledger.cron_next is 'When a schedule in cron format is due next after an instant; NULL if never within five years, or if Kubernetes refuses it.';
