-- Generated from schema/avro/*.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

alter table ledger.pod
    add column preemption_policy text,
    add column termination_grace_period_seconds bigint,
    add column hostname text;
alter table ledger.pod_history
    add column preemption_policy text,
    add column termination_grace_period_seconds bigint,
    add column hostname text;
