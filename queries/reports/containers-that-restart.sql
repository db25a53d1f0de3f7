/*---
report: Containers that restart most
description: Restarts with the last reason, by workload.
parameters:
- {name: window, type: duration, default: '1d', help: How recently they ended.}
- {name: rows, type: integer, default: '50', help: How many.}
---*/
select datacenter, cluster, namespace, coalesce(workload, pod) as workload, container, sum(restart_count) as restarts, max(ended_at) as last_end_at, max(end_reason) as reason
from container
where ended_at > as_of() - :'window'::interval
group by 1, 2, 3, 4, 5
having sum(restart_count) > 0
order by restarts desc
limit :'rows'::integer
