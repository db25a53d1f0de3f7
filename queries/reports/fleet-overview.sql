/*---
report: The fleet at a glance
description: Each cluster with its age, nodes, pods and what is wrong.
---*/
with nodes as (
    select
        datacenter, cluster,
        count(*) as nodes,
        count(*) filter (where ready_status is distinct from 'True' or heartbeat_stale_since is not null) as nodes_bad
    from node
    group by datacenter, cluster
),
pods as (
    select
        datacenter, cluster,
        count(*) as pods,
        count(*) filter (where phase = 'Pending') as pods_pending,
        count(*) filter (where deletion_requested_at is not null) as pods_terminating
    from pod
    group by datacenter, cluster
)
select c.datacenter, c.cluster, c.state, round(c.age_seconds) as age_seconds, n.nodes, n.nodes_bad, p.pods, p.pods_pending, p.pods_terminating
from cluster as c
left join nodes as n using (datacenter, cluster)
left join pods as p using (datacenter, cluster)
order by c.datacenter, c.cluster
