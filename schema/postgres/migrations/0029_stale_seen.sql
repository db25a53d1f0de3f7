-- When the newest record of a deposed emitter came: a count that only grows does not say whether it still does.
alter table ledger.emitter_state add column stale_seen_at timestamptz;
comment on column ledger.emitter_state.stale_seen_at is 'When the newest of stale_records landed; NULL = there was none.';
