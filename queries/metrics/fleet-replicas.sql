/*---
record: fleet_replicas
group: fleet-slow
interval: 5m
help: "Replicas of Deployments, StatefulSets and DaemonSets: desired and available."
type: gauge
columns: {values: [desired, available], labels: [datacenter, cluster, workload_kind]}
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    datacenter,
    cluster,
    workload_kind,
    coalesce(sum(desired), 0) as desired,
    coalesce(sum(coalesce(available, ready)), 0) as available
from workload
where workload_kind in ('Deployment', 'StatefulSet', 'DaemonSet')
group by datacenter, cluster, workload_kind
