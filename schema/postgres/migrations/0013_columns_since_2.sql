-- Generated from schema/avro/*.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

alter table ledger.node
    add column swap_capacity_bytes bigint,
    add column runtime_handlers jsonb,
    add column features jsonb,
    add column declared_features text[];
alter table ledger.node_history
    add column swap_capacity_bytes bigint,
    add column runtime_handlers jsonb,
    add column features jsonb,
    add column declared_features text[];
alter table ledger.pod
    add column preemption_policy text,
    add column termination_grace_period_seconds bigint,
    add column hostname text;
alter table ledger.pod_history
    add column preemption_policy text,
    add column termination_grace_period_seconds bigint,
    add column hostname text;
alter table ledger.workload
    add column terminating integer,
    add column completed_indexes text,
    add column failed_indexes text;
alter table ledger.workload_history
    add column terminating integer,
    add column completed_indexes text,
    add column failed_indexes text;
