-- Run before everything else, outside the migration lock: it makes that lock. Several may run it at once on an empty
-- database; whoever loses is told of a duplicate and runs it again.
create schema if not exists ledger;
create table if not exists ledger.lock_migration ();
comment on table ledger.lock_migration is 'The lock of migrations: it is the table that is locked, and no other role may.';
