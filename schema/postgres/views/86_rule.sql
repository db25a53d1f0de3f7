-- view: rule
-- forms: live
-- Stored queries that are run on schedule, with where each stands.
select
    r.rule, -- Its id: the file name without folder and ending.
    r.kind, -- alert, record or rollup.
    r.rule_name, -- Name of the alert, of the series, or of the rollup.
    r.rule_group, -- Group it belongs to.
    r.state, -- new, ok, error (its alerts are held) or removed.
    r.mode, -- live, shadow (notifies nobody) or disabled.
    r.labels ->> 'severity' as severity, -- Severity of its alerts.
    r.labels ->> 'team' as team, -- Team its alerts go to.
    r.last_slot, -- Newest slot it was run for.
    r.last_ok_slot, -- Newest slot at which its query gave an answer.
    r.last_seconds, -- How long its query took then, in seconds.
    r.last_rows, -- Rows it gave then.
    r.last_error, -- What went wrong at the newest slot; NULL if nothing did.
    r.failures, -- Slots in a row at which its query failed.
    r.too_slow, -- Slots in a row at which it took more than half of its timeout.
    r.limit_exceeded, -- True if it gave more rows than its limit at the newest slot: known alerts go on, no new ones are made.
    r.interval_seconds, -- How often it runs, in seconds.
    r.for_seconds, -- How long the condition must hold before it fires, in seconds.
    g.missed_slots, -- Slots of its group that nobody ran in time.
    g.owner as evaluator, -- Evaluator that runs its group.
    r.labels, -- Labels every alert of it gets.
    r.annotations, -- Templates of their annotations.
    r.receivers, -- Receivers it names; empty where routes decide.
    r.file, -- File it was read from.
    r.version, -- SHA-256 of that file.
    r.query_text, -- Its SQL.
    r.loaded_at, -- When this version was first run by.
    r.removed_at -- When it was gone from the folder.
from ledger.rule as r
left join ledger.rule_group as g on g.rule_group = r.rule_group and r.kind <> 'record'
