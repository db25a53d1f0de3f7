-- view: dead_letter_overflow
-- forms: live
-- Dead letters beyond the bound of their source and day (`ingest.dead_letter_day_bytes`): counted, not kept.
select
    nullif(o.datacenter, '') as datacenter, -- Datacenter in their keys, if that could be read.
    nullif(o.cluster, '') as cluster, -- Cluster in their keys, if that could be read.
    o.day_on, -- Day, UTC.
    o.topic, -- Topic.
    o.reason, -- Class of the fault.
    o.letters, -- How many there were.
    o.bytes, -- Their keys, values and headers.
    o.first_at, -- When the first was counted.
    o.last_at, -- When the newest was counted.
    o.partition, -- Partition of the first.
    o.record_offset, -- Offset of the first.
    o.detail, -- What exactly is wrong with the first.
    encode(o.record_key, 'escape') as record_key -- Key of the first of them: up to a kilobyte, bytes that are not ASCII as \ooo.
from ledger.dead_letter_overflow as o
