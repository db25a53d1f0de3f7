/*---
record: fleet_watchdogs
interval: 1m
help: Watchdogs by state.
type: gauge
columns: {value: watchdogs, labels: [datacenter, cluster, check_name, state]}
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select datacenter, cluster, check_name, coalesce(state, 'Unknown') as state, count(*) as watchdogs
from watchdog
group by 1, 2, 3, 4
