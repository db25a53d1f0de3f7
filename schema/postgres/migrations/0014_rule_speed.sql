-- What rules cost at a million pods. A pod's namespace never changes; its node is set once, its requests seldom change,
-- and its phase stands in the predicates of other indexes already: updates that could be in place still are.
drop index ledger.pod_host_network;
create index pod_host_network on ledger.pod (cluster_id, namespace) where host_network;
-- Requests of each node are added up from the index alone.
create index pod_demand on ledger.pod (cluster_id, node)
    include (request_cpu_millicores, request_memory_bytes, request_gpu_millis)
    where phase in ('Pending', 'Running') and node is not null;
create index workload_created on ledger.workload (created_at);
-- What is due first is found without sorting all that is due.
drop index ledger.outbox_due;
create index outbox_due on ledger.outbox (due_at, outbox_id) where state = 'queued';
