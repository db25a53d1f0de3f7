-- Current state and closed versions of every kind of object. Columns between uid and body_hash_hi are filled
-- from the record; the crate's row module lists them and a test compares.

create table ledger.node (
    cluster_id integer not null,
    uid text not null,
    node text not null,
    created_at timestamptz not null,
    deletion_requested_at timestamptz,
    labels jsonb not null,
    annotations jsonb not null,
    finalizers text[] not null,
    provider_id text,
    unschedulable boolean not null,
    taints jsonb not null,
    conditions jsonb not null,
    ready_status text,
    ready_reason text,
    ready_since timestamptz,
    heartbeat_stale_since timestamptz,
    addresses jsonb not null,
    pod_cidrs text[] not null,
    kernel_version text not null,
    os_image text not null,
    operating_system text not null,
    architecture text not null,
    container_runtime_version text not null,
    kubelet_version text not null,
    kube_proxy_version text not null,
    boot_id text not null,
    machine_id text not null,
    system_uuid text not null,
    capacity_cpu_millicores bigint,
    capacity_memory_bytes bigint,
    capacity_ephemeral_storage_bytes bigint,
    capacity_gpu_millis bigint,
    capacity_pods bigint,
    capacity_other jsonb not null,
    allocatable_cpu_millicores bigint,
    allocatable_memory_bytes bigint,
    allocatable_ephemeral_storage_bytes bigint,
    allocatable_gpu_millis bigint,
    allocatable_pods bigint,
    allocatable_other jsonb not null,
    body_hash_hi bigint,
    body_hash_lo bigint,
    row_hash_hi bigint not null,
    row_hash_lo bigint not null,
    writer_schema bigint not null,
    reader_version smallint not null,
    unknown jsonb,
    valid_from timestamptz not null,
    observed_at timestamptz not null,
    landed_at timestamptz not null,
    primary key (cluster_id, uid)
) with (fillfactor = 60);

create table ledger.node_history (
    cluster_id integer not null,
    uid text not null,
    node text not null,
    created_at timestamptz not null,
    deletion_requested_at timestamptz,
    labels jsonb not null,
    annotations jsonb not null,
    finalizers text[] not null,
    provider_id text,
    unschedulable boolean not null,
    taints jsonb not null,
    conditions jsonb not null,
    ready_status text,
    ready_reason text,
    ready_since timestamptz,
    heartbeat_stale_since timestamptz,
    addresses jsonb not null,
    pod_cidrs text[] not null,
    kernel_version text not null,
    os_image text not null,
    operating_system text not null,
    architecture text not null,
    container_runtime_version text not null,
    kubelet_version text not null,
    kube_proxy_version text not null,
    boot_id text not null,
    machine_id text not null,
    system_uuid text not null,
    capacity_cpu_millicores bigint,
    capacity_memory_bytes bigint,
    capacity_ephemeral_storage_bytes bigint,
    capacity_gpu_millis bigint,
    capacity_pods bigint,
    capacity_other jsonb not null,
    allocatable_cpu_millicores bigint,
    allocatable_memory_bytes bigint,
    allocatable_ephemeral_storage_bytes bigint,
    allocatable_gpu_millis bigint,
    allocatable_pods bigint,
    allocatable_other jsonb not null,
    body_hash_hi bigint,
    body_hash_lo bigint,
    row_hash_hi bigint not null,
    row_hash_lo bigint not null,
    writer_schema bigint not null,
    reader_version smallint not null,
    unknown jsonb,
    valid_from timestamptz not null,
    observed_at timestamptz not null,
    landed_at timestamptz not null,
    valid_to timestamptz not null,
    closed_reason text not null,
    check (valid_from < valid_to)
) partition by range (valid_to);
create index on ledger.node_history (node, valid_from);
create index on ledger.node_history (valid_from);
create index on ledger.node_history (uid, valid_from);

create table ledger.pod (
    cluster_id integer not null,
    uid text not null,
    namespace text not null,
    pod text not null,
    created_at timestamptz not null,
    deletion_requested_at timestamptz,
    deletion_grace_seconds bigint,
    labels jsonb not null,
    annotations jsonb not null,
    finalizers text[] not null,
    node text,
    nominated_node text,
    phase text not null,
    reason text,
    message text,
    qos_class text,
    priority integer,
    priority_class text,
    owner_kind text,
    owner text,
    owner_uid text,
    workload_kind text,
    workload text,
    workload_uid text,
    owner_resolved boolean not null,
    service_account text,
    scheduler text,
    runtime_class text,
    restart_policy text not null,
    host_network boolean not null,
    host_pid boolean not null,
    host_ipc boolean not null,
    host_ip text,
    pod_ips text[] not null,
    started_at timestamptz,
    conditions jsonb not null,
    scheduled_at timestamptz,
    unschedulable_reason text,
    unschedulable_message text,
    ready boolean not null,
    ready_since timestamptz,
    finished_at timestamptz,
    restart_count integer not null,
    request_cpu_millicores bigint,
    request_memory_bytes bigint,
    request_ephemeral_storage_bytes bigint,
    request_gpu_millis bigint,
    request_other jsonb not null,
    limit_cpu_millicores bigint,
    limit_memory_bytes bigint,
    limit_ephemeral_storage_bytes bigint,
    limit_gpu_millis bigint,
    limit_other jsonb not null,
    overhead_cpu_millicores bigint,
    overhead_memory_bytes bigint,
    overhead_ephemeral_storage_bytes bigint,
    overhead_gpu_millis bigint,
    overhead_other jsonb not null,
    host_path_mounts jsonb not null,
    containers_count bigint not null,
    containers_xor_hi bigint not null,
    containers_xor_lo bigint not null,
    body_hash_hi bigint,
    body_hash_lo bigint,
    row_hash_hi bigint not null,
    row_hash_lo bigint not null,
    writer_schema bigint not null,
    reader_version smallint not null,
    unknown jsonb,
    valid_from timestamptz not null,
    observed_at timestamptz not null,
    landed_at timestamptz not null,
    primary key (cluster_id, uid)
) with (fillfactor = 60);

create table ledger.pod_history (
    cluster_id integer not null,
    uid text not null,
    namespace text not null,
    pod text not null,
    created_at timestamptz not null,
    deletion_requested_at timestamptz,
    deletion_grace_seconds bigint,
    labels jsonb not null,
    annotations jsonb not null,
    finalizers text[] not null,
    node text,
    nominated_node text,
    phase text not null,
    reason text,
    message text,
    qos_class text,
    priority integer,
    priority_class text,
    owner_kind text,
    owner text,
    owner_uid text,
    workload_kind text,
    workload text,
    workload_uid text,
    owner_resolved boolean not null,
    service_account text,
    scheduler text,
    runtime_class text,
    restart_policy text not null,
    host_network boolean not null,
    host_pid boolean not null,
    host_ipc boolean not null,
    host_ip text,
    pod_ips text[] not null,
    started_at timestamptz,
    conditions jsonb not null,
    scheduled_at timestamptz,
    unschedulable_reason text,
    unschedulable_message text,
    ready boolean not null,
    ready_since timestamptz,
    finished_at timestamptz,
    restart_count integer not null,
    request_cpu_millicores bigint,
    request_memory_bytes bigint,
    request_ephemeral_storage_bytes bigint,
    request_gpu_millis bigint,
    request_other jsonb not null,
    limit_cpu_millicores bigint,
    limit_memory_bytes bigint,
    limit_ephemeral_storage_bytes bigint,
    limit_gpu_millis bigint,
    limit_other jsonb not null,
    overhead_cpu_millicores bigint,
    overhead_memory_bytes bigint,
    overhead_ephemeral_storage_bytes bigint,
    overhead_gpu_millis bigint,
    overhead_other jsonb not null,
    host_path_mounts jsonb not null,
    containers_count bigint not null,
    containers_xor_hi bigint not null,
    containers_xor_lo bigint not null,
    body_hash_hi bigint,
    body_hash_lo bigint,
    row_hash_hi bigint not null,
    row_hash_lo bigint not null,
    writer_schema bigint not null,
    reader_version smallint not null,
    unknown jsonb,
    valid_from timestamptz not null,
    observed_at timestamptz not null,
    landed_at timestamptz not null,
    valid_to timestamptz not null,
    closed_reason text not null,
    check (valid_from < valid_to)
) partition by range (valid_to);
create index on ledger.pod_history (namespace, valid_from);
create index on ledger.pod_history (valid_from);
create index on ledger.pod_history (uid, valid_from);

