/*---
alert: ClusterObjectsGrowing
group: control-plane
interval: 5m
for: 15m
cooldown: 30m
repeat_interval: 24h
columns: {value: new_objects, labels: [datacenter, cluster, namespace], annotations: [all_objects, most_common]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "namespace {{ labels.namespace }} of {{ labels.cluster }} gained {{ value | count }} objects within a day, mostly {{ annotations.most_common }}"
  runbook: cluster-objects-growing
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- Objects that are made and never removed fill etcd; Jobs without a time to live are the usual ones.
select
    datacenter,
    cluster,
    namespace,
    count(*) filter (where created_at > as_of() - interval '1 day') as new_objects,
    count(*)::text as all_objects,
    mode() within group (order by workload_kind) as most_common
from workload
group by datacenter, cluster, namespace
having count(*) filter (where created_at > as_of() - interval '1 day') >= 500
   and count(*) filter (where created_at > as_of() - interval '1 day') * 2 >= count(*)
