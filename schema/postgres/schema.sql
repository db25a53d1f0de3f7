-- The schema that migrations, functions and views make, for reading: nothing runs this file. It is generated:
-- `cargo test -p fleetledger-schema --test schema_sql` writes it anew and fails if it was not current.
-- Partitions of tables are left out (ledger.partitioned_table says how they are made), and so are privileges
-- (views/99_grant.sql). docs/sql-reference.md describes the columns of views.

-- Acknowledgements, taken up by the next run of the rule.
create table ledger.alert_ack (
    alert_ack_id bigint not null generated always as identity, -- Its number.
    rule text not null, -- Rule.
    fingerprint text not null, -- Hash of the instance's labels.
    acked_by text not null, -- Who.
    reason text not null default ''::text, -- What they say.
    acked_at timestamptz not null, -- When.
    applied_slot timestamptz, -- Slot that took it up.
    PRIMARY KEY (alert_ack_id)
);
CREATE INDEX alert_ack_open ON ledger.alert_ack USING btree (rule) WHERE (applied_slot IS NULL);

-- What happened to each instance, append-only.
create table ledger.alert_event (
    slot timestamptz not null, -- Slot at which it happened.
    alert_event_id bigint not null default nextval('ledger.alert_event_number'::regclass), -- Its number.
    rule text not null, -- Rule.
    fingerprint text not null, -- Hash of the instance's labels.
    alertname text not null, -- Name of the alert.
    labels jsonb not null, -- Labels of the instance.
    event text not null, -- pending, reset, firing, recovering, refired, resolved, held, known, snoozed, unsnoozed, acked or notified.
    reason text, -- Why.
    value double precision, -- Value of the row at that slot.
    receiver text, -- Receiver, for notifications.
    by_whom text, -- Who did it, where somebody did.
    recorded_at timestamptz not null default clock_timestamp(), -- When it was written.
    PRIMARY KEY (slot, alert_event_id)
) partition by range (slot);
CREATE INDEX alert_event_rule_fingerprint_slot_idx ON ONLY ledger.alert_event USING btree (rule, fingerprint, slot);
create policy everything on ledger.alert_event for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.alert_event for select to fleetledger_team using ((labels ->> 'team'::text) IN ( SELECT team FROM ledger.team_role r));

-- Instances of alerts: one for each set of labels a rule gave, while it is not long resolved.
create table ledger.alert_instance (
    rule text not null, -- Rule.
    fingerprint text not null, -- Hash of its labels.
    alertname text not null, -- Name of the alert.
    labels jsonb not null, -- All its labels, those of the rule and of the row.
    annotations jsonb not null, -- Its annotations, filled in.
    value double precision, -- Value of its newest row.
    condition text not null, -- inactive, pending, firing, recovering or resolved.
    episode bigint not null default 0, -- How often it fired: the number of the current or last episode.
    active_at timestamptz, -- First slot of this episode at which the condition held.
    fired_at timestamptz, -- Slot at which this episode began to fire.
    resolved_at timestamptz, -- Slot at which it was resolved.
    resolved_reason text, -- Why: fixed, missing, stale_source, target_retired, rule_removed, rule_disabled or rule_relabelled.
    held_since timestamptz, -- Since when nothing can be said about it.
    held_reason text, -- Why: the query failed, or its source is stale.
    snoozed_until timestamptz, -- Until when it is snoozed.
    cooldown_until timestamptz, -- Until when a new episode is not notified.
    acked_at timestamptz, -- When it was acknowledged.
    acked_by text, -- Who acknowledged it.
    inhibited_by text, -- Alert that keeps it from being notified.
    shadow boolean not null default false, -- True if its rule notifies nobody.
    notifications bigint not null default 0, -- Notifications sent about it.
    last_notified_at timestamptz, -- Slot of the newest of them.
    suppressed_episodes bigint not null default 0, -- Episodes that came and went without any receiver hearing of them.
    receivers text[] not null default '{}'::text[], -- Receivers it goes to.
    memory jsonb not null, -- What the state machine remembers of it, and of what each receiver was notified of.
    changed_slot timestamptz not null, -- Newest slot that changed it.
    datacenter text generated always as ((labels ->> 'datacenter'::text)) stored, -- Its label datacenter.
    cluster text generated always as ((labels ->> 'cluster'::text)) stored, -- Its label cluster.
    namespace text generated always as ((labels ->> 'namespace'::text)) stored, -- Its label namespace.
    node text generated always as ((labels ->> 'node'::text)) stored, -- Its label node.
    pod text generated always as ((labels ->> 'pod'::text)) stored, -- Its label pod.
    PRIMARY KEY (rule, fingerprint),
    CHECK ((condition = ANY (ARRAY['inactive'::text, 'pending'::text, 'firing'::text, 'recovering'::text, 'resolved'::text])))
) with (fillfactor=70);
CREATE INDEX alert_instance_condition ON ledger.alert_instance USING btree (condition);
create policy everything on ledger.alert_instance for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.alert_instance for select to fleetledger_team using ((labels ->> 'team'::text) IN ( SELECT team FROM ledger.team_role r));

-- Avro schemas of emitters of other versions, as each cluster announced them.
create table ledger.announced_schema (
    cluster_id integer not null, -- Cluster that announced it.
    fingerprint bigint not null, -- CRC-64-AVRO of its parsing canonical form, or what version 1 named it by.
    subject text not null, -- Kind it describes, or mark.
    schema_json text not null, -- Its text.
    announced_at timestamptz not null default now(), -- When it was announced first.
    PRIMARY KEY (cluster_id, fingerprint)
);

-- Avro schemas of releases, and those that clusters announced before they had their own (ledger.announced_schema).
create table ledger.avro_schema (
    fingerprint bigint not null, -- CRC-64-AVRO of its parsing canonical form.
    subject text not null, -- Kind it describes, or mark.
    schema_json text not null, -- Its text.
    learned_at timestamptz not null default now(), -- When it was stored.
    learned_from text not null, -- release, or the source that announced it.
    PRIMARY KEY (fingerprint)
);

-- What was delivered, folded record by record in log order, beside what the emitter's newest mark says at the same point of the log.
create table ledger.balance (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    kind smallint not null, -- Kind number.
    shard integer not null, -- Shard.
    fold_count bigint not null default 0, -- Living objects delivered, open dead keys included.
    fold_hi bigint not null default 0, -- High half of the XOR of their content hashes.
    fold_lo bigint not null default 0, -- Low half of it.
    mark_epoch bigint, -- ce_epoch of the newest mark.
    mark_sequence bigint, -- ce_logsequence of the newest mark.
    mark_at timestamptz, -- ce_time of the newest mark.
    mark_count bigint, -- Living objects the mark counts.
    mark_hi bigint, -- High half of the mark's digest.
    mark_lo bigint, -- Low half of it.
    fold_at_mark_count bigint, -- fold_count at the mark's place in the log.
    fold_at_mark_hi bigint, -- fold_hi there.
    fold_at_mark_lo bigint, -- fold_lo there.
    mismatch_since timestamptz, -- ce_time of the first of the marks in a row that the fold did not equal; NULL while the newest mark agrees.
    PRIMARY KEY (cluster_id, kind, shard),
    FOREIGN KEY (cluster_id) REFERENCES ledger.cluster(cluster_id)
) with (fillfactor=50);

-- The batch ledger: every delivered record in exactly one column, by batch and partition.
create table ledger.batch (
    committed_at timestamptz not null, -- Begin of the transaction that landed it.
    topic text not null, -- Topic.
    partition integer not null, -- Partition.
    from_offset bigint not null, -- First offset it covers.
    to_offset bigint not null, -- Offset after the last one it covers.
    owner_epoch bigint not null, -- Claim under which it landed.
    owner text not null, -- Ingester that landed it.
    delivered bigint not null, -- Records Kafka delivered; compaction and transactions leave offsets without one.
    landed bigint not null, -- Records that changed a row.
    unchanged bigint not null, -- Records equal to what stands.
    superseded bigint not null, -- Records of a deposed emitter, or older than what stands.
    deleted bigint not null, -- Records that ended an object.
    control bigint not null, -- Marks, sweep points, schema announcements, and tombstones of what has already ended.
    dead bigint not null, -- Records that went to the dead letters.
    CHECK ((from_offset < to_offset)),
    CHECK ((delivered = (((((landed + unchanged) + superseded) + deleted) + control) + dead))),
    CHECK ((delivered <= (to_offset - from_offset)))
) partition by range (committed_at);
CREATE INDEX batch_topic_partition_from_offset_idx ON ONLY ledger.batch USING btree (topic, partition, from_offset);

-- Every cluster ever seen, by the uid of its kube-system namespace.
create table ledger.cluster (
    cluster_id integer not null generated always as identity, -- Small number every key begins with.
    datacenter text not null, -- Accepted name of its datacenter.
    cluster text not null, -- Accepted name of the cluster.
    cluster_uid text not null, -- Uid of its kube-system namespace: its identity.
    state text not null default 'active'::text, -- active, retired, or forgotten: taken in by mistake, hidden, and refused until it is admitted.
    first_seen_at timestamptz not null, -- When its first record landed.
    retired_at timestamptz, -- When it was retired or forgotten.
    source text, -- Where its emitter has the objects from: watch, dump (sent once) or simulate; NULL = it does not say.
    PRIMARY KEY (cluster_id),
    UNIQUE (cluster_uid),
    CHECK (((state = 'active'::text) = (retired_at IS NULL))),
    CHECK ((source = ANY (ARRAY['watch'::text, 'dump'::text, 'simulate'::text]))),
    CHECK ((state = ANY (ARRAY['active'::text, 'retired'::text, 'forgotten'::text])))
);
CREATE INDEX cluster_first_seen ON ledger.cluster USING btree (first_seen_at);

-- Clusters that were admitted: nobody else may take their uid, and no limit holds for them.
create table ledger.cluster_admission (
    cluster_uid text not null, -- Uid of its kube-system namespace.
    datacenter text not null, -- Datacenter under which it may send.
    cluster text not null, -- Name under which it may send.
    admitted_at timestamptz not null default now(), -- When it was admitted.
    admitted_by text not null, -- operator (fleetledger clusters admit) or key (its records carried the MAC of its key).
    PRIMARY KEY (cluster_uid),
    CHECK ((admitted_by = ANY (ARRAY['operator'::text, 'key'::text])))
);

-- Names a cluster had before it was renamed; records under them change nothing.
create table ledger.cluster_former_name (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    datacenter text not null, -- Former name of its datacenter.
    cluster text not null, -- Former name of the cluster.
    renamed_at timestamptz not null, -- When it was renamed.
    PRIMARY KEY (cluster_id, datacenter, cluster),
    FOREIGN KEY (cluster_id) REFERENCES ledger.cluster(cluster_id)
);

-- Every container of every pod that exists, its newest version.
create table ledger.container (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    uid uuid not null, -- Uid of the pod.
    container text not null, -- Container name.
    namespace text not null, -- Namespace of the pod.
    pod text not null, -- Name of the pod.
    node text, -- Node of the pod.
    container_type text not null, -- app, init, sidecar (an init container with restartPolicy Always) or ephemeral.
    "position" integer not null, -- Place within its list, from 0: of init containers and sidecars in the pod spec, of others by name.
    image text not null, -- Image as the spec names it.
    image_id text, -- Image as the runtime resolved it, usually with its digest.
    image_digest text, -- Digest of the resolved image.
    container_id text, -- Runtime id of the current container.
    ready boolean not null, -- True if the container passes its readiness probe.
    started boolean, -- True once the startup probe passed.
    restart_count integer not null, -- Restarts in the life of the pod.
    state text, -- waiting, running or terminated; null until the kubelet has reported.
    reason text, -- Reason of the waiting or terminated state, such as CrashLoopBackOff or OOMKilled.
    message text, -- Message of the current state, cut at 1024 bytes.
    exit_code integer, -- Exit code, if terminated.
    signal integer, -- Signal, if terminated by one.
    started_at timestamptz, -- Start of the current running or terminated state.
    finished_at timestamptz, -- End of the container, if terminated.
    last_reason text, -- Reason of the previous termination.
    last_message text, -- Message of the previous termination, cut at 1024 bytes.
    last_exit_code integer, -- Exit code of the previous termination.
    last_signal integer, -- Signal of the previous termination.
    last_started_at timestamptz, -- Start of the previous run.
    last_finished_at timestamptz, -- End of the previous run.
    request_cpu_millicores bigint, -- Request: CPU in thousandths of a core; NULL = not set.
    request_memory_bytes bigint, -- Request: memory in bytes; NULL = not set.
    request_ephemeral_storage_bytes bigint, -- Request: ephemeral storage in bytes; NULL = not set.
    request_gpu_millis bigint, -- Request: GPUs in thousandths of a card; NULL = not set.
    request_other jsonb not null, -- Request: other resources by name.
    limit_cpu_millicores bigint, -- Limit: CPU in thousandths of a core; NULL = not set.
    limit_memory_bytes bigint, -- Limit: memory in bytes; NULL = not set.
    limit_ephemeral_storage_bytes bigint, -- Limit: ephemeral storage in bytes; NULL = not set.
    limit_gpu_millis bigint, -- Limit: GPUs in thousandths of a card; NULL = not set.
    limit_other jsonb not null, -- Limit: other resources by name.
    row_hash_hi bigint not null, -- High half of the hash of the row's own columns; a change makes a version.
    row_hash_lo bigint not null, -- Low half of that hash.
    reader_version smallint not null, -- Version of the reader that landed the row.
    valid_from timestamptz not null, -- Begin of this version: from here on the object was so.
    observed_at timestamptz not null, -- When the emitter observed this version.
    landed_at timestamptz not null, -- When this version was committed here.
    request_in_force_cpu_millicores bigint, -- status.resources.requests: CPU that the kubelet has granted, in thousandths of a core; NULL = it does not say.
    request_in_force_memory_bytes bigint, -- status.resources.requests: memory that the kubelet has granted, in bytes; NULL = it does not say.
    limit_in_force_cpu_millicores bigint, -- status.resources.limits: limit of CPU that the runtime keeps, in thousandths of a core; NULL = none, or the kubelet does not say.
    limit_in_force_memory_bytes bigint, -- status.resources.limits: limit of memory that the runtime keeps, in bytes; NULL = none, or the kubelet does not say.
    allocated_cpu_millicores bigint, -- status.allocatedResources: CPU that the node has set aside for the container, in thousandths of a core; NULL = the kubelet does not say.
    allocated_memory_bytes bigint, -- status.allocatedResources: memory that the node has set aside for the container, in bytes; NULL = the kubelet does not say.
    reserved_cpu_millicores bigint, -- CPU that the scheduler reserves for the container while that is not what it requests, in thousandths of a core: the largest of request, allocated and in force; without the request once a resize was refused as infeasible. NULL = the request.
    reserved_memory_bytes bigint, -- Memory that the scheduler reserves for the container while that is not what it requests, in bytes. NULL = the request.
    PRIMARY KEY (cluster_id, uid, container)
) with (fillfactor=60);
CREATE INDEX container_control_plane ON ledger.container USING btree (cluster_id) WHERE (container = ANY (ARRAY['kube-apiserver'::text, 'kube-controller-manager'::text, 'kube-scheduler'::text, 'etcd'::text]));
CREATE INDEX container_ended ON ledger.container USING btree ((
CASE
    WHEN (state = 'terminated'::text) THEN finished_at
    ELSE last_finished_at
END)) WHERE (
CASE
    WHEN (state = 'terminated'::text) THEN finished_at
    ELSE last_finished_at
END IS NOT NULL);
CREATE INDEX container_namespace ON ledger.container USING btree (namespace, pod);
CREATE INDEX container_waiting ON ledger.container USING btree (cluster_id) WHERE (state = 'waiting'::text);
create policy everything on ledger.container for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.container for select to fleetledger_team using ((cluster_id, namespace) IN ( SELECT cluster_id, namespace FROM ledger.namespace_team o));
-- statistics 0: limit_other, request_other

-- Closed versions of container rows, append-only, partitioned by valid_to.
create table ledger.container_history (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    uid uuid not null, -- Uid of the pod.
    container text not null, -- Container name.
    namespace text not null, -- Namespace of the pod.
    pod text not null, -- Name of the pod.
    node text, -- Node of the pod.
    container_type text not null, -- app, init, sidecar (an init container with restartPolicy Always) or ephemeral.
    "position" integer not null, -- Place within its list, from 0: of init containers and sidecars in the pod spec, of others by name.
    image text not null, -- Image as the spec names it.
    image_id text, -- Image as the runtime resolved it, usually with its digest.
    image_digest text, -- Digest of the resolved image.
    container_id text, -- Runtime id of the current container.
    ready boolean not null, -- True if the container passes its readiness probe.
    started boolean, -- True once the startup probe passed.
    restart_count integer not null, -- Restarts in the life of the pod.
    state text, -- waiting, running or terminated; null until the kubelet has reported.
    reason text, -- Reason of the waiting or terminated state, such as CrashLoopBackOff or OOMKilled.
    message text, -- Message of the current state, cut at 1024 bytes.
    exit_code integer, -- Exit code, if terminated.
    signal integer, -- Signal, if terminated by one.
    started_at timestamptz, -- Start of the current running or terminated state.
    finished_at timestamptz, -- End of the container, if terminated.
    last_reason text, -- Reason of the previous termination.
    last_message text, -- Message of the previous termination, cut at 1024 bytes.
    last_exit_code integer, -- Exit code of the previous termination.
    last_signal integer, -- Signal of the previous termination.
    last_started_at timestamptz, -- Start of the previous run.
    last_finished_at timestamptz, -- End of the previous run.
    request_cpu_millicores bigint, -- Request: CPU in thousandths of a core; NULL = not set.
    request_memory_bytes bigint, -- Request: memory in bytes; NULL = not set.
    request_ephemeral_storage_bytes bigint, -- Request: ephemeral storage in bytes; NULL = not set.
    request_gpu_millis bigint, -- Request: GPUs in thousandths of a card; NULL = not set.
    request_other jsonb not null, -- Request: other resources by name.
    limit_cpu_millicores bigint, -- Limit: CPU in thousandths of a core; NULL = not set.
    limit_memory_bytes bigint, -- Limit: memory in bytes; NULL = not set.
    limit_ephemeral_storage_bytes bigint, -- Limit: ephemeral storage in bytes; NULL = not set.
    limit_gpu_millis bigint, -- Limit: GPUs in thousandths of a card; NULL = not set.
    limit_other jsonb not null, -- Limit: other resources by name.
    row_hash_hi bigint not null, -- High half of the hash of the row's own columns; a change makes a version.
    row_hash_lo bigint not null, -- Low half of that hash.
    reader_version smallint not null, -- Version of the reader that landed the row.
    valid_from timestamptz not null, -- Begin of this version: from here on the object was so.
    observed_at timestamptz not null, -- When the emitter observed this version.
    landed_at timestamptz not null, -- When this version was committed here.
    valid_to timestamptz not null, -- End of this version, exclusive.
    closed_reason text not null, -- Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.
    request_in_force_cpu_millicores bigint, -- status.resources.requests: CPU that the kubelet has granted, in thousandths of a core; NULL = it does not say.
    request_in_force_memory_bytes bigint, -- status.resources.requests: memory that the kubelet has granted, in bytes; NULL = it does not say.
    limit_in_force_cpu_millicores bigint, -- status.resources.limits: limit of CPU that the runtime keeps, in thousandths of a core; NULL = none, or the kubelet does not say.
    limit_in_force_memory_bytes bigint, -- status.resources.limits: limit of memory that the runtime keeps, in bytes; NULL = none, or the kubelet does not say.
    allocated_cpu_millicores bigint, -- status.allocatedResources: CPU that the node has set aside for the container, in thousandths of a core; NULL = the kubelet does not say.
    allocated_memory_bytes bigint, -- status.allocatedResources: memory that the node has set aside for the container, in bytes; NULL = the kubelet does not say.
    reserved_cpu_millicores bigint, -- CPU that the scheduler reserves for the container while that is not what it requests, in thousandths of a core: the largest of request, allocated and in force; without the request once a resize was refused as infeasible. NULL = the request.
    reserved_memory_bytes bigint, -- Memory that the scheduler reserves for the container while that is not what it requests, in bytes. NULL = the request.
    CHECK ((valid_from < valid_to))
) partition by range (valid_to);
CREATE INDEX container_history_namespace_valid_from_idx ON ONLY ledger.container_history USING btree (namespace, valid_from);
CREATE INDEX container_history_restarted ON ONLY ledger.container_history USING btree (namespace, valid_from) WHERE (restart_count > 0);
CREATE INDEX container_history_uid_valid_from_idx ON ONLY ledger.container_history USING btree (uid, valid_from);
CREATE INDEX container_history_valid_from_idx ON ONLY ledger.container_history USING btree (valid_from);
create policy everything on ledger.container_history for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.container_history for select to fleetledger_team using (((cluster_id, namespace) IN ( SELECT cluster_id, namespace FROM ledger.owner_span o)) AND (EXISTS ( SELECT FROM ledger.owner_span o WHERE ((cluster_id = container_history.cluster_id) AND (namespace = container_history.namespace) AND (valid_from < container_history.valid_to) AND (valid_to > container_history.valid_from)))));

-- What became known of closed months: the difference of each line and hour, dated by when it was booked.
create table ledger.cost_adjustment (
    adjustment_id bigint not null generated always as identity, -- Number of the adjustment.
    booked_at timestamptz not null, -- When it was booked: it counts in the period that holds this instant.
    hour_at timestamptz not null, -- Hour of the closed month it is about.
    line_id bigint not null, -- Line.
    run_id bigint not null, -- Run that found it.
    cpu_nanos numeric not null, -- Difference of the cost of CPU, in billionths of the currency.
    memory_nanos numeric not null, -- Difference of the cost of memory.
    gpu_nanos numeric not null, -- Difference of the cost of GPUs.
    PRIMARY KEY (adjustment_id),
    FOREIGN KEY (line_id) REFERENCES ledger.cost_line(line_id),
    FOREIGN KEY (run_id) REFERENCES ledger.cost_run(run_id)
);
CREATE INDEX cost_adjustment_booked ON ledger.cost_adjustment USING btree (booked_at);
CREATE INDEX cost_adjustment_hour ON ledger.cost_adjustment USING btree (hour_at, line_id);
create policy everything on ledger.cost_adjustment for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.cost_adjustment for select to fleetledger_team using (line_id IN ( SELECT line_id FROM ledger.cost_line i));

