/*---
record: fleet_unbalanced_seconds
interval: 1m
help: How long the stored rows have differed from what was sent, in seconds; 0 while they do not.
type: gauge
columns: {value: unbalanced_seconds, labels: [datacenter, cluster, kind]}
---*/
select
    datacenter,
    cluster,
    kind,
    coalesce(extract(epoch from as_of() - unbalanced_since), 0) as unbalanced_seconds
from balance
