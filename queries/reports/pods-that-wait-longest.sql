/*---
report: Pods that wait longest
description: Pending pods with the scheduler's reason, oldest first, without gated pods.
parameters:
- {name: datacenter, type: text, default: '', help: Only this datacenter; empty = all.}
- {name: rows, type: integer, default: '50', help: How many.}
---*/
select datacenter, cluster, namespace, pod, team, as_of() - created_at as waiting, status, coalesce('bound to ' || node, unschedulable_message) as reason
from pod
where phase = 'Pending'
  and (unschedulable_reason is distinct from 'SchedulingGated' or node is not null)
  and (:'datacenter' = '' or datacenter = :'datacenter')
order by created_at
limit :'rows'::integer
