-- What the shipped rules look for each minute, so that each reads what is wrong and not the fleet. Most predicates are
-- the problem itself; the two full ones hold columns that never change in a pod's life.
create index pod_failed on ledger.pod (cluster_id) where phase = 'Failed';
create index pod_created on ledger.pod (created_at);
create index pod_workload on ledger.pod (cluster_id, workload_uid);
create index pod_gpu on ledger.pod (cluster_id, node) where request_gpu_millis is not null;
create index pod_host_network on ledger.pod (cluster_id) where host_network;
create index container_ended on ledger.container (last_finished_at) where last_finished_at is not null;
create index container_control_plane on ledger.container (cluster_id)
    where container in ('kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'etcd');
