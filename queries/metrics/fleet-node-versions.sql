/*---
record: fleet_node_versions
group: fleet-slow
interval: 5m
help: Nodes by kubelet and kernel version.
type: gauge
columns: {value: nodes, labels: [datacenter, cluster, kubelet_version, kernel_version]}
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select datacenter, cluster, kubelet_version, kernel_version, count(*) as nodes
from node
group by datacenter, cluster, kubelet_version, kernel_version