-- Whether nodes and lines add up: read back from the stored rows after every rating.
create table ledger.cost_check (
    period text not null, -- hour or day.
    at timestamptz not null, -- Begin of the hour or day.
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    node_nanos numeric not null, -- What the nodes cost.
    allocated_nanos numeric not null, -- Allocated, summed over nodes.
    idle_nanos numeric not null, -- Idle, summed over nodes.
    system_nanos numeric not null, -- System, summed over nodes.
    line_allocated_nanos numeric not null, -- Lines of namespaces, summed.
    line_idle_nanos numeric not null, -- Lines __idle__, summed.
    line_system_nanos numeric not null, -- Lines __system__, summed.
    unpriced_ms bigint not null, -- Time of nodes that no price or capacity is known of, in milliseconds.
    checked_at timestamptz not null, -- When it was last read back.
    unbalanced_since timestamptz, -- Since when the sums differ; NULL = they are equal.
    PRIMARY KEY (period, at, cluster_id),
    CHECK ((period = ANY (ARRAY['hour'::text, 'day'::text])))
);
CREATE INDEX cost_check_unbalanced ON ledger.cost_check USING btree (at) WHERE (unbalanced_since IS NOT NULL);

-- Cost of each line in each UTC day.
create table ledger.cost_daily (
    day_at timestamptz not null, -- Begin of the UTC day.
    line_id bigint not null, -- Line; see ledger.cost_line.
    cpu_nanos numeric not null, -- Cost of CPU in billionths of the currency; 0 where no price is known, see unpriced_ms.
    memory_nanos numeric not null, -- Cost of memory, likewise.
    gpu_nanos numeric not null, -- Cost of GPUs, likewise.
    cpu_charged_core_us numeric not null, -- CPU charged: max(request, usage), in core-microseconds.
    memory_charged_byte_seconds numeric not null, -- Memory charged, in byte-seconds.
    gpu_charged_card_us numeric not null, -- GPUs charged, in card-microseconds.
    cpu_requested_core_us numeric not null, -- CPU requested; a container without a request adds 0 here and its time to unknown_ms unless its usage was seen.
    memory_requested_byte_seconds numeric not null, -- Memory requested, likewise.
    cpu_used_core_us numeric not null, -- CPU used in the time covered by usage.
    memory_used_byte_seconds numeric not null, -- Memory used in that time.
    gpu_used_card_us numeric not null, -- GPUs used where that was seen.
    life_ms bigint not null, -- Time charged, summed over containers, in milliseconds.
    usage_ms bigint not null, -- Part of it for which usage was seen.
    unknown_ms bigint not null, -- Part of it with neither a request nor usage of CPU or memory.
    unpriced_ms bigint not null, -- Part of it on nodes that no price or capacity is known of.
    pods integer not null, -- Lives of containers it is the sum of; one cut by a change of its node or requests counts once for each part.
    first_at timestamptz, -- When the first life that it is the sum of began within the day; NULL = rated before this was kept.
    last_at timestamptz, -- When the last one ended within the day, exclusive.
    PRIMARY KEY (day_at, line_id)
);
create policy everything on ledger.cost_daily for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.cost_daily for select to fleetledger_team using (line_id IN ( SELECT line_id FROM ledger.cost_line i));

-- Days whose daily tables stand.
create table ledger.cost_day (
    day_at timestamptz not null, -- Begin of the UTC day.
    hours integer not null, -- Hours of it that had been rated, of 24.
    filled_at timestamptz not null, -- When its daily rows were made.
    PRIMARY KEY (day_at)
);

-- Hours of clusters that could not be rated, and days that could not be summed; a row goes once they were.
create table ledger.cost_failure (
    period text not null, -- hour or day.
    at timestamptz not null, -- Begin of the hour or day.
    cluster_id integer not null, -- Cluster; see ledger.cluster. 0 = the whole hour or day: no cluster alone is at fault.
    error text not null, -- What the database said.
    failed_since timestamptz not null, -- When it was first tried.
    failed_at timestamptz not null, -- When it was last tried.
    attempts integer not null default 1, -- How many times it was tried.
    objects text[] not null default '{}'::text[], -- Nodes and pods that the hour was rated without; empty = the cluster, or the whole fleet, is set aside.
    PRIMARY KEY (period, at, cluster_id),
    CHECK ((period = ANY (ARRAY['hour'::text, 'day'::text])))
);

-- Where each hour stands.
create table ledger.cost_hour (
    hour_at timestamptz not null, -- Begin of the UTC hour.
    run_id bigint not null, -- Run that rated it last.
    known_until timestamptz not null, -- Up to when every source was known then.
    complete boolean not null, -- True if that was to the end of the hour; else it is rated again when more is known.
    partial boolean not null, -- True if the hour was still running.
    filled_at timestamptz not null, -- When that run began to read: what lands later is not in it.
    fillings integer not null default 1, -- How many times it was rated.
    PRIMARY KEY (hour_at),
    FOREIGN KEY (run_id) REFERENCES ledger.cost_run(run_id)
);
CREATE INDEX cost_hour_incomplete ON ledger.cost_hour USING btree (hour_at) WHERE (NOT complete);

-- Cost of each line in each hour; idle and system are lines too, so that the sum is what the nodes cost.
create table ledger.cost_hourly (
    hour_at timestamptz not null, -- Begin of the UTC hour.
    line_id bigint not null, -- Line; see ledger.cost_line.
    cpu_nanos numeric not null, -- Cost of CPU in billionths of the currency; 0 where no price is known, see unpriced_ms.
    memory_nanos numeric not null, -- Cost of memory, likewise.
    gpu_nanos numeric not null, -- Cost of GPUs, likewise.
    cpu_charged_core_us numeric not null, -- CPU charged: max(request, usage), in core-microseconds.
    memory_charged_byte_seconds numeric not null, -- Memory charged, in byte-seconds.
    gpu_charged_card_us numeric not null, -- GPUs charged, in card-microseconds.
    cpu_requested_core_us numeric not null, -- CPU requested; a container without a request adds 0 here and its time to unknown_ms unless its usage was seen.
    memory_requested_byte_seconds numeric not null, -- Memory requested, likewise.
    cpu_used_core_us numeric not null, -- CPU used in the time covered by usage.
    memory_used_byte_seconds numeric not null, -- Memory used in that time.
    gpu_used_card_us numeric not null, -- GPUs used where that was seen.
    life_ms bigint not null, -- Time charged, summed over containers, in milliseconds.
    usage_ms bigint not null, -- Part of it for which usage was seen.
    unknown_ms bigint not null, -- Part of it with neither a request nor usage of CPU or memory.
    unpriced_ms bigint not null, -- Part of it on nodes that no price or capacity is known of.
    pods integer not null, -- Lives of containers it is the sum of; one cut by a change of its node or requests counts once for each part.
    first_at timestamptz, -- When the first life that it is the sum of began within the hour, of idle and system when the first node did; NULL = rated before this was kept.
    last_at timestamptz, -- When the last one ended within the hour, exclusive.
    PRIMARY KEY (hour_at, line_id)
) partition by range (hour_at);
create policy everything on ledger.cost_hourly for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.cost_hourly for select to fleetledger_team using (line_id IN ( SELECT line_id FROM ledger.cost_line i));

-- Who and what cost is booked on: each combination is stored once and named by a number.
create table ledger.cost_line (
    line_id bigint not null generated always as identity, -- Number of the line.
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    namespace text not null, -- Namespace; __idle__ and __system__ for what nobody was charged.
    workload_kind text, -- Kind of the top-level owner; NULL = a pod without one.
    workload text, -- Name of the top-level owner; NULL = a pod without one.
    container text, -- Container; pod-init for what a pod reserves beyond its containers.
    node_class text, -- Class of nodes by the price sheet; NULL = no price was known.
    team text not null, -- Owner as of the hour; __unallocated__ if nobody is known, __idle__ and __system__ as the namespace.
    owner_source text not null, -- Where the owner comes from: label, annotation, map, default, pod_label, none.
    labels jsonb not null, -- Labels of the pods that setting cost.rollup_labels names.
    PRIMARY KEY (line_id),
    UNIQUE NULLS NOT DISTINCT (cluster_id, namespace, workload_kind, workload, container, node_class, team, owner_source, labels)
);
create policy everything on ledger.cost_line for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.cost_line for select to fleetledger_team using (team IN ( SELECT team FROM ledger.team_role r));

-- Months that were closed: their rows no longer change.
create table ledger.cost_month (
    month_at timestamptz not null, -- Begin of the UTC month.
    closed_at timestamptz not null, -- When it was closed.
    closed_by text not null, -- Who closed it.
    cost_nanos numeric not null, -- What its nodes cost when it was closed, in billionths of the currency.
    PRIMARY KEY (month_at)
);

-- Cost of each namespace in each UTC day: what most questions need.
create table ledger.cost_namespace_daily (
    day_at timestamptz not null, -- Begin of the UTC day.
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    namespace text not null, -- Namespace; __idle__ and __system__ for what nobody was charged.
    team text not null, -- Owner; see ledger.cost_line.
    owner_source text not null, -- Where the owner comes from.
    node_class text, -- Class of nodes; NULL = no price was known.
    cpu_nanos numeric not null, -- Cost of CPU in billionths of the currency; 0 where no price is known, see unpriced_ms.
    memory_nanos numeric not null, -- Cost of memory, likewise.
    gpu_nanos numeric not null, -- Cost of GPUs, likewise.
    cpu_charged_core_us numeric not null, -- CPU charged: max(request, usage), in core-microseconds.
    memory_charged_byte_seconds numeric not null, -- Memory charged, in byte-seconds.
    gpu_charged_card_us numeric not null, -- GPUs charged, in card-microseconds.
    cpu_requested_core_us numeric not null, -- CPU requested; a container without a request adds 0 here and its time to unknown_ms unless its usage was seen.
    memory_requested_byte_seconds numeric not null, -- Memory requested, likewise.
    cpu_used_core_us numeric not null, -- CPU used in the time covered by usage.
    memory_used_byte_seconds numeric not null, -- Memory used in that time.
    gpu_used_card_us numeric not null, -- GPUs used where that was seen.
    life_ms bigint not null, -- Time charged, summed over containers, in milliseconds.
    usage_ms bigint not null, -- Part of it for which usage was seen.
    unknown_ms bigint not null, -- Part of it with neither a request nor usage of CPU or memory.
    unpriced_ms bigint not null, -- Part of it on nodes that no price or capacity is known of.
    first_at timestamptz, -- When the first life that it is the sum of began within the day; NULL = rated before this was kept.
    last_at timestamptz, -- When the last one ended within the day, exclusive.
    UNIQUE NULLS NOT DISTINCT (day_at, cluster_id, namespace, team, owner_source, node_class)
);
create policy everything on ledger.cost_namespace_daily for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.cost_namespace_daily for select to fleetledger_team using (team IN ( SELECT team FROM ledger.team_role r));

-- Cost of each namespace in each UTC month.
create table ledger.cost_namespace_monthly (
    month_at timestamptz not null, -- Begin of the UTC month.
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    namespace text not null, -- Namespace; __idle__ and __system__ for what nobody was charged.
    team text not null, -- Owner; see ledger.cost_line.
    owner_source text not null, -- Where the owner comes from.
    node_class text, -- Class of nodes; NULL = no price was known.
    cpu_nanos numeric not null, -- Cost of CPU in billionths of the currency; 0 where no price is known, see unpriced_ms.
    memory_nanos numeric not null, -- Cost of memory, likewise.
    gpu_nanos numeric not null, -- Cost of GPUs, likewise.
    cpu_charged_core_us numeric not null, -- CPU charged: max(request, usage), in core-microseconds.
    memory_charged_byte_seconds numeric not null, -- Memory charged, in byte-seconds.
    gpu_charged_card_us numeric not null, -- GPUs charged, in card-microseconds.
    cpu_requested_core_us numeric not null, -- CPU requested; a container without a request adds 0 here and its time to unknown_ms unless its usage was seen.
    memory_requested_byte_seconds numeric not null, -- Memory requested, likewise.
    cpu_used_core_us numeric not null, -- CPU used in the time covered by usage.
    memory_used_byte_seconds numeric not null, -- Memory used in that time.
    gpu_used_card_us numeric not null, -- GPUs used where that was seen.
    life_ms bigint not null, -- Time charged, summed over containers, in milliseconds.
    usage_ms bigint not null, -- Part of it for which usage was seen.
    unknown_ms bigint not null, -- Part of it with neither a request nor usage of CPU or memory.
    unpriced_ms bigint not null, -- Part of it on nodes that no price or capacity is known of.
    UNIQUE NULLS NOT DISTINCT (month_at, cluster_id, namespace, team, owner_source, node_class)
);
create policy everything on ledger.cost_namespace_monthly for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.cost_namespace_monthly for select to fleetledger_team using (team IN ( SELECT team FROM ledger.team_role r));

-- What nodes cost in each UTC day by class.
create table ledger.cost_node_daily (
    day_at timestamptz not null, -- Begin of the UTC day.
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    node_class text, -- Class of nodes; NULL = no price was known.
    resource text not null, -- cpu, memory or gpu.
    capacity numeric not null, -- Capacity, in core-microseconds, byte-seconds or card-microseconds.
    allocatable numeric not null, -- What pods may request of it.
    charged numeric not null, -- Charged to pods.
    cost_nanos numeric not null, -- What it cost, in billionths of the currency.
    allocated_nanos numeric not null, -- Part of it that pods are charged.
    idle_nanos numeric not null, -- Part of it that could have been requested and was not.
    system_nanos numeric not null, -- Part of it that the nodes keep for themselves.
    node_ms bigint not null, -- Time the nodes stood, summed, in milliseconds.
    unpriced_ms bigint not null, -- Part of it that no price or capacity is known of.
    UNIQUE NULLS NOT DISTINCT (day_at, cluster_id, node_class, resource),
    CHECK ((resource = ANY (ARRAY['cpu'::text, 'memory'::text, 'gpu'::text])))
);

-- What each node cost in each hour, and whom for: allocated, idle and system add up to its cost.
create table ledger.cost_node_hourly (
    hour_at timestamptz not null, -- Begin of the UTC hour.
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    node_uid uuid not null, -- Kubernetes uid of the node.
    from_at timestamptz not null, -- Begin of the segment: it ends where a price, the capacity or what is allocatable changes, or the hour ends.
    to_at timestamptz not null, -- End of the segment, exclusive.
    node text not null, -- Node name.
    node_class text, -- Class of nodes by the price sheet; NULL = no price was known.
    sheet_id integer, -- Price sheet; NULL = none matched the node.
    cpu_capacity numeric, -- Capacity of CPU over the segment, in core-microseconds; NULL = not known.
    cpu_allocatable numeric, -- What pods may request of it, in core-microseconds; at most the capacity.
    cpu_charged numeric not null, -- Charged to pods, in core-microseconds.
    cpu_overcommit_factor numeric not null, -- min(1, capacity / charged): below 1 where the node is overcommitted.
    cpu_cost_nanos numeric, -- What its CPU cost, in billionths of the currency; NULL = no price or capacity is known.
    cpu_allocated_nanos numeric, -- Part of it that pods are charged.
    cpu_idle_nanos numeric, -- Part of it that could have been requested and was neither requested nor used.
    cpu_system_nanos numeric, -- Part of it that the node keeps for itself.
    memory_capacity numeric, -- Capacity of memory over the segment, in byte-seconds; NULL = not known.
    memory_allocatable numeric, -- What pods may request of it, in byte-seconds; at most the capacity.
    memory_charged numeric not null, -- Charged to pods, in byte-seconds.
    memory_overcommit_factor numeric not null, -- min(1, capacity / charged): below 1 where the node is overcommitted.
    memory_cost_nanos numeric, -- What its memory cost, in billionths of the currency; NULL = no price or capacity is known.
    memory_allocated_nanos numeric, -- Part of it that pods are charged.
    memory_idle_nanos numeric, -- Part of it that could have been requested and was neither requested nor used.
    memory_system_nanos numeric, -- Part of it that the node keeps for itself.
    gpu_capacity numeric, -- Capacity of GPUs over the segment, in card-microseconds; NULL = not known.
    gpu_allocatable numeric, -- What pods may request of it, in card-microseconds; at most the capacity.
    gpu_charged numeric not null, -- Charged to pods, in card-microseconds.
    gpu_overcommit_factor numeric not null, -- min(1, capacity / charged): below 1 where the node is overcommitted.
    gpu_cost_nanos numeric, -- What its GPUs cost, in billionths of the currency; NULL = no price or capacity is known.
    gpu_allocated_nanos numeric, -- Part of it that pods are charged.
    gpu_idle_nanos numeric, -- Part of it that could have been requested and was neither requested nor used.
    gpu_system_nanos numeric, -- Part of it that the node keeps for itself.
    PRIMARY KEY (hour_at, cluster_id, node_uid, from_at),
    CHECK ((from_at < to_at)),
    CHECK ((cpu_cost_nanos = ((cpu_allocated_nanos + cpu_idle_nanos) + cpu_system_nanos))),
    CHECK ((memory_cost_nanos = ((memory_allocated_nanos + memory_idle_nanos) + memory_system_nanos))),
    CHECK ((gpu_cost_nanos = ((gpu_allocated_nanos + gpu_idle_nanos) + gpu_system_nanos)))
) partition by range (hour_at);

-- Every rating of an hour.
create table ledger.cost_run (
    run_id bigint not null generated always as identity, -- Number of the run.
    hour_at timestamptz not null, -- Hour it rated.
    reason text not null, -- Why: first, partial (the hour is running), known (more of its sources is known), usage (late usage came), rerate (somebody asked).
    as_of timestamptz not null, -- Up to when the hour was rated where it was still running.
    known_until timestamptz not null, -- Up to when every source was known.
    sheet_ids integer[] not null, -- Price sheets it used.
    nodes bigint not null, -- Nodes that stood.
    pods bigint not null, -- Pods that were charged.
    lines bigint not null, -- Lines it wrote.
    cost_nanos numeric not null, -- What the nodes cost, in billionths of the currency.
    began_at timestamptz not null, -- When it began.
    filled_at timestamptz not null, -- When it was done.
    PRIMARY KEY (run_id),
    CHECK ((reason = ANY (ARRAY['first'::text, 'partial'::text, 'known'::text, 'usage'::text, 'rerate'::text])))
);
CREATE INDEX cost_run_hour ON ledger.cost_run USING btree (hour_at);

-- How shared cost is shown where nothing else is asked for, by date. It changes no stored number.
create table ledger.cost_sharing (
    cost_sharing_id integer not null generated always as identity, -- Number of the entry.
    namespaces text[] not null, -- Namespaces whose cost all others share.
    spread text not null, -- even: each gets the same; weighted: by its own cost before idle is added.
    idle text not null, -- apart: a row of its own; shared: each gets its part, resource by resource.
    valid_from timestamptz not null, -- Since when.
    valid_to timestamptz, -- Until when, exclusive; NULL = still.
    applied_at timestamptz not null default now(), -- When it was applied.
    applied_by text not null, -- Who applied it.
    superseded_at timestamptz, -- When a newer entry took its place; NULL = stands.
    PRIMARY KEY (cost_sharing_id),
    CHECK ((valid_from < valid_to)),
    CHECK ((idle = ANY (ARRAY['apart'::text, 'shared'::text]))),
    CHECK ((spread = ANY (ARRAY['even'::text, 'weighted'::text])))
);

-- What teams have set about their cost, by date.
create table ledger.cost_team (
    cost_team_id integer not null generated always as identity, -- Number of the entry.
    team text not null, -- Team.
    budget_per_month numeric, -- What it may cost in a calendar month, in the currency of the sheets; NULL = no budget.
    allow_label_owner text, -- Label of pods in its namespaces that may name another owner; NULL = none may.
    valid_from timestamptz not null, -- Since when.
    valid_to timestamptz, -- Until when, exclusive; NULL = still.
    applied_at timestamptz not null default now(), -- When it was applied.
    applied_by text not null, -- Who applied it.
    superseded_at timestamptz, -- When a newer entry took its place; NULL = stands.
    PRIMARY KEY (cost_team_id),
    CHECK ((budget_per_month >= (0)::numeric)),
    CHECK ((valid_from < valid_to))
);
create policy everything on ledger.cost_team for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.cost_team for select to fleetledger_team using (team IN ( SELECT team FROM ledger.team_role r));

-- Objects whose newest delivered record is a dead letter; they count as seen by sweeps and as delivered by the balance.
create table ledger.dead_key (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    kind smallint not null, -- Kind number.
    uid uuid not null, -- Uid of the object.
    shard integer not null, -- Its shard.
    hash_hi bigint not null, -- High half of the content hash of the body that died.
    hash_lo bigint not null, -- Low half of it.
    epoch bigint not null, -- ce_epoch of the record that died.
    sequence bigint not null, -- ce_logsequence of the record that died.
    dead_letter_id bigint, -- The record.
    died_at timestamptz not null, -- When it died.
    PRIMARY KEY (cluster_id, kind, uid),
    FOREIGN KEY (cluster_id) REFERENCES ledger.cluster(cluster_id),
    FOREIGN KEY (dead_letter_id) REFERENCES ledger.dead_letter(dead_letter_id) ON DELETE SET NULL
);

