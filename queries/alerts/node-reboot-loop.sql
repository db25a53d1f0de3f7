/*---
alert: NodeRebootLoop
group: node-history
interval: 5m
for: 0s
keep_firing_for: 1h
cooldown: 30m
repeat_interval: 4h
columns: {value: reboots, labels: [datacenter, cluster, node]}
labels: {severity: page, team: platform}
annotations:
  summary: "{{ labels.node }} of {{ labels.cluster }} booted {{ value | count('time') }} within six hours"
  runbook: node-reboot-loop
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- Boots of one machine, whichever node object of that name it was.
with boots as (
    select datacenter, cluster, node, uid, boot_id
    from node_history
    where (valid_to > as_of() - interval '6 hours' or valid_to is null)
      and boot_id <> ''
    group by datacenter, cluster, node, uid, boot_id
)
select
    datacenter,
    cluster,
    node,
    count(*) - count(distinct uid) as reboots
from boots
group by datacenter, cluster, node
having count(*) - count(distinct uid) >= 3
