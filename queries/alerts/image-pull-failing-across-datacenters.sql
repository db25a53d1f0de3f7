/*---
alert: ImagePullFailingAcrossDatacenters
group: fleet
interval: 1m
for: 5m
cooldown: 30m
repeat_interval: 4h
columns: {value: datacenters, labels: [registry], annotations: [containers]}
labels: {severity: page, team: platform}
annotations:
  summary: "{{ annotations.containers | count('container') }} in {{ value | count('datacenter') }} cannot pull from {{ labels.registry }}"
  runbook: image-pull-failing-across-datacenters
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    image_registry(image) as registry,
    count(distinct datacenter) as datacenters,
    count(*)::text as containers
from container
where state = 'waiting'
  and reason in ('ImagePullBackOff', 'ErrImagePull', 'RegistryUnavailable')
  and lives
group by 1
having count(distinct datacenter) >= 3
