/*---
report: Workloads that lack replicas
description: Asked for, available and updated replicas.
---*/
select datacenter, cluster, namespace, team, workload_kind, workload, desired, available, updated, valid_from as since
from workload
where workload_kind in ('Deployment', 'StatefulSet', 'DaemonSet') and coalesce(available, ready, 0) < desired
order by desired - coalesce(available, ready, 0) desc
