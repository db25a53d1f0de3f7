-- view: cost_sharing
-- forms: live
-- How shared cost is shown by default, by date. It changes no stored number.
select
    s.namespaces, -- Namespaces whose cost all others share.
    s.spread, -- even: each gets the same; weighted: by its own cost before idle is added.
    s.idle, -- apart: a row of its own; shared: each gets its part, resource by resource.
    s.valid_from, -- Since when.
    s.valid_to, -- Until when, exclusive; NULL = still.
    s.applied_at, -- When it was applied.
    s.applied_by -- Who applied it.
from ledger.cost_sharing as s
where s.superseded_at is null
