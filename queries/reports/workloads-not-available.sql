/*---
report: Workloads that lack replicas
description: Desired, available and updated replicas, and since when replicas are known to be missing.
---*/
select w.datacenter, w.cluster, w.namespace, w.team, w.workload_kind, w.workload, w.desired, w.available, w.updated, h.since
from workload as w
cross join lateral (
    -- Since the last version that lacked none; a later edit is no beginning.
    select coalesce(max(c.valid_to) filter (where coalesce(c.available, c.ready, 0) >= c.desired), min(c.valid_from)) as since
    from workload_history as c
    where c.datacenter = w.datacenter and c.cluster = w.cluster and c.uid = w.uid
) as h
where w.workload_kind in ('Deployment', 'StatefulSet', 'DaemonSet') and coalesce(w.available, w.ready, 0) < w.desired
order by w.desired - coalesce(w.available, w.ready, 0) desc