create table ledger.container (
    cluster_id integer not null,
    uid text not null,
    container text not null,
    namespace text not null,
    pod text not null,
    node text,
    container_type text not null,
    position integer not null,
    image text not null,
    image_id text,
    image_digest text,
    container_id text,
    ready boolean not null,
    started boolean,
    restart_count integer not null,
    state text,
    reason text,
    message text,
    exit_code integer,
    signal integer,
    started_at timestamptz,
    finished_at timestamptz,
    last_reason text,
    last_message text,
    last_exit_code integer,
    last_signal integer,
    last_started_at timestamptz,
    last_finished_at timestamptz,
    request_cpu_millicores bigint,
    request_memory_bytes bigint,
    request_ephemeral_storage_bytes bigint,
    request_gpu_millis bigint,
    request_other jsonb not null,
    limit_cpu_millicores bigint,
    limit_memory_bytes bigint,
    limit_ephemeral_storage_bytes bigint,
    limit_gpu_millis bigint,
    limit_other jsonb not null,
    row_hash_hi bigint not null,
    row_hash_lo bigint not null,
    reader_version smallint not null,
    valid_from timestamptz not null,
    observed_at timestamptz not null,
    landed_at timestamptz not null,
    primary key (cluster_id, uid, container)
) with (fillfactor = 60);

create table ledger.container_history (
    cluster_id integer not null,
    uid text not null,
    container text not null,
    namespace text not null,
    pod text not null,
    node text,
    container_type text not null,
    position integer not null,
    image text not null,
    image_id text,
    image_digest text,
    container_id text,
    ready boolean not null,
    started boolean,
    restart_count integer not null,
    state text,
    reason text,
    message text,
    exit_code integer,
    signal integer,
    started_at timestamptz,
    finished_at timestamptz,
    last_reason text,
    last_message text,
    last_exit_code integer,
    last_signal integer,
    last_started_at timestamptz,
    last_finished_at timestamptz,
    request_cpu_millicores bigint,
    request_memory_bytes bigint,
    request_ephemeral_storage_bytes bigint,
    request_gpu_millis bigint,
    request_other jsonb not null,
    limit_cpu_millicores bigint,
    limit_memory_bytes bigint,
    limit_ephemeral_storage_bytes bigint,
    limit_gpu_millis bigint,
    limit_other jsonb not null,
    row_hash_hi bigint not null,
    row_hash_lo bigint not null,
    reader_version smallint not null,
    valid_from timestamptz not null,
    observed_at timestamptz not null,
    landed_at timestamptz not null,
    valid_to timestamptz not null,
    closed_reason text not null,
    check (valid_from < valid_to)
) partition by range (valid_to);
create index on ledger.container_history (namespace, valid_from);
create index on ledger.container_history (valid_from);
create index on ledger.container_history (uid, valid_from);

create table ledger.namespace (
    cluster_id integer not null,
    uid text not null,
    namespace text not null,
    created_at timestamptz not null,
    deletion_requested_at timestamptz,
    labels jsonb not null,
    annotations jsonb not null,
    finalizers text[] not null,
    phase text not null,
    conditions jsonb not null,
    body_hash_hi bigint,
    body_hash_lo bigint,
    row_hash_hi bigint not null,
    row_hash_lo bigint not null,
    writer_schema bigint not null,
    reader_version smallint not null,
    unknown jsonb,
    valid_from timestamptz not null,
    observed_at timestamptz not null,
    landed_at timestamptz not null,
    primary key (cluster_id, uid)
) with (fillfactor = 60);

create table ledger.namespace_history (
    cluster_id integer not null,
    uid text not null,
    namespace text not null,
    created_at timestamptz not null,
    deletion_requested_at timestamptz,
    labels jsonb not null,
    annotations jsonb not null,
    finalizers text[] not null,
    phase text not null,
    conditions jsonb not null,
    body_hash_hi bigint,
    body_hash_lo bigint,
    row_hash_hi bigint not null,
    row_hash_lo bigint not null,
    writer_schema bigint not null,
    reader_version smallint not null,
    unknown jsonb,
    valid_from timestamptz not null,
    observed_at timestamptz not null,
    landed_at timestamptz not null,
    valid_to timestamptz not null,
    closed_reason text not null,
    check (valid_from < valid_to)
) partition by range (valid_to);
create index on ledger.namespace_history (namespace, valid_from);
create index on ledger.namespace_history (valid_from);
create index on ledger.namespace_history (uid, valid_from);

create table ledger.workload (
    cluster_id integer not null,
    uid text not null,
    namespace text not null,
    workload text not null,
    workload_kind text not null,
    created_at timestamptz not null,
    deletion_requested_at timestamptz,
    labels jsonb not null,
    annotations jsonb not null,
    finalizers text[] not null,
    owner_kind text,
    owner text,
    owner_uid text,
    generation bigint,
    observed_generation bigint,
    desired integer,
    current integer,
    updated integer,
    ready integer,
    available integer,
    unavailable integer,
    misscheduled integer,
    paused boolean not null,
    suspended boolean not null,
    completions integer,
    succeeded integer,
    failed integer,
    active integer,
    started_at timestamptz,
    completed_at timestamptz,
    schedule text,
    time_zone text,
    last_scheduled_at timestamptz,
    last_successful_at timestamptz,
    strategy text,
    selector jsonb not null,
    images text[] not null,
    conditions jsonb not null,
    body_hash_hi bigint,
    body_hash_lo bigint,
    row_hash_hi bigint not null,
    row_hash_lo bigint not null,
    writer_schema bigint not null,
    reader_version smallint not null,
    unknown jsonb,
    valid_from timestamptz not null,
    observed_at timestamptz not null,
    landed_at timestamptz not null,
    primary key (cluster_id, uid)
) with (fillfactor = 60);

create table ledger.workload_history (
    cluster_id integer not null,
    uid text not null,
    namespace text not null,
    workload text not null,
    workload_kind text not null,
    created_at timestamptz not null,
    deletion_requested_at timestamptz,
    labels jsonb not null,
    annotations jsonb not null,
    finalizers text[] not null,
    owner_kind text,
    owner text,
    owner_uid text,
    generation bigint,
    observed_generation bigint,
    desired integer,
    current integer,
    updated integer,
    ready integer,
    available integer,
    unavailable integer,
    misscheduled integer,
    paused boolean not null,
    suspended boolean not null,
    completions integer,
    succeeded integer,
    failed integer,
    active integer,
    started_at timestamptz,
    completed_at timestamptz,
    schedule text,
    time_zone text,
    last_scheduled_at timestamptz,
    last_successful_at timestamptz,
    strategy text,
    selector jsonb not null,
    images text[] not null,
    conditions jsonb not null,
    body_hash_hi bigint,
    body_hash_lo bigint,
    row_hash_hi bigint not null,
    row_hash_lo bigint not null,
    writer_schema bigint not null,
    reader_version smallint not null,
    unknown jsonb,
    valid_from timestamptz not null,
    observed_at timestamptz not null,
    landed_at timestamptz not null,
    valid_to timestamptz not null,
    closed_reason text not null,
    check (valid_from < valid_to)
) partition by range (valid_to);
create index on ledger.workload_history (namespace, valid_from);
create index on ledger.workload_history (valid_from);
create index on ledger.workload_history (uid, valid_from);

create table ledger.watchdog (
    cluster_id integer not null,
    uid text not null,
    watchdog text not null,
    created_at timestamptz not null,
    deletion_requested_at timestamptz,
    labels jsonb not null,
    annotations jsonb not null,
    finalizers text[] not null,
    scope text not null,
    check_name text not null,
    interval_seconds bigint,
    severity text,
    runbook text,
    suspended boolean not null,
    snoozed_until timestamptz,
    snoozed_by text,
    snooze_reason text,
    generation bigint,
    observed_generation bigint,
    healthy_status text,
    reporting_status text,
    state text,
    episode bigint,
    incarnation bigint,
    dedup_key text,
    nodes_desired integer,
    nodes_reporting integer,
    nodes_ok integer,
    nodes_failing integer,
    nodes_unknown integer,
    failing jsonb not null,
    conditions jsonb not null,
    body_hash_hi bigint,
    body_hash_lo bigint,
    row_hash_hi bigint not null,
    row_hash_lo bigint not null,
    writer_schema bigint not null,
    reader_version smallint not null,
    unknown jsonb,
    valid_from timestamptz not null,
    observed_at timestamptz not null,
    landed_at timestamptz not null,
    primary key (cluster_id, uid)
) with (fillfactor = 60);

