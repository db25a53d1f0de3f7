/*---
record: fleet_containers_waiting
interval: 1m
help: Waiting containers of pods that have not ended, by reason.
type: gauge
columns: {value: containers, labels: [datacenter, cluster, reason]}
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select datacenter, cluster, coalesce(reason, 'None') as reason, count(*) as containers
from container
where state = 'waiting' and lives
group by 1, 2, 3
