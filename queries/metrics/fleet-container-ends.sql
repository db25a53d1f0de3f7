/*---
record: fleet_container_ends_last_hour
group: fleet-slow
interval: 5m
help: Containers that last ended within the last hour, by reason.
type: gauge
columns: {value: containers, labels: [datacenter, cluster, reason]}
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select datacenter, cluster, coalesce(end_reason, 'None') as reason, count(*) as containers
from container
where ended_at > as_of() - interval '1 hour'
group by 1, 2, 3