create table ledger.watchdog_history (
    cluster_id integer not null,
    uid text not null,
    watchdog text not null,
    created_at timestamptz not null,
    deletion_requested_at timestamptz,
    labels jsonb not null,
    annotations jsonb not null,
    finalizers text[] not null,
    scope text not null,
    check_name text not null,
    interval_seconds bigint,
    severity text,
    runbook text,
    suspended boolean not null,
    snoozed_until timestamptz,
    snoozed_by text,
    snooze_reason text,
    generation bigint,
    observed_generation bigint,
    healthy_status text,
    reporting_status text,
    state text,
    episode bigint,
    incarnation bigint,
    dedup_key text,
    nodes_desired integer,
    nodes_reporting integer,
    nodes_ok integer,
    nodes_failing integer,
    nodes_unknown integer,
    failing jsonb not null,
    conditions jsonb not null,
    body_hash_hi bigint,
    body_hash_lo bigint,
    row_hash_hi bigint not null,
    row_hash_lo bigint not null,
    writer_schema bigint not null,
    reader_version smallint not null,
    unknown jsonb,
    valid_from timestamptz not null,
    observed_at timestamptz not null,
    landed_at timestamptz not null,
    valid_to timestamptz not null,
    closed_reason text not null,
    check (valid_from < valid_to)
) partition by range (valid_to);
create index on ledger.watchdog_history (watchdog, valid_from);
create index on ledger.watchdog_history (valid_from);
create index on ledger.watchdog_history (uid, valid_from);

