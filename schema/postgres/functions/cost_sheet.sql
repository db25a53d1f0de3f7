-- Which sheet is in force where, between the instants at which that changes.
create or replace function ledger.cost_sheet(h0 timestamptz, h1 timestamptz)
returns table (datacenter text, from_at timestamptz, to_at timestamptz, sheet_id integer)
language sql stable
begin atomic
    with sheet as (
        select s.sheet_id, s.datacenters, s.valid_from, coalesce(s.valid_to, 'infinity') as valid_to
        from ledger.price_sheet as s
        where s.superseded_at is null and s.valid_from < h1 and coalesce(s.valid_to, 'infinity') > h0
    ), edge as (
        select h0 as at
        union select valid_from from sheet where valid_from > h0
        union select valid_to from sheet where valid_to < h1
    ), span as (
        select at as from_at, coalesce(lead(at) over (order by at), h1) as to_at from edge
    )
    select d.datacenter, s.from_at, s.to_at, f.sheet_id
    from (select distinct c.datacenter from ledger.cluster as c) as d
    cross join span as s
    left join lateral (
        select f.sheet_id
        from sheet as f
        where f.valid_from <= s.from_at and f.valid_to > s.from_at
          and (f.datacenters is null or d.datacenter = any (f.datacenters))
        order by f.datacenters is null, f.valid_from desc, f.sheet_id desc
        limit 1
    ) as f on true;
end;
comment on function ledger.cost_sheet is 'Price sheet in force in each datacenter, between the instants at which that changes.';
