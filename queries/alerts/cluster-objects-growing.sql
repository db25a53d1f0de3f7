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
  summary: "namespace {{ labels.namespace }} of {{ labels.cluster }} gained {{ value | count('object') }} within a day, mostly {{ annotations.most_common }}"
  runbook: cluster-objects-growing
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- Objects that are made and never removed fill etcd; Jobs without a time to live are the usual ones.
-- What is new is looked at first: it is little, and where it is not, the rest of the namespace is counted too.
with growing as (
    select datacenter, cluster, namespace, count(*) as new_objects
    from workload
    where created_at > as_of() - interval '1 day'
    group by datacenter, cluster, namespace
    having count(*) >= 500
)
select
    g.datacenter,
    g.cluster,
    g.namespace,
    g.new_objects,
    a.all_objects::text as all_objects,
    a.most_common
from growing as g
cross join lateral (
    select count(*) as all_objects, mode() within group (order by w.workload_kind) as most_common
    from workload as w
    where w.datacenter = g.datacenter and w.cluster = g.cluster and w.namespace = g.namespace
) as a
where g.new_objects * 2 >= a.all_objects
