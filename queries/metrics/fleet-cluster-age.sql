/*---
record: fleet_cluster_age_seconds
interval: 1m
help: Time since the state of the cluster was last known, in seconds.
type: gauge
columns: {value: age_seconds, labels: [datacenter, cluster]}
---*/
select datacenter, cluster, coalesce(age_seconds, 'Infinity') as age_seconds
from cluster
where state <> 'retired'
