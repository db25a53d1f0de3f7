-- view: ingest_partition
-- forms: live
-- Progress of ingestion, one row for each partition.
select
    i.topic, -- Topic.
    i.partition, -- Partition.
    i.state, -- running or halted.
    i.halted_reason, -- Why it is halted and what to do.
    i.next_offset, -- First offset that has not landed.
    i.high_watermark, -- End of the partition when it was last looked at.
    greatest(i.high_watermark - i.next_offset, 0) as lag, -- Records not landed.
    i.owner, -- Ingester that claimed it.
    i.owner_epoch, -- Number of its claim.
    i.claimed_at, -- When it was claimed.
    i.progressed_at -- When it last moved.
from ledger.ingest_partition as i
