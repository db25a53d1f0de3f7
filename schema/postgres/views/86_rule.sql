-- view: rule
-- forms: live
-- Stored queries that are run on schedule, with the state of each, and refused files.
select
    coalesce(r.rule, f.rule) as rule, -- Its id: the file name without folder and ending.
    r.kind, -- alert, record or rollup; NULL = a refused file of which no version was ever evaluated, here and in most other columns.
    r.rule_name, -- Name of the alert, of the series, or of the rollup.
    r.rule_group, -- Group it belongs to.
    case when f.rule is null then r.state else 'refused' end as state, -- new, ok, error (its alerts are held), refused (its file; see refused_reason) or removed.
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
    g.missed_slots, -- Slots of its group that no evaluator ran in time.
    g.owner as evaluator, -- Evaluator that runs its group.
    r.labels, -- Labels every alert of it gets.
    r.annotations, -- Templates of their annotations.
    r.receivers, -- Receivers it names; empty where routes decide.
    coalesce(r.file, f.file) as file, -- File it was read from.
    r.version, -- SHA-256 of that file.
    r.query_text, -- Its SQL.
    r.loaded_at, -- When this version was first run by.
    r.removed_at, -- When it was gone from the folder, or refused by an evaluator that had read no earlier version; NULL = a version of it is evaluated, if kind is not NULL.
    f.reason as refused_reason, -- What is wrong with its file, by line; NULL = it is not refused. The version that was read before goes on being evaluated.
    f.since as refused_since -- Since when its file is refused for that reason.
from ledger.rule as r
full join (
    select d.rule, min(d.file) as file, string_agg(distinct d.reason, '; ') as reason, min(d.since) as since
    from ledger.refused_rule as d
    group by d.rule
) as f on f.rule = r.rule
left join ledger.rule_group as g on g.rule_group = r.rule_group and r.kind <> 'record'
