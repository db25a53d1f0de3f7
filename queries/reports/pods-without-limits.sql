/*---
report: Pods without memory limits
description: How many pods of each workload have no memory limit.
parameters:
- {name: rows, type: integer, default: '100', help: How many.}
---*/
select coalesce(team, 'nobody') as team, datacenter, cluster, namespace, coalesce(workload, pod) as workload, count(*) as pods
from pod
where memory_limit_bytes is null and lives
group by 1, 2, 3, 4, 5
order by pods desc
limit :'rows'::integer
