/*---
record: fleet_nodes
interval: 1m
help: Nodes by status of condition Ready, or silent if the node does not renew its Lease.
type: gauge
columns: {value: nodes, labels: [datacenter, cluster, ready]}
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    datacenter,
    cluster,
    case when heartbeat_stale_since is not null then 'silent' else coalesce(ready_status, 'None') end as ready,
    count(*) as nodes
from node
group by 1, 2, 3