-- Records that could not land, whole, with the reason; nothing is lost.
create table ledger.dead_letter (
    dead_letter_id bigint not null generated always as identity, -- Its number.
    topic text not null, -- Topic.
    partition integer not null, -- Partition.
    record_offset bigint not null, -- Offset.
    kafka_at timestamptz, -- Kafka timestamp of the record.
    datacenter text, -- Datacenter in its key, if that could be read.
    cluster text, -- Cluster in its key, if that could be read.
    cluster_uid text, -- Cluster uid in its key, if that could be read.
    kind smallint, -- Kind number of its topic.
    uid text, -- Object uid in its key, if that could be read.
    reason text not null, -- Class of the fault, such as bad_magic or unknown_schema; replay selects by it.
    detail text not null, -- What exactly is wrong with it.
    schema_ref text, -- Schema its frame names, if that could be read.
    record_key bytea, -- Key, as delivered.
    record_value bytea, -- Value, as delivered.
    record_headers jsonb not null, -- Headers, as a list of [name, text]; bytes that are not UTF-8 are written as {"hex": …}.
    died_at timestamptz not null default now(), -- When it was put here.
    state text not null default 'open'::text, -- open, replayed, superseded (a newer record of its object landed) or discarded.
    settled_at timestamptz, -- When it left the state open.
    PRIMARY KEY (dead_letter_id),
    UNIQUE (topic, partition, record_offset),
    CHECK ((state = ANY (ARRAY['open'::text, 'replayed'::text, 'superseded'::text, 'discarded'::text])))
);
CREATE INDEX dead_letter_open ON ledger.dead_letter USING btree (reason, cluster_uid) WHERE (state = 'open'::text);

-- Bytes of the dead letters of a source by UTC day, those that were not kept whole among them.
create table ledger.dead_letter_day (
    datacenter text not null, -- Datacenter in their keys; empty where that could not be read.
    cluster text not null, -- Cluster in their keys; empty where that could not be read.
    cluster_uid text not null, -- Cluster uid in their keys; empty where that could not be read.
    day_on date not null, -- Day, UTC.
    bytes bigint not null, -- Keys, values and headers.
    PRIMARY KEY (datacenter, cluster, cluster_uid, day_on)
);

-- Dead letters beyond the bound of their source and day: counted, with the first of each reason as an example.
create table ledger.dead_letter_overflow (
    datacenter text not null, -- Datacenter in their keys; empty where that could not be read.
    cluster text not null, -- Cluster in their keys; empty where that could not be read.
    cluster_uid text not null, -- Cluster uid in their keys; empty where that could not be read.
    day_on date not null, -- Day, UTC.
    topic text not null, -- Topic.
    reason text not null, -- Class of the fault.
    letters bigint not null, -- How many there were.
    bytes bigint not null, -- Their keys, values and headers.
    first_at timestamptz not null default now(), -- When the first was counted.
    last_at timestamptz not null default now(), -- When the newest was counted.
    partition integer not null, -- Partition of the first.
    record_offset bigint not null, -- Offset of the first.
    detail text not null, -- What exactly is wrong with the first.
    record_key bytea, -- First kilobyte of its key.
    record_value bytea, -- First kilobyte of its value.
    PRIMARY KEY (datacenter, cluster, cluster_uid, day_on, topic, reason)
);

-- Attempts to send a notification.
create table ledger.delivery (
    attempted_at timestamptz not null, -- When.
    delivery_id bigint not null default nextval('ledger.delivery_number'::regclass), -- Its number.
    outbox_id bigint not null, -- Notification.
    receiver text not null, -- Receiver.
    evaluator text not null, -- Who tried.
    outcome text not null, -- sent, retry or dead.
    status integer, -- HTTP status; NULL where there was no answer.
    seconds double precision not null, -- How long it took, in seconds.
    error text, -- What went wrong.
    PRIMARY KEY (attempted_at, delivery_id),
    CHECK ((outcome = ANY (ARRAY['sent'::text, 'retry'::text, 'dead'::text])))
) partition by range (attempted_at);
CREATE INDEX delivery_outbox_id_idx ON ONLY ledger.delivery USING btree (outbox_id);

-- Newest epoch and sequence of each (cluster, kind, shard); an older record is superseded.
create table ledger.emitter_state (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    kind smallint not null, -- Kind number.
    shard integer not null, -- Shard.
    epoch bigint not null, -- Leadership term of the emitter, microseconds.
    sequence bigint not null, -- Number of its newest record.
    observed_at timestamptz not null, -- ce_time of its newest record.
    clock_skew_seconds double precision not null default 0, -- ce_time of its newest record less the record's Kafka timestamp, in seconds; more than 5 is a fault.
    stale_records bigint not null default 0, -- Records of deposed emitters seen since, all superseded.
    stale_seen_at timestamptz, -- When the newest of stale_records landed; NULL = there was none.
    PRIMARY KEY (cluster_id, kind, shard),
    FOREIGN KEY (cluster_id) REFERENCES ledger.cluster(cluster_id)
) with (fillfactor=50);

-- Evaluators that spoke lately, and the rules each has read.
create table ledger.evaluator (
    evaluator text not null, -- Its name.
    rule_set text not null, -- SHA-256 of the set of rule files it has read.
    state text not null, -- running, or standby: another set is the active one.
    started_at timestamptz not null, -- When it started.
    heartbeat_at timestamptz not null, -- When it last spoke.
    PRIMARY KEY (evaluator),
    CHECK ((state = ANY (ARRAY['running'::text, 'standby'::text])))
) with (fillfactor=50);

-- Up to when each (cluster, kind) is known: the least of ce_time, Kafka timestamp and commit of its newest batch.
create table ledger.freshness (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    kind smallint not null, -- Kind number.
    observed_at timestamptz not null, -- Up to when it is known.
    landed_at timestamptz not null, -- When that landed.
    PRIMARY KEY (cluster_id, kind),
    FOREIGN KEY (cluster_id) REFERENCES ledger.cluster(cluster_id)
) with (fillfactor=50);

-- Freshness as of the end of each minute in which a batch landed.
create table ledger.freshness_history (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    kind smallint not null, -- Kind number.
    minute_at timestamptz not null, -- Begin of the minute of the commit.
    observed_at timestamptz not null, -- Up to when it was known at the end of that minute.
    PRIMARY KEY (cluster_id, kind, minute_at)
) partition by range (minute_at);

-- Offsets that were gone before they could be read, and sequences lost before Kafka.
create table ledger.ingest_gap (
    ingest_gap_id bigint not null generated always as identity, -- Its number.
    topic text not null, -- Topic.
    partition integer not null, -- Partition.
    from_offset bigint not null, -- First offset that is gone.
    to_offset bigint not null, -- Offset after the last one that is gone.
    reason text not null, -- What happened.
    found_at timestamptz not null default now(), -- When it was noticed.
    policy text not null, -- continue or halt.
    healed_at timestamptz, -- When a complete sweep of every source of the partition had landed after it.
    PRIMARY KEY (ingest_gap_id)
);

-- Where each partition stands: the offset that moves in the transaction that lands its data, and the fence that keeps a deposed ingester out.
create table ledger.ingest_partition (
    topic text not null, -- Topic.
    partition integer not null, -- Partition.
    next_offset bigint not null, -- First offset that has not landed.
    owner_epoch bigint not null default 0, -- Number of the current claim; a batch of an earlier claim updates no row and rolls back.
    owner text, -- Ingester that claimed it.
    claimed_at timestamptz, -- When it was claimed.
    state text not null default 'running'::text, -- running or halted.
    halted_reason text, -- Why it is halted and what to do.
    halted_at timestamptz, -- When it was halted.
    checkpoint_offset bigint, -- Offset of the last landed record, read again after a claim to notice a rewritten topic.
    checkpoint_kafka_at timestamptz, -- Its Kafka timestamp.
    checkpoint_crc bigint, -- CRC-32 of its key and value.
    high_watermark bigint, -- End of the partition when it was last looked at; the lag is this less next_offset.
    progressed_at timestamptz, -- When next_offset last moved.
    PRIMARY KEY (topic, partition),
    FOREIGN KEY (topic) REFERENCES ledger.topic(topic),
    CHECK ((state = ANY (ARRAY['running'::text, 'halted'::text])))
) with (fillfactor=50);

-- A raised generation drops the ingester's cache of that (cluster, kind), and the next sweep lands unconditionally.
create table ledger.kind_state (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    kind smallint not null, -- Kind number.
    generation bigint not null default 0, -- Raised by audit, by the table sum and by hand.
    raised_at timestamptz, -- When it was last raised.
    raised_reason text, -- Why.
    PRIMARY KEY (cluster_id, kind),
    FOREIGN KEY (cluster_id) REFERENCES ledger.cluster(cluster_id)
);

-- The lock of whoever applies prices, owners, teams and sharing.
create table ledger.lock_cost_apply (
);

-- The lock of whoever rates an hour, sums up a day or closes a month.
create table ledger.lock_cost_fill (
);

-- The lock of a round that looks for hours to rate: one evaluator at a time.
create table ledger.lock_cost_rating (
);

-- The lock of migrations: it is the table that is locked, and no other role may.
create table ledger.lock_migration (
);

-- The lock of whoever makes, merges or drops partitions.
create table ledger.lock_partition (
);

-- The lock of an evaluator that joins with a rule set.
create table ledger.lock_rule_set (
);

-- Migrations that were applied, with the checksum of their text.
create table ledger.migration (
    name text not null, -- File name.
    sha256 text not null, -- SHA-256 of its text when it was applied.
    applied_at timestamptz not null default now(), -- When it was applied.
    PRIMARY KEY (name)
);

-- Every namespace that exists, its newest version.
create table ledger.namespace (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    uid uuid not null, -- Kubernetes uid of the namespace: its identity.
    uid_text text, -- Text of uid where that was hashed from another form; NULL in the common case.
    namespace text not null, -- Namespace name.
    created_at timestamptz, -- metadata.creationTimestamp; NULL where the object has none.
    deletion_requested_at timestamptz, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    labels jsonb not null, -- Allow-listed labels.
    annotations jsonb not null, -- Allow-listed annotations.
    finalizers text[] not null, -- metadata.finalizers, sorted.
    phase text not null, -- Active or Terminating.
    conditions jsonb not null, -- Conditions, sorted by type; they say why a deletion hangs.
    body_hash_hi bigint, -- High half of the content hash of the body that travelled; NULL once audit found the row altered.
    body_hash_lo bigint, -- Low half of that hash.
    row_hash_hi bigint not null, -- High half of the hash of the row's own columns; a change makes a version.
    row_hash_lo bigint not null, -- Low half of that hash.
    writer_schema bigint not null, -- Fingerprint of the Avro schema the row's writer used; see ledger.avro_schema.
    reader_version smallint not null, -- Version of the reader that landed the row.
    unknown jsonb, -- Fields the writer sent that this reader does not know; NULL in the common case.
    valid_from timestamptz not null, -- Begin of this version: from here on the object was so.
    observed_at timestamptz not null, -- When the emitter observed this version.
    landed_at timestamptz not null, -- When this version was committed here.
    PRIMARY KEY (cluster_id, uid)
) with (fillfactor=60);
CREATE INDEX namespace_namespace ON ledger.namespace USING btree (namespace);
create policy everything on ledger.namespace for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.namespace for select to fleetledger_team using ((cluster_id, namespace) IN ( SELECT cluster_id, namespace FROM ledger.namespace_team o));
-- statistics 0: annotations, conditions, finalizers, labels, unknown

-- Closed versions of namespace rows, append-only, partitioned by valid_to.
create table ledger.namespace_history (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    uid uuid not null, -- Kubernetes uid of the namespace: its identity.
    uid_text text, -- Text of uid where that was hashed from another form; NULL in the common case.
    namespace text not null, -- Namespace name.
    created_at timestamptz, -- metadata.creationTimestamp; NULL where the object has none.
    deletion_requested_at timestamptz, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    labels jsonb not null, -- Allow-listed labels.
    annotations jsonb not null, -- Allow-listed annotations.
    finalizers text[] not null, -- metadata.finalizers, sorted.
    phase text not null, -- Active or Terminating.
    conditions jsonb not null, -- Conditions, sorted by type; they say why a deletion hangs.
    body_hash_hi bigint, -- High half of the content hash of the body that travelled; NULL once audit found the row altered.
    body_hash_lo bigint, -- Low half of that hash.
    row_hash_hi bigint not null, -- High half of the hash of the row's own columns; a change makes a version.
    row_hash_lo bigint not null, -- Low half of that hash.
    writer_schema bigint not null, -- Fingerprint of the Avro schema the row's writer used; see ledger.avro_schema.
    reader_version smallint not null, -- Version of the reader that landed the row.
    unknown jsonb, -- Fields the writer sent that this reader does not know; NULL in the common case.
    valid_from timestamptz not null, -- Begin of this version: from here on the object was so.
    observed_at timestamptz not null, -- When the emitter observed this version.
    landed_at timestamptz not null, -- When this version was committed here.
    valid_to timestamptz not null, -- End of this version, exclusive.
    closed_reason text not null, -- Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.
    CHECK ((valid_from < valid_to))
) partition by range (valid_to);
CREATE INDEX namespace_history_namespace_valid_from_idx ON ONLY ledger.namespace_history USING btree (namespace, valid_from);
CREATE INDEX namespace_history_uid_valid_from_idx ON ONLY ledger.namespace_history USING btree (uid, valid_from);
CREATE INDEX namespace_history_valid_from_idx ON ONLY ledger.namespace_history USING btree (valid_from);
create policy everything on ledger.namespace_history for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.namespace_history for select to fleetledger_team using (((cluster_id, namespace) IN ( SELECT cluster_id, namespace FROM ledger.owner_span o)) AND (EXISTS ( SELECT FROM ledger.owner_span o WHERE ((cluster_id = namespace_history.cluster_id) AND (namespace = namespace_history.namespace) AND (valid_from < namespace_history.valid_to) AND (valid_to > namespace_history.valid_from)))));

-- Who owns each namespace now; a namespace without owner has no row.
create table ledger.namespace_team (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    namespace text not null, -- Namespace.
    team text not null, -- Team.
    valid_from timestamptz not null, -- Since when.
    owner_source text not null default 'label'::text, -- Where the owner comes from: label, annotation, map or default.
    PRIMARY KEY (cluster_id, namespace),
    FOREIGN KEY (cluster_id) REFERENCES ledger.cluster(cluster_id)
);
create policy everything on ledger.namespace_team for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.namespace_team for select to fleetledger_team using (team IN ( SELECT team FROM ledger.team_role r));

-- Who owned each namespace before.
create table ledger.namespace_team_history (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    namespace text not null, -- Namespace.
    team text not null, -- Team.
    valid_from timestamptz not null, -- Since when.
    owner_source text not null default 'label'::text, -- Where the owner comes from: label, annotation, map or default.
    valid_to timestamptz not null, -- Until when, exclusive.
    PRIMARY KEY (cluster_id, namespace, valid_from),
    FOREIGN KEY (cluster_id) REFERENCES ledger.cluster(cluster_id),
    CHECK ((valid_from < valid_to))
);
create policy everything on ledger.namespace_team_history for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.namespace_team_history for select to fleetledger_team using (team IN ( SELECT team FROM ledger.team_role r));

-- Every node that exists, its newest version.
create table ledger.node (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    uid uuid not null, -- Kubernetes uid of the node: its identity.
    uid_text text, -- Text of uid where that was hashed from another form; NULL in the common case.
    node text not null, -- Node name.
    created_at timestamptz, -- metadata.creationTimestamp; NULL where the object has none.
    deletion_requested_at timestamptz, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    labels jsonb not null, -- Allow-listed labels.
    annotations jsonb not null, -- Allow-listed annotations.
    finalizers text[] not null, -- metadata.finalizers, sorted.
    provider_id text, -- spec.providerID.
    unschedulable boolean not null, -- True if the node is cordoned.
    taints jsonb not null, -- Taints, sorted by key, effect and value.
    conditions jsonb not null, -- Conditions, sorted by type; heartbeats left out.
    ready_status text, -- Status of condition Ready: True, False or Unknown.
    ready_reason text, -- Reason of condition Ready.
    ready_since timestamptz, -- When condition Ready last changed its status.
    heartbeat_stale_since timestamptz, -- renewTime of the node's Lease, set only while that is more than 2 minutes old: the instant the node fell silent.
    addresses jsonb not null, -- Addresses, sorted by type; those of one type in the object's order.
    pod_cidrs text[] not null, -- Pod CIDRs: the primary one, then the others sorted.
    kernel_version text not null, -- Kernel version.
    os_image text not null, -- Operating system image.
    operating_system text not null, -- Operating system, such as linux.
    architecture text not null, -- CPU architecture.
    container_runtime_version text not null, -- Container runtime and version.
    kubelet_version text not null, -- Kubelet version.
    kube_proxy_version text not null, -- kube-proxy version; empty where the kubelet no longer reports it.
    boot_id text not null, -- Changes at every boot.
    machine_id text not null, -- Machine id.
    system_uuid text not null, -- SMBIOS system uuid.
    capacity_cpu_millicores bigint, -- Capacity: CPU in thousandths of a core; NULL = not set.
    capacity_memory_bytes bigint, -- Capacity: memory in bytes; NULL = not set.
    capacity_ephemeral_storage_bytes bigint, -- Capacity: ephemeral storage in bytes; NULL = not set.
    capacity_gpu_millis bigint, -- Capacity: GPUs in thousandths of a card; NULL = not set.
    capacity_pods bigint, -- Capacity: number of pods; NULL = not set.
    capacity_other jsonb not null, -- Capacity: other resources by name.
    allocatable_cpu_millicores bigint, -- Allocatable: CPU in thousandths of a core; NULL = not set.
    allocatable_memory_bytes bigint, -- Allocatable: memory in bytes; NULL = not set.
    allocatable_ephemeral_storage_bytes bigint, -- Allocatable: ephemeral storage in bytes; NULL = not set.
    allocatable_gpu_millis bigint, -- Allocatable: GPUs in thousandths of a card; NULL = not set.
    allocatable_pods bigint, -- Allocatable: number of pods; NULL = not set.
    allocatable_other jsonb not null, -- Allocatable: other resources by name.
    body_hash_hi bigint, -- High half of the content hash of the body that travelled; NULL once audit found the row altered.
    body_hash_lo bigint, -- Low half of that hash.
    row_hash_hi bigint not null, -- High half of the hash of the row's own columns; a change makes a version.
    row_hash_lo bigint not null, -- Low half of that hash.
    writer_schema bigint not null, -- Fingerprint of the Avro schema the row's writer used; see ledger.avro_schema.
    reader_version smallint not null, -- Version of the reader that landed the row.
    unknown jsonb, -- Fields the writer sent that this reader does not know; NULL in the common case.
    valid_from timestamptz not null, -- Begin of this version: from here on the object was so.
    observed_at timestamptz not null, -- When the emitter observed this version.
    landed_at timestamptz not null, -- When this version was committed here.
    swap_capacity_bytes bigint, -- status.nodeInfo.swap.capacity: swap that the node has, in bytes; null where the kubelet does not say.
    runtime_handlers jsonb, -- status.runtimeHandlers, sorted by name; the default handler has an empty name. Null where the node does not say.
    features jsonb, -- status.features: what the container runtime can do, by name, as true or false; null where the node does not say.
    declared_features text[], -- status.declaredFeatures: features that the kubelet declares, sorted; null where it declares none.
    PRIMARY KEY (cluster_id, uid)
) with (fillfactor=60);
CREATE INDEX node_node ON ledger.node USING btree (node);
CREATE INDEX node_silent ON ledger.node USING btree (cluster_id) WHERE (heartbeat_stale_since IS NOT NULL);
-- statistics 0: addresses, allocatable_other, annotations, capacity_other, conditions, finalizers, labels, pod_cidrs, taints, unknown

-- Closed versions of node rows, append-only, partitioned by valid_to.
create table ledger.node_history (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    uid uuid not null, -- Kubernetes uid of the node: its identity.
    uid_text text, -- Text of uid where that was hashed from another form; NULL in the common case.
    node text not null, -- Node name.
    created_at timestamptz, -- metadata.creationTimestamp; NULL where the object has none.
    deletion_requested_at timestamptz, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    labels jsonb not null, -- Allow-listed labels.
    annotations jsonb not null, -- Allow-listed annotations.
    finalizers text[] not null, -- metadata.finalizers, sorted.
    provider_id text, -- spec.providerID.
    unschedulable boolean not null, -- True if the node is cordoned.
    taints jsonb not null, -- Taints, sorted by key, effect and value.
    conditions jsonb not null, -- Conditions, sorted by type; heartbeats left out.
    ready_status text, -- Status of condition Ready: True, False or Unknown.
    ready_reason text, -- Reason of condition Ready.
    ready_since timestamptz, -- When condition Ready last changed its status.
    heartbeat_stale_since timestamptz, -- renewTime of the node's Lease, set only while that is more than 2 minutes old: the instant the node fell silent.
    addresses jsonb not null, -- Addresses, sorted by type; those of one type in the object's order.
    pod_cidrs text[] not null, -- Pod CIDRs: the primary one, then the others sorted.
    kernel_version text not null, -- Kernel version.
    os_image text not null, -- Operating system image.
    operating_system text not null, -- Operating system, such as linux.
    architecture text not null, -- CPU architecture.
    container_runtime_version text not null, -- Container runtime and version.
    kubelet_version text not null, -- Kubelet version.
    kube_proxy_version text not null, -- kube-proxy version; empty where the kubelet no longer reports it.
    boot_id text not null, -- Changes at every boot.
    machine_id text not null, -- Machine id.
    system_uuid text not null, -- SMBIOS system uuid.
    capacity_cpu_millicores bigint, -- Capacity: CPU in thousandths of a core; NULL = not set.
    capacity_memory_bytes bigint, -- Capacity: memory in bytes; NULL = not set.
    capacity_ephemeral_storage_bytes bigint, -- Capacity: ephemeral storage in bytes; NULL = not set.
    capacity_gpu_millis bigint, -- Capacity: GPUs in thousandths of a card; NULL = not set.
    capacity_pods bigint, -- Capacity: number of pods; NULL = not set.
    capacity_other jsonb not null, -- Capacity: other resources by name.
    allocatable_cpu_millicores bigint, -- Allocatable: CPU in thousandths of a core; NULL = not set.
    allocatable_memory_bytes bigint, -- Allocatable: memory in bytes; NULL = not set.
    allocatable_ephemeral_storage_bytes bigint, -- Allocatable: ephemeral storage in bytes; NULL = not set.
    allocatable_gpu_millis bigint, -- Allocatable: GPUs in thousandths of a card; NULL = not set.
    allocatable_pods bigint, -- Allocatable: number of pods; NULL = not set.
    allocatable_other jsonb not null, -- Allocatable: other resources by name.
    body_hash_hi bigint, -- High half of the content hash of the body that travelled; NULL once audit found the row altered.
    body_hash_lo bigint, -- Low half of that hash.
    row_hash_hi bigint not null, -- High half of the hash of the row's own columns; a change makes a version.
    row_hash_lo bigint not null, -- Low half of that hash.
    writer_schema bigint not null, -- Fingerprint of the Avro schema the row's writer used; see ledger.avro_schema.
    reader_version smallint not null, -- Version of the reader that landed the row.
    unknown jsonb, -- Fields the writer sent that this reader does not know; NULL in the common case.
    valid_from timestamptz not null, -- Begin of this version: from here on the object was so.
    observed_at timestamptz not null, -- When the emitter observed this version.
    landed_at timestamptz not null, -- When this version was committed here.
    valid_to timestamptz not null, -- End of this version, exclusive.
    closed_reason text not null, -- Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.
    swap_capacity_bytes bigint, -- status.nodeInfo.swap.capacity: swap that the node has, in bytes; null where the kubelet does not say.
    runtime_handlers jsonb, -- status.runtimeHandlers, sorted by name; the default handler has an empty name. Null where the node does not say.
    features jsonb, -- status.features: what the container runtime can do, by name, as true or false; null where the node does not say.
    declared_features text[], -- status.declaredFeatures: features that the kubelet declares, sorted; null where it declares none.
    CHECK ((valid_from < valid_to))
) partition by range (valid_to);
CREATE INDEX node_history_node_valid_from_idx ON ONLY ledger.node_history USING btree (node, valid_from);
CREATE INDEX node_history_uid_valid_from_idx ON ONLY ledger.node_history USING btree (uid, valid_from);
CREATE INDEX node_history_valid_from_idx ON ONLY ledger.node_history USING btree (valid_from);

