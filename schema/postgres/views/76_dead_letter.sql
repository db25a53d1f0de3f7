-- view: dead_letter
-- forms: live asof
-- Records that could not land. Their bytes are shown by `fleetledger dead-letters show`.
select
    d.dead_letter_id, -- Its number.
    d.datacenter, -- Datacenter in its key, if that could be read.
    d.cluster, -- Cluster in its key, if that could be read.
    k.kind, -- Kind of its topic.
    d.uid, -- Object in its key, if that could be read.
    d.topic, -- Topic.
    d.partition, -- Partition.
    d.record_offset, -- Offset.
    d.reason, -- Class of the fault; replay selects by it.
    d.detail, -- What exactly is wrong.
    d.schema_ref, -- Schema its frame names.
    d.kafka_at, -- Kafka timestamp of the record.
    d.died_at, -- When it was put here.
    d.state, -- open, replayed, superseded or discarded.
    d.settled_at -- When it left the state open.
from {dead_letter} as d
left join (values (1, 'node'), (2, 'pod'), (3, 'namespace'), (4, 'workload'), (5, 'watchdog'), (6, 'usage')) as k (number, kind)
    on k.number = d.kind
