-- An object that was never in an API server has no creationTimestamp: when it was created is not known then.

alter table ledger.namespace alter column created_at drop not null;
alter table ledger.namespace_history alter column created_at drop not null;
alter table ledger.node alter column created_at drop not null;
alter table ledger.node_history alter column created_at drop not null;
alter table ledger.pod alter column created_at drop not null;
alter table ledger.pod_history alter column created_at drop not null;
alter table ledger.watchdog alter column created_at drop not null;
alter table ledger.watchdog_history alter column created_at drop not null;
alter table ledger.workload alter column created_at drop not null;
alter table ledger.workload_history alter column created_at drop not null;

-- The header that numbers the records of a log is `ce_logsequence`: CloudEvents means another thing by `ce_sequence`.
comment on column ledger.balance.mark_sequence is 'ce_logsequence of the newest mark.';
comment on column ledger.sweep.begin_sequence is 'ce_logsequence of its begin.';
comment on column ledger.dead_key.sequence is 'ce_logsequence of the record that died.';