-- Notifications, written in the transaction that decided them and sent in order for each group of a receiver.
create table ledger.outbox (
    outbox_id bigint not null generated always as identity, -- Its number: the order of one stream.
    idempotency_key text not null, -- What makes it one and the same decision.
    receiver text not null, -- Receiver.
    stream_id text not null, -- What keeps its order: one receiver's group, whatever its incarnation.
    dedup_key text not null, -- Key under which the receiver knows the incident.
    incarnation bigint not null, -- Which life of the group the key belongs to.
    secret_ref text, -- Reference of the secret it is sent with, where the receiver has one.
    kind text not null, -- trigger, acknowledge or resolve.
    reason text not null, -- Why it is sent.
    slot timestamptz not null, -- Slot of the decision.
    rule text, -- Rule of the instance it is about; NULL where there are several.
    fingerprint text, -- Hash of that instance's labels.
    message jsonb not null, -- What is to be said; holds no secret.
    state text not null default 'queued'::text, -- queued, sent, cancelled (overtaken before anybody was notified) or dead (refused for good).
    attempts integer not null default 0, -- How often it was tried.
    first_attempt_at timestamptz, -- When it was first tried.
    due_at timestamptz not null, -- When it is tried next.
    claimed_by text, -- Evaluator that is sending it.
    claimed_until timestamptz, -- Until when nobody else may.
    last_error text, -- What went wrong at the newest attempt.
    queued_at timestamptz not null, -- When it was decided.
    settled_at timestamptz, -- When it was sent, cancelled or given up.
    PRIMARY KEY (outbox_id),
    UNIQUE (idempotency_key),
    CHECK ((kind = ANY (ARRAY['trigger'::text, 'acknowledge'::text, 'resolve'::text]))),
    CHECK ((state = ANY (ARRAY['queued'::text, 'sent'::text, 'cancelled'::text, 'dead'::text])))
) with (fillfactor=70);
CREATE INDEX outbox_due ON ledger.outbox USING btree (due_at, outbox_id) WHERE (state = 'queued'::text);
CREATE INDEX outbox_key ON ledger.outbox USING btree (dedup_key);
CREATE INDEX outbox_open ON ledger.outbox USING btree (stream_id, outbox_id) WHERE (state = 'queued'::text);
CREATE INDEX outbox_settled ON ledger.outbox USING btree (settled_at) WHERE (state <> 'queued'::text);

-- Who owns namespaces that no label or annotation gives an owner, by date; the first entry that matches counts.
create table ledger.owner_map (
    owner_id integer not null generated always as identity, -- Number of the entry.
    "position" integer not null, -- Place in the file, from 1.
    datacenter text, -- Datacenter; NULL = any.
    cluster text, -- Cluster; NULL = any.
    namespace text, -- Namespace, * stands for anything; NULL = every namespace of the cluster: its default owner.
    team text not null, -- Team.
    valid_from timestamptz not null, -- Since when.
    valid_to timestamptz, -- Until when, exclusive; NULL = still.
    applied_at timestamptz not null default now(), -- When it was applied.
    applied_by text not null, -- Who applied it.
    superseded_at timestamptz, -- When a newer map took its place; NULL = stands.
    PRIMARY KEY (owner_id),
    CHECK ((valid_from < valid_to))
);

-- What one receiver is notified of as one incident: an instance, or an alert of a cluster.
create table ledger.page_group (
    stream_id text not null, -- Hash of receiver and group key: its notifications keep their order.
    receiver text not null, -- Receiver.
    group_key jsonb not null, -- Labels that make the group.
    incarnation bigint not null, -- Raised when it opens again after a full resolve, and at each snooze that ends.
    members jsonb not null, -- Open instances by rule and hash of labels; true for those that were acknowledged or snoozed.
    notified_at timestamptz, -- When the newest notification that it fires was or is to be sent.
    secret_ref text, -- Reference of the secret this incarnation was opened with; its end goes the same way.
    changed_slot timestamptz not null, -- Newest slot that changed it.
    PRIMARY KEY (stream_id)
) with (fillfactor=70);

-- Tables partitioned by day, and how long their rows are kept.
create table ledger.partitioned_table (
    table_name text not null, -- Table in schema ledger.
    range_column text not null, -- Column it is partitioned by.
    has_old_partition boolean not null, -- True if one partition takes everything before the first day.
    retention_days integer not null, -- Days after which a partition is dropped.
    fillfactor integer not null default 100, -- How far the pages of a new partition are filled, in percent.
    PRIMARY KEY (table_name),
    CHECK (((fillfactor >= 10) AND (fillfactor <= 100))),
    CHECK ((retention_days >= 1))
);

-- Every pod that exists, its newest version.
create table ledger.pod (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    uid uuid not null, -- Kubernetes uid of the pod: its identity.
    uid_text text, -- Text of uid where that was hashed from another form; NULL in the common case.
    namespace text not null, -- Namespace name.
    pod text not null, -- Pod name.
    created_at timestamptz, -- metadata.creationTimestamp; NULL where the object has none.
    deletion_requested_at timestamptz, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    deletion_grace_seconds bigint, -- metadata.deletionGracePeriodSeconds, in seconds.
    labels jsonb not null, -- Allow-listed labels.
    annotations jsonb not null, -- Allow-listed annotations.
    finalizers text[] not null, -- metadata.finalizers, sorted.
    node text, -- Node the pod is bound to.
    nominated_node text, -- Node a preempting pod waits for.
    phase text not null, -- Pending, Running, Succeeded, Failed or Unknown.
    reason text, -- status.reason, such as Evicted.
    message text, -- status.message, cut at 1024 bytes.
    qos_class text, -- Guaranteed, Burstable or BestEffort.
    priority integer, -- Resolved priority.
    priority_class text, -- Priority class name.
    owner_kind text, -- Kind of the controlling owner reference.
    owner text, -- Name of the controlling owner.
    owner_uid uuid, -- Uid of the controlling owner.
    owner_uid_text text, -- Text of owner_uid where that was hashed from another form; NULL in the common case.
    workload_kind text, -- Kind of the top-level owner, such as Deployment; of the last owner known by reference where owner_resolved is false.
    workload text, -- Name of the top-level owner, or of that one.
    workload_uid uuid, -- Uid of the top-level owner, or of that one.
    workload_uid_text text, -- Text of workload_uid where that was hashed from another form; NULL in the common case.
    owner_resolved boolean not null, -- True if the chain of owners was followed to its end; true for a pod without an owner.
    service_account text, -- Service account name.
    scheduler text, -- Scheduler name.
    runtime_class text, -- Runtime class name.
    restart_policy text not null, -- Always, OnFailure or Never.
    host_network boolean not null, -- True if the pod uses the host's network.
    host_pid boolean not null, -- True if the pod uses the host's process namespace.
    host_ipc boolean not null, -- True if the pod uses the host's IPC namespace.
    host_ip text, -- IP of the node.
    pod_ips text[] not null, -- IPs of the pod: the primary one, then the others sorted.
    started_at timestamptz, -- status.startTime: when the kubelet acknowledged the pod.
    conditions jsonb not null, -- Conditions, sorted by type; probe times left out.
    scheduled_at timestamptz, -- When the pod was bound to its node.
    unschedulable_reason text, -- Reason of condition PodScheduled while it is False, such as Unschedulable or SchedulingGated; NULL for a pod that is bound.
    unschedulable_message text, -- The scheduler's message while the pod cannot be scheduled; NULL for a pod that is bound.
    ready boolean not null, -- True if condition Ready is True.
    ready_since timestamptz, -- Since when condition Ready is True; NULL while it is not.
    finished_at timestamptz, -- When a pod that Succeeded or Failed ended: with its last container; one evicted before they ran, with the eviction; one that the kubelet rejected, when it was scheduled. NULL = nobody says.
    restart_count integer not null, -- Restarts of all containers together, init containers and sidecars included.
    request_cpu_millicores bigint, -- Request: CPU in thousandths of a core; NULL = not set.
    request_memory_bytes bigint, -- Request: memory in bytes; NULL = not set.
    request_ephemeral_storage_bytes bigint, -- Request: ephemeral storage in bytes; NULL = not set.
    request_gpu_millis bigint, -- Request: GPUs in thousandths of a card; NULL = not set.
    request_other jsonb not null, -- Request: other resources by name.
    limit_cpu_millicores bigint, -- Limit: CPU in thousandths of a core; NULL = not set.
    limit_memory_bytes bigint, -- Limit: memory in bytes; NULL = not set.
    limit_ephemeral_storage_bytes bigint, -- Limit: ephemeral storage in bytes; NULL = not set.
    limit_gpu_millis bigint, -- Limit: GPUs in thousandths of a card; NULL = not set.
    limit_other jsonb not null, -- Limit: other resources by name.
    overhead_cpu_millicores bigint, -- Overhead: CPU in thousandths of a core; NULL = not set.
    overhead_memory_bytes bigint, -- Overhead: memory in bytes; NULL = not set.
    overhead_ephemeral_storage_bytes bigint, -- Overhead: ephemeral storage in bytes; NULL = not set.
    overhead_gpu_millis bigint, -- Overhead: GPUs in thousandths of a card; NULL = not set.
    overhead_other jsonb not null, -- Overhead: other resources by name.
    host_path_mounts jsonb not null, -- hostPath volumes and who mounts them, sorted by volume.
    containers_count bigint not null, -- Number of container rows that belong to the pod.
    containers_xor_hi bigint not null, -- High half of the XOR of their row hashes.
    containers_xor_lo bigint not null, -- Low half of the XOR of their row hashes.
    body_hash_hi bigint, -- High half of the content hash of the body that travelled; NULL once audit found the row altered.
    body_hash_lo bigint, -- Low half of that hash.
    row_hash_hi bigint not null, -- High half of the hash of the row's own columns; a change makes a version.
    row_hash_lo bigint not null, -- Low half of that hash.
    writer_schema bigint not null, -- Fingerprint of the Avro schema the row's writer used; see ledger.avro_schema.
    reader_version smallint not null, -- Version of the reader that landed the row.
    unknown jsonb, -- Fields the writer sent that this reader does not know; NULL in the common case.
    valid_from timestamptz not null, -- Begin of this version: from here on the object was so.
    observed_at timestamptz not null, -- When the emitter observed this version.
    landed_at timestamptz not null, -- When this version was committed here.
    status text, -- STATUS as kubectl prints it, such as Running, CrashLoopBackOff, Init:0/1, Completed or Terminating.
    preemption_policy text, -- spec.preemptionPolicy: PreemptLowerPriority or Never.
    termination_grace_period_seconds bigint, -- spec.terminationGracePeriodSeconds: how long the pod may take to end when nobody says otherwise, in seconds.
    hostname text, -- spec.hostname: name of the host that the pod sees, where it is not the pod's.
    restarts integer, -- RESTARTS as kubectl prints it: of init containers while the pod initializes, of sidecars and app containers afterwards.
    last_restart_at timestamptz, -- When the run before the newest of these restarts ended, which kubectl prints as its age; NULL if there was no restart.
    ready_containers text, -- READY as kubectl prints it, such as 1/2: containers that are ready, of all app containers and sidecars.
    PRIMARY KEY (cluster_id, uid)
) with (fillfactor=60);
CREATE INDEX pod_created ON ledger.pod USING btree (created_at);
CREATE INDEX pod_demand ON ledger.pod USING btree (cluster_id, node) INCLUDE (request_cpu_millicores, request_memory_bytes, request_gpu_millis) WHERE ((phase <> ALL (ARRAY['Succeeded'::text, 'Failed'::text])) AND (node IS NOT NULL));
CREATE INDEX pod_failed ON ledger.pod USING btree (cluster_id) WHERE (phase = 'Failed'::text);
CREATE INDEX pod_gpu ON ledger.pod USING btree (cluster_id, node) WHERE (request_gpu_millis IS NOT NULL);
CREATE INDEX pod_host_network ON ledger.pod USING btree (cluster_id, namespace) WHERE host_network;
CREATE INDEX pod_namespace_pod ON ledger.pod USING btree (namespace, pod);
CREATE INDEX pod_node ON ledger.pod USING btree (node) WHERE (node IS NOT NULL);
CREATE INDEX pod_pending ON ledger.pod USING btree (cluster_id) WHERE (phase = 'Pending'::text);
CREATE INDEX pod_terminating ON ledger.pod USING btree (cluster_id) WHERE (deletion_requested_at IS NOT NULL);
CREATE INDEX pod_workload ON ledger.pod USING btree (workload_uid) WHERE (workload_uid IS NOT NULL);
create policy everything on ledger.pod for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.pod for select to fleetledger_team using ((cluster_id, namespace) IN ( SELECT cluster_id, namespace FROM ledger.namespace_team o));
-- statistics 0: annotations, conditions, finalizers, host_path_mounts, labels, limit_other, overhead_other, pod_ips, request_other, unknown

-- Closed versions of pod rows, append-only, partitioned by valid_to.
create table ledger.pod_history (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    uid uuid not null, -- Kubernetes uid of the pod: its identity.
    uid_text text, -- Text of uid where that was hashed from another form; NULL in the common case.
    namespace text not null, -- Namespace name.
    pod text not null, -- Pod name.
    created_at timestamptz, -- metadata.creationTimestamp; NULL where the object has none.
    deletion_requested_at timestamptz, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    deletion_grace_seconds bigint, -- metadata.deletionGracePeriodSeconds, in seconds.
    labels jsonb not null, -- Allow-listed labels.
    annotations jsonb not null, -- Allow-listed annotations.
    finalizers text[] not null, -- metadata.finalizers, sorted.
    node text, -- Node the pod is bound to.
    nominated_node text, -- Node a preempting pod waits for.
    phase text not null, -- Pending, Running, Succeeded, Failed or Unknown.
    reason text, -- status.reason, such as Evicted.
    message text, -- status.message, cut at 1024 bytes.
    qos_class text, -- Guaranteed, Burstable or BestEffort.
    priority integer, -- Resolved priority.
    priority_class text, -- Priority class name.
    owner_kind text, -- Kind of the controlling owner reference.
    owner text, -- Name of the controlling owner.
    owner_uid uuid, -- Uid of the controlling owner.
    owner_uid_text text, -- Text of owner_uid where that was hashed from another form; NULL in the common case.
    workload_kind text, -- Kind of the top-level owner, such as Deployment; of the last owner known by reference where owner_resolved is false.
    workload text, -- Name of the top-level owner, or of that one.
    workload_uid uuid, -- Uid of the top-level owner, or of that one.
    workload_uid_text text, -- Text of workload_uid where that was hashed from another form; NULL in the common case.
    owner_resolved boolean not null, -- True if the chain of owners was followed to its end; true for a pod without an owner.
    service_account text, -- Service account name.
    scheduler text, -- Scheduler name.
    runtime_class text, -- Runtime class name.
    restart_policy text not null, -- Always, OnFailure or Never.
    host_network boolean not null, -- True if the pod uses the host's network.
    host_pid boolean not null, -- True if the pod uses the host's process namespace.
    host_ipc boolean not null, -- True if the pod uses the host's IPC namespace.
    host_ip text, -- IP of the node.
    pod_ips text[] not null, -- IPs of the pod: the primary one, then the others sorted.
    started_at timestamptz, -- status.startTime: when the kubelet acknowledged the pod.
    conditions jsonb not null, -- Conditions, sorted by type; probe times left out.
    scheduled_at timestamptz, -- When the pod was bound to its node.
    unschedulable_reason text, -- Reason of condition PodScheduled while it is False, such as Unschedulable or SchedulingGated; NULL for a pod that is bound.
    unschedulable_message text, -- The scheduler's message while the pod cannot be scheduled; NULL for a pod that is bound.
    ready boolean not null, -- True if condition Ready is True.
    ready_since timestamptz, -- Since when condition Ready is True; NULL while it is not.
    finished_at timestamptz, -- When a pod that Succeeded or Failed ended: with its last container; one evicted before they ran, with the eviction; one that the kubelet rejected, when it was scheduled. NULL = nobody says.
    restart_count integer not null, -- Restarts of all containers together, init containers and sidecars included.
    request_cpu_millicores bigint, -- Request: CPU in thousandths of a core; NULL = not set.
    request_memory_bytes bigint, -- Request: memory in bytes; NULL = not set.
    request_ephemeral_storage_bytes bigint, -- Request: ephemeral storage in bytes; NULL = not set.
    request_gpu_millis bigint, -- Request: GPUs in thousandths of a card; NULL = not set.
    request_other jsonb not null, -- Request: other resources by name.
    limit_cpu_millicores bigint, -- Limit: CPU in thousandths of a core; NULL = not set.
    limit_memory_bytes bigint, -- Limit: memory in bytes; NULL = not set.
    limit_ephemeral_storage_bytes bigint, -- Limit: ephemeral storage in bytes; NULL = not set.
    limit_gpu_millis bigint, -- Limit: GPUs in thousandths of a card; NULL = not set.
    limit_other jsonb not null, -- Limit: other resources by name.
    overhead_cpu_millicores bigint, -- Overhead: CPU in thousandths of a core; NULL = not set.
    overhead_memory_bytes bigint, -- Overhead: memory in bytes; NULL = not set.
    overhead_ephemeral_storage_bytes bigint, -- Overhead: ephemeral storage in bytes; NULL = not set.
    overhead_gpu_millis bigint, -- Overhead: GPUs in thousandths of a card; NULL = not set.
    overhead_other jsonb not null, -- Overhead: other resources by name.
    host_path_mounts jsonb not null, -- hostPath volumes and who mounts them, sorted by volume.
    containers_count bigint not null, -- Number of container rows that belong to the pod.
    containers_xor_hi bigint not null, -- High half of the XOR of their row hashes.
    containers_xor_lo bigint not null, -- Low half of the XOR of their row hashes.
    body_hash_hi bigint, -- High half of the content hash of the body that travelled; NULL once audit found the row altered.
    body_hash_lo bigint, -- Low half of that hash.
    row_hash_hi bigint not null, -- High half of the hash of the row's own columns; a change makes a version.
    row_hash_lo bigint not null, -- Low half of that hash.
    writer_schema bigint not null, -- Fingerprint of the Avro schema the row's writer used; see ledger.avro_schema.
    reader_version smallint not null, -- Version of the reader that landed the row.
    unknown jsonb, -- Fields the writer sent that this reader does not know; NULL in the common case.
    valid_from timestamptz not null, -- Begin of this version: from here on the object was so.
    observed_at timestamptz not null, -- When the emitter observed this version.
    landed_at timestamptz not null, -- When this version was committed here.
    valid_to timestamptz not null, -- End of this version, exclusive.
    closed_reason text not null, -- Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.
    status text, -- STATUS as kubectl prints it, such as Running, CrashLoopBackOff, Init:0/1, Completed or Terminating.
    preemption_policy text, -- spec.preemptionPolicy: PreemptLowerPriority or Never.
    termination_grace_period_seconds bigint, -- spec.terminationGracePeriodSeconds: how long the pod may take to end when nobody says otherwise, in seconds.
    hostname text, -- spec.hostname: name of the host that the pod sees, where it is not the pod's.
    restarts integer, -- RESTARTS as kubectl prints it: of init containers while the pod initializes, of sidecars and app containers afterwards.
    last_restart_at timestamptz, -- When the run before the newest of these restarts ended, which kubectl prints as its age; NULL if there was no restart.
    ready_containers text, -- READY as kubectl prints it, such as 1/2: containers that are ready, of all app containers and sidecars.
    CHECK ((valid_from < valid_to))
) partition by range (valid_to);
CREATE INDEX pod_history_namespace_valid_from_idx ON ONLY ledger.pod_history USING btree (namespace, valid_from);
CREATE INDEX pod_history_uid_valid_from_idx ON ONLY ledger.pod_history USING btree (uid, valid_from);
CREATE INDEX pod_history_valid_from_idx ON ONLY ledger.pod_history USING btree (valid_from);
create policy everything on ledger.pod_history for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.pod_history for select to fleetledger_team using (((cluster_id, namespace) IN ( SELECT cluster_id, namespace FROM ledger.owner_span o)) AND (EXISTS ( SELECT FROM ledger.owner_span o WHERE ((cluster_id = pod_history.cluster_id) AND (namespace = pod_history.namespace) AND (valid_from < pod_history.valid_to) AND (valid_to > pod_history.valid_from)))));

