-- What is reserved for the containers that run side by side, which is what they request unless they are being resized; the first known version reaches back, the last one forward.
create or replace function ledger.cost_container(h0 timestamptz, h1 timestamptz)
returns table (
    cluster_id integer, uid uuid, container text, request_cpu_millicores bigint, request_memory_bytes bigint,
    request_gpu_millis bigint, from_at timestamptz, to_at timestamptz
)
language sql stable
begin atomic
    with past as materialized (
        select c.cluster_id, c.uid, c.container, coalesce(c.reserved_cpu_millicores, c.request_cpu_millicores) as request_cpu_millicores,
            coalesce(c.reserved_memory_bytes, c.request_memory_bytes) as request_memory_bytes, c.request_gpu_millis, c.valid_from
        from ledger.container_history as c
        where c.valid_to > h0 and c.valid_from < h1 + interval '7 days' and c.container_type <> 'init'
    ), changed as materialized (
        select distinct p.cluster_id, p.uid, p.container from past as p
    ), several as (
        select v.*,
            case when row_number() over w = 1 then '-infinity' else v.valid_from end as since_at,
            coalesce(lead(v.valid_from) over w, 'infinity') as until_at
        from (
            select * from past
            union all
            select c.cluster_id, c.uid, c.container, coalesce(c.reserved_cpu_millicores, c.request_cpu_millicores),
                coalesce(c.reserved_memory_bytes, c.request_memory_bytes), c.request_gpu_millis, c.valid_from
            from changed as g
            join ledger.container as c on c.cluster_id = g.cluster_id and c.uid = g.uid and c.container = g.container
        ) as v
        window w as (partition by v.cluster_id, v.uid, v.container order by v.valid_from)
    )
    select s.cluster_id, s.uid, s.container, s.request_cpu_millicores, s.request_memory_bytes, s.request_gpu_millis,
        s.since_at, s.until_at
    from several as s
    union all
    select c.cluster_id, c.uid, c.container, coalesce(c.reserved_cpu_millicores, c.request_cpu_millicores),
        coalesce(c.reserved_memory_bytes, c.request_memory_bytes), c.request_gpu_millis, '-infinity', 'infinity'
    from ledger.container as c
    where c.container_type <> 'init'
      and not exists (
          select from changed as g
          where g.cluster_id = c.cluster_id and g.uid = c.uid and g.container = c.container
      );
end;
comment on function ledger.cost_container is 'What is reserved for containers that run side by side, by time.';
