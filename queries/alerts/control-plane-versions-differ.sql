/*---
alert: ControlPlaneVersionsDiffer
group: control-plane
interval: 5m
for: 2h
cooldown: 30m
repeat_interval: 4h
columns: {value: versions, labels: [datacenter, cluster, component], annotations: [images]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "members of {{ labels.component }} of {{ labels.cluster }} have run {{ value | count('version') }} for two hours: {{ annotations.images }}"
  runbook: control-plane-versions-differ
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    datacenter,
    cluster,
    container as component,
    count(distinct image) as versions,
    string_agg(distinct image, ', ' order by image) as images
from container
where namespace = 'kube-system'
  and container in ('kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'etcd')
  and state = 'running'
group by datacenter, cluster, container
having count(distinct image) >= 2