-- Classes of nodes of a price sheet and their prices; the first class that a node matches counts.
create table ledger.price_class (
    sheet_id integer not null, -- Price sheet.
    "position" integer not null, -- Place in the sheet, from 1.
    class text not null, -- Name of the class of nodes.
    instance_types text[] not null, -- Instance types it matches (label node.kubernetes.io/instance-type); empty = any.
    labels jsonb not null, -- Labels a node needs, all of them; empty = none.
    per text not null, -- Time the prices are for.
    node_price numeric, -- Price of a whole node; NULL = priced by resource.
    core_price numeric, -- Price of a core; NULL = priced by node.
    gib_price numeric, -- Price of a GiB of memory; NULL = priced by node.
    gpu_price numeric, -- Price of a GPU card; NULL = priced by node.
    cpu_to_ram numeric, -- What a core costs, in GiB of memory, where a node's price is split.
    gpu_to_ram numeric, -- What a GPU card costs, in GiB of memory, where a node's price is split.
    discount numeric not null default 0, -- Share that is taken off, such as 0.1.
    PRIMARY KEY (sheet_id, "position"),
    FOREIGN KEY (sheet_id) REFERENCES ledger.price_sheet(sheet_id),
    CHECK (((node_price IS NULL) = ((core_price IS NOT NULL) AND (gib_price IS NOT NULL) AND (gpu_price IS NOT NULL)))),
    CHECK ((core_price >= (0)::numeric)),
    CHECK ((cpu_to_ram > (0)::numeric)),
    CHECK (((discount >= (0)::numeric) AND (discount < (1)::numeric))),
    CHECK ((gib_price >= (0)::numeric)),
    CHECK ((gpu_price >= (0)::numeric)),
    CHECK ((gpu_to_ram > (0)::numeric)),
    CHECK ((node_price >= (0)::numeric)),
    CHECK ((per = ANY (ARRAY['hour'::text, 'month'::text])))
);

-- Price sheets, each version of each; hours are rated by the newest version of the sheet in force.
create table ledger.price_sheet (
    sheet_id integer not null generated always as identity, -- Small number that rated hours carry.
    sheet text not null, -- Name of the sheet.
    datacenters text[], -- Datacenters it is for; NULL = all that no other sheet in force names.
    valid_from timestamptz not null, -- Since when it is in force.
    valid_to timestamptz, -- Until when, exclusive; NULL = until another one begins.
    currency text not null, -- ISO 4217 code of the currency.
    month_basis text not null, -- What a price per month is divided by: the hours of the calendar month, or 730.
    sha256 text not null, -- SHA-256 of what it says.
    applied_at timestamptz not null default now(), -- When this version was applied.
    applied_by text not null, -- Who applied it.
    superseded_at timestamptz, -- When a newer version took its place, or it was withdrawn; NULL = stands.
    PRIMARY KEY (sheet_id),
    CHECK ((valid_from < valid_to)),
    CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CHECK ((month_basis = ANY (ARRAY['calendar'::text, '730h'::text])))
);
CREATE UNIQUE INDEX price_sheet_current ON ledger.price_sheet USING btree (sheet, valid_from) WHERE (superseded_at IS NULL);

-- Sources whose records go to the dead letters until someone looks at them.
create table ledger.quarantine (
    quarantine_id bigint not null generated always as identity, -- Its number.
    datacenter text not null, -- Datacenter the source names.
    cluster text not null, -- Cluster the source names.
    cluster_uid text not null, -- Cluster uid the source names.
    topic text, -- Topic; NULL for all.
    reason text not null, -- poisoned, duplicate_cluster_uid, name_taken or not_admitted.
    detail text not null, -- What was seen and what to do.
    since timestamptz not null default now(), -- When it began.
    released_at timestamptz, -- When it ended.
    records bigint not null default 0, -- Records that went to the dead letters because of it.
    PRIMARY KEY (quarantine_id)
);
CREATE UNIQUE INDEX quarantine_open ON ledger.quarantine USING btree (datacenter, cluster, cluster_uid, COALESCE(topic, ''::text)) WHERE (released_at IS NULL);

-- Files of rules that each evaluator refuses at present; a version that it read before goes on.
create table ledger.refused_rule (
    evaluator text not null, -- Evaluator that refuses it.
    file text not null, -- The file.
    rule text not null, -- Id of the rule that it would be: the file name without folder and ending.
    reason text not null, -- Everything that is wrong with it, with line and column, and what to do.
    since timestamptz not null, -- Since when it is refused for this reason.
    PRIMARY KEY (evaluator, file),
    FOREIGN KEY (evaluator) REFERENCES ledger.evaluator(evaluator) ON DELETE CASCADE
);

-- Of which texts functions and views were made.
create table ledger.repeatable_set (
    only_row boolean not null default true, -- There is one row.
    sha256 text not null, -- SHA-256 of all of them.
    replaced_at timestamptz not null default now(), -- When they were last replaced.
    PRIMARY KEY (only_row),
    CHECK (only_row)
);

-- Each cluster every five minutes: what it had at the end of them, and restarts within them. Filled by rollup cluster.
create table ledger.rollup_cluster (
    window_at timestamptz not null, -- Begin of the five minutes.
    datacenter text not null, -- Datacenter.
    cluster text not null, -- Cluster.
    nodes bigint not null, -- Nodes.
    nodes_ready bigint not null, -- Nodes that are Ready and not silent.
    nodes_cordoned bigint not null, -- Nodes that are cordoned.
    cpu_allocatable_cores numeric, -- Allocatable CPU cores of all nodes.
    memory_allocatable_bytes numeric, -- Allocatable memory of all nodes, in bytes.
    gpu_allocatable numeric, -- Allocatable GPU cards of all nodes.
    pods bigint not null, -- Pods.
    pods_running bigint not null, -- Pods in phase Running.
    pods_ready bigint not null, -- Pods that are ready.
    pods_pending bigint not null, -- Pods in phase Pending.
    pods_failed bigint not null, -- Pods in phase Failed.
    cpu_request_cores numeric, -- CPU cores requested by pods that have not ended.
    memory_request_bytes numeric, -- Bytes of memory requested by pods that have not ended.
    gpu_request numeric, -- GPU cards requested by pods that have not ended.
    restarts bigint not null, -- Restarts of containers within the five minutes.
    PRIMARY KEY (window_at, datacenter, cluster)
) partition by range (window_at);

-- The batch ledger by topic and five minutes. Filled by rollup ingest.
create table ledger.rollup_ingest (
    window_at timestamptz not null, -- Begin of the five minutes.
    topic text not null, -- Topic.
    batches bigint not null, -- Batches committed.
    delivered bigint not null, -- Records Kafka delivered.
    landed bigint not null, -- Records that changed a row.
    unchanged bigint not null, -- Records equal to what stands.
    superseded bigint not null, -- Records of a deposed emitter, or older than what stands.
    deleted bigint not null, -- Records that ended an object.
    control bigint not null, -- Marks, sweep points, schemas.
    dead bigint not null, -- Records that went to the dead letters.
    PRIMARY KEY (window_at, topic)
) partition by range (window_at);

-- Each namespace every hour: what it had at the end of it, and restarts within it. Filled by rollup namespace.
create table ledger.rollup_namespace (
    window_at timestamptz not null, -- Begin of the hour.
    datacenter text not null, -- Datacenter.
    cluster text not null, -- Cluster.
    namespace text not null, -- Namespace.
    team text, -- Owner of the namespace when the hour was filled.
    pods bigint not null, -- Pods.
    pods_running bigint not null, -- Pods in phase Running.
    pods_ready bigint not null, -- Pods that are ready.
    pods_pending bigint not null, -- Pods in phase Pending.
    pods_failed bigint not null, -- Pods in phase Failed.
    cpu_request_cores numeric, -- CPU cores requested by pods that have not ended.
    memory_request_bytes numeric, -- Bytes of memory requested by pods that have not ended.
    gpu_request numeric, -- GPU cards requested by pods that have not ended.
    restarts bigint not null, -- Restarts of containers within the hour.
    PRIMARY KEY (window_at, datacenter, cluster, namespace)
) partition by range (window_at);
CREATE INDEX rollup_namespace_namespace_window_at_idx ON ONLY ledger.rollup_namespace USING btree (namespace, window_at);
CREATE INDEX rollup_namespace_team_window_at_idx ON ONLY ledger.rollup_namespace USING btree (team, window_at) WHERE (team IS NOT NULL);
create policy everything on ledger.rollup_namespace for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.rollup_namespace for select to fleetledger_team using (team IN ( SELECT team FROM ledger.team_role r));

-- Windows that a rollup has filled, and up to when its sources were known then.
create table ledger.rollup_window (
    rollup text not null, -- Name of the rollup.
    window_at timestamptz not null, -- Begin of the window.
    window_end_at timestamptz not null, -- End of the window.
    row_count bigint not null, -- Rows it holds.
    known_until timestamptz not null, -- Up to when every source was known when it was last filled.
    complete boolean not null, -- True if every source was known to the end of the window; else it is filled again when more is known.
    version text not null, -- SHA-256 of the file it was last filled by.
    filled_at timestamptz not null, -- When it was last filled.
    fillings integer not null default 1, -- How many times it was filled.
    sources_behind integer not null default 0, -- Sources that were not known to the end of the window when it was last filled.
    PRIMARY KEY (rollup, window_at),
    CHECK ((window_at < window_end_at))
) with (fillfactor=80);
CREATE INDEX rollup_window_incomplete ON ledger.rollup_window USING btree (rollup, window_at) WHERE (NOT complete);

-- Every rule that is or was evaluated, with where it stands.
create table ledger.rule (
    rule text not null, -- Its id: the file name without folder and ending.
    kind text not null, -- alert, record or rollup.
    rule_name text not null, -- Name of the alert, of the series, or of the rollup.
    rule_group text not null, -- Group it belongs to.
    file text not null, -- File it was read from.
    version text not null, -- SHA-256 of that file.
    identity text not null, -- What the identity of its instances rests on; another one resolves the old instances.
    query_text text not null, -- Its SQL.
    interval_seconds double precision not null, -- How often it runs, in seconds.
    for_seconds double precision not null default 0, -- How long the condition must hold before it fires, in seconds.
    mode text not null default 'live'::text, -- live, shadow (notifies nobody) or disabled.
    labels jsonb not null default '{}'::jsonb, -- Labels every instance gets.
    annotations jsonb not null default '{}'::jsonb, -- Templates of its annotations.
    receivers text[] not null default '{}'::text[], -- Receivers it names; empty where routes decide.
    loaded_at timestamptz not null, -- When this version was first run by.
    removed_at timestamptz, -- When it was gone from the folder, or refused by an evaluator that had read no earlier version.
    state text not null default 'new'::text, -- new, ok, error or removed.
    last_slot timestamptz, -- Newest slot it was run for.
    last_ok_slot timestamptz, -- Newest slot at which its query gave an answer.
    last_seconds double precision, -- How long its query took then, in seconds.
    last_rows bigint, -- Rows it gave then.
    last_error text, -- What went wrong at the newest slot; NULL if nothing did.
    failures integer not null default 0, -- Slots in a row at which its query failed.
    too_slow integer not null default 0, -- Slots in a row at which it took more than half of its timeout.
    limit_exceeded boolean not null default false, -- True if it gave more rows than its limit at the newest slot.
    PRIMARY KEY (rule),
    CHECK ((kind = ANY (ARRAY['alert'::text, 'record'::text, 'rollup'::text]))),
    CHECK ((mode = ANY (ARRAY['live'::text, 'shadow'::text, 'disabled'::text]))),
    CHECK ((state = ANY (ARRAY['new'::text, 'ok'::text, 'error'::text, 'removed'::text])))
) with (fillfactor=50);

-- Groups of rules: one interval, one instant of evaluation, one evaluator at a time.
create table ledger.rule_group (
    rule_group text not null, -- Name of the group.
    interval_seconds double precision not null, -- How often it is evaluated, in seconds.
    owner text, -- Evaluator that claimed it.
    epoch bigint not null default 0, -- Number of the current claim; a slot of an earlier claim is not applied.
    lease_until timestamptz, -- Until when nobody else may claim it.
    last_slot timestamptz, -- Newest slot that every rule of it was run for.
    missed_slots bigint not null default 0, -- Slots that nobody ran in time; they are counted and never run later.
    removed_at timestamptz, -- When the last rule of it was removed.
    PRIMARY KEY (rule_group),
    CHECK ((interval_seconds > (0)::double precision))
) with (fillfactor=50);

-- Every run of a rule; its key is why no slot is applied twice.
create table ledger.rule_run (
    rule text not null, -- Rule.
    slot timestamptz not null, -- Slot: a whole multiple of the interval.
    rule_version text not null, -- SHA-256 of the rule's file.
    rule_set text not null, -- SHA-256 of the set of rules it belonged to.
    evaluator text not null, -- Who ran it.
    epoch bigint not null, -- Claim of its group under which it ran.
    as_of timestamptz not null, -- Instant its query asked about: the slot less query_offset.
    outcome text not null, -- ok, or error: the query gave no answer, which is not the same as no rows.
    error text, -- What went wrong.
    query_seconds double precision not null, -- How long the query took, in seconds.
    rows bigint not null, -- Rows it gave.
    changed bigint not null, -- Instances it changed.
    queued bigint not null, -- Notifications it queued.
    limit_exceeded boolean not null default false, -- True if there were more rows than the rule's limit: no instance was made.
    applied_at timestamptz not null, -- When it was applied.
    PRIMARY KEY (rule, slot),
    CHECK ((outcome = ANY (ARRAY['ok'::text, 'error'::text])))
) partition by range (slot);

-- The set of rule files that evaluators run by; one with other files stands by.
create table ledger.rule_set (
    only_row boolean not null default true, -- There is one row.
    sha256 text not null, -- SHA-256 over the ids and versions of all its rules.
    generation bigint not null, -- Raised whenever another set becomes the active one.
    activated_at timestamptz not null, -- When it became the active one.
    activated_by text not null, -- Evaluator that made it so.
    PRIMARY KEY (only_row),
    CHECK (only_row)
);

-- Settings that views and functions read.
create table ledger.setting (
    name text not null, -- Name of the setting, such as owners.namespace_label.
    value text not null, -- Its value.
    set_at timestamptz not null default now(), -- When it was set.
    PRIMARY KEY (name)
);

-- Snoozes and planned silences; each has an owner, a reason and an end.
create table ledger.snooze (
    snooze_id bigint not null generated always as identity, -- Its number.
    kind text not null, -- snooze (of something that fires; ends once that has been resolved for 15 minutes) or silence (planned; lasts to its end).
    matchers jsonb not null, -- Label matchers such as node="n1", all of which must hold.
    from_at timestamptz not null, -- When it begins.
    until_at timestamptz not null, -- When it ends; 30 days later at most.
    created_by text not null, -- Who snoozed.
    reason text not null, -- Why.
    created_at timestamptz not null, -- When it was written down.
    ended_at timestamptz, -- Slot or instant at which it ended before its time.
    ended_by text, -- Who ended it.
    ended_reason text, -- unsnoozed, or resolved: nothing it matches has been firing for 15 minutes.
    PRIMARY KEY (snooze_id),
    CHECK ((from_at < until_at)),
    CHECK ((until_at <= (from_at + '30 days'::interval))),
    CHECK (((ended_at IS NULL) = (ended_reason IS NULL))),
    CHECK ((kind = ANY (ARRAY['snooze'::text, 'silence'::text])))
);
CREATE INDEX snooze_open ON ledger.snooze USING btree (until_at) WHERE (ended_at IS NULL);

-- The newest sweep of each (cluster, kind, shard).
create table ledger.sweep (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    kind smallint not null, -- Kind number.
    shard integer not null, -- Shard.
    sweep_id text not null, -- Its identity.
    epoch bigint not null, -- Leadership term of the emitter that sent it.
    begin_sequence bigint not null, -- ce_logsequence of its begin.
    begin_offset bigint not null, -- Offset of its begin; a claim inside the sweep reads again from here.
    begin_at timestamptz not null, -- ce_time of its begin.
    end_at timestamptz, -- ce_time of its end.
    state text not null, -- running, complete, void: it had a hole and closed nothing, or held: it would have closed too much, and a second one must agree.
    void_reason text, -- Why it is void.
    objects bigint not null default 0, -- Objects it named.
    closed_objects bigint not null default 0, -- Objects closed because it did not name them.
    missed_changes bigint, -- Differences the emitter found between the API server and its memory.
    generation bigint not null default 0, -- Generation of ledger.kind_state when it began.
    healed_generation bigint not null default 0, -- Generation that the newest complete sweep has healed; until it reaches ledger.kind_state.generation every record lands unconditionally.
    held_objects bigint not null default 0, -- Objects it would have closed, where it is held.
    held_at timestamptz, -- Since when, by the ingester's clock, a sweep that would close too much waits for a second one.
    PRIMARY KEY (cluster_id, kind, shard),
    FOREIGN KEY (cluster_id) REFERENCES ledger.cluster(cluster_id),
    CHECK ((state = ANY (ARRAY['running'::text, 'complete'::text, 'void'::text, 'held'::text])))
);

-- The newest comparison of what stands in a table with the fold of what was delivered.
create table ledger.table_sum (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    kind smallint not null, -- Kind number.
    table_count bigint not null, -- Rows that stand.
    fold_count bigint not null, -- Living objects delivered.
    dead_count bigint not null, -- Objects whose newest record is a dead letter.
    agrees boolean not null, -- True if count and XOR of rows and open dead keys equal the fold, and containers equal what their pods say.
    checked_at timestamptz not null, -- When it was compared.
    disagrees_since timestamptz, -- Since when it disagrees.
    PRIMARY KEY (cluster_id, kind),
    FOREIGN KEY (cluster_id) REFERENCES ledger.cluster(cluster_id)
);

-- Which role sees the rows of which team.
create table ledger.team_role (
    role_name text not null, -- Role of the server.
    team text not null, -- Team.
    granted_at timestamptz not null default now(), -- Since when.
    PRIMARY KEY (role_name)
);
create policy everything on ledger.team_role for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.team_role for select to fleetledger_team using pg_has_role((to_regrole(quote_ident(role_name)))::oid, 'usage'::text);

-- Partition and shard count of each topic, fixed when it was first read; a change halts ingestion.
create table ledger.topic (
    topic text not null, -- Name of the topic.
    kind smallint not null, -- Kind of its records: 1 node, 2 pod, 3 namespace, 4 workload, 5 watchdog, 6 usage.
    partitions integer not null, -- Its partition count.
    shards integer not null, -- Its shard count per cluster.
    recorded_at timestamptz not null default now(), -- When it was first read.
    PRIMARY KEY (topic),
    CHECK ((partitions > 0)),
    CHECK ((shards > 0))
);

-- A note of each batch that folded usage, until the hour is rated.
create table ledger.usage_fold (
    hour_at timestamptz not null, -- Begin of the UTC hour that usage was folded into.
    folded_at timestamptz not null default clock_timestamp() -- When it was.
);
CREATE INDEX usage_fold_hour ON ledger.usage_fold USING btree (hour_at);

-- Usage of each container in each UTC hour, as far as it is known; a container without a row was not seen.
create table ledger.usage_hourly (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    hour_at timestamptz not null, -- Begin of the UTC hour.
    pod_uid uuid not null, -- Kubernetes uid of the pod.
    container text not null, -- Container name.
    node text not null, -- Node it ran on.
    namespace text not null, -- Namespace of the pod.
    pod text not null, -- Name of the pod.
    covered_ms bigint not null, -- Time of the hour for which CPU and memory are known, in milliseconds.
    cpu_core_us bigint not null, -- CPU used in the covered time, in core-microseconds.
    memory_byte_seconds bigint not null, -- Memory used in the covered time, in byte-seconds.
    cpu_charged_core_us bigint not null, -- Sum of max(request, usage) over the covered time, in core-microseconds; a missing request counts as 0.
    memory_charged_byte_seconds bigint not null, -- The same for memory, in byte-seconds.
    cpu_max_millicores bigint not null, -- Highest CPU between two readings, in thousandths of a core.
    memory_max_bytes bigint not null, -- Highest memory read, in bytes.
    gpu_used_card_us bigint, -- GPUs used in their covered time, in card-microseconds; NULL = not seen.
    gpu_covered_ms bigint not null default 0, -- Time of the hour for which GPU usage is known, in milliseconds.
    folded_at timestamptz not null, -- When a window was last added.
    PRIMARY KEY (cluster_id, hour_at, pod_uid, container),
    CHECK ((covered_ms >= 0))
) partition by range (hour_at);
CREATE INDEX usage_hourly_hour_at_idx ON ONLY ledger.usage_hourly USING brin (hour_at);

-- Which minutes of each node's hours have been folded; a window that holds one of them again is superseded.
create table ledger.usage_window (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    hour_at timestamptz not null, -- Begin of the UTC hour.
    node_uid uuid not null, -- Kubernetes uid of the node.
    node text not null, -- Node name.
    minutes bigint not null, -- Minutes of the hour that were folded: bit 0 is the first.
    windows integer not null default 1, -- Windows that were folded.
    latest_window_end_at timestamptz not null, -- End of the latest one.
    folded_at timestamptz not null, -- When one was last folded.
    PRIMARY KEY (cluster_id, hour_at, node_uid),
    CHECK (((minutes > 0) AND (minutes < '1152921504606846976'::bigint)))
) partition by range (hour_at);
CREATE INDEX usage_window_hour_at_idx ON ONLY ledger.usage_window USING brin (hour_at);
CREATE TRIGGER note_insert AFTER INSERT ON ledger.usage_window REFERENCING NEW TABLE AS folded FOR EACH STATEMENT EXECUTE FUNCTION ledger.note_fold();
CREATE TRIGGER note_update AFTER UPDATE ON ledger.usage_window REFERENCING NEW TABLE AS folded FOR EACH STATEMENT EXECUTE FUNCTION ledger.note_fold();

-- Rows of the rollups that users write.
create table ledger.user_rollup (
    rollup text not null, -- Name of the rollup.
    window_at timestamptz not null, -- Begin of the window.
    row_number integer not null, -- Number of the row within its window.
    dimensions jsonb not null, -- What names the row, as texts by column.
    "values" jsonb not null, -- Its numbers by column; null = unknown.
    PRIMARY KEY (rollup, window_at, row_number),
    FOREIGN KEY (rollup, window_at) REFERENCES ledger.rollup_window(rollup, window_at) ON DELETE CASCADE
);

