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
with sizes as (
    select
        datacenter,
        cluster,
        namespace,
        count(*) filter (where created_at > as_of() - interval '1 day') as new_objects,
        count(*) as all_objects
    from workload
    group by datacenter, cluster, namespace
)
select
    s.datacenter,
    s.cluster,
    s.namespace,
    s.new_objects,
    s.all_objects::text as all_objects,
    (
        select mode() within group (order by w.workload_kind)
        from workload as w
        where w.datacenter = s.datacenter and w.cluster = s.cluster and w.namespace = s.namespace
    ) as most_common
from sizes as s
where s.new_objects >= 500
  and s.new_objects * 2 >= s.all_objects
