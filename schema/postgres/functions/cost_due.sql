-- Hours to rate now, the oldest first: those that are over and were not rated, those of which more is known, those whose
-- usage came late, those of which something was set aside a while ago. `history` is where the first run begins, `lateness` how far back what was rated is rated again.
create or replace function ledger.cost_due(
    at timestamptz default now(), history interval default '1 day', lateness interval default '7 days'
)
returns table (hour_at timestamptz, reason text)
language sql stable
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
begin atomic
    with known as (
        select k.known_all, k.known_fresh from ledger.cost_known(at) as k
    ), filled as (
        select max(h.hour_at) filter (where not h.partial) + interval '1 hour' as until from ledger.cost_hour as h
    ), next as (
        select g.hour_at, 'first' as reason
        from known as k, filled as f
        cross join lateral generate_series(
            coalesce(f.until, date_trunc('hour', at - history)), k.known_fresh - interval '1 hour', interval '1 hour') as g (hour_at)
    ), more as (
        select h.hour_at, 'known' as reason
        from ledger.cost_hour as h, known as k
        where not h.complete and not h.partial and h.hour_at >= at - lateness and k.known_all > h.known_until
    ), late as (
        select u.hour_at, 'usage' as reason
        from ledger.usage_fold as u
        join ledger.cost_hour as h using (hour_at)
        where u.hour_at >= at - lateness and not h.partial
        group by u.hour_at
    ), aside as (
        select f.at as hour_at, max(ledger.cost_retry(f.failed_at, f.attempts)) as retry_at
        from ledger.cost_failure as f
        where f.period = 'hour'
        group by f.at
    ), again as (
        select a.hour_at, case when exists (select from ledger.cost_hour as h where h.hour_at = a.hour_at) then 'rerate' else 'first' end as reason
        from aside as a
    )
    select distinct on (d.hour_at) d.hour_at, d.reason
    from (select * from next union all select * from more union all select * from late union all select * from again) as d
    where not exists (select from aside as a where a.hour_at = d.hour_at and a.retry_at > at)
    order by d.hour_at, d.reason;
end;
comment on function ledger.cost_due is 'Hours to rate now, the oldest first, and why.';
