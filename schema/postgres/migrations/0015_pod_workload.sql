-- The merge finds a row by cluster and uid, with plans that may be made while a table is all but empty. Then every index
-- that begins with the cluster seems as good as the primary key, and one that is not unique reads the whole cluster for
-- each row. So no full index of a current table but its primary key begins with the cluster; a workload's uid is its own
-- in every cluster anyway.
drop index ledger.pod_workload;
create index pod_workload on ledger.pod (workload_uid) where workload_uid is not null;
