/*---
alert: NodeKubeletBehind
group: care
interval: 15m
for: 1h
cooldown: 30m
repeat_interval: 24h
columns: {value: nodes, labels: [datacenter, cluster, kubelet_version]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ value | count('node') }} of {{ labels.cluster }} with kubelet {{ labels.kubelet_version }}, three minor versions behind the newest"
  runbook: node-kubelet-behind
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- A kubelet may be three minor versions older than its API server: the next upgrade of the cluster strands these.
with versions as (
    select datacenter, cluster, kubelet_version, substring(kubelet_version from '^v1[.]([0-9]{1,6})(?![0-9])')::integer as minor
    from node
    where not is_virtual
),
newest as (
    select datacenter, cluster, max(minor) as minor
    from versions
    group by datacenter, cluster
)
select
    v.datacenter,
    v.cluster,
    v.kubelet_version,
    count(*) as nodes
from versions as v
join newest as n using (datacenter, cluster)
where n.minor - v.minor >= 3
group by v.datacenter, v.cluster, v.kubelet_version
