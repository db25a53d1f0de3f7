-- Forgets the epoch and the sequence of a cluster's emitter: its next record is taken whatever they are. What lanes remember
-- is void by the raised generation.
create or replace function ledger.reset_epoch(own_id integer, why text) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    logs bigint;
begin
    -- Running batches end first, others wait: clusters.rs, NO_BATCH_BESIDE.
    perform from ledger.ingest_partition as p order by p.topic, p.partition for update;
    update ledger.emitter_state as e set epoch = 0, sequence = 0 where e.cluster_id = own_id;
    get diagnostics logs = row_count;
    update ledger.sweep as s set state = 'void', void_reason = why where s.cluster_id = own_id and s.state = 'running';
    insert into ledger.kind_state as k (cluster_id, kind, generation, raised_at, raised_reason)
    select own_id, n, 1, now(), why from generate_series(1, 6) as n
    on conflict (cluster_id, kind) do update
    set generation = k.generation + 1, raised_at = now(), raised_reason = excluded.raised_reason;
    return logs;
end
$$;
comment on function ledger.reset_epoch is 'Forgets epoch and sequence of a cluster''s emitter, and returns of how many logs.';