-- Every watchdog that exists, its newest version.
create table ledger.watchdog (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    uid uuid not null, -- Kubernetes uid of the watchdog: its identity.
    uid_text text, -- Text of uid where that was hashed from another form; NULL in the common case.
    watchdog text not null, -- Watchdog name.
    created_at timestamptz, -- metadata.creationTimestamp; NULL where the object has none.
    deletion_requested_at timestamptz, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    labels jsonb not null, -- Allow-listed labels.
    annotations jsonb not null, -- Allow-listed annotations.
    finalizers text[] not null, -- metadata.finalizers, sorted.
    scope text not null, -- Node or Cluster.
    check_name text not null, -- Name of the check it runs.
    interval_seconds bigint, -- Time between two runs, in seconds.
    severity text, -- Severity of its page.
    runbook text, -- Runbook.
    suspended boolean not null, -- True if it is suspended.
    snoozed_until timestamptz, -- End of the snooze in its spec.
    snoozed_by text, -- Who snoozed it.
    snooze_reason text, -- Why it was snoozed.
    generation bigint, -- metadata.generation.
    observed_generation bigint, -- status.observedGeneration.
    healthy_status text, -- Status of condition Healthy.
    reporting_status text, -- Status of condition Reporting.
    state text, -- Unknown, OK, Pending, Firing, Cooldown or Snoozed.
    episode bigint, -- Number of the current or last episode.
    incarnation bigint, -- Number of the current or last incident within the pager.
    dedup_key text, -- Dedup key of the page.
    nodes_desired integer, -- Nodes that should report.
    nodes_reporting integer, -- Nodes that report.
    nodes_ok integer, -- Nodes whose check passes.
    nodes_failing integer, -- Nodes whose check fails.
    nodes_unknown integer, -- Nodes whose check gave no answer.
    failing jsonb not null, -- The worst nodes, 20 at most.
    conditions jsonb not null, -- Conditions Healthy, Reporting and Accepted, sorted by type.
    body_hash_hi bigint, -- High half of the content hash of the body that travelled; NULL once audit found the row altered.
    body_hash_lo bigint, -- Low half of that hash.
    row_hash_hi bigint not null, -- High half of the hash of the row's own columns; a change makes a version.
    row_hash_lo bigint not null, -- Low half of that hash.
    writer_schema bigint not null, -- Fingerprint of the Avro schema the row's writer used; see ledger.avro_schema.
    reader_version smallint not null, -- Version of the reader that landed the row.
    unknown jsonb, -- Fields the writer sent that this reader does not know; NULL in the common case.
    valid_from timestamptz not null, -- Begin of this version: from here on the object was so.
    observed_at timestamptz not null, -- When the emitter observed this version.
    landed_at timestamptz not null, -- When this version was committed here.
    PRIMARY KEY (cluster_id, uid)
) with (fillfactor=60);
-- statistics 0: annotations, conditions, failing, finalizers, labels, unknown

-- Closed versions of watchdog rows, append-only, partitioned by valid_to.
create table ledger.watchdog_history (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    uid uuid not null, -- Kubernetes uid of the watchdog: its identity.
    uid_text text, -- Text of uid where that was hashed from another form; NULL in the common case.
    watchdog text not null, -- Watchdog name.
    created_at timestamptz, -- metadata.creationTimestamp; NULL where the object has none.
    deletion_requested_at timestamptz, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    labels jsonb not null, -- Allow-listed labels.
    annotations jsonb not null, -- Allow-listed annotations.
    finalizers text[] not null, -- metadata.finalizers, sorted.
    scope text not null, -- Node or Cluster.
    check_name text not null, -- Name of the check it runs.
    interval_seconds bigint, -- Time between two runs, in seconds.
    severity text, -- Severity of its page.
    runbook text, -- Runbook.
    suspended boolean not null, -- True if it is suspended.
    snoozed_until timestamptz, -- End of the snooze in its spec.
    snoozed_by text, -- Who snoozed it.
    snooze_reason text, -- Why it was snoozed.
    generation bigint, -- metadata.generation.
    observed_generation bigint, -- status.observedGeneration.
    healthy_status text, -- Status of condition Healthy.
    reporting_status text, -- Status of condition Reporting.
    state text, -- Unknown, OK, Pending, Firing, Cooldown or Snoozed.
    episode bigint, -- Number of the current or last episode.
    incarnation bigint, -- Number of the current or last incident within the pager.
    dedup_key text, -- Dedup key of the page.
    nodes_desired integer, -- Nodes that should report.
    nodes_reporting integer, -- Nodes that report.
    nodes_ok integer, -- Nodes whose check passes.
    nodes_failing integer, -- Nodes whose check fails.
    nodes_unknown integer, -- Nodes whose check gave no answer.
    failing jsonb not null, -- The worst nodes, 20 at most.
    conditions jsonb not null, -- Conditions Healthy, Reporting and Accepted, sorted by type.
    body_hash_hi bigint, -- High half of the content hash of the body that travelled; NULL once audit found the row altered.
    body_hash_lo bigint, -- Low half of that hash.
    row_hash_hi bigint not null, -- High half of the hash of the row's own columns; a change makes a version.
    row_hash_lo bigint not null, -- Low half of that hash.
    writer_schema bigint not null, -- Fingerprint of the Avro schema the row's writer used; see ledger.avro_schema.
    reader_version smallint not null, -- Version of the reader that landed the row.
    unknown jsonb, -- Fields the writer sent that this reader does not know; NULL in the common case.
    valid_from timestamptz not null, -- Begin of this version: from here on the object was so.
    observed_at timestamptz not null, -- When the emitter observed this version.
    landed_at timestamptz not null, -- When this version was committed here.
    valid_to timestamptz not null, -- End of this version, exclusive.
    closed_reason text not null, -- Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.
    CHECK ((valid_from < valid_to))
) partition by range (valid_to);
CREATE INDEX watchdog_history_uid_valid_from_idx ON ONLY ledger.watchdog_history USING btree (uid, valid_from);
CREATE INDEX watchdog_history_valid_from_idx ON ONLY ledger.watchdog_history USING btree (valid_from);
CREATE INDEX watchdog_history_watchdog_valid_from_idx ON ONLY ledger.watchdog_history USING btree (watchdog, valid_from);

-- Every Deployment, StatefulSet, DaemonSet, ReplicaSet without owner, Job and CronJob that exists, its newest version.
create table ledger.workload (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    uid uuid not null, -- Kubernetes uid of the workload: its identity.
    uid_text text, -- Text of uid where that was hashed from another form; NULL in the common case.
    namespace text not null, -- Namespace name.
    workload text not null, -- Workload name.
    workload_kind text not null, -- Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob.
    created_at timestamptz, -- metadata.creationTimestamp; NULL where the object has none.
    deletion_requested_at timestamptz, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    labels jsonb not null, -- Allow-listed labels.
    annotations jsonb not null, -- Allow-listed annotations.
    finalizers text[] not null, -- metadata.finalizers, sorted.
    owner_kind text, -- Kind of the controlling owner reference.
    owner text, -- Name of the controlling owner.
    owner_uid uuid, -- Uid of the controlling owner.
    owner_uid_text text, -- Text of owner_uid where that was hashed from another form; NULL in the common case.
    generation bigint, -- metadata.generation.
    observed_generation bigint, -- status.observedGeneration.
    desired integer, -- Replicas asked for; for a DaemonSet the nodes that should run it, for a Job its parallelism; null for a CronJob.
    current integer, -- Replicas that exist; for a DaemonSet the nodes that run it, for a Job its active pods.
    updated integer, -- Replicas of the newest revision.
    ready integer, -- Ready replicas.
    available integer, -- Replicas ready for minReadySeconds.
    unavailable integer, -- Replicas still needed to be available.
    misscheduled integer, -- DaemonSet: nodes that run it and should not.
    paused boolean not null, -- Deployment: rollout paused.
    suspended boolean not null, -- Job, CronJob: suspended.
    completions integer, -- Job: completions asked for.
    succeeded integer, -- Job: pods succeeded.
    failed integer, -- Job: pods failed.
    active integer, -- Job: active pods; CronJob: active jobs.
    started_at timestamptz, -- Job: start.
    completed_at timestamptz, -- Job: completion.
    schedule text, -- CronJob: schedule in cron format.
    time_zone text, -- CronJob: time zone of the schedule.
    last_scheduled_at timestamptz, -- CronJob: last time a job was scheduled.
    last_successful_at timestamptz, -- CronJob: last time a job succeeded.
    strategy text, -- Update strategy type.
    selector jsonb not null, -- Label selector's matchLabels.
    images text[] not null, -- Images of the pod template: init containers in their order, then containers by name.
    conditions jsonb not null, -- Conditions, sorted by type; update times left out.
    body_hash_hi bigint, -- High half of the content hash of the body that travelled; NULL once audit found the row altered.
    body_hash_lo bigint, -- Low half of that hash.
    row_hash_hi bigint not null, -- High half of the hash of the row's own columns; a change makes a version.
    row_hash_lo bigint not null, -- Low half of that hash.
    writer_schema bigint not null, -- Fingerprint of the Avro schema the row's writer used; see ledger.avro_schema.
    reader_version smallint not null, -- Version of the reader that landed the row.
    unknown jsonb, -- Fields the writer sent that this reader does not know; NULL in the common case.
    valid_from timestamptz not null, -- Begin of this version: from here on the object was so.
    observed_at timestamptz not null, -- When the emitter observed this version.
    landed_at timestamptz not null, -- When this version was committed here.
    terminating integer, -- Pods that are terminating: terminatingReplicas of a Deployment or ReplicaSet, terminating of a Job; null where the server does not count them.
    completed_indexes text, -- Indexed Job: completed indexes, such as 1,3-5.
    failed_indexes text, -- Indexed Job with backoffLimitPerIndex: failed indexes, such as 1,3-5.
    PRIMARY KEY (cluster_id, uid)
) with (fillfactor=60);
CREATE INDEX workload_created ON ledger.workload USING btree (created_at);
CREATE INDEX workload_namespace ON ledger.workload USING btree (namespace, workload);
create policy everything on ledger.workload for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.workload for select to fleetledger_team using ((cluster_id, namespace) IN ( SELECT cluster_id, namespace FROM ledger.namespace_team o));
-- statistics 0: annotations, conditions, finalizers, images, labels, selector, unknown

-- Closed versions of workload rows, append-only, partitioned by valid_to.
create table ledger.workload_history (
    cluster_id integer not null, -- Cluster; see ledger.cluster.
    uid uuid not null, -- Kubernetes uid of the workload: its identity.
    uid_text text, -- Text of uid where that was hashed from another form; NULL in the common case.
    namespace text not null, -- Namespace name.
    workload text not null, -- Workload name.
    workload_kind text not null, -- Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob.
    created_at timestamptz, -- metadata.creationTimestamp; NULL where the object has none.
    deletion_requested_at timestamptz, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    labels jsonb not null, -- Allow-listed labels.
    annotations jsonb not null, -- Allow-listed annotations.
    finalizers text[] not null, -- metadata.finalizers, sorted.
    owner_kind text, -- Kind of the controlling owner reference.
    owner text, -- Name of the controlling owner.
    owner_uid uuid, -- Uid of the controlling owner.
    owner_uid_text text, -- Text of owner_uid where that was hashed from another form; NULL in the common case.
    generation bigint, -- metadata.generation.
    observed_generation bigint, -- status.observedGeneration.
    desired integer, -- Replicas asked for; for a DaemonSet the nodes that should run it, for a Job its parallelism; null for a CronJob.
    current integer, -- Replicas that exist; for a DaemonSet the nodes that run it, for a Job its active pods.
    updated integer, -- Replicas of the newest revision.
    ready integer, -- Ready replicas.
    available integer, -- Replicas ready for minReadySeconds.
    unavailable integer, -- Replicas still needed to be available.
    misscheduled integer, -- DaemonSet: nodes that run it and should not.
    paused boolean not null, -- Deployment: rollout paused.
    suspended boolean not null, -- Job, CronJob: suspended.
    completions integer, -- Job: completions asked for.
    succeeded integer, -- Job: pods succeeded.
    failed integer, -- Job: pods failed.
    active integer, -- Job: active pods; CronJob: active jobs.
    started_at timestamptz, -- Job: start.
    completed_at timestamptz, -- Job: completion.
    schedule text, -- CronJob: schedule in cron format.
    time_zone text, -- CronJob: time zone of the schedule.
    last_scheduled_at timestamptz, -- CronJob: last time a job was scheduled.
    last_successful_at timestamptz, -- CronJob: last time a job succeeded.
    strategy text, -- Update strategy type.
    selector jsonb not null, -- Label selector's matchLabels.
    images text[] not null, -- Images of the pod template: init containers in their order, then containers by name.
    conditions jsonb not null, -- Conditions, sorted by type; update times left out.
    body_hash_hi bigint, -- High half of the content hash of the body that travelled; NULL once audit found the row altered.
    body_hash_lo bigint, -- Low half of that hash.
    row_hash_hi bigint not null, -- High half of the hash of the row's own columns; a change makes a version.
    row_hash_lo bigint not null, -- Low half of that hash.
    writer_schema bigint not null, -- Fingerprint of the Avro schema the row's writer used; see ledger.avro_schema.
    reader_version smallint not null, -- Version of the reader that landed the row.
    unknown jsonb, -- Fields the writer sent that this reader does not know; NULL in the common case.
    valid_from timestamptz not null, -- Begin of this version: from here on the object was so.
    observed_at timestamptz not null, -- When the emitter observed this version.
    landed_at timestamptz not null, -- When this version was committed here.
    valid_to timestamptz not null, -- End of this version, exclusive.
    closed_reason text not null, -- Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.
    terminating integer, -- Pods that are terminating: terminatingReplicas of a Deployment or ReplicaSet, terminating of a Job; null where the server does not count them.
    completed_indexes text, -- Indexed Job: completed indexes, such as 1,3-5.
    failed_indexes text, -- Indexed Job with backoffLimitPerIndex: failed indexes, such as 1,3-5.
    CHECK ((valid_from < valid_to))
) partition by range (valid_to);
CREATE INDEX workload_history_namespace_valid_from_idx ON ONLY ledger.workload_history USING btree (namespace, valid_from);
CREATE INDEX workload_history_uid_valid_from_idx ON ONLY ledger.workload_history USING btree (uid, valid_from);
CREATE INDEX workload_history_valid_from_idx ON ONLY ledger.workload_history USING btree (valid_from);
create policy everything on ledger.workload_history for all to fleetledger_evaluate, fleetledger_ingest, fleetledger_select using true with check true;
create policy team on ledger.workload_history for select to fleetledger_team using (((cluster_id, namespace) IN ( SELECT cluster_id, namespace FROM ledger.owner_span o)) AND (EXISTS ( SELECT FROM ledger.owner_span o WHERE ((cluster_id = workload_history.cluster_id) AND (namespace = workload_history.namespace) AND (valid_from < workload_history.valid_to) AND (valid_to > workload_history.valid_from)))));

create sequence ledger.alert_event_number;
create sequence ledger.delivery_number;

