-- Indexes of what the shipped rules look for, by what lives and by when a container last ended.

-- Whatever is not over holds its requests, a pod of phase Unknown too: the predicate of column lives of fleet.pod.
drop index ledger.pod_demand;
create index pod_demand on ledger.pod (cluster_id, node)
    include (request_cpu_millicores, request_memory_bytes, request_gpu_millis)
    where phase not in ('Succeeded', 'Failed') and node is not null;

-- A container that is not started again has no previous run: the end of its current state is its last one (column ended_at of
-- fleet.container).
drop index ledger.container_ended;
create index container_ended on ledger.container (coalesce(finished_at, last_finished_at))
    where coalesce(finished_at, last_finished_at) is not null;
