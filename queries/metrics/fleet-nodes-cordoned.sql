/*---
record: fleet_nodes_cordoned
interval: 1m
help: Cordoned nodes.
type: gauge
columns: {value: nodes, labels: [datacenter, cluster]}
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select datacenter, cluster, count(*) filter (where unschedulable) as nodes
from node
group by datacenter, cluster
