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
    add column status text,
    add column preemption_policy text,
    add column termination_grace_period_seconds bigint,
    add column hostname text,
    add column restarts integer,
    add column last_restart_at timestamptz,
    add column ready_containers text;
alter table ledger.pod_history
    add column status text,
    add column preemption_policy text,
    add column termination_grace_period_seconds bigint,
    add column hostname text,
    add column restarts integer,
    add column last_restart_at timestamptz,
    add column ready_containers text;
alter table ledger.container
    add column request_in_force_cpu_millicores bigint,
    add column request_in_force_memory_bytes bigint,
    add column limit_in_force_cpu_millicores bigint,
    add column limit_in_force_memory_bytes bigint,
    add column allocated_cpu_millicores bigint,
    add column allocated_memory_bytes bigint,
    add column reserved_cpu_millicores bigint,
    add column reserved_memory_bytes bigint;
alter table ledger.container_history
    add column request_in_force_cpu_millicores bigint,
    add column request_in_force_memory_bytes bigint,
    add column limit_in_force_cpu_millicores bigint,
    add column limit_in_force_memory_bytes bigint,
    add column allocated_cpu_millicores bigint,
    add column allocated_memory_bytes bigint,
    add column reserved_cpu_millicores bigint,
    add column reserved_memory_bytes bigint;
alter table ledger.workload
    add column terminating integer,
    add column completed_indexes text,
    add column failed_indexes text;
alter table ledger.workload_history
    add column terminating integer,
    add column completed_indexes text,
    add column failed_indexes text;
