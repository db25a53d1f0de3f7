/*---
record: fleet_pods_terminating
interval: 1m
help: Pods that are being deleted and whose grace period is over.
type: gauge
columns: {value: pods, labels: [datacenter, cluster]}
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select datacenter, cluster, count(*) as pods
from pod
where deletion_requested_at + make_interval(secs => least(coalesce(deletion_grace_seconds, 30), 1000000000)) <= as_of()
group by datacenter, cluster
