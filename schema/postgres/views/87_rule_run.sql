-- view: rule_run
-- forms: live
-- Every run of every rule in the last 30 days.
select
    r.rule, -- Rule.
    r.slot, -- Slot: a whole multiple of the interval.
    r.outcome, -- ok, or error: the query gave no answer, which is not the same as no rows.
    r.error, -- What went wrong.
    r.query_seconds, -- How long the query took, in seconds.
    r.rows, -- Rows it gave.
    r.changed, -- Alerts it changed.
    r.queued, -- Notifications it queued.
    r.limit_exceeded, -- True if there were more rows than the rule's limit.
    r.as_of, -- Instant as of which its query ran.
    r.rule_version, -- SHA-256 of the rule's file.
    r.evaluator, -- Who ran it.
    r.applied_at, -- When it was applied.
    extract(epoch from r.applied_at - r.slot)::double precision as late_seconds -- How long after its slot that was, in seconds.
from ledger.rule_run as r
