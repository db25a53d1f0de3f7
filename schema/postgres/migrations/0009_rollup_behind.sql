-- Which windows are filled again: those behind whose end fewer sources are than when they were filled. The least of all
-- sources says too little: one cluster that is gone for days would hold up what the others have caught up on.
alter table ledger.rollup_window add column sources_behind integer not null default 0;
comment on column ledger.rollup_window.sources_behind is 'Sources that were not known to the end of the window when it was last filled.';
