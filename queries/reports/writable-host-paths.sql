/*---
report: Who may write to the hosts
description: Workloads that mount a host path writable.
---*/
select h.path, h.datacenter, h.cluster, h.namespace, h.team, count(distinct h.uid) as pods, min(h.pod) as example
from host_path_mount as h
where h.writable and h.lives
group by 1, 2, 3, 4, 5
order by length(h.path), pods desc
