-- view: snooze
-- forms: live
-- Snoozes and planned silences, those that have ended included.
select
    s.snooze_id, -- Its number.
    case
        when s.ended_at is not null or s.until_at <= fleet.as_of() then 'ended'
        when s.from_at > fleet.as_of() then 'planned'
        else 'active'
    end as state, -- planned, active or ended.
    s.kind, -- snooze (of something that fires; ends once that has been resolved for 15 minutes) or silence (planned; lasts to its end).
    s.matchers, -- Label matchers such as node="n1", all of which must hold.
    s.from_at, -- When it begins.
    s.until_at, -- When it ends.
    s.created_by, -- Who snoozed.
    s.reason, -- Why.
    s.created_at, -- When it was written down.
    s.ended_at, -- When it ended before its time.
    s.ended_by, -- Who ended it.
    s.ended_reason -- unsnoozed, or resolved: nothing it matches has been firing for 15 minutes.
from ledger.snooze as s
