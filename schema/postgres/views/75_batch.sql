-- view: batch
-- forms: live asof
-- The batch ledger: every delivered record is counted in exactly one of the columns landed to dead.
select
    b.committed_at, -- Begin of the transaction that landed it.
    b.topic, -- Topic.
    b.partition, -- Partition.
    b.from_offset, -- First offset it covers.
    b.to_offset, -- Offset after the last one it covers.
    b.owner, -- Ingester that landed it.
    b.owner_epoch, -- Its claim.
    b.delivered, -- Records Kafka delivered.
    b.landed, -- Records that changed a row.
    b.unchanged, -- Records equal to what is stored.
    b.superseded, -- Records of a deposed emitter, or older than what is stored.
    b.deleted, -- Records that ended an object.
    b.control, -- Marks, sweep points, schemas, and tombstones of what had already ended.
    b.dead -- Records that went to the dead letters.
from {batch} as b
