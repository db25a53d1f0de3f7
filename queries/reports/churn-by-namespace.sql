/*---
report: Pod churn by namespace
description: Pods created within a window, by namespace.
parameters:
- {name: window, type: duration, default: '1h', help: How far back.}
- {name: rows, type: integer, default: '50', help: How many.}
---*/
select datacenter, cluster, namespace, count(distinct uid) as pods_made, count(distinct workload_uid) as workloads
from pod_history
where created_at > as_of() - :'window'::interval and valid_from > as_of() - :'window'::interval
group by 1, 2, 3
order by pods_made desc
limit :'rows'::integer
