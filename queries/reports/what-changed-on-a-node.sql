/*---
report: What changed on a node
description: "Every version of one node within a window: readiness, cordon, boot, versions."
parameters:
- {name: node, type: text, help: Node name.}
- {name: window, type: duration, default: '7d', help: How far back.}
---*/
select valid_from, valid_to, datacenter, cluster, ready_status, ready_reason, heartbeat_stale_since, unschedulable, boot_id, kernel_version, kubelet_version, closed_reason
from node_history
where node = :'node'
  and (valid_to > as_of() - :'window'::interval or valid_to is null)
order by valid_from desc
