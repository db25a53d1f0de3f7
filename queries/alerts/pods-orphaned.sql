/*---
alert: PodsOrphaned
group: workload-history
interval: 5m
for: 0s
keep_firing_for: 15m
cooldown: 30m
repeat_interval: 4h
columns: {value: orphans, labels: [datacenter, cluster, namespace, name_prefix], annotations: [workload, new_pods]}
labels: {severity: page, team: platform}
annotations:
  summary: "{{ value | count('pod') }} {{ labels.name_prefix }}-… of {{ labels.namespace }} of {{ labels.cluster }} without an owner, {{ annotations.new_pods }} of them new; named like pods of {{ annotations.workload }}"
  runbook: pods-orphaned
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- A controller lets go of a pod whose labels do not match its selector, and makes another, without an end: what drops labels
-- while pods are made leaves pods without owner that no count of a workload's own pods shows. Their names still tell: a
-- prefix, which holds the hash of the template, and five letters that the API server has drawn.
with growing as (
    select datacenter, cluster, namespace, rtrim(left(pod, -5), '-') as name_prefix, count(*) as new_pods
    from pod
    where created_at > as_of() - interval '30 minutes'
      and owner_uid is null
      and lives
      and pod ~ '[bcdfghjklmnpqrstvwxz2456789]{5}$'
    group by datacenter, cluster, namespace, rtrim(left(pod, -5), '-')
    having count(*) >= 10
)
select
    g.datacenter,
    g.cluster,
    g.namespace,
    g.name_prefix,
    p.orphans,
    coalesce(r.owner, w.workload, 'no workload known') as workload,
    g.new_pods::text as new_pods
from growing as g
cross join lateral (
    select count(*) as orphans
    from pod as a
    where a.datacenter = g.datacenter and a.cluster = g.cluster and a.namespace = g.namespace
      and rtrim(left(a.pod, -5), '-') = g.name_prefix
      and a.owner_uid is null
      and a.lives
) as p
-- Whose they were before they were let go, where that was seen.
left join lateral (
    select max(h.owner_kind || ' ' || h.owner) as owner
    from pod_history as h
    where h.datacenter = g.datacenter and h.cluster = g.cluster and h.namespace = g.namespace
      and h.valid_from > as_of() - interval '30 minutes'
      and rtrim(left(h.pod, -5), '-') = g.name_prefix
) as r on true
left join lateral (
    select n.workload_kind || ' ' || n.workload as workload
    from workload as n
    where n.datacenter = g.datacenter and n.cluster = g.cluster and n.namespace = g.namespace
      and (n.workload = g.name_prefix or starts_with(g.name_prefix, n.workload || '-'))
    order by length(n.workload) desc
    limit 1
) as w on true
