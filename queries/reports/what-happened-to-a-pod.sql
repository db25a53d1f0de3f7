/*---
report: What happened to a pod
description: "Every version of one pod, by its name: status as kubectl prints it, node, restarts, deletion."
parameters:
- {name: namespace, type: text, help: Namespace.}
- {name: pod, type: text, help: Pod name.}
---*/
select valid_from, valid_to, datacenter, cluster, status, ready_containers, restarts, last_restart_at, phase, reason, message, node, deletion_requested_at, closed_reason
from pod_history
where namespace = :'namespace'
  and pod = :'pod'
order by valid_from
