/*---
report: How full the nodes are
description: Requests relative to what each node can allocate, fullest first.
parameters:
- {name: datacenter, type: text, default: '', help: Only this datacenter; empty = all.}
- {name: rows, type: integer, default: '100', help: How many.}
---*/
select
    n.datacenter, n.cluster, n.node,
    round(100 * sum(p.cpu_request_cores) / nullif(n.cpu_allocatable_cores, 0), 1) as cpu_percent,
    round(100 * sum(p.memory_request_bytes) / nullif(n.memory_allocatable_bytes, 0), 1) as memory_percent,
    count(p.uid) as pods,
    n.pods_allocatable
from node as n
left join pod as p on p.datacenter = n.datacenter and p.cluster = n.cluster and p.node = n.node and p.lives
where (:'datacenter' = '' or n.datacenter = :'datacenter')
group by n.datacenter, n.cluster, n.node, n.cpu_allocatable_cores, n.memory_allocatable_bytes, n.pods_allocatable
order by cpu_percent desc nulls last
limit :'rows'::integer
