-- view: cost_run
-- forms: live asof
-- Every rating of an hour: when, why, by which price sheets, and what came out.
select
    r.run_id, -- Number of the run.
    r.hour_at, -- Hour it rated.
    r.reason, -- first, partial (the hour was running), known (more of its sources was known), usage (late usage came), rerate.
    r.as_of, -- Up to when the hour was rated.
    r.known_until, -- Up to when every source was known.
    r.sheet_ids, -- Price sheets it used; see price.
    r.nodes, -- Nodes that stood.
    r.pods, -- Pods that were charged.
    r.lines, -- Lines it wrote.
    round(r.cost_nanos / 1e9, 9) as cost, -- What the nodes cost.
    r.began_at, -- When it began.
    r.filled_at, -- When it was done.
    h.run_id = r.run_id as is_current -- True if no later run took its place.
from ledger.cost_run as r
join ledger.cost_hour as h using (hour_at)
where r.filled_at <= {schema}.as_of()
