-- Closes a UTC month: from now on its rows do not change, and what is found later is booked as adjustments.
create or replace function ledger.cost_close(month timestamptz, by_whom text, at timestamptz default now()) returns numeric
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
    month_from timestamptz := date_trunc('month', month);
    month_to timestamptz := date_trunc('month', month) + interval '1 month';
    rated bigint;
    first_hour timestamptz;
    total numeric;
begin
    perform ledger.take_lock('cost_fill');
    if month_to > at then
        raise exception 'month % is not over', to_char(month_from, 'YYYY-MM') using errcode = '22023';
    end if;
    if exists (select from ledger.cost_month as m where m.month_at = month_from) then
        raise exception 'month % is closed already', to_char(month_from, 'YYYY-MM') using errcode = '22023';
    end if;
    select count(*), min(h.hour_at) into rated, first_hour
    from ledger.cost_hour as h where h.hour_at >= month_from and h.hour_at < month_to and not h.partial;
    if rated = 0 then
        raise exception 'no hour of month % has been rated', to_char(month_from, 'YYYY-MM') using errcode = '22023';
    end if;
    if rated < extract(epoch from month_to - first_hour) / 3600 then
        raise exception 'month %: % of its hours have not been rated', to_char(month_from, 'YYYY-MM'),
            (extract(epoch from month_to - first_hour) / 3600)::bigint - rated
            using errcode = '22023', hint = 'rate them with fleetledger cost rerate';
    end if;
    if exists (select from ledger.cost_failure as f where f.at >= month_from and f.at < month_to) then
        raise exception 'month %: parts of it are excluded and not in its figures', to_char(month_from, 'YYYY-MM')
            using errcode = '22023', hint = 'see fleet.cost_failure for what is excluded and why';
    end if;
    select coalesce(sum(n.cost_nanos), 0) into total
    from ledger.cost_node_daily as n where n.day_at >= month_from and n.day_at < month_to;
    insert into ledger.cost_month (month_at, closed_at, closed_by, cost_nanos) values (month_from, at, by_whom, total);
    return total;
end
$$;
comment on function ledger.cost_close is 'Closes a UTC month; returns what its nodes cost, in billionths of the currency.';
