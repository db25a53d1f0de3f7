-- view: quarantine
-- forms: live asof
-- Sources whose records become dead letters until the quarantine is released.
select
    q.quarantine_id, -- Its number.
    q.datacenter, -- Datacenter the source names.
    q.cluster, -- Cluster the source names.
    q.cluster_uid, -- Cluster uid the source names.
    q.topic, -- Topic; NULL for all.
    q.reason, -- poisoned, duplicate_cluster_uid, name_taken or not_admitted.
    q.detail, -- What was seen and what to do.
    q.since, -- When it began.
    q.released_at, -- When it ended; NULL while it lasts.
    q.records -- Records that became dead letters because of it.
from {quarantine} as q
