-- Up to when every source is known, and every source that is not silent.
create or replace function ledger.cost_known(at timestamptz, out known_all timestamptz, out known_fresh timestamptz)
language sql stable
begin atomic
    with source as (
        select min(f.observed_at) as observed_at
        from ledger.freshness as f
        join ledger.cluster as c using (cluster_id)
        where c.state = 'active' and f.kind in (1, 2, 3)
        group by f.cluster_id
    )
    select least(coalesce(min(s.observed_at), at), at),
        least(coalesce(min(s.observed_at) filter (where s.observed_at >= at - interval '5 minutes'), at), at)
    from source as s;
end;
comment on function ledger.cost_known is 'Up to when every cluster is known, and every cluster that is not silent.';
