-- view: team_budget
-- forms: live asof
-- Teams with a budget, and what they cost in the running UTC month so far.
select
    t.team, -- Team.
    date_trunc('month', {schema}.as_of(), 'UTC') as month_at, -- Begin of the month.
    t.budget_per_month as budget, -- What it may cost in a calendar month.
    coalesce(m.cost, 0) as cost, -- What it cost so far: cost of days that were rated.
    round(coalesce(m.cost, 0) / nullif(t.budget_per_month, 0), 4) as spent, -- Part of the budget that is spent: 1 = all of it.
    (select s.currency from ledger.price_sheet as s order by s.sheet_id desc limit 1) as currency -- ISO 4217 code of the currency.
from (
    select distinct on (t.team) t.team, t.budget_per_month
    from ledger.cost_team as t
    where t.superseded_at is null and t.valid_from <= {schema}.as_of() and coalesce(t.valid_to, 'infinity') > {schema}.as_of()
    order by t.team, t.valid_from desc
) as t
left join (
    select d.team, round(sum(d.cpu_nanos + d.memory_nanos + d.gpu_nanos) / 1e9, 9) as cost
    from ledger.cost_namespace_daily as d
    where d.day_at >= date_trunc('month', {schema}.as_of(), 'UTC') and d.day_at <= {schema}.as_of()
    group by d.team
) as m on m.team = t.team
where t.budget_per_month is not null
