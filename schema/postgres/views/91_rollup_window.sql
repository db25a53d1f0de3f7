-- view: rollup_window
-- forms: live
-- Windows that rollups have filled.
select
    w.rollup, -- Name of the rollup.
    w.window_at, -- Begin of the window.
    w.window_end_at, -- End of the window.
    w.row_count, -- Rows it contains.
    w.known_until, -- Up to when every source was known when it was last filled.
    w.complete, -- True if every source was known to the end of the window; else it is filled again when more is known.
    w.version, -- SHA-256 of the file it was last filled by.
    w.filled_at, -- When it was last filled.
    w.fillings, -- How many times it was filled.
    w.sources_behind -- Sources that were not known to the end of the window when it was last filled.
from ledger.rollup_window as w
