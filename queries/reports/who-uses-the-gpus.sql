/*---
report: Who uses the GPUs
description: GPU cards by team and workload.
---*/
select coalesce(team, 'nobody') as team, datacenter, cluster, namespace, coalesce(workload, pod) as workload, count(*) as pods, sum(gpu_request) as gpu_cards
from pod
where gpu_request > 0 and lives
group by 1, 2, 3, 4, 5
order by gpu_cards desc
