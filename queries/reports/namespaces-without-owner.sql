/*---
report: Namespaces without owner
description: Namespaces that nobody owns, with what they request.
---*/
select s.datacenter, s.cluster, s.namespace, s.created_at, count(p.uid) as pods, sum(p.cpu_request_cores) as cpu_cores
from namespace as s
left join pod as p on p.datacenter = s.datacenter and p.cluster = s.cluster and p.namespace = s.namespace and p.lives
where s.team is null
group by 1, 2, 3, 4
order by pods desc