-- Views.
-- ledger.owner_span: Who owned each namespace from when to when, as far as its reader may know.
--     cluster_id, namespace, team, valid_from, valid_to
-- fleet.alert: Alerts that are pending, firing or recovering. Join it with node or pod by datacenter, cluster, namespace, node, pod.
--     alertname, condition, severity, team, datacenter, cluster, namespace, node, pod, summary, value, episode, active_at, fired_at, snoozed, snoozed_until, acked_by, acked_at, held_reason, held_since, inhibited_by, shadow, cooldown_until, notifications, last_notified_at, suppressed_episodes, receivers, rule, fingerprint, labels, annotations
-- fleet.alert_history: What happened to every alert: when it became pending, fired, was held, snoozed, acknowledged, notified, resolved.
--     happened_at, alertname, event, reason, datacenter, cluster, namespace, node, pod, value, receiver, by_whom, rule, fingerprint, labels, alert_event_id, recorded_at
-- fleet.balance: Whether the ledger equals the cluster, compared at every mark (each minute) and by the table sum.
--     datacenter, cluster, kind, in_cluster, in_ledger, in_table, dead, balanced, checked_at, unbalanced_since
-- fleet.batch: The batch ledger: every delivered record is counted in exactly one of the columns landed to dead.
--     committed_at, topic, partition, from_offset, to_offset, owner, owner_epoch, delivered, landed, unchanged, superseded, deleted, control, dead
-- fleet.cluster: Every cluster that ever sent a record, and its state.
--     datacenter, cluster, cluster_uid, state, observed_at, age_seconds, first_seen_at, retired_at, source
-- fleet.cluster_restarts: Restarts of containers by cluster, every five minutes.
--     window_at, datacenter, cluster, restarts
-- fleet.cluster_sample: Each cluster every five minutes, as it was at the end of them: what charts of weeks read in place of the history.
--     window_at, datacenter, cluster, nodes, nodes_ready, nodes_cordoned, cpu_allocatable_cores, memory_allocatable_bytes, gpu_allocatable, pods, pods_running, pods_ready, pods_pending, pods_failed, cpu_request_cores, memory_request_bytes, gpu_request
-- fleet.container: Every container (app, init, sidecar, ephemeral) of every pod that exists, one row each.
--     datacenter, cluster, namespace, pod, container, uid, team, workload_kind, workload, phase, lives, node, container_type, position, image, image_id, image_digest, container_id, cpu_request_in_force_cores, memory_request_in_force_bytes, cpu_limit_in_force_cores, memory_limit_in_force_bytes, cpu_allocated_cores, memory_allocated_bytes, ready, started, restart_count, state, reason, message, exit_code, signal, started_at, finished_at, last_reason, last_message, last_exit_code, last_signal, last_started_at, last_finished_at, cpu_request_cores, memory_request_bytes, ephemeral_storage_request_bytes, gpu_request, other_request, cpu_limit_cores, memory_limit_bytes, ephemeral_storage_limit_bytes, gpu_limit, other_limit, ended_at, end_started_at, end_reason, end_exit_code, cpu_reserved_cores, memory_reserved_bytes, valid_from, observed_at, landed_at
-- fleet.container_history: All versions of: Every container (app, init, sidecar, ephemeral) of every pod that exists, one row each.
--     datacenter, cluster, namespace, pod, container, uid, node, container_type, position, image, image_id, image_digest, container_id, cpu_request_in_force_cores, memory_request_in_force_bytes, cpu_limit_in_force_cores, memory_limit_in_force_bytes, cpu_allocated_cores, memory_allocated_bytes, ready, started, restart_count, state, reason, message, exit_code, signal, started_at, finished_at, last_reason, last_message, last_exit_code, last_signal, last_started_at, last_finished_at, cpu_request_cores, memory_request_bytes, ephemeral_storage_request_bytes, gpu_request, other_request, cpu_limit_cores, memory_limit_bytes, ephemeral_storage_limit_bytes, gpu_limit, other_limit, ended_at, end_started_at, end_reason, end_exit_code, memory_reserved_bytes, valid_from, observed_at, landed_at, valid_to, closed_reason
-- fleet.cost_adjustment: Corrections of closed months, dated by when they were booked.
--     booked_at, hour_at, datacenter, cluster, namespace, team, owner_source, workload_kind, workload, container, node_class, labels, cost, cpu_cost, memory_cost, gpu_cost, run_id
-- fleet.cost_balance: Whether allocated cost adds up: what nodes cost compared with what was booked, read back after every rating: per hour of the last 35 days and per day.
--     period, at, datacenter, cluster, balanced, cost, allocated_cost, idle_cost, system_cost, booked_cost, difference, unpriced_hours, checked_at, unbalanced_since
-- fleet.cost_daily: Cost of each namespace and team in each UTC day, by class of nodes. Idle and system are rows too: the sum is what the nodes cost. Compute only.
--     day_at, datacenter, cluster, namespace, team, owner_source, node_class, cost, cpu_cost, memory_cost, gpu_cost, currency, cpu_core_hours, memory_gib_hours, gpu_hours, cpu_request_core_hours, memory_request_gib_hours, cpu_used_core_hours, memory_used_gib_hours, container_hours, usage_hours, unknown_hours, unpriced_hours, charge_basis, hours
-- fleet.cost_failure: What is excluded from cost: nodes and pods that hours were rated without, hours of clusters that could not be rated, and days that could not be summed. The rest is rated without them, and rating them is retried automatically.
--     period, at, datacenter, cluster, error, failed_since, failed_at, attempts, objects
-- fleet.cost_hourly: Cost of each namespace, workload and container in each UTC hour, by class of nodes. Idle and system are rows too: the sum is what the nodes cost. Compute only: CPU, memory and GPUs.
--     hour_at, datacenter, cluster, namespace, team, owner_source, workload_kind, workload, container, node_class, labels, cost, cpu_cost, memory_cost, gpu_cost, currency, cpu_core_hours, memory_gib_hours, gpu_hours, cpu_request_core_hours, memory_request_gib_hours, cpu_used_core_hours, memory_used_gib_hours, container_hours, usage_hours, unknown_hours, unpriced_hours, charge_basis, partial, complete, run_id
-- fleet.cost_monthly: Cost of each namespace and team in each UTC month, by class of nodes. Idle and system are rows too: the sum is what the nodes cost. Compute only.
--     month_at, datacenter, cluster, namespace, team, owner_source, node_class, cost, cpu_cost, memory_cost, gpu_cost, currency, cpu_core_hours, memory_gib_hours, gpu_hours, cpu_request_core_hours, memory_request_gib_hours, cpu_used_core_hours, memory_used_gib_hours, container_hours, usage_hours, unknown_hours, unpriced_hours, charge_basis, closed_at
-- fleet.cost_node_daily: What the nodes of each cluster and class cost in each UTC day by resource, and whom for: cost = allocated + idle + system.
--     day_at, datacenter, cluster, node_class, resource, cost, allocated_cost, idle_cost, system_cost, currency, capacity_hours, allocatable_hours, charged_hours, node_hours, unpriced_hours, allocated_hours, idle_hours, system_hours
-- fleet.cost_node_hourly: What each node cost in each UTC hour by resource, and whom for: cost = allocated + idle + system. An hour has several rows where a price, the capacity or what is allocatable changed.
--     hour_at, datacenter, cluster, node, uid, from_at, to_at, node_class, sheet, resource, cost, allocated_cost, idle_cost, system_cost, currency, overcommit_factor, capacity_hours, allocatable_hours, charged_hours, allocated_hours, idle_hours, system_hours
-- fleet.cost_run: Every rating of an hour: when, why, by which price sheets, and what came out.
--     run_id, hour_at, reason, as_of, known_until, sheet_ids, nodes, pods, lines, cost, began_at, filled_at, is_current
-- fleet.cost_sharing: How shared cost is shown by default, by date. It changes no stored number.
--     namespaces, spread, idle, valid_from, valid_to, applied_at, applied_by
-- fleet.cost_workload_daily: Cost of each namespace, workload and container in each UTC day, by class of nodes. The current day contains the hours rated so far. Compute only.
--     day_at, datacenter, cluster, namespace, team, owner_source, workload_kind, workload, container, node_class, labels, cost, cpu_cost, memory_cost, gpu_cost, currency, cpu_core_hours, memory_gib_hours, gpu_hours, cpu_request_core_hours, memory_request_gib_hours, cpu_used_core_hours, memory_used_gib_hours, container_hours, usage_hours, unknown_hours, unpriced_hours, charge_basis, hours
-- fleet.dead_letter: Records that could not land. Their bytes are shown by `fleetledger dead-letters show`.
--     dead_letter_id, datacenter, cluster, kind, uid, topic, partition, record_offset, reason, detail, schema_ref, kafka_at, died_at, state, settled_at
-- fleet.dead_letter_overflow: Dead letters beyond the bound of their source and day (`ingest.dead_letter_day_bytes`): counted, not kept.
--     datacenter, cluster, day_on, topic, reason, letters, bytes, first_at, last_at, partition, record_offset, detail, record_key
-- fleet.emitter: The newest record of each emitter's log, with the skew of its clock.
--     datacenter, cluster, kind, shard, epoch, sequence, observed_at, clock_skew_seconds, stale_records, stale_seen_at
-- fleet.freshness: Up to when each kind of each cluster is known: a rule asks this before it believes an absence.
--     datacenter, cluster, kind, observed_at, age_seconds, retired
-- fleet.gap: Gaps: offsets that were deleted from Kafka before they were read, or skipped because they could not be read.
--     topic, partition, from_offset, to_offset, reason, policy, found_at, healed_at
-- fleet.host_path_mount: hostPath volumes of pods: who mounts what of the host, and whether they may write to it.
--     datacenter, cluster, namespace, pod, uid, team, node, volume, path, path_type, writable, containers, lives
-- fleet.ingest_partition: Progress of ingestion, one row for each partition.
--     topic, partition, state, halted_reason, next_offset, high_watermark, lag, owner, owner_epoch, claimed_at, progressed_at
-- fleet.ingest_sample: The batch ledger by topic and five minutes: every delivered record is counted in exactly one of the columns landed to dead.
--     window_at, topic, batches, delivered, landed, unchanged, superseded, deleted, control, dead
-- fleet.namespace: Every namespace that exists, one row each.
--     datacenter, cluster, namespace, uid, team, uid_text, created_at, deletion_requested_at, labels, annotations, finalizers, phase, conditions, unknown_fields, valid_from, observed_at, landed_at
-- fleet.namespace_history: All versions of: Every namespace that exists, one row each.
--     datacenter, cluster, namespace, uid, uid_text, created_at, deletion_requested_at, labels, annotations, finalizers, phase, conditions, unknown_fields, valid_from, observed_at, landed_at, valid_to, closed_reason
-- fleet.namespace_sample: Each namespace every hour, as it was at the end of it, and how often its containers restarted within it.
--     window_at, datacenter, cluster, namespace, team, pods, pods_running, pods_ready, pods_pending, pods_failed, cpu_request_cores, memory_request_bytes, gpu_request, restarts
-- fleet.node: Every node that exists, one row each.
--     datacenter, cluster, node, uid, uid_text, created_at, deletion_requested_at, labels, annotations, finalizers, provider_id, unschedulable, taints, conditions, ready_status, ready_reason, ready_since, heartbeat_stale_since, addresses, pod_cidrs, kernel_version, os_image, operating_system, architecture, container_runtime_version, kubelet_version, kube_proxy_version, boot_id, machine_id, system_uuid, cpu_capacity_cores, memory_capacity_bytes, ephemeral_storage_capacity_bytes, gpu_capacity, pods_capacity, other_capacity, cpu_allocatable_cores, memory_allocatable_bytes, ephemeral_storage_allocatable_bytes, gpu_allocatable, pods_allocatable, other_allocatable, swap_capacity_bytes, runtime_handlers, features, declared_features, is_virtual, unknown_fields, valid_from, observed_at, landed_at
-- fleet.node_condition: Conditions of nodes, one row each.
--     datacenter, cluster, node, uid, condition, status, reason, message, last_transition_at, heartbeat_stale_since
-- fleet.node_history: All versions of: Every node that exists, one row each.
--     datacenter, cluster, node, uid, uid_text, created_at, deletion_requested_at, labels, annotations, finalizers, provider_id, unschedulable, taints, conditions, ready_status, ready_reason, ready_since, heartbeat_stale_since, addresses, pod_cidrs, kernel_version, os_image, operating_system, architecture, container_runtime_version, kubelet_version, kube_proxy_version, boot_id, machine_id, system_uuid, cpu_capacity_cores, memory_capacity_bytes, ephemeral_storage_capacity_bytes, gpu_capacity, pods_capacity, other_capacity, cpu_allocatable_cores, memory_allocatable_bytes, ephemeral_storage_allocatable_bytes, gpu_allocatable, pods_allocatable, other_allocatable, swap_capacity_bytes, runtime_handlers, features, declared_features, is_virtual, unknown_fields, valid_from, observed_at, landed_at, valid_to, closed_reason
-- fleet.node_request: What the pods of each node request together, those that live; nodes without any have no row.
--     datacenter, cluster, node, pods, cpu_request_cores, memory_request_bytes, gpu_request
-- fleet.node_taint: Taints of nodes, one row each.
--     datacenter, cluster, node, uid, key, value, effect, added_at
-- fleet.notification: Notifications that were sent, are about to be sent, or could not be sent.
--     notification_id, slot, receiver, kind, reason, state, attempts, last_error, due_at, alertname, datacenter, cluster, namespace, node, pod, rule, fingerprint, dedup_key, incarnation, message, queued_at, settled_at
-- fleet.pod: Every pod that exists, one row each, with its effective requests.
--     datacenter, cluster, namespace, pod, uid, team, uid_text, created_at, deletion_requested_at, deletion_grace_seconds, labels, annotations, finalizers, node, nominated_node, phase, reason, message, status, qos_class, priority, priority_class, preemption_policy, owner_kind, owner, owner_uid, workload_kind, workload, workload_uid, owner_resolved, service_account, scheduler, runtime_class, restart_policy, termination_grace_period_seconds, hostname, host_network, host_pid, host_ipc, host_ip, pod_ips, started_at, conditions, scheduled_at, unschedulable_reason, unschedulable_message, ready, ready_since, finished_at, restart_count, restarts, last_restart_at, ready_containers, cpu_request_cores, memory_request_bytes, ephemeral_storage_request_bytes, gpu_request, other_request, cpu_limit_cores, memory_limit_bytes, ephemeral_storage_limit_bytes, gpu_limit, other_limit, cpu_overhead_cores, memory_overhead_bytes, ephemeral_storage_overhead_bytes, gpu_overhead, other_overhead, host_path_mounts, lives, unknown_fields, valid_from, observed_at, landed_at
-- fleet.pod_condition: Conditions of pods, one row each.
--     datacenter, cluster, namespace, pod, uid, team, condition, status, reason, message, last_transition_at
-- fleet.pod_history: All versions of: Every pod that exists, one row each, with its effective requests.
--     datacenter, cluster, namespace, pod, uid, uid_text, created_at, deletion_requested_at, deletion_grace_seconds, labels, annotations, finalizers, node, nominated_node, phase, reason, message, status, qos_class, priority, priority_class, preemption_policy, owner_kind, owner, owner_uid, workload_kind, workload, workload_uid, owner_resolved, service_account, scheduler, runtime_class, restart_policy, termination_grace_period_seconds, hostname, host_network, host_pid, host_ipc, host_ip, pod_ips, started_at, conditions, scheduled_at, unschedulable_reason, unschedulable_message, ready, ready_since, finished_at, restart_count, restarts, last_restart_at, ready_containers, cpu_request_cores, memory_request_bytes, ephemeral_storage_request_bytes, gpu_request, other_request, cpu_limit_cores, memory_limit_bytes, ephemeral_storage_limit_bytes, gpu_limit, other_limit, cpu_overhead_cores, memory_overhead_bytes, ephemeral_storage_overhead_bytes, gpu_overhead, other_overhead, host_path_mounts, lives, unknown_fields, valid_from, observed_at, landed_at, valid_to, closed_reason
-- fleet.price: Prices of classes of nodes, sheet by sheet, with every version that was ever applied.
--     sheet_id, sheet, datacenters, valid_from, valid_to, superseded_at, currency, month_basis, position, node_class, instance_types, labels, per, node_price, core_price, gib_price, gpu_price, cpu_to_ram, gpu_to_ram, discount, applied_at, applied_by
-- fleet.quarantine: Sources whose records become dead letters until the quarantine is released.
--     quarantine_id, datacenter, cluster, cluster_uid, topic, reason, detail, since, released_at, records
-- fleet.rollup_window: Windows that rollups have filled.
--     rollup, window_at, window_end_at, row_count, known_until, complete, version, filled_at, fillings, sources_behind
-- fleet.rule: Stored queries that are run on schedule, with the state of each, and refused files.
--     rule, kind, rule_name, rule_group, state, mode, severity, team, last_slot, last_ok_slot, last_seconds, last_rows, last_error, failures, too_slow, limit_exceeded, interval_seconds, for_seconds, missed_slots, evaluator, labels, annotations, receivers, file, version, query_text, loaded_at, removed_at, refused_reason, refused_since
-- fleet.rule_run: Every run of every rule in the last 30 days.
--     rule, slot, outcome, error, query_seconds, rows, changed, queued, limit_exceeded, as_of, rule_version, evaluator, applied_at, late_seconds
-- fleet.snooze: Snoozes and planned silences, those that have ended included.
--     snooze_id, state, kind, matchers, from_at, until_at, created_by, reason, created_at, ended_at, ended_by, ended_reason
-- fleet.sweep: The newest sweep of each cluster and kind: a full comparison with the API server.
--     datacenter, cluster, kind, shard, state, void_reason, begin_at, end_at, objects, closed_objects, missed_changes, held_objects, held_at
-- fleet.team_budget: Teams with a budget, and what they cost in the running UTC month so far.
--     team, month_at, budget, cost, spent, currency
-- fleet.usage_coverage: How much of each UTC hour of each node is covered by usage windows; a node without a row was not read in that hour.
--     datacenter, cluster, node, uid, hour_at, minutes_covered, complete, windows, latest_window_end_at, folded_at
-- fleet.usage_hourly: What each container used in each UTC hour, as far as it is known; a container without a row was not seen, which is not 0. Compute only: no storage, no network. The running hour is partial, and late windows still add to past ones; the as-of form leaves out hours that had not begun.
--     datacenter, cluster, hour_at, node, namespace, pod, container, uid, covered_seconds, cpu_core_seconds, memory_byte_seconds, cpu_charged_core_seconds, memory_charged_byte_seconds, cpu_cores, memory_bytes, cpu_max_cores, memory_max_bytes, gpu_card_seconds, gpu_covered_seconds, folded_at
-- fleet.user_rollup: Rows of the rollups that users write, one window of time after the other.
--     rollup, window_at, window_end_at, dimensions, values, complete, filled_at
-- fleet.watchdog: Every watchdog that exists, one row each.
--     datacenter, cluster, watchdog, uid, uid_text, created_at, deletion_requested_at, labels, annotations, finalizers, scope, check_name, interval_seconds, severity, runbook, suspended, snoozed_until, snoozed_by, snooze_reason, generation, observed_generation, healthy_status, reporting_status, state, episode, incarnation, dedup_key, nodes_desired, nodes_reporting, nodes_ok, nodes_failing, nodes_unknown, failing, conditions, unknown_fields, valid_from, observed_at, landed_at
-- fleet.watchdog_history: All versions of: Every watchdog that exists, one row each.
--     datacenter, cluster, watchdog, uid, uid_text, created_at, deletion_requested_at, labels, annotations, finalizers, scope, check_name, interval_seconds, severity, runbook, suspended, snoozed_until, snoozed_by, snooze_reason, generation, observed_generation, healthy_status, reporting_status, state, episode, incarnation, dedup_key, nodes_desired, nodes_reporting, nodes_ok, nodes_failing, nodes_unknown, failing, conditions, unknown_fields, valid_from, observed_at, landed_at, valid_to, closed_reason
-- fleet.workload: Every Deployment, StatefulSet, DaemonSet, ReplicaSet without owner, Job and CronJob that exists, one row each.
--     datacenter, cluster, namespace, workload_kind, workload, uid, team, uid_text, created_at, deletion_requested_at, labels, annotations, finalizers, owner_kind, owner, owner_uid, generation, observed_generation, desired, current, updated, ready, available, unavailable, misscheduled, paused, suspended, completions, succeeded, failed, active, terminating, completed_indexes, failed_indexes, started_at, completed_at, schedule, time_zone, last_scheduled_at, last_successful_at, strategy, selector, images, conditions, lives, wanted, unknown_fields, valid_from, observed_at, landed_at
-- fleet.workload_history: All versions of: Every Deployment, StatefulSet, DaemonSet, ReplicaSet without owner, Job and CronJob that exists, one row each.
--     datacenter, cluster, namespace, workload_kind, workload, uid, uid_text, created_at, deletion_requested_at, labels, annotations, finalizers, owner_kind, owner, owner_uid, generation, observed_generation, desired, current, updated, ready, available, unavailable, misscheduled, paused, suspended, completions, succeeded, failed, active, terminating, completed_indexes, failed_indexes, started_at, completed_at, schedule, time_zone, last_scheduled_at, last_successful_at, strategy, selector, images, conditions, lives, wanted, unknown_fields, valid_from, observed_at, landed_at, valid_to, closed_reason
-- fleet_asof.batch: the columns of fleet.batch
-- fleet_asof.cluster: the columns of fleet.cluster
-- fleet_asof.container: the columns of fleet.container
-- fleet_asof.container_history: the columns of fleet.container_history
-- fleet_asof.cost_adjustment: the columns of fleet.cost_adjustment
-- fleet_asof.cost_balance: the columns of fleet.cost_balance
-- fleet_asof.cost_daily: the columns of fleet.cost_daily
-- fleet_asof.cost_failure: the columns of fleet.cost_failure
-- fleet_asof.cost_hourly: the columns of fleet.cost_hourly
-- fleet_asof.cost_monthly: the columns of fleet.cost_monthly
-- fleet_asof.cost_node_daily: the columns of fleet.cost_node_daily
-- fleet_asof.cost_node_hourly: the columns of fleet.cost_node_hourly
-- fleet_asof.cost_run: the columns of fleet.cost_run
-- fleet_asof.cost_workload_daily: the columns of fleet.cost_workload_daily
-- fleet_asof.dead_letter: the columns of fleet.dead_letter
-- fleet_asof.freshness: the columns of fleet.freshness
-- fleet_asof.gap: the columns of fleet.gap
-- fleet_asof.host_path_mount: the columns of fleet.host_path_mount
-- fleet_asof.namespace: the columns of fleet.namespace
-- fleet_asof.namespace_history: the columns of fleet.namespace_history
-- fleet_asof.node: the columns of fleet.node
-- fleet_asof.node_condition: the columns of fleet.node_condition
-- fleet_asof.node_history: the columns of fleet.node_history
-- fleet_asof.node_request: the columns of fleet.node_request
-- fleet_asof.node_taint: the columns of fleet.node_taint
-- fleet_asof.pod: the columns of fleet.pod
-- fleet_asof.pod_condition: the columns of fleet.pod_condition
-- fleet_asof.pod_history: the columns of fleet.pod_history
-- fleet_asof.quarantine: the columns of fleet.quarantine
-- fleet_asof.team_budget: the columns of fleet.team_budget
-- fleet_asof.usage_coverage: the columns of fleet.usage_coverage
-- fleet_asof.usage_hourly: the columns of fleet.usage_hourly
-- fleet_asof.watchdog: the columns of fleet.watchdog
-- fleet_asof.watchdog_history: the columns of fleet.watchdog_history
-- fleet_asof.workload: the columns of fleet.workload
-- fleet_asof.workload_history: the columns of fleet.workload_history

