-- Locks are tables, because a reader can take any advisory lock and nobody but the owner can lock these: see
-- functions/take_lock.sql.
create table ledger.lock_partition ();
comment on table ledger.lock_partition is 'The lock of whoever makes, merges or drops partitions.';
create table ledger.lock_cost_fill ();
comment on table ledger.lock_cost_fill is 'The lock of whoever rates an hour, sums up a day or closes a month.';
create table ledger.lock_cost_rating ();
comment on table ledger.lock_cost_rating is 'The lock of a round that looks for hours to rate: one evaluator at a time.';
create table ledger.lock_cost_apply ();
comment on table ledger.lock_cost_apply is 'The lock of whoever applies prices, owners, teams and sharing.';
create table ledger.lock_rule_set ();
comment on table ledger.lock_rule_set is 'The lock of an evaluator that joins with a rule set.';
