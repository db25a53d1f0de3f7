-- view: gap
-- forms: live asof
-- Offsets that were gone before they could be read.
select
    g.topic, -- Topic.
    g.partition, -- Partition.
    g.from_offset, -- First offset that is gone.
    g.to_offset, -- Offset after the last one that is gone.
    g.reason, -- What happened.
    g.policy, -- continue or halt.
    g.found_at, -- When it was noticed.
    g.healed_at -- When sweeps had made it good.
from {gap} as g
