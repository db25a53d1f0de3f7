-- One field of a schedule as bits, by what robfig/cron v3 reads, which Kubernetes uses: numbers and names, ranges, steps, lists.
create or replace function ledger.cron_field(field text, low integer, high integer, names text[]) returns bigint
language plpgsql immutable parallel safe
as $$
declare
    part text;
    spans text[];
    ends text[];
    place integer;
    bounds integer[];
    step integer;
    bits bigint := 0;
begin
    foreach part in array string_to_array(field, ',') loop
        continue when part = '';
        spans := string_to_array(part, '/');
        ends := string_to_array(spans[1], '-');
        if cardinality(spans) > 2 or (cardinality(spans) = 2 and spans[2] !~ '^[+]?[0-9]{1,9}$') then
            return null;
        end if;
        step := coalesce(spans[2]::integer, 1);
        if ends[1] in ('*', '?') then
            bounds := array[low, high];
            if step = 1 then
                bits := bits | (1::bigint << 62);
            end if;
        else
            if cardinality(ends) not in (1, 2) then
                return null;
            end if;
            bounds := null;
            foreach part in array ends loop
                place := array_position(names, lower(part));
                if place is null and part !~ '^[+]?[0-9]{1,9}$' then
                    return null;
                end if;
                bounds := bounds || coalesce(place - 1 + low, part::integer);
            end loop;
            -- 5/15 is from 5 to the end by 15.
            if cardinality(ends) = 1 then
                bounds := bounds || case when cardinality(spans) = 2 then high else bounds[1] end;
            end if;
        end if;
        if bounds[1] < low or bounds[2] > high or bounds[1] > bounds[2] or step = 0 then
            return null;
        end if;
        for place in bounds[1]..bounds[2] by step loop
            bits := bits | (1::bigint << place);
        end loop;
    end loop;
    return bits;
end;
$$;
comment on function ledger.cron_field is 'A field of a schedule as bits, by number; bit 62 says that it is a star. NULL where Kubernetes refuses it.';
