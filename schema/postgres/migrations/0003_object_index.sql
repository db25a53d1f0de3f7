-- needs function: set_statistics
-- Indexes of the current versions of objects, and what is kept of their statistics.
--
-- The merge finds a row by cluster and uid, with plans that may be made while a table is all but empty. Then every index
-- that begins with the cluster seems as good as the primary key, and one that is not unique reads the whole cluster for
-- each row. So no full index of a current table but its primary key begins with the cluster.

-- People ask what a name, a namespace or an object was, without naming a cluster.
create index on ledger.node_history (node, valid_from);
create index on ledger.node_history (valid_from);
create index on ledger.node_history (uid, valid_from);
create index on ledger.pod_history (namespace, valid_from);
create index on ledger.pod_history (valid_from);
create index on ledger.pod_history (uid, valid_from);
create index on ledger.container_history (namespace, valid_from);
create index on ledger.container_history (valid_from);
create index on ledger.container_history (uid, valid_from);
create index on ledger.namespace_history (namespace, valid_from);
create index on ledger.namespace_history (valid_from);
create index on ledger.namespace_history (uid, valid_from);
create index on ledger.workload_history (namespace, valid_from);
create index on ledger.workload_history (valid_from);
create index on ledger.workload_history (uid, valid_from);
create index on ledger.watchdog_history (watchdog, valid_from);
create index on ledger.watchdog_history (valid_from);
create index on ledger.watchdog_history (uid, valid_from);

-- Objects are looked up by name within a namespace, and pods by their node.
create index pod_namespace_pod on ledger.pod (namespace, pod);
create index pod_node on ledger.pod (node) where node is not null;
create index container_namespace on ledger.container (namespace, pod);
create index node_node on ledger.node (node);
create index namespace_namespace on ledger.namespace (namespace);
create index workload_namespace on ledger.workload (namespace, workload);
create index pod_workload on ledger.pod (workload_uid) where workload_uid is not null;

-- What the shipped rules look for each minute, so that each reads what is wrong and not the fleet. Most predicates are the
-- problem itself; full indexes hold columns that never change in an object's life. A pod's namespace never changes, its node
-- is set once, its requests seldom change, and its phase is in the predicates of other indexes already: updates that could be
-- in place still are.
create index pod_pending on ledger.pod (cluster_id) where phase = 'Pending';
create index pod_failed on ledger.pod (cluster_id) where phase = 'Failed';
create index pod_terminating on ledger.pod (cluster_id) where deletion_requested_at is not null;
create index pod_created on ledger.pod (created_at);
create index pod_gpu on ledger.pod (cluster_id, node) where request_gpu_millis is not null;
create index pod_host_network on ledger.pod (cluster_id, namespace) where host_network;
-- Requests of each node are added up from the index alone.
create index pod_demand on ledger.pod (cluster_id, node)
    include (request_cpu_millicores, request_memory_bytes, request_gpu_millis)
    where phase in ('Pending', 'Running') and node is not null;
create index container_waiting on ledger.container (cluster_id) where state = 'waiting';
create index container_ended on ledger.container (last_finished_at) where last_finished_at is not null;
create index container_control_plane on ledger.container (cluster_id)
    where container in ('kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'etcd');
create index node_silent on ledger.node (cluster_id) where heartbeat_stale_since is not null;
create index workload_created on ledger.workload (created_at);
-- Of a hundred closed versions of containers one has restarted before: fleet.restarts finds it among its namespace's.
create index container_history_restarted on ledger.container_history (namespace, valid_from) where restart_count > 0;

-- What autovacuum does by default is meant for tables that change little. A busy fleet changes a tenth of its rows within
-- seconds, so its tables were analyzed each minute, every one of their columns: at 5,000 changes a second this took a core
-- for a quarter of the time, and changes waited ten times as long meanwhile.
select ledger.set_statistics(t)
from unnest(array['node', 'namespace', 'workload', 'watchdog', 'pod', 'container']) as t;

-- Closed versions are kept for more than a year.
insert into ledger.partitioned_table (table_name, range_column, has_old_partition, retention_days) values
    ('node_history', 'valid_to', true, 400),
    ('pod_history', 'valid_to', true, 400),
    ('container_history', 'valid_to', true, 400),
    ('namespace_history', 'valid_to', true, 400),
    ('workload_history', 'valid_to', true, 400),
    ('watchdog_history', 'valid_to', true, 400);

comment on table ledger.node is 'Every node that exists, its newest version.';
comment on table ledger.node_history is 'Closed versions of node rows, append-only, partitioned by valid_to.';
comment on table ledger.pod is 'Every pod that exists, its newest version.';
comment on table ledger.pod_history is 'Closed versions of pod rows, append-only, partitioned by valid_to.';
comment on table ledger.container is 'Every container of every pod that exists, its newest version.';
comment on table ledger.container_history is 'Closed versions of container rows, append-only, partitioned by valid_to.';
comment on table ledger.namespace is 'Every namespace that exists, its newest version.';
comment on table ledger.namespace_history is 'Closed versions of namespace rows, append-only, partitioned by valid_to.';
comment on table ledger.workload is 'Every Deployment, StatefulSet, DaemonSet, ReplicaSet without owner, Job and CronJob that exists, its newest version.';
comment on table ledger.workload_history is 'Closed versions of workload rows, append-only, partitioned by valid_to.';
comment on table ledger.watchdog is 'Every watchdog that exists, its newest version.';
comment on table ledger.watchdog_history is 'Closed versions of watchdog rows, append-only, partitioned by valid_to.';
