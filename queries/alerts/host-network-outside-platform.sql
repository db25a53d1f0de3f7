/*---
alert: HostNetworkOutsidePlatform
group: care
interval: 15m
for: 0s
cooldown: 30m
repeat_interval: 24h
columns: {value: pods, labels: [datacenter, cluster, namespace, workload, owner]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ value | count('pod') }} of {{ labels.namespace }}/{{ labels.workload }} of {{ labels.cluster }} on the host network"
  runbook: host-network-outside-platform
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- Namespaces that belong to a team are applications; what needs the host's network belongs to the platform.
select
    datacenter,
    cluster,
    namespace,
    coalesce(workload, pod) as workload,
    team as owner,
    count(*) as pods
from pod
where host_network
  and team <> 'platform'
  and lives
group by 1, 2, 3, 4, 5
