/*---
alert: ClusterRefused
group: pipeline
interval: 1m
for: 1m
cooldown: 1h
repeat_interval: 24h
columns: {value: sources, labels: [datacenter], annotations: [refused]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ value | count('cluster') }} of {{ labels.datacenter }} refused: {{ annotations.refused }}"
  runbook: cluster-refused
freshness: none
---*/
-- One alert a datacenter, for names are invented faster than anybody reads; it says who the first three are.
select
    datacenter,
    count(*) as sources,
    string_agg(cluster || ' (uid ' || cluster_uid || '): ' || detail, ' | ' order by place)
        filter (where place <= 3) as refused
from (
    select
        datacenter,
        cluster,
        cluster_uid,
        detail,
        row_number() over (partition by datacenter order by since, quarantine_id) as place
    from quarantine
    where reason in ('not_admitted', 'name_taken', 'duplicate_cluster_uid') and released_at is null
) as source
group by datacenter
