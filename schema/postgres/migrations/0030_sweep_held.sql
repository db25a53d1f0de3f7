-- A sweep that would close more than a set share of its objects closes nothing until a second one agrees.
alter table ledger.sweep drop constraint sweep_state_check;
alter table ledger.sweep add constraint sweep_state_check check (state in ('running', 'complete', 'void', 'held'));
alter table ledger.sweep add column held_objects bigint not null default 0;
alter table ledger.sweep add column held_at timestamptz;
comment on column ledger.sweep.state is 'running, complete, void: it had a hole and closed nothing, or held: it would have closed too much, and a second one must agree.';
comment on column ledger.sweep.held_objects is 'Objects it would have closed, where it is held.';
comment on column ledger.sweep.held_at is 'Since when, by the ingester''s clock, a sweep that would close too much waits for a second one.';
