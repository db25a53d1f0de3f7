/*---
record: fleet_pods
group: fleet-slow
interval: 5m
help: Pods by phase.
type: gauge
columns: {value: pods, labels: [datacenter, cluster, phase]}
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select datacenter, cluster, phase, count(*) as pods
from pod
group by datacenter, cluster, phase