comment on table ledger.node is 'Every node that exists, its newest version.';
comment on table ledger.node_history is 'Closed versions of node rows, append-only, partitioned by valid_to.';
comment on column ledger.node.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.node.uid is 'Kubernetes uid of the node: its identity.';
comment on column ledger.node.node is 'Node name.';
comment on column ledger.node.created_at is 'metadata.creationTimestamp.';
comment on column ledger.node.deletion_requested_at is 'When deletion was asked for: metadata.deletionTimestamp less the grace period.';
comment on column ledger.node.labels is 'Allow-listed labels.';
comment on column ledger.node.annotations is 'Allow-listed annotations.';
comment on column ledger.node.finalizers is 'metadata.finalizers, in the object''s order.';
comment on column ledger.node.provider_id is 'spec.providerID.';
comment on column ledger.node.unschedulable is 'True if the node is cordoned.';
comment on column ledger.node.taints is 'Taints, sorted by key, effect and value.';
comment on column ledger.node.conditions is 'Conditions, sorted by type; heartbeats left out.';
comment on column ledger.node.ready_status is 'Status of condition Ready: True, False or Unknown.';
comment on column ledger.node.ready_reason is 'Reason of condition Ready.';
comment on column ledger.node.ready_since is 'When condition Ready last changed its status.';
comment on column ledger.node.heartbeat_stale_since is 'renewTime of the node''s Lease, set only while that is more than 2 minutes old: the instant the node fell silent.';
comment on column ledger.node.addresses is 'Addresses, in the object''s order.';
comment on column ledger.node.pod_cidrs is 'Pod CIDRs.';
comment on column ledger.node.kernel_version is 'Kernel version.';
comment on column ledger.node.os_image is 'Operating system image.';
comment on column ledger.node.operating_system is 'Operating system, such as linux.';
comment on column ledger.node.architecture is 'CPU architecture.';
comment on column ledger.node.container_runtime_version is 'Container runtime and version.';
comment on column ledger.node.kubelet_version is 'Kubelet version.';
comment on column ledger.node.kube_proxy_version is 'kube-proxy version; empty where the kubelet no longer reports it.';
comment on column ledger.node.boot_id is 'Changes at every boot.';
comment on column ledger.node.machine_id is 'Machine id.';
comment on column ledger.node.system_uuid is 'SMBIOS system uuid.';
comment on column ledger.node.capacity_cpu_millicores is 'Capacity: CPU in thousandths of a core; NULL = not set.';
comment on column ledger.node.capacity_memory_bytes is 'Capacity: memory in bytes; NULL = not set.';
comment on column ledger.node.capacity_ephemeral_storage_bytes is 'Capacity: ephemeral storage in bytes; NULL = not set.';
comment on column ledger.node.capacity_gpu_millis is 'Capacity: GPUs in thousandths of a card; NULL = not set.';
comment on column ledger.node.capacity_pods is 'Capacity: number of pods; NULL = not set.';
comment on column ledger.node.capacity_other is 'Capacity: other resources by name.';
comment on column ledger.node.allocatable_cpu_millicores is 'Allocatable: CPU in thousandths of a core; NULL = not set.';
comment on column ledger.node.allocatable_memory_bytes is 'Allocatable: memory in bytes; NULL = not set.';
comment on column ledger.node.allocatable_ephemeral_storage_bytes is 'Allocatable: ephemeral storage in bytes; NULL = not set.';
comment on column ledger.node.allocatable_gpu_millis is 'Allocatable: GPUs in thousandths of a card; NULL = not set.';
comment on column ledger.node.allocatable_pods is 'Allocatable: number of pods; NULL = not set.';
comment on column ledger.node.allocatable_other is 'Allocatable: other resources by name.';
comment on column ledger.node.body_hash_hi is 'High half of the content hash of the body that travelled; NULL once audit found the row altered.';
comment on column ledger.node.body_hash_lo is 'Low half of that hash.';
comment on column ledger.node.row_hash_hi is 'High half of the hash of the row''s own columns; a change makes a version.';
comment on column ledger.node.row_hash_lo is 'Low half of that hash.';
comment on column ledger.node.writer_schema is 'Fingerprint of the Avro schema the row''s writer used; see ledger.avro_schema.';
comment on column ledger.node.reader_version is 'Version of the reader that landed the row.';
comment on column ledger.node.unknown is 'Fields the writer sent that this reader does not know; NULL in the common case.';
comment on column ledger.node.valid_from is 'Begin of this version: from here on the object was so.';
comment on column ledger.node.observed_at is 'When the emitter observed this version.';
comment on column ledger.node.landed_at is 'When this version was committed here.';
comment on column ledger.node_history.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.node_history.uid is 'Kubernetes uid of the node: its identity.';
comment on column ledger.node_history.node is 'Node name.';
comment on column ledger.node_history.created_at is 'metadata.creationTimestamp.';
comment on column ledger.node_history.deletion_requested_at is 'When deletion was asked for: metadata.deletionTimestamp less the grace period.';
comment on column ledger.node_history.labels is 'Allow-listed labels.';
comment on column ledger.node_history.annotations is 'Allow-listed annotations.';
comment on column ledger.node_history.finalizers is 'metadata.finalizers, in the object''s order.';
comment on column ledger.node_history.provider_id is 'spec.providerID.';
comment on column ledger.node_history.unschedulable is 'True if the node is cordoned.';
comment on column ledger.node_history.taints is 'Taints, sorted by key, effect and value.';
comment on column ledger.node_history.conditions is 'Conditions, sorted by type; heartbeats left out.';
comment on column ledger.node_history.ready_status is 'Status of condition Ready: True, False or Unknown.';
comment on column ledger.node_history.ready_reason is 'Reason of condition Ready.';
comment on column ledger.node_history.ready_since is 'When condition Ready last changed its status.';
comment on column ledger.node_history.heartbeat_stale_since is 'renewTime of the node''s Lease, set only while that is more than 2 minutes old: the instant the node fell silent.';
comment on column ledger.node_history.addresses is 'Addresses, in the object''s order.';
comment on column ledger.node_history.pod_cidrs is 'Pod CIDRs.';
comment on column ledger.node_history.kernel_version is 'Kernel version.';
comment on column ledger.node_history.os_image is 'Operating system image.';
comment on column ledger.node_history.operating_system is 'Operating system, such as linux.';
comment on column ledger.node_history.architecture is 'CPU architecture.';
comment on column ledger.node_history.container_runtime_version is 'Container runtime and version.';
comment on column ledger.node_history.kubelet_version is 'Kubelet version.';
comment on column ledger.node_history.kube_proxy_version is 'kube-proxy version; empty where the kubelet no longer reports it.';
comment on column ledger.node_history.boot_id is 'Changes at every boot.';
comment on column ledger.node_history.machine_id is 'Machine id.';
comment on column ledger.node_history.system_uuid is 'SMBIOS system uuid.';
comment on column ledger.node_history.capacity_cpu_millicores is 'Capacity: CPU in thousandths of a core; NULL = not set.';
comment on column ledger.node_history.capacity_memory_bytes is 'Capacity: memory in bytes; NULL = not set.';
comment on column ledger.node_history.capacity_ephemeral_storage_bytes is 'Capacity: ephemeral storage in bytes; NULL = not set.';
comment on column ledger.node_history.capacity_gpu_millis is 'Capacity: GPUs in thousandths of a card; NULL = not set.';
comment on column ledger.node_history.capacity_pods is 'Capacity: number of pods; NULL = not set.';
comment on column ledger.node_history.capacity_other is 'Capacity: other resources by name.';
comment on column ledger.node_history.allocatable_cpu_millicores is 'Allocatable: CPU in thousandths of a core; NULL = not set.';
comment on column ledger.node_history.allocatable_memory_bytes is 'Allocatable: memory in bytes; NULL = not set.';
comment on column ledger.node_history.allocatable_ephemeral_storage_bytes is 'Allocatable: ephemeral storage in bytes; NULL = not set.';
comment on column ledger.node_history.allocatable_gpu_millis is 'Allocatable: GPUs in thousandths of a card; NULL = not set.';
comment on column ledger.node_history.allocatable_pods is 'Allocatable: number of pods; NULL = not set.';
comment on column ledger.node_history.allocatable_other is 'Allocatable: other resources by name.';
comment on column ledger.node_history.body_hash_hi is 'High half of the content hash of the body that travelled; NULL once audit found the row altered.';
comment on column ledger.node_history.body_hash_lo is 'Low half of that hash.';
comment on column ledger.node_history.row_hash_hi is 'High half of the hash of the row''s own columns; a change makes a version.';
comment on column ledger.node_history.row_hash_lo is 'Low half of that hash.';
comment on column ledger.node_history.writer_schema is 'Fingerprint of the Avro schema the row''s writer used; see ledger.avro_schema.';
comment on column ledger.node_history.reader_version is 'Version of the reader that landed the row.';
comment on column ledger.node_history.unknown is 'Fields the writer sent that this reader does not know; NULL in the common case.';
comment on column ledger.node_history.valid_from is 'Begin of this version: from here on the object was so.';
comment on column ledger.node_history.observed_at is 'When the emitter observed this version.';
comment on column ledger.node_history.landed_at is 'When this version was committed here.';
comment on column ledger.node_history.valid_to is 'End of this version, exclusive.';
comment on column ledger.node_history.closed_reason is 'Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.';
comment on table ledger.pod is 'Every pod that exists, its newest version.';
comment on table ledger.pod_history is 'Closed versions of pod rows, append-only, partitioned by valid_to.';
comment on column ledger.pod.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.pod.uid is 'Kubernetes uid of the pod: its identity.';
comment on column ledger.pod.namespace is 'Namespace name.';
comment on column ledger.pod.pod is 'Pod name.';
comment on column ledger.pod.created_at is 'metadata.creationTimestamp.';
comment on column ledger.pod.deletion_requested_at is 'When deletion was asked for: metadata.deletionTimestamp less the grace period.';
comment on column ledger.pod.deletion_grace_seconds is 'metadata.deletionGracePeriodSeconds, in seconds.';
comment on column ledger.pod.labels is 'Allow-listed labels.';
comment on column ledger.pod.annotations is 'Allow-listed annotations.';
comment on column ledger.pod.finalizers is 'metadata.finalizers, in the object''s order.';
comment on column ledger.pod.node is 'Node the pod is bound to.';
comment on column ledger.pod.nominated_node is 'Node a preempting pod waits for.';
comment on column ledger.pod.phase is 'Pending, Running, Succeeded, Failed or Unknown.';
comment on column ledger.pod.reason is 'status.reason, such as Evicted.';
comment on column ledger.pod.message is 'status.message, cut at 1024 bytes.';
comment on column ledger.pod.qos_class is 'Guaranteed, Burstable or BestEffort.';
comment on column ledger.pod.priority is 'Resolved priority.';
comment on column ledger.pod.priority_class is 'Priority class name.';
comment on column ledger.pod.owner_kind is 'Kind of the controlling owner reference.';
comment on column ledger.pod.owner is 'Name of the controlling owner.';
comment on column ledger.pod.owner_uid is 'Uid of the controlling owner.';
comment on column ledger.pod.workload_kind is 'Kind of the top-level owner, such as Deployment.';
comment on column ledger.pod.workload is 'Name of the top-level owner.';
comment on column ledger.pod.workload_uid is 'Uid of the top-level owner.';
comment on column ledger.pod.owner_resolved is 'True if the chain of owners was followed to its end; true for a pod without an owner.';
comment on column ledger.pod.service_account is 'Service account name.';
comment on column ledger.pod.scheduler is 'Scheduler name.';
comment on column ledger.pod.runtime_class is 'Runtime class name.';
comment on column ledger.pod.restart_policy is 'Always, OnFailure or Never.';
comment on column ledger.pod.host_network is 'True if the pod uses the host''s network.';
comment on column ledger.pod.host_pid is 'True if the pod uses the host''s process namespace.';
comment on column ledger.pod.host_ipc is 'True if the pod uses the host''s IPC namespace.';
comment on column ledger.pod.host_ip is 'IP of the node.';
comment on column ledger.pod.pod_ips is 'IPs of the pod.';
comment on column ledger.pod.started_at is 'status.startTime: when the kubelet acknowledged the pod.';
comment on column ledger.pod.conditions is 'Conditions, sorted by type; probe times left out.';
comment on column ledger.pod.scheduled_at is 'When the pod was bound to its node.';
comment on column ledger.pod.unschedulable_reason is 'Reason of condition PodScheduled while it is False, such as Unschedulable.';
comment on column ledger.pod.unschedulable_message is 'The scheduler''s message while the pod cannot be scheduled.';
comment on column ledger.pod.ready is 'True if condition Ready is True.';
comment on column ledger.pod.ready_since is 'Since when condition Ready is True; NULL while it is not.';
comment on column ledger.pod.finished_at is 'End of the last container of a pod that Succeeded or Failed.';
comment on column ledger.pod.restart_count is 'Restarts of all containers together.';
comment on column ledger.pod.request_cpu_millicores is 'Request: CPU in thousandths of a core; NULL = not set.';
comment on column ledger.pod.request_memory_bytes is 'Request: memory in bytes; NULL = not set.';
comment on column ledger.pod.request_ephemeral_storage_bytes is 'Request: ephemeral storage in bytes; NULL = not set.';
comment on column ledger.pod.request_gpu_millis is 'Request: GPUs in thousandths of a card; NULL = not set.';
comment on column ledger.pod.request_other is 'Request: other resources by name.';
comment on column ledger.pod.limit_cpu_millicores is 'Limit: CPU in thousandths of a core; NULL = not set.';
comment on column ledger.pod.limit_memory_bytes is 'Limit: memory in bytes; NULL = not set.';
comment on column ledger.pod.limit_ephemeral_storage_bytes is 'Limit: ephemeral storage in bytes; NULL = not set.';
comment on column ledger.pod.limit_gpu_millis is 'Limit: GPUs in thousandths of a card; NULL = not set.';
comment on column ledger.pod.limit_other is 'Limit: other resources by name.';
comment on column ledger.pod.overhead_cpu_millicores is 'Overhead: CPU in thousandths of a core; NULL = not set.';
comment on column ledger.pod.overhead_memory_bytes is 'Overhead: memory in bytes; NULL = not set.';
comment on column ledger.pod.overhead_ephemeral_storage_bytes is 'Overhead: ephemeral storage in bytes; NULL = not set.';
comment on column ledger.pod.overhead_gpu_millis is 'Overhead: GPUs in thousandths of a card; NULL = not set.';
comment on column ledger.pod.overhead_other is 'Overhead: other resources by name.';
comment on column ledger.pod.host_path_mounts is 'hostPath volumes and who mounts them, sorted by volume.';
comment on column ledger.pod.containers_count is 'Number of container rows that belong to the pod.';
comment on column ledger.pod.containers_xor_hi is 'High half of the XOR of their row hashes.';
comment on column ledger.pod.containers_xor_lo is 'Low half of the XOR of their row hashes.';
comment on column ledger.pod.body_hash_hi is 'High half of the content hash of the body that travelled; NULL once audit found the row altered.';
comment on column ledger.pod.body_hash_lo is 'Low half of that hash.';
comment on column ledger.pod.row_hash_hi is 'High half of the hash of the row''s own columns; a change makes a version.';
comment on column ledger.pod.row_hash_lo is 'Low half of that hash.';
comment on column ledger.pod.writer_schema is 'Fingerprint of the Avro schema the row''s writer used; see ledger.avro_schema.';
comment on column ledger.pod.reader_version is 'Version of the reader that landed the row.';
comment on column ledger.pod.unknown is 'Fields the writer sent that this reader does not know; NULL in the common case.';
comment on column ledger.pod.valid_from is 'Begin of this version: from here on the object was so.';
comment on column ledger.pod.observed_at is 'When the emitter observed this version.';
comment on column ledger.pod.landed_at is 'When this version was committed here.';
comment on column ledger.pod_history.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.pod_history.uid is 'Kubernetes uid of the pod: its identity.';
comment on column ledger.pod_history.namespace is 'Namespace name.';
comment on column ledger.pod_history.pod is 'Pod name.';
comment on column ledger.pod_history.created_at is 'metadata.creationTimestamp.';
comment on column ledger.pod_history.deletion_requested_at is 'When deletion was asked for: metadata.deletionTimestamp less the grace period.';
comment on column ledger.pod_history.deletion_grace_seconds is 'metadata.deletionGracePeriodSeconds, in seconds.';
comment on column ledger.pod_history.labels is 'Allow-listed labels.';
comment on column ledger.pod_history.annotations is 'Allow-listed annotations.';
comment on column ledger.pod_history.finalizers is 'metadata.finalizers, in the object''s order.';
comment on column ledger.pod_history.node is 'Node the pod is bound to.';
comment on column ledger.pod_history.nominated_node is 'Node a preempting pod waits for.';
comment on column ledger.pod_history.phase is 'Pending, Running, Succeeded, Failed or Unknown.';
comment on column ledger.pod_history.reason is 'status.reason, such as Evicted.';
comment on column ledger.pod_history.message is 'status.message, cut at 1024 bytes.';
comment on column ledger.pod_history.qos_class is 'Guaranteed, Burstable or BestEffort.';
comment on column ledger.pod_history.priority is 'Resolved priority.';
comment on column ledger.pod_history.priority_class is 'Priority class name.';
comment on column ledger.pod_history.owner_kind is 'Kind of the controlling owner reference.';
comment on column ledger.pod_history.owner is 'Name of the controlling owner.';
comment on column ledger.pod_history.owner_uid is 'Uid of the controlling owner.';
comment on column ledger.pod_history.workload_kind is 'Kind of the top-level owner, such as Deployment.';
comment on column ledger.pod_history.workload is 'Name of the top-level owner.';
comment on column ledger.pod_history.workload_uid is 'Uid of the top-level owner.';
comment on column ledger.pod_history.owner_resolved is 'True if the chain of owners was followed to its end; true for a pod without an owner.';
comment on column ledger.pod_history.service_account is 'Service account name.';
comment on column ledger.pod_history.scheduler is 'Scheduler name.';
comment on column ledger.pod_history.runtime_class is 'Runtime class name.';
comment on column ledger.pod_history.restart_policy is 'Always, OnFailure or Never.';
comment on column ledger.pod_history.host_network is 'True if the pod uses the host''s network.';
comment on column ledger.pod_history.host_pid is 'True if the pod uses the host''s process namespace.';
comment on column ledger.pod_history.host_ipc is 'True if the pod uses the host''s IPC namespace.';
comment on column ledger.pod_history.host_ip is 'IP of the node.';
comment on column ledger.pod_history.pod_ips is 'IPs of the pod.';
comment on column ledger.pod_history.started_at is 'status.startTime: when the kubelet acknowledged the pod.';
comment on column ledger.pod_history.conditions is 'Conditions, sorted by type; probe times left out.';
comment on column ledger.pod_history.scheduled_at is 'When the pod was bound to its node.';
comment on column ledger.pod_history.unschedulable_reason is 'Reason of condition PodScheduled while it is False, such as Unschedulable.';
comment on column ledger.pod_history.unschedulable_message is 'The scheduler''s message while the pod cannot be scheduled.';
comment on column ledger.pod_history.ready is 'True if condition Ready is True.';
comment on column ledger.pod_history.ready_since is 'Since when condition Ready is True; NULL while it is not.';
comment on column ledger.pod_history.finished_at is 'End of the last container of a pod that Succeeded or Failed.';
comment on column ledger.pod_history.restart_count is 'Restarts of all containers together.';
comment on column ledger.pod_history.request_cpu_millicores is 'Request: CPU in thousandths of a core; NULL = not set.';
comment on column ledger.pod_history.request_memory_bytes is 'Request: memory in bytes; NULL = not set.';
comment on column ledger.pod_history.request_ephemeral_storage_bytes is 'Request: ephemeral storage in bytes; NULL = not set.';
comment on column ledger.pod_history.request_gpu_millis is 'Request: GPUs in thousandths of a card; NULL = not set.';
comment on column ledger.pod_history.request_other is 'Request: other resources by name.';
comment on column ledger.pod_history.limit_cpu_millicores is 'Limit: CPU in thousandths of a core; NULL = not set.';
comment on column ledger.pod_history.limit_memory_bytes is 'Limit: memory in bytes; NULL = not set.';
comment on column ledger.pod_history.limit_ephemeral_storage_bytes is 'Limit: ephemeral storage in bytes; NULL = not set.';
comment on column ledger.pod_history.limit_gpu_millis is 'Limit: GPUs in thousandths of a card; NULL = not set.';
comment on column ledger.pod_history.limit_other is 'Limit: other resources by name.';
comment on column ledger.pod_history.overhead_cpu_millicores is 'Overhead: CPU in thousandths of a core; NULL = not set.';
comment on column ledger.pod_history.overhead_memory_bytes is 'Overhead: memory in bytes; NULL = not set.';
comment on column ledger.pod_history.overhead_ephemeral_storage_bytes is 'Overhead: ephemeral storage in bytes; NULL = not set.';
comment on column ledger.pod_history.overhead_gpu_millis is 'Overhead: GPUs in thousandths of a card; NULL = not set.';
comment on column ledger.pod_history.overhead_other is 'Overhead: other resources by name.';
comment on column ledger.pod_history.host_path_mounts is 'hostPath volumes and who mounts them, sorted by volume.';
comment on column ledger.pod_history.containers_count is 'Number of container rows that belong to the pod.';
comment on column ledger.pod_history.containers_xor_hi is 'High half of the XOR of their row hashes.';
comment on column ledger.pod_history.containers_xor_lo is 'Low half of the XOR of their row hashes.';
comment on column ledger.pod_history.body_hash_hi is 'High half of the content hash of the body that travelled; NULL once audit found the row altered.';
comment on column ledger.pod_history.body_hash_lo is 'Low half of that hash.';
comment on column ledger.pod_history.row_hash_hi is 'High half of the hash of the row''s own columns; a change makes a version.';
comment on column ledger.pod_history.row_hash_lo is 'Low half of that hash.';
comment on column ledger.pod_history.writer_schema is 'Fingerprint of the Avro schema the row''s writer used; see ledger.avro_schema.';
comment on column ledger.pod_history.reader_version is 'Version of the reader that landed the row.';
comment on column ledger.pod_history.unknown is 'Fields the writer sent that this reader does not know; NULL in the common case.';
comment on column ledger.pod_history.valid_from is 'Begin of this version: from here on the object was so.';
comment on column ledger.pod_history.observed_at is 'When the emitter observed this version.';
comment on column ledger.pod_history.landed_at is 'When this version was committed here.';
comment on column ledger.pod_history.valid_to is 'End of this version, exclusive.';
comment on column ledger.pod_history.closed_reason is 'Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.';
comment on table ledger.container is 'Every container of every pod that exists, its newest version.';
comment on table ledger.container_history is 'Closed versions of container rows, append-only, partitioned by valid_to.';
comment on column ledger.container.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.container.uid is 'Uid of the pod.';
comment on column ledger.container.container is 'Container name.';
comment on column ledger.container.namespace is 'Namespace of the pod.';
comment on column ledger.container.pod is 'Name of the pod.';
comment on column ledger.container.node is 'Node of the pod.';
comment on column ledger.container.container_type is 'app, init, sidecar (an init container with restartPolicy Always) or ephemeral.';
comment on column ledger.container.position is 'Position within its list in the pod spec, from 0.';
comment on column ledger.container.image is 'Image as the spec names it.';
comment on column ledger.container.image_id is 'Image as the runtime resolved it, usually with its digest.';
comment on column ledger.container.image_digest is 'Digest of the resolved image.';
comment on column ledger.container.container_id is 'Runtime id of the current container.';
comment on column ledger.container.ready is 'True if the container passes its readiness probe.';
comment on column ledger.container.started is 'True once the startup probe passed.';
comment on column ledger.container.restart_count is 'Restarts in the life of the pod.';
comment on column ledger.container.state is 'waiting, running or terminated; null until the kubelet has reported.';
comment on column ledger.container.reason is 'Reason of the waiting or terminated state, such as CrashLoopBackOff or OOMKilled.';
comment on column ledger.container.message is 'Message of the current state, cut at 1024 bytes.';
comment on column ledger.container.exit_code is 'Exit code, if terminated.';
comment on column ledger.container.signal is 'Signal, if terminated by one.';
comment on column ledger.container.started_at is 'Start of the current running or terminated state.';
comment on column ledger.container.finished_at is 'End of the container, if terminated.';
comment on column ledger.container.last_reason is 'Reason of the previous termination.';
comment on column ledger.container.last_message is 'Message of the previous termination, cut at 1024 bytes.';
comment on column ledger.container.last_exit_code is 'Exit code of the previous termination.';
comment on column ledger.container.last_signal is 'Signal of the previous termination.';
comment on column ledger.container.last_started_at is 'Start of the previous run.';
comment on column ledger.container.last_finished_at is 'End of the previous run.';
comment on column ledger.container.request_cpu_millicores is 'Request: CPU in thousandths of a core; NULL = not set.';
comment on column ledger.container.request_memory_bytes is 'Request: memory in bytes; NULL = not set.';
comment on column ledger.container.request_ephemeral_storage_bytes is 'Request: ephemeral storage in bytes; NULL = not set.';
comment on column ledger.container.request_gpu_millis is 'Request: GPUs in thousandths of a card; NULL = not set.';
comment on column ledger.container.request_other is 'Request: other resources by name.';
comment on column ledger.container.limit_cpu_millicores is 'Limit: CPU in thousandths of a core; NULL = not set.';
comment on column ledger.container.limit_memory_bytes is 'Limit: memory in bytes; NULL = not set.';
comment on column ledger.container.limit_ephemeral_storage_bytes is 'Limit: ephemeral storage in bytes; NULL = not set.';
comment on column ledger.container.limit_gpu_millis is 'Limit: GPUs in thousandths of a card; NULL = not set.';
comment on column ledger.container.limit_other is 'Limit: other resources by name.';
comment on column ledger.container.row_hash_hi is 'High half of the hash of the row''s own columns; a change makes a version.';
comment on column ledger.container.row_hash_lo is 'Low half of that hash.';
comment on column ledger.container.reader_version is 'Version of the reader that landed the row.';
comment on column ledger.container.valid_from is 'Begin of this version: from here on the object was so.';
comment on column ledger.container.observed_at is 'When the emitter observed this version.';
comment on column ledger.container.landed_at is 'When this version was committed here.';
comment on column ledger.container_history.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.container_history.uid is 'Uid of the pod.';
comment on column ledger.container_history.container is 'Container name.';
comment on column ledger.container_history.namespace is 'Namespace of the pod.';
comment on column ledger.container_history.pod is 'Name of the pod.';
comment on column ledger.container_history.node is 'Node of the pod.';
comment on column ledger.container_history.container_type is 'app, init, sidecar (an init container with restartPolicy Always) or ephemeral.';
comment on column ledger.container_history.position is 'Position within its list in the pod spec, from 0.';
comment on column ledger.container_history.image is 'Image as the spec names it.';
comment on column ledger.container_history.image_id is 'Image as the runtime resolved it, usually with its digest.';
comment on column ledger.container_history.image_digest is 'Digest of the resolved image.';
comment on column ledger.container_history.container_id is 'Runtime id of the current container.';
comment on column ledger.container_history.ready is 'True if the container passes its readiness probe.';
comment on column ledger.container_history.started is 'True once the startup probe passed.';
comment on column ledger.container_history.restart_count is 'Restarts in the life of the pod.';
comment on column ledger.container_history.state is 'waiting, running or terminated; null until the kubelet has reported.';
comment on column ledger.container_history.reason is 'Reason of the waiting or terminated state, such as CrashLoopBackOff or OOMKilled.';
comment on column ledger.container_history.message is 'Message of the current state, cut at 1024 bytes.';
comment on column ledger.container_history.exit_code is 'Exit code, if terminated.';
comment on column ledger.container_history.signal is 'Signal, if terminated by one.';
comment on column ledger.container_history.started_at is 'Start of the current running or terminated state.';
comment on column ledger.container_history.finished_at is 'End of the container, if terminated.';
comment on column ledger.container_history.last_reason is 'Reason of the previous termination.';
comment on column ledger.container_history.last_message is 'Message of the previous termination, cut at 1024 bytes.';
comment on column ledger.container_history.last_exit_code is 'Exit code of the previous termination.';
comment on column ledger.container_history.last_signal is 'Signal of the previous termination.';
comment on column ledger.container_history.last_started_at is 'Start of the previous run.';
comment on column ledger.container_history.last_finished_at is 'End of the previous run.';
comment on column ledger.container_history.request_cpu_millicores is 'Request: CPU in thousandths of a core; NULL = not set.';
comment on column ledger.container_history.request_memory_bytes is 'Request: memory in bytes; NULL = not set.';
comment on column ledger.container_history.request_ephemeral_storage_bytes is 'Request: ephemeral storage in bytes; NULL = not set.';
comment on column ledger.container_history.request_gpu_millis is 'Request: GPUs in thousandths of a card; NULL = not set.';
comment on column ledger.container_history.request_other is 'Request: other resources by name.';
comment on column ledger.container_history.limit_cpu_millicores is 'Limit: CPU in thousandths of a core; NULL = not set.';
comment on column ledger.container_history.limit_memory_bytes is 'Limit: memory in bytes; NULL = not set.';
comment on column ledger.container_history.limit_ephemeral_storage_bytes is 'Limit: ephemeral storage in bytes; NULL = not set.';
comment on column ledger.container_history.limit_gpu_millis is 'Limit: GPUs in thousandths of a card; NULL = not set.';
comment on column ledger.container_history.limit_other is 'Limit: other resources by name.';
comment on column ledger.container_history.row_hash_hi is 'High half of the hash of the row''s own columns; a change makes a version.';
comment on column ledger.container_history.row_hash_lo is 'Low half of that hash.';
comment on column ledger.container_history.reader_version is 'Version of the reader that landed the row.';
comment on column ledger.container_history.valid_from is 'Begin of this version: from here on the object was so.';
comment on column ledger.container_history.observed_at is 'When the emitter observed this version.';
comment on column ledger.container_history.landed_at is 'When this version was committed here.';
comment on column ledger.container_history.valid_to is 'End of this version, exclusive.';
comment on column ledger.container_history.closed_reason is 'Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.';
comment on table ledger.namespace is 'Every namespace that exists, its newest version.';
comment on table ledger.namespace_history is 'Closed versions of namespace rows, append-only, partitioned by valid_to.';
comment on column ledger.namespace.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.namespace.uid is 'Kubernetes uid of the namespace: its identity.';
comment on column ledger.namespace.namespace is 'Namespace name.';
comment on column ledger.namespace.created_at is 'metadata.creationTimestamp.';
comment on column ledger.namespace.deletion_requested_at is 'When deletion was asked for: metadata.deletionTimestamp less the grace period.';
comment on column ledger.namespace.labels is 'Allow-listed labels.';
comment on column ledger.namespace.annotations is 'Allow-listed annotations.';
comment on column ledger.namespace.finalizers is 'metadata.finalizers, in the object''s order.';
comment on column ledger.namespace.phase is 'Active or Terminating.';
comment on column ledger.namespace.conditions is 'Conditions, sorted by type; they say why a deletion hangs.';
comment on column ledger.namespace.body_hash_hi is 'High half of the content hash of the body that travelled; NULL once audit found the row altered.';
comment on column ledger.namespace.body_hash_lo is 'Low half of that hash.';
comment on column ledger.namespace.row_hash_hi is 'High half of the hash of the row''s own columns; a change makes a version.';
comment on column ledger.namespace.row_hash_lo is 'Low half of that hash.';
comment on column ledger.namespace.writer_schema is 'Fingerprint of the Avro schema the row''s writer used; see ledger.avro_schema.';
comment on column ledger.namespace.reader_version is 'Version of the reader that landed the row.';
comment on column ledger.namespace.unknown is 'Fields the writer sent that this reader does not know; NULL in the common case.';
comment on column ledger.namespace.valid_from is 'Begin of this version: from here on the object was so.';
comment on column ledger.namespace.observed_at is 'When the emitter observed this version.';
comment on column ledger.namespace.landed_at is 'When this version was committed here.';
comment on column ledger.namespace_history.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.namespace_history.uid is 'Kubernetes uid of the namespace: its identity.';
comment on column ledger.namespace_history.namespace is 'Namespace name.';
comment on column ledger.namespace_history.created_at is 'metadata.creationTimestamp.';
comment on column ledger.namespace_history.deletion_requested_at is 'When deletion was asked for: metadata.deletionTimestamp less the grace period.';
comment on column ledger.namespace_history.labels is 'Allow-listed labels.';
comment on column ledger.namespace_history.annotations is 'Allow-listed annotations.';
comment on column ledger.namespace_history.finalizers is 'metadata.finalizers, in the object''s order.';
comment on column ledger.namespace_history.phase is 'Active or Terminating.';
comment on column ledger.namespace_history.conditions is 'Conditions, sorted by type; they say why a deletion hangs.';
comment on column ledger.namespace_history.body_hash_hi is 'High half of the content hash of the body that travelled; NULL once audit found the row altered.';
comment on column ledger.namespace_history.body_hash_lo is 'Low half of that hash.';
comment on column ledger.namespace_history.row_hash_hi is 'High half of the hash of the row''s own columns; a change makes a version.';
comment on column ledger.namespace_history.row_hash_lo is 'Low half of that hash.';
comment on column ledger.namespace_history.writer_schema is 'Fingerprint of the Avro schema the row''s writer used; see ledger.avro_schema.';
comment on column ledger.namespace_history.reader_version is 'Version of the reader that landed the row.';
comment on column ledger.namespace_history.unknown is 'Fields the writer sent that this reader does not know; NULL in the common case.';
comment on column ledger.namespace_history.valid_from is 'Begin of this version: from here on the object was so.';
comment on column ledger.namespace_history.observed_at is 'When the emitter observed this version.';
comment on column ledger.namespace_history.landed_at is 'When this version was committed here.';
comment on column ledger.namespace_history.valid_to is 'End of this version, exclusive.';
comment on column ledger.namespace_history.closed_reason is 'Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.';
comment on table ledger.workload is 'Every Deployment, StatefulSet, DaemonSet, ReplicaSet without owner, Job and CronJob that exists, its newest version.';
comment on table ledger.workload_history is 'Closed versions of workload rows, append-only, partitioned by valid_to.';
comment on column ledger.workload.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.workload.uid is 'Kubernetes uid of the workload: its identity.';
comment on column ledger.workload.namespace is 'Namespace name.';
comment on column ledger.workload.workload is 'Workload name.';
comment on column ledger.workload.workload_kind is 'Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob.';
comment on column ledger.workload.created_at is 'metadata.creationTimestamp.';
comment on column ledger.workload.deletion_requested_at is 'When deletion was asked for: metadata.deletionTimestamp less the grace period.';
comment on column ledger.workload.labels is 'Allow-listed labels.';
comment on column ledger.workload.annotations is 'Allow-listed annotations.';
comment on column ledger.workload.finalizers is 'metadata.finalizers, in the object''s order.';
comment on column ledger.workload.owner_kind is 'Kind of the controlling owner reference.';
comment on column ledger.workload.owner is 'Name of the controlling owner.';
comment on column ledger.workload.owner_uid is 'Uid of the controlling owner.';
comment on column ledger.workload.generation is 'metadata.generation.';
comment on column ledger.workload.observed_generation is 'status.observedGeneration.';
comment on column ledger.workload.desired is 'Replicas asked for; for a DaemonSet the nodes that should run it, for a Job its parallelism; null for a CronJob.';
comment on column ledger.workload.current is 'Replicas that exist; for a DaemonSet the nodes that run it, for a Job its active pods.';
comment on column ledger.workload.updated is 'Replicas of the newest revision.';
comment on column ledger.workload.ready is 'Ready replicas.';
comment on column ledger.workload.available is 'Replicas ready for minReadySeconds.';
comment on column ledger.workload.unavailable is 'Replicas still needed to be available.';
comment on column ledger.workload.misscheduled is 'DaemonSet: nodes that run it and should not.';
comment on column ledger.workload.paused is 'Deployment: rollout paused.';
comment on column ledger.workload.suspended is 'Job, CronJob: suspended.';
comment on column ledger.workload.completions is 'Job: completions asked for.';
comment on column ledger.workload.succeeded is 'Job: pods succeeded.';
comment on column ledger.workload.failed is 'Job: pods failed.';
comment on column ledger.workload.active is 'Job: active pods; CronJob: active jobs.';
comment on column ledger.workload.started_at is 'Job: start.';
comment on column ledger.workload.completed_at is 'Job: completion.';
comment on column ledger.workload.schedule is 'CronJob: schedule in cron format.';
comment on column ledger.workload.time_zone is 'CronJob: time zone of the schedule.';
comment on column ledger.workload.last_scheduled_at is 'CronJob: last time a job was scheduled.';
comment on column ledger.workload.last_successful_at is 'CronJob: last time a job succeeded.';
comment on column ledger.workload.strategy is 'Update strategy type.';
comment on column ledger.workload.selector is 'Label selector''s matchLabels.';
comment on column ledger.workload.images is 'Images of the pod template: init containers, then containers.';
comment on column ledger.workload.conditions is 'Conditions, sorted by type; update times left out.';
comment on column ledger.workload.body_hash_hi is 'High half of the content hash of the body that travelled; NULL once audit found the row altered.';
comment on column ledger.workload.body_hash_lo is 'Low half of that hash.';
comment on column ledger.workload.row_hash_hi is 'High half of the hash of the row''s own columns; a change makes a version.';
comment on column ledger.workload.row_hash_lo is 'Low half of that hash.';
comment on column ledger.workload.writer_schema is 'Fingerprint of the Avro schema the row''s writer used; see ledger.avro_schema.';
comment on column ledger.workload.reader_version is 'Version of the reader that landed the row.';
comment on column ledger.workload.unknown is 'Fields the writer sent that this reader does not know; NULL in the common case.';
comment on column ledger.workload.valid_from is 'Begin of this version: from here on the object was so.';
comment on column ledger.workload.observed_at is 'When the emitter observed this version.';
comment on column ledger.workload.landed_at is 'When this version was committed here.';
comment on column ledger.workload_history.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.workload_history.uid is 'Kubernetes uid of the workload: its identity.';
comment on column ledger.workload_history.namespace is 'Namespace name.';
comment on column ledger.workload_history.workload is 'Workload name.';
comment on column ledger.workload_history.workload_kind is 'Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob.';
comment on column ledger.workload_history.created_at is 'metadata.creationTimestamp.';
comment on column ledger.workload_history.deletion_requested_at is 'When deletion was asked for: metadata.deletionTimestamp less the grace period.';
comment on column ledger.workload_history.labels is 'Allow-listed labels.';
comment on column ledger.workload_history.annotations is 'Allow-listed annotations.';
comment on column ledger.workload_history.finalizers is 'metadata.finalizers, in the object''s order.';
comment on column ledger.workload_history.owner_kind is 'Kind of the controlling owner reference.';
comment on column ledger.workload_history.owner is 'Name of the controlling owner.';
comment on column ledger.workload_history.owner_uid is 'Uid of the controlling owner.';
comment on column ledger.workload_history.generation is 'metadata.generation.';
comment on column ledger.workload_history.observed_generation is 'status.observedGeneration.';
comment on column ledger.workload_history.desired is 'Replicas asked for; for a DaemonSet the nodes that should run it, for a Job its parallelism; null for a CronJob.';
comment on column ledger.workload_history.current is 'Replicas that exist; for a DaemonSet the nodes that run it, for a Job its active pods.';
comment on column ledger.workload_history.updated is 'Replicas of the newest revision.';
comment on column ledger.workload_history.ready is 'Ready replicas.';
comment on column ledger.workload_history.available is 'Replicas ready for minReadySeconds.';
comment on column ledger.workload_history.unavailable is 'Replicas still needed to be available.';
comment on column ledger.workload_history.misscheduled is 'DaemonSet: nodes that run it and should not.';
comment on column ledger.workload_history.paused is 'Deployment: rollout paused.';
comment on column ledger.workload_history.suspended is 'Job, CronJob: suspended.';
comment on column ledger.workload_history.completions is 'Job: completions asked for.';
comment on column ledger.workload_history.succeeded is 'Job: pods succeeded.';
comment on column ledger.workload_history.failed is 'Job: pods failed.';
comment on column ledger.workload_history.active is 'Job: active pods; CronJob: active jobs.';
comment on column ledger.workload_history.started_at is 'Job: start.';
comment on column ledger.workload_history.completed_at is 'Job: completion.';
comment on column ledger.workload_history.schedule is 'CronJob: schedule in cron format.';
comment on column ledger.workload_history.time_zone is 'CronJob: time zone of the schedule.';
comment on column ledger.workload_history.last_scheduled_at is 'CronJob: last time a job was scheduled.';
comment on column ledger.workload_history.last_successful_at is 'CronJob: last time a job succeeded.';
comment on column ledger.workload_history.strategy is 'Update strategy type.';
comment on column ledger.workload_history.selector is 'Label selector''s matchLabels.';
comment on column ledger.workload_history.images is 'Images of the pod template: init containers, then containers.';
comment on column ledger.workload_history.conditions is 'Conditions, sorted by type; update times left out.';
comment on column ledger.workload_history.body_hash_hi is 'High half of the content hash of the body that travelled; NULL once audit found the row altered.';
comment on column ledger.workload_history.body_hash_lo is 'Low half of that hash.';
comment on column ledger.workload_history.row_hash_hi is 'High half of the hash of the row''s own columns; a change makes a version.';
comment on column ledger.workload_history.row_hash_lo is 'Low half of that hash.';
comment on column ledger.workload_history.writer_schema is 'Fingerprint of the Avro schema the row''s writer used; see ledger.avro_schema.';
comment on column ledger.workload_history.reader_version is 'Version of the reader that landed the row.';
comment on column ledger.workload_history.unknown is 'Fields the writer sent that this reader does not know; NULL in the common case.';
comment on column ledger.workload_history.valid_from is 'Begin of this version: from here on the object was so.';
comment on column ledger.workload_history.observed_at is 'When the emitter observed this version.';
comment on column ledger.workload_history.landed_at is 'When this version was committed here.';
comment on column ledger.workload_history.valid_to is 'End of this version, exclusive.';
comment on column ledger.workload_history.closed_reason is 'Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.';
comment on table ledger.watchdog is 'Every watchdog that exists, its newest version.';
comment on table ledger.watchdog_history is 'Closed versions of watchdog rows, append-only, partitioned by valid_to.';
comment on column ledger.watchdog.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.watchdog.uid is 'Kubernetes uid of the watchdog: its identity.';
comment on column ledger.watchdog.watchdog is 'Watchdog name.';
comment on column ledger.watchdog.created_at is 'metadata.creationTimestamp.';
comment on column ledger.watchdog.deletion_requested_at is 'When deletion was asked for: metadata.deletionTimestamp less the grace period.';
comment on column ledger.watchdog.labels is 'Allow-listed labels.';
comment on column ledger.watchdog.annotations is 'Allow-listed annotations.';
comment on column ledger.watchdog.finalizers is 'metadata.finalizers, in the object''s order.';
comment on column ledger.watchdog.scope is 'Node or Cluster.';
comment on column ledger.watchdog.check_name is 'Name of the check it runs.';
comment on column ledger.watchdog.interval_seconds is 'Time between two runs, in seconds.';
comment on column ledger.watchdog.severity is 'Severity of its page.';
comment on column ledger.watchdog.runbook is 'Runbook.';
comment on column ledger.watchdog.suspended is 'True if it is suspended.';
comment on column ledger.watchdog.snoozed_until is 'End of the snooze in its spec.';
comment on column ledger.watchdog.snoozed_by is 'Who snoozed it.';
comment on column ledger.watchdog.snooze_reason is 'Why it was snoozed.';
comment on column ledger.watchdog.generation is 'metadata.generation.';
comment on column ledger.watchdog.observed_generation is 'status.observedGeneration.';
comment on column ledger.watchdog.healthy_status is 'Status of condition Healthy.';
comment on column ledger.watchdog.reporting_status is 'Status of condition Reporting.';
comment on column ledger.watchdog.state is 'Unknown, OK, Pending, Firing, Cooldown or Snoozed.';
comment on column ledger.watchdog.episode is 'Number of the current or last episode.';
comment on column ledger.watchdog.incarnation is 'Number of the current or last incident within the pager.';
comment on column ledger.watchdog.dedup_key is 'Dedup key of the page.';
comment on column ledger.watchdog.nodes_desired is 'Nodes that should report.';
comment on column ledger.watchdog.nodes_reporting is 'Nodes that report.';
comment on column ledger.watchdog.nodes_ok is 'Nodes whose check passes.';
comment on column ledger.watchdog.nodes_failing is 'Nodes whose check fails.';
comment on column ledger.watchdog.nodes_unknown is 'Nodes whose check gave no answer.';
comment on column ledger.watchdog.failing is 'The worst nodes, 20 at most.';
comment on column ledger.watchdog.conditions is 'Conditions Healthy, Reporting and Accepted, sorted by type.';
comment on column ledger.watchdog.body_hash_hi is 'High half of the content hash of the body that travelled; NULL once audit found the row altered.';
comment on column ledger.watchdog.body_hash_lo is 'Low half of that hash.';
comment on column ledger.watchdog.row_hash_hi is 'High half of the hash of the row''s own columns; a change makes a version.';
comment on column ledger.watchdog.row_hash_lo is 'Low half of that hash.';
comment on column ledger.watchdog.writer_schema is 'Fingerprint of the Avro schema the row''s writer used; see ledger.avro_schema.';
comment on column ledger.watchdog.reader_version is 'Version of the reader that landed the row.';
comment on column ledger.watchdog.unknown is 'Fields the writer sent that this reader does not know; NULL in the common case.';
comment on column ledger.watchdog.valid_from is 'Begin of this version: from here on the object was so.';
comment on column ledger.watchdog.observed_at is 'When the emitter observed this version.';
comment on column ledger.watchdog.landed_at is 'When this version was committed here.';
comment on column ledger.watchdog_history.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.watchdog_history.uid is 'Kubernetes uid of the watchdog: its identity.';
comment on column ledger.watchdog_history.watchdog is 'Watchdog name.';
comment on column ledger.watchdog_history.created_at is 'metadata.creationTimestamp.';
comment on column ledger.watchdog_history.deletion_requested_at is 'When deletion was asked for: metadata.deletionTimestamp less the grace period.';
comment on column ledger.watchdog_history.labels is 'Allow-listed labels.';
comment on column ledger.watchdog_history.annotations is 'Allow-listed annotations.';
comment on column ledger.watchdog_history.finalizers is 'metadata.finalizers, in the object''s order.';
comment on column ledger.watchdog_history.scope is 'Node or Cluster.';
comment on column ledger.watchdog_history.check_name is 'Name of the check it runs.';
comment on column ledger.watchdog_history.interval_seconds is 'Time between two runs, in seconds.';
comment on column ledger.watchdog_history.severity is 'Severity of its page.';
comment on column ledger.watchdog_history.runbook is 'Runbook.';
comment on column ledger.watchdog_history.suspended is 'True if it is suspended.';
comment on column ledger.watchdog_history.snoozed_until is 'End of the snooze in its spec.';
comment on column ledger.watchdog_history.snoozed_by is 'Who snoozed it.';
comment on column ledger.watchdog_history.snooze_reason is 'Why it was snoozed.';
comment on column ledger.watchdog_history.generation is 'metadata.generation.';
comment on column ledger.watchdog_history.observed_generation is 'status.observedGeneration.';
comment on column ledger.watchdog_history.healthy_status is 'Status of condition Healthy.';
comment on column ledger.watchdog_history.reporting_status is 'Status of condition Reporting.';
comment on column ledger.watchdog_history.state is 'Unknown, OK, Pending, Firing, Cooldown or Snoozed.';
comment on column ledger.watchdog_history.episode is 'Number of the current or last episode.';
comment on column ledger.watchdog_history.incarnation is 'Number of the current or last incident within the pager.';
comment on column ledger.watchdog_history.dedup_key is 'Dedup key of the page.';
comment on column ledger.watchdog_history.nodes_desired is 'Nodes that should report.';
comment on column ledger.watchdog_history.nodes_reporting is 'Nodes that report.';
comment on column ledger.watchdog_history.nodes_ok is 'Nodes whose check passes.';
comment on column ledger.watchdog_history.nodes_failing is 'Nodes whose check fails.';
comment on column ledger.watchdog_history.nodes_unknown is 'Nodes whose check gave no answer.';
comment on column ledger.watchdog_history.failing is 'The worst nodes, 20 at most.';
comment on column ledger.watchdog_history.conditions is 'Conditions Healthy, Reporting and Accepted, sorted by type.';
comment on column ledger.watchdog_history.body_hash_hi is 'High half of the content hash of the body that travelled; NULL once audit found the row altered.';
comment on column ledger.watchdog_history.body_hash_lo is 'Low half of that hash.';
comment on column ledger.watchdog_history.row_hash_hi is 'High half of the hash of the row''s own columns; a change makes a version.';
comment on column ledger.watchdog_history.row_hash_lo is 'Low half of that hash.';
comment on column ledger.watchdog_history.writer_schema is 'Fingerprint of the Avro schema the row''s writer used; see ledger.avro_schema.';
comment on column ledger.watchdog_history.reader_version is 'Version of the reader that landed the row.';
comment on column ledger.watchdog_history.unknown is 'Fields the writer sent that this reader does not know; NULL in the common case.';
comment on column ledger.watchdog_history.valid_from is 'Begin of this version: from here on the object was so.';
comment on column ledger.watchdog_history.observed_at is 'When the emitter observed this version.';
comment on column ledger.watchdog_history.landed_at is 'When this version was committed here.';
comment on column ledger.watchdog_history.valid_to is 'End of this version, exclusive.';
comment on column ledger.watchdog_history.closed_reason is 'Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.';
