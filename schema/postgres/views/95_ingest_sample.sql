-- view: ingest_sample
-- forms: live
-- The batch ledger by topic and five minutes: every delivered record is counted in exactly one of the columns landed to dead.
select
    r.window_at, -- Begin of the five minutes.
    r.topic, -- Topic.
    r.batches, -- Batches committed.
    r.delivered, -- Records Kafka delivered.
    r.landed, -- Records that changed a row.
    r.unchanged, -- Records equal to what is stored.
    r.superseded, -- Records of a deposed emitter, or older than what is stored.
    r.deleted, -- Records that ended an object.
    r.control, -- Marks, sweep points, schemas.
    r.dead -- Records that went to the dead letters.
from ledger.rollup_ingest as r
