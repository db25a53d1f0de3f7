-- view: user_rollup
-- forms: live
-- Rows of the rollups that users write, one window of time after the other.
select
    r.rollup, -- Name of the rollup.
    r.window_at, -- Begin of the window.
    w.window_end_at, -- End of the window.
    r.dimensions, -- What names the row, as texts by column.
    r.values, -- Its numbers by column; null = unknown.
    w.complete, -- True if every source was known to the end of the window.
    w.filled_at -- When the window was last filled.
from ledger.user_rollup as r
join ledger.rollup_window as w using (rollup, window_at)
