-- view: gap
-- forms: live asof
-- Gaps: offsets that were deleted from Kafka before they were read, or skipped because they could not be read.
select
    g.topic, -- Topic.
    g.partition, -- Partition.
    g.from_offset, -- First offset of the gap.
    g.to_offset, -- Offset after the last one of the gap.
    g.reason, -- What happened.
    g.policy, -- continue or halt.
    g.found_at, -- When it was noticed.
    g.healed_at -- When sweeps had made it good.
from {gap} as g