-- Functions.
-- ledger.apply_owners(cluster_ids integer[], at timestamptz) returns integer security definer
--     Brings namespace_team of these clusters in line with the namespaces, as of that instant; returns how many intervals began or ended.
-- ledger.apply_role_settings() returns void
--     Sets what roles are set to in this database and are members of, where it differs.
-- ledger.attach_partition(of_table text, name text, from_at timestamptz, to_at timestamptz) returns void
--     Makes a partition and attaches it.
-- ledger.cost_amount(amount bigint, length_us bigint, unit numeric) returns numeric
--     So much for so long, in other units; 0 where nothing is set.
-- ledger.cost_amounts(charged numeric, capacity numeric, allocatable numeric) returns numeric[]
--     What of a capacity is allocated, idle, and kept by the system.
-- ledger.cost_check_hour(h0 timestamptz) returns void security definer
--     Reads an hour back as it stands and compares nodes with lines.
-- ledger.cost_close(month timestamptz, by_whom text, at timestamptz DEFAULT now()) returns numeric security definer
--     Closes a UTC month; returns what its nodes cost, in billionths of the currency.
-- ledger.cost_container(h0 timestamptz, h1 timestamptz) returns TABLE(cluster_id integer, uid uuid, container text, request_cpu_millicores bigint, request_memory_bytes bigint, request_gpu_millis bigint, from_at timestamptz, to_at timestamptz)
--     What is reserved for containers that run side by side, by time.
-- ledger.cost_covered_us(covered_ms bigint, length_us bigint, life_us bigint) returns bigint
--     Time of a piece of a life that usage covers, in microseconds.
-- ledger.cost_due(at timestamptz DEFAULT now(), history interval DEFAULT '1 day'::interval, lateness interval DEFAULT '7 days'::interval) returns TABLE(hour_at timestamptz, reason text) security definer
--     Hours to rate now, the oldest first, and why.
-- ledger.cost_fill(hour timestamptz, why text DEFAULT 'rerate'::text, at timestamptz DEFAULT now(), leave_out integer[] DEFAULT '{}'::integer[], leave_objects uuid[] DEFAULT '{}'::uuid[]) returns bigint security definer
--     Rates an hour and books it; in a closed month as adjustments.
-- ledger.cost_fill_day(day timestamptz) returns void security definer
--     Makes the rows of a UTC day, and of its month, from its hours.
-- ledger.cost_fill_day_rest(day timestamptz, at timestamptz DEFAULT now()) returns boolean security definer
--     Makes the rows of a UTC day, or sets it aside by name.
-- ledger.cost_fill_rest(hour timestamptz, why text DEFAULT 'rerate'::text, at timestamptz DEFAULT now()) returns bigint security definer
--     Rates an hour; what ends it is set aside by name, object by object or as a cluster, and the rest is rated without it.
-- ledger.cost_find_objects(h0 timestamptz, at timestamptz, cluster integer) returns uuid[]
--     Which nodes and pods of a cluster end the rating of its hour; NULL = leaving out five does not help.
-- ledger.cost_interval(h0 timestamptz, h1 timestamptz) returns TABLE(cluster_id integer, uid uuid, namespace text, pod text, node text, workload_kind text, workload text, labels jsonb, annotations jsonb, request_cpu_millicores bigint, request_memory_bytes bigint, request_gpu_millis bigint, from_at timestamptz, to_at timestamptz, alone boolean)
--     Pods between two instants with what they request: from scheduled until terminal or deleted.
-- ledger.cost_known(at timestamptz, OUT known_all timestamptz, OUT known_fresh timestamptz) returns record
--     Up to when every cluster is known, and every cluster that is not silent.
-- ledger.cost_overcommit_factor(charged numeric, capacity numeric) returns numeric
--     min(1, capacity / charged), to nine digits.
-- ledger.cost_owner(h0 timestamptz, h1 timestamptz) returns TABLE(cluster_id integer, namespace text, team text, owner_source text, allow_label_owner text)
--     Owner of each namespace as of an hour, and the label by which its pods may name another.
-- ledger.cost_parts(nanos numeric, whole numeric, amounts numeric[]) returns numeric[]
--     Cost of what is allocated, idle and kept by the system, by largest remainder.
-- ledger.cost_pod_end(begin_at timestamptz, finished_at timestamptz, over_since timestamptz, ran boolean) returns timestamptz
--     When a pod that is over stopped reserving anything.
-- ledger.cost_retry(failed_at timestamptz, attempts integer) returns timestamptz
--     When what was set aside is tried again.
-- ledger.cost_segment(h0 timestamptz, h1 timestamptz) returns TABLE(cluster_id integer, node_uid uuid, node text, from_at timestamptz, to_at timestamptz, sheet_id integer, class_position integer, capacity_cpu_millicores bigint, capacity_memory_bytes bigint, capacity_gpu_millis bigint, allocatable_cpu_millicores bigint, allocatable_memory_bytes bigint, allocatable_gpu_millis bigint)
--     Nodes between two instants, cut where a price, the capacity or what is allocatable changes.
-- ledger.cost_set_aside(of_period text, period_at timestamptz, cluster integer, why text, tried_at timestamptz, without uuid[] DEFAULT '{}'::uuid[]) returns void
--     Notes by name what could not be rated.
-- ledger.cost_share(amount bigint, length_us bigint, life_us bigint) returns numeric
--     Part of what is known of a container and hour that a piece of its life takes.
-- ledger.cost_sheet(h0 timestamptz, h1 timestamptz) returns TABLE(datacenter text, from_at timestamptz, to_at timestamptz, sheet_id integer)
--     Price sheet in force in each datacenter, between the instants at which that changes.
-- ledger.cost_try(hour timestamptz, at timestamptz, clusters integer[], leave_objects uuid[] DEFAULT '{}'::uuid[]) returns text
--     What goes wrong when an hour of some clusters is rated; NULL = nothing.
-- ledger.cost_write_check(of_period text, period_at timestamptz, nodes jsonb, lines jsonb) returns void
--     Writes what was read back of a period.
-- ledger.cron_date(wall timestamp without time zone, zone text) returns timestamptz
--     The instant of a wall-clock time in a zone, as Go decides it where clocks change.
-- ledger.cron_every(length text, after timestamptz) returns timestamptz
--     The next instant of a schedule @every, counted from the one before, in whole seconds of one at least; NULL if the length of time is none.
-- ledger.cron_field(field text, low integer, high integer, names text[]) returns bigint
--     A field of a schedule as bits, by number; bit 62 says that it is a star. NULL where Kubernetes refuses it.
-- ledger.cron_next(schedule text, time_zone text, after timestamptz) returns timestamptz security definer
--     When a schedule in cron format is due next after an instant; NULL if never within five years, or if Kubernetes refuses it.
-- ledger.ensure_partitions(from_day date DEFAULT ((now() AT TIME ZONE 'UTC'::text))::date, to_day date DEFAULT (((now() AT TIME ZONE 'UTC'::text))::date + 7)) returns integer security definer
--     Makes missing daily partitions, by default from today to a week ahead.
-- ledger.is_old_datacenter(own_datacenter text) returns boolean
--     Whether a datacenter has a cluster that is older than an hour, or one that was admitted.
-- ledger.lock_holder(lock_name text) returns text security definer
--     The sessions that hold a lock of ledger.lock_*; null if none does.
-- ledger.maintain_partitions(at timestamptz DEFAULT now()) returns SETOF text security definer
--     Merges old days into months and drops what is beyond retention.
-- ledger.make_schema_room(own_id integer, own_subject text, own_names bigint, own_bytes bigint) returns boolean
--     Whether a cluster may announce schemas of so many names and bytes: of each subject 64 names are kept, and a megabyte.
-- ledger.new_clusters(own_datacenter text) returns bigint
--     Clusters beside which a new one of that datacenter counts against the limit of the hour.
-- ledger.note_fold() returns trigger
--     Notes the hours that a batch folded usage into.
-- ledger.note_refused_source(own_datacenter text, own_cluster text, own_uid text, refusal text) returns void
--     Shows a source that is refused, in ledger.quarantine; at most 100 at a time.
-- ledger.owner_pattern(namespace text) returns text
--     A namespace of the map of owners as a pattern of LIKE.
-- ledger.partition_bounds(of_table text) returns TABLE(partition_name text, from_at timestamptz, to_at timestamptz)
--     Partitions of a table with their bounds.
-- ledger.partition_name(table_name text, day date, is_month boolean) returns text
--     Name of the partition of a day or month.
-- ledger.rate(h0 timestamptz, h1 timestamptz, leave_out integer[] DEFAULT '{}'::integer[], leave_objects uuid[] DEFAULT '{}'::uuid[]) returns void
--     Rates the hour that begins at h0, up to h1, into temporary tables.
-- ledger.rate_lines() returns void
--     Shares what nodes allocated among those who were charged; part of ledger.rate.
-- ledger.register_source(own_datacenter text, own_cluster text, own_uid text, is_signed boolean, is_listed boolean, hourly_limit integer, OUT registration text, OUT own_id integer, OUT is_established boolean) returns record
--     Who a source is: accepted, former, duplicate, name_taken or not_admitted; and its cluster.
-- ledger.reset_epoch(own_id integer, why text) returns bigint
--     Forgets epoch and sequence of a cluster's emitter, and returns of how many logs.
-- ledger.role_memberships() returns TABLE(granted text, member text)
--     What roles are members of.
-- ledger.role_settings() returns TABLE(role_name text, setting text, setting_value text, only_superuser boolean)
--     What roles are set to in this database; only_superuser: what the owner may not be able to set.
-- ledger.set_partition_storage(of_table text, name text) returns void
--     Storage parameters of a partition: a partitioned table has none that its partitions could inherit.
-- ledger.set_statistics(of_table text) returns void
--     Keeps no statistics of the lists and documents of a table, and coarser ones of a day of history.
-- ledger.take_back_uid(own_id integer, own_datacenter text, own_cluster text) returns void
--     Gives a cluster to the true owner of its uid.
-- ledger.take_lock(lock_name text) returns void security definer
--     Takes a lock of ledger.lock_* until the transaction ends; after five minutes it fails and names the holder.
-- ledger.team_grant(team text) returns text
--     Makes the role that sees one team's rows, unless it is there, and returns its name. Give it a password, or let it in by a certificate.
-- ledger.team_revoke(team text) returns integer
--     Drops the roles of a team and returns how many there were; what is open of them sees nothing from now on.
-- ledger.try_lock(lock_name text) returns boolean security definer
--     Takes a lock of ledger.lock_* until the transaction ends; false if another session holds it.
-- ledger.wanted_team(cluster_ids integer[], at timestamptz) returns TABLE(cluster_id integer, namespace text, team text, owner_source text)
--     Owner that each namespace of these clusters should have at an instant, and where it comes from.
-- fleet.alert_episodes(from_at timestamptz, to_at timestamptz) returns TABLE(fired_at timestamptz, resolved_at timestamptz, alertname text, severity text, team text, datacenter text, cluster text, namespace text, node text, pod text, rule text, fingerprint text, labels jsonb)
--     Alerts that fired at some instant of a range, one row an episode; resolved_at is NULL while it fires.
-- fleet.alert_states(from_at timestamptz, to_at timestamptz) returns TABLE(state_at timestamptz, alertname text, severity text, team text, datacenter text, cluster text, namespace text, node text, target text, state text)
--     When each alert began and ceased to fire within a range.
-- fleet.alerts_over_time(from_at timestamptz, to_at timestamptz, step_seconds double precision) returns TABLE(sampled_at timestamptz, severity text, firing bigint)
--     How many alerts fired at instants of a range, step_seconds apart (at least 60), by severity.
-- fleet.as_of() returns timestamptz
--     The instant a query asks about: setting fleet.as_of, else now. Views of schema fleet always show now; set search_path = fleet_asof to ask about another instant.
-- fleet.cluster_over_time(from_at timestamptz, to_at timestamptz, step_seconds double precision) returns SETOF fleet.cluster_sample
--     Samples of every cluster within a range, one each step_seconds (at least 300): as many rows for a month as for a day.
-- fleet.cluster_sample_at(instant timestamptz) returns SETOF fleet.cluster_sample
--     The newest sample of each cluster in the hour before an instant: totals of the fleet without a scan of it.
-- fleet.container_at(instant timestamptz) returns SETOF fleet.container
--     Every container (app, init, sidecar, ephemeral) of every pod that exists, one row each. As of the given instant.
-- fleet.cost_by_cluster(from_at timestamptz, to_at timestamptz) returns TABLE(datacenter text, cluster text, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, adjustment_cost numeric, currency text, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric, memory_efficiency numeric, usage_coverage numeric, unknown_hours numeric, unpriced_hours numeric)
--     Cost of each cluster between two instants, by whole hours. Idle and system are rows of their own, so that the sum is what the nodes cost. Compute only. adjustment_cost is what was booked in that time for closed months, and is not in cost. Efficiency is usage by request where usage was seen.
-- fleet.cost_by_container(from_at timestamptz, to_at timestamptz) returns TABLE(datacenter text, cluster text, namespace text, workload_kind text, workload text, container text, team text, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, adjustment_cost numeric, currency text, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric, memory_efficiency numeric, usage_coverage numeric, unknown_hours numeric, unpriced_hours numeric)
--     Cost of each container of each workload between two instants, by whole hours. Idle and system are rows of their own, so that the sum is what the nodes cost. Compute only. adjustment_cost is what was booked in that time for closed months, and is not in cost. Efficiency is usage by request where usage was seen.
-- fleet.cost_by_datacenter(from_at timestamptz, to_at timestamptz) returns TABLE(datacenter text, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, adjustment_cost numeric, currency text, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric, memory_efficiency numeric, usage_coverage numeric, unknown_hours numeric, unpriced_hours numeric)
--     Cost of each datacenter between two instants, by whole hours. Idle and system are rows of their own, so that the sum is what the nodes cost. Compute only. adjustment_cost is what was booked in that time for closed months, and is not in cost. Efficiency is usage by request where usage was seen.
-- fleet.cost_by_namespace(from_at timestamptz, to_at timestamptz) returns TABLE(datacenter text, cluster text, namespace text, team text, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, adjustment_cost numeric, currency text, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric, memory_efficiency numeric, usage_coverage numeric, unknown_hours numeric, unpriced_hours numeric)
--     Cost of each namespace between two instants, by whole hours. Idle and system are rows of their own, so that the sum is what the nodes cost. Compute only. adjustment_cost is what was booked in that time for closed months, and is not in cost. Efficiency is usage by request where usage was seen.
-- fleet.cost_by_team(from_at timestamptz, to_at timestamptz) returns TABLE(team text, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, adjustment_cost numeric, currency text, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric, memory_efficiency numeric, usage_coverage numeric, unknown_hours numeric, unpriced_hours numeric)
--     Cost of each team between two instants, by whole hours. Idle and system are rows of their own, so that the sum is what the nodes cost. Compute only. adjustment_cost is what was booked in that time for closed months, and is not in cost. Efficiency is usage by request where usage was seen.
-- fleet.cost_by_workload(from_at timestamptz, to_at timestamptz) returns TABLE(datacenter text, cluster text, namespace text, workload_kind text, workload text, team text, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, adjustment_cost numeric, currency text, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric, memory_efficiency numeric, usage_coverage numeric, unknown_hours numeric, unpriced_hours numeric)
--     Cost of each workload between two instants, by whole hours. Idle and system are rows of their own, so that the sum is what the nodes cost. Compute only. adjustment_cost is what was booked in that time for closed months, and is not in cost. Efficiency is usage by request where usage was seen.
-- fleet.cost_days(from_at timestamptz, to_at timestamptz) returns TABLE(day_at timestamptz, begin_at timestamptz, end_at timestamptz, whole boolean)
--     UTC days between two instants, where each begins and ends within them, and whether it stands as a whole: then no hour of it is read.
-- fleet.cost_efficiency(from_at timestamptz, to_at timestamptz) returns TABLE(datacenter text, cluster text, namespace text, workload_kind text, workload text, team text, cost numeric, cpu_request_core_hours numeric, cpu_used_core_hours numeric, cpu_efficiency numeric, memory_request_gib_hours numeric, memory_used_gib_hours numeric, memory_efficiency numeric, usage_coverage numeric, unused_cost numeric)
--     Usage by request of each workload between two instants, where usage was seen, and unused_cost: the part of its cost of CPU and memory that was reserved and not used.
-- fleet.cost_focus(from_at timestamptz, to_at timestamptz) returns TABLE("BilledCost" numeric, "EffectiveCost" numeric, "ListCost" numeric, "ContractedCost" numeric, "BillingCurrency" text, "BillingPeriodStart" timestamptz, "BillingPeriodEnd" timestamptz, "ChargePeriodStart" timestamptz, "ChargePeriodEnd" timestamptz, "ChargeCategory" text, "ChargeClass" text, "ChargeDescription" text, "ChargeFrequency" text, "ConsumedQuantity" numeric, "ConsumedUnit" text, "PricingQuantity" numeric, "PricingUnit" text, "PricingCategory" text, "ProviderName" text, "PublisherName" text, "InvoiceIssuerName" text, "RegionId" text, "RegionName" text, "ResourceId" text, "ResourceName" text, "ResourceType" text, "ServiceCategory" text, "ServiceName" text, "SkuId" text, "SubAccountId" text, "SubAccountName" text, "BillingAccountId" text, "BillingAccountName" text, "Tags" jsonb, "ListUnitPrice" numeric, "ContractedUnitPrice" numeric, "SkuPriceId" text, "SkuMeter" text, "SkuPriceDetails" jsonb, "ServiceSubcategory" text, "InvoiceId" text, "AllocatedMethodId" text, "AllocatedMethodDetails" jsonb, "AllocatedResourceId" text, "AllocatedResourceName" text, "AllocatedTags" jsonb, "PricingCurrency" text, "PricingCurrencyListUnitPrice" numeric, "PricingCurrencyContractedUnitPrice" numeric, "PricingCurrencyEffectiveCost" numeric, "CommitmentDiscountStatus" text)
--     Cost by hour, line and resource in the columns of FOCUS 1.2, with those of FOCUS 1.3 for split cost: the resource is the nodes of a class in a cluster, which it is allocated from, and idle and system are the part that is allocated to nobody. What was booked for closed months is an Adjustment with class Correction, in the billing period in which it was booked. InvoiceId names the month of a cluster, which is provisional until the month is closed.
-- fleet.cost_idle(from_at timestamptz, to_at timestamptz) returns TABLE(datacenter text, cluster text, node_class text, resource text, cost numeric, allocated_cost numeric, idle_cost numeric, system_cost numeric, idle_share numeric, currency text, capacity_hours numeric, allocated_hours numeric, idle_hours numeric, system_hours numeric)
--     What nodes cost between two instants by cluster, class and resource: allocated, idle and system in cost and in hours of their capacity (core-hours, GiB-hours, card-hours), and the share of the cost that is idle. Hours are NULL where no price is known.
-- fleet.cost_line_parts(from_at timestamptz, to_at timestamptz) returns TABLE(datacenter text, cluster text, namespace text, team text, owner_source text, workload_kind text, workload text, container text, node_class text, labels jsonb, cpu_nanos numeric, memory_nanos numeric, gpu_nanos numeric, cpu_charged_core_us numeric, memory_charged_byte_seconds numeric, gpu_charged_card_us numeric, cpu_requested_core_us numeric, memory_requested_byte_seconds numeric, cpu_used_core_us numeric, memory_used_byte_seconds numeric, gpu_used_card_us numeric, life_ms bigint, usage_ms bigint, unknown_ms bigint, unpriced_ms bigint, adjustment_nanos numeric, first_at timestamptz, last_at timestamptz)
--     What the functions cost_by_… below namespaces sum up.
-- fleet.cost_lines(from_at timestamptz, to_at timestamptz) returns TABLE(datacenter text, cluster text, namespace text, team text, workload_kind text, workload text, container text, node_class text, cost numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_efficiency numeric, memory_efficiency numeric, currency text)
--     Cost of each container of each workload, by team and class of nodes, in UTC days that begin within a range. Idle and system are rows too. Efficiency is used of requested where usage was seen. Compute only.
-- fleet.cost_namespace_parts(from_at timestamptz, to_at timestamptz) returns TABLE(datacenter text, cluster text, namespace text, team text, owner_source text, node_class text, cpu_nanos numeric, memory_nanos numeric, gpu_nanos numeric, cpu_charged_core_us numeric, memory_charged_byte_seconds numeric, gpu_charged_card_us numeric, cpu_requested_core_us numeric, memory_requested_byte_seconds numeric, cpu_used_core_us numeric, memory_used_byte_seconds numeric, gpu_used_card_us numeric, life_ms bigint, usage_ms bigint, unknown_ms bigint, unpriced_ms bigint, adjustment_nanos numeric, first_at timestamptz, last_at timestamptz)
--     What the functions cost_by_… of namespaces and above sum up.
-- fleet.cost_of_pod(pod_uid uuid, from_at timestamptz DEFAULT '-infinity'::timestamptz, to_at timestamptz DEFAULT 'infinity'::timestamptz) returns TABLE(hour_at timestamptz, node text, from_hour_at timestamptz, to_hour_at timestamptz, cpu_core_hours numeric, memory_gib_hours numeric, gpu_hours numeric, cpu_cost numeric, memory_cost numeric, gpu_cost numeric, cost numeric, currency text)
--     What a pod, by its uid, cost in each hour that was rated: its part of what its nodes allocated. NULL = no price is known.
-- fleet.cost_pod_parts(from_at timestamptz, to_at timestamptz) returns TABLE(datacenter text, cluster text, node text, node_class text, namespace text, team text, workload_kind text, workload text, pod text, uid uuid, container text, labels jsonb, annotations jsonb, cpu_nanos numeric, memory_nanos numeric, gpu_nanos numeric, cpu_charged_core_us numeric, memory_charged_byte_seconds numeric, gpu_charged_card_us numeric, cpu_requested_core_us numeric, memory_requested_byte_seconds numeric, cpu_used_core_us numeric, memory_used_byte_seconds numeric, life_ms bigint, usage_ms bigint, adjustment_nanos numeric, first_at timestamptz, last_at timestamptz)
--     Cost of every container of every pod between two instants, rated on demand from hours whose nodes were: for windows of some million pod-hours at most. Idle and system are rows of each node.
-- fleet.cost_rollup_labels() returns text[]
--     Labels of pods that cost is kept by; others are answered on demand.
-- fleet.cost_unused(from_at timestamptz, to_at timestamptz) returns TABLE(datacenter text, cluster text, namespace text, team text, workload_kind text, workload text, container text, unused_cost numeric, cost numeric, cpu_efficiency numeric, memory_efficiency numeric)
--     What containers of workloads were charged for CPU and memory and did not use, in UTC days that begin within a range and in which usage was seen throughout.
-- fleet.cron_next(schedule text, time_zone text, after timestamptz) returns timestamptz
--     When a schedule in cron format is due next after an instant, as Kubernetes decides it (clock changes included); UTC where time_zone is NULL. NULL if it is never due within five years, cannot be read, or the zone is unknown.
-- fleet.image_registry(image text) returns text
--     The registry that an image is pulled from, with its port, by the grammar of image references: docker.io for short names such as nginx or library/nginx.
-- fleet.namespace_at(instant timestamptz) returns SETOF fleet.namespace
--     Every namespace that exists, one row each. As of the given instant.
-- fleet.namespace_over_time(from_at timestamptz, to_at timestamptz, step_seconds double precision) returns SETOF fleet.namespace_sample
--     Samples of every namespace within a range, one each step_seconds (at least 3600). Its restarts are those of the sampled hours alone: for all of them sum namespace_sample.
-- fleet.namespace_sample_at(instant timestamptz) returns SETOF fleet.namespace_sample
--     The newest sample of each namespace in the three hours before an instant.
-- fleet.node_at(instant timestamptz) returns SETOF fleet.node
--     Every node that exists, one row each. As of the given instant.
-- fleet.node_changes(from_at timestamptz, to_at timestamptz) returns TABLE(changed_at timestamptz, datacenter text, cluster text, node text, what text, was text, became text)
--     What changed on nodes within a range: readiness, cordon, silence, boot, versions, allocatable. Name a node.
-- fleet.node_states(from_at timestamptz, to_at timestamptz) returns TABLE(state_at timestamptz, datacenter text, cluster text, node text, uid uuid, state text)
--     What each node was within a range, a row each time a version begins: ready, cordoned, not ready, silent, gone.
-- fleet.pod_at(instant timestamptz) returns SETOF fleet.pod
--     Every pod that exists, one row each, with its effective requests. As of the given instant.
-- fleet.pod_states(from_at timestamptz, to_at timestamptz) returns TABLE(state_at timestamptz, datacenter text, cluster text, namespace text, pod text, uid uuid, node text, workload text, state text, restart_count integer)
--     What each pod was within a range, a row each time a version begins: pending, ready, not ready, terminating, succeeded, failed, unknown, gone. Name a namespace.
-- fleet.restarts(from_at timestamptz, to_at timestamptz) returns TABLE(restarted_at timestamptz, datacenter text, cluster text, namespace text, pod text, container text, uid uuid, node text, image text, restarts integer, reason text, exit_code integer, message text)
--     Restarts of containers within a range, as they were seen: restarts says how many one row stands for. Name a namespace where the range is long; for counts of the fleet read cluster_restarts.
-- fleet.sample_step(step_seconds double precision, window_seconds integer) returns interval
--     The distance of samples that is asked for, rounded up to a whole number of the windows that were sampled.
-- fleet.surplus_pods(from_at timestamptz, to_at timestamptz) returns TABLE(datacenter text, cluster text, namespace text, team text, workload_kind text, workload text, desired bigint, pods bigint, new_pods bigint, newest_at timestamptz)
--     Workloads with far more pods than were asked for, to which pods were added within a range.
-- fleet.uid(given text) returns uuid
--     The uuid of a uid that is given as text; of a text that is not in canonical form it says how to ask instead.
-- fleet.watchdog_at(instant timestamptz) returns SETOF fleet.watchdog
--     Every watchdog that exists, one row each. As of the given instant.
-- fleet.watchdog_states(from_at timestamptz, to_at timestamptz) returns TABLE(state_at timestamptz, datacenter text, cluster text, watchdog text, check_name text, state text, nodes_failing bigint)
--     What each watchdog was within a range, a row each time a version begins: ok, pending, firing, cooldown, snoozed, unknown.
-- fleet.window_from() returns timestamptz
--     Begin of the window a rollup fills: setting fleet.window_from, else the begin of the last full hour.
-- fleet.window_to() returns timestamptz
--     End of the window a rollup fills: setting fleet.window_to, else the end of the last full hour.
-- fleet.workload_at(instant timestamptz) returns SETOF fleet.workload
--     Every Deployment, StatefulSet, DaemonSet, ReplicaSet without owner, Job and CronJob that exists, one row each. As of the given instant.
-- fleet.workload_changes(from_at timestamptz, to_at timestamptz) returns TABLE(changed_at timestamptz, datacenter text, cluster text, namespace text, workload text, what text, was text, became text)
--     What changed on workloads within a range: images, replicas asked for, pauses. Name a namespace.
-- fleet_asof.as_of() returns timestamptz
--     The instant a query asks about: setting fleet.as_of, else now. Views of schema fleet always show now; set search_path = fleet_asof to ask about another instant.
-- fleet_asof.cron_next(schedule text, time_zone text, after timestamptz) returns timestamptz
--     When a schedule in cron format is due next after an instant, as Kubernetes decides it (clock changes included); UTC where time_zone is NULL. NULL if it is never due within five years, cannot be read, or the zone is unknown.
-- fleet_asof.image_registry(image text) returns text
--     The registry that an image is pulled from, with its port, by the grammar of image references: docker.io for short names such as nginx or library/nginx.
-- fleet_asof.window_from() returns timestamptz
--     Begin of the window a rollup fills: setting fleet.window_from, else the begin of the last full hour.
-- fleet_asof.window_to() returns timestamptz
--     End of the window a rollup fills: setting fleet.window_to, else the end of the last full hour.
