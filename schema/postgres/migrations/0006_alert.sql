-- Stored SQL and what comes of it: rules and their runs, instances of alerts, snoozes, and the outbox of
-- notifications. Written by evaluators and by the console's API alone; everybody reads it through schema fleet.

create table ledger.rule_set (
    only_row boolean primary key default true check (only_row),
    sha256 text not null,
    generation bigint not null,
    activated_at timestamptz not null,
    activated_by text not null
);
comment on table ledger.rule_set is 'The set of rule files that evaluators run by; one with other files stands by.';
comment on column ledger.rule_set.only_row is 'There is one row.';
comment on column ledger.rule_set.sha256 is 'SHA-256 over the ids and versions of all its rules.';
comment on column ledger.rule_set.generation is 'Raised whenever another set becomes the active one.';
comment on column ledger.rule_set.activated_at is 'When it became the active one.';
comment on column ledger.rule_set.activated_by is 'Evaluator that made it so.';

create table ledger.evaluator (
    evaluator text primary key,
    rule_set text not null,
    state text not null check (state in ('running', 'standby')),
    started_at timestamptz not null,
    heartbeat_at timestamptz not null
) with (fillfactor = 50);
comment on table ledger.evaluator is 'Evaluators that spoke lately, and the rules each has read.';
comment on column ledger.evaluator.evaluator is 'Its name.';
comment on column ledger.evaluator.rule_set is 'SHA-256 of the set of rule files it has read.';
comment on column ledger.evaluator.state is 'running, or standby: another set is the active one.';
comment on column ledger.evaluator.started_at is 'When it started.';
comment on column ledger.evaluator.heartbeat_at is 'When it last spoke.';

create table ledger.rule_group (
    rule_group text primary key,
    interval_seconds double precision not null check (interval_seconds > 0),
    owner text,
    epoch bigint not null default 0,
    lease_until timestamptz,
    last_slot timestamptz,
    missed_slots bigint not null default 0,
    removed_at timestamptz
) with (fillfactor = 50);
comment on table ledger.rule_group is 'Groups of rules: one interval, one instant of evaluation, one evaluator at a time.';
comment on column ledger.rule_group.rule_group is 'Name of the group.';
comment on column ledger.rule_group.interval_seconds is 'How often it is evaluated, in seconds.';
comment on column ledger.rule_group.owner is 'Evaluator that claimed it.';
comment on column ledger.rule_group.epoch is 'Number of the current claim; a slot of an earlier claim is not applied.';
comment on column ledger.rule_group.lease_until is 'Until when nobody else may claim it.';
comment on column ledger.rule_group.last_slot is 'Newest slot that every rule of it was run for.';
comment on column ledger.rule_group.missed_slots is 'Slots that nobody ran in time; they are counted and never run later.';
comment on column ledger.rule_group.removed_at is 'When the last rule of it was removed.';

create table ledger.rule (
    rule text primary key,
    kind text not null check (kind in ('alert', 'record', 'rollup')),
    rule_name text not null,
    rule_group text not null,
    file text not null,
    version text not null,
    identity text not null,
    query_text text not null,
    interval_seconds double precision not null,
    for_seconds double precision not null default 0,
    mode text not null default 'live' check (mode in ('live', 'shadow', 'disabled')),
    labels jsonb not null default '{}',
    annotations jsonb not null default '{}',
    receivers text[] not null default '{}',
    loaded_at timestamptz not null,
    removed_at timestamptz,
    state text not null default 'new' check (state in ('new', 'ok', 'error', 'removed')),
    last_slot timestamptz,
    last_ok_slot timestamptz,
    last_seconds double precision,
    last_rows bigint,
    last_error text,
    failures integer not null default 0,
    too_slow integer not null default 0,
    limit_exceeded boolean not null default false
) with (fillfactor = 50);
comment on table ledger.rule is 'Every rule that is or was evaluated, with where it stands.';
comment on column ledger.rule.rule is 'Its id: the file name without folder and ending.';
comment on column ledger.rule.kind is 'alert, record or rollup.';
comment on column ledger.rule.rule_name is 'Name of the alert, of the series, or of the rollup.';
comment on column ledger.rule.rule_group is 'Group it belongs to.';
comment on column ledger.rule.file is 'File it was read from.';
comment on column ledger.rule.version is 'SHA-256 of that file.';
comment on column ledger.rule.identity is 'What the identity of its instances rests on; another one resolves the old instances.';
comment on column ledger.rule.query_text is 'Its SQL.';
comment on column ledger.rule.interval_seconds is 'How often it runs, in seconds.';
comment on column ledger.rule.for_seconds is 'How long the condition must hold before it fires, in seconds.';
comment on column ledger.rule.mode is 'live, shadow (notifies nobody) or disabled.';
comment on column ledger.rule.labels is 'Labels every instance gets.';
comment on column ledger.rule.annotations is 'Templates of its annotations.';
comment on column ledger.rule.receivers is 'Receivers it names; empty where routes decide.';
comment on column ledger.rule.loaded_at is 'When this version was first run by.';
comment on column ledger.rule.removed_at is 'When it was gone from the folder.';
comment on column ledger.rule.state is 'new, ok, error or removed.';
comment on column ledger.rule.last_slot is 'Newest slot it was run for.';
comment on column ledger.rule.last_ok_slot is 'Newest slot at which its query gave an answer.';
comment on column ledger.rule.last_seconds is 'How long its query took then, in seconds.';
comment on column ledger.rule.last_rows is 'Rows it gave then.';
comment on column ledger.rule.last_error is 'What went wrong at the newest slot; NULL if nothing did.';
comment on column ledger.rule.failures is 'Slots in a row at which its query failed.';
comment on column ledger.rule.too_slow is 'Slots in a row at which it took more than half of its timeout.';
comment on column ledger.rule.limit_exceeded is 'True if it gave more rows than its limit at the newest slot.';

create table ledger.rule_run (
    rule text not null,
    slot timestamptz not null,
    rule_version text not null,
    rule_set text not null,
    evaluator text not null,
    epoch bigint not null,
    as_of timestamptz not null,
    outcome text not null check (outcome in ('ok', 'error')),
    error text,
    query_seconds double precision not null,
    rows bigint not null,
    changed bigint not null,
    queued bigint not null,
    limit_exceeded boolean not null default false,
    applied_at timestamptz not null,
    primary key (rule, slot)
) partition by range (slot);
comment on table ledger.rule_run is 'Every run of a rule; its key is why no slot is applied twice.';
comment on column ledger.rule_run.rule is 'Rule.';
comment on column ledger.rule_run.slot is 'Slot: a whole multiple of the interval.';
comment on column ledger.rule_run.rule_version is 'SHA-256 of the rule''s file.';
comment on column ledger.rule_run.rule_set is 'SHA-256 of the set of rules it belonged to.';
comment on column ledger.rule_run.evaluator is 'Who ran it.';
comment on column ledger.rule_run.epoch is 'Claim of its group under which it ran.';
comment on column ledger.rule_run.as_of is 'Instant its query asked about: the slot less query_offset.';
comment on column ledger.rule_run.outcome is 'ok, or error: the query gave no answer, which is not the same as no rows.';
comment on column ledger.rule_run.error is 'What went wrong.';
comment on column ledger.rule_run.query_seconds is 'How long the query took, in seconds.';
comment on column ledger.rule_run.rows is 'Rows it gave.';
comment on column ledger.rule_run.changed is 'Instances it changed.';
comment on column ledger.rule_run.queued is 'Notifications it queued.';
comment on column ledger.rule_run.limit_exceeded is 'True if there were more rows than the rule''s limit: no instance was made.';
comment on column ledger.rule_run.applied_at is 'When it was applied.';

create table ledger.alert_instance (
    rule text not null,
    fingerprint text not null,
    alertname text not null,
    labels jsonb not null,
    annotations jsonb not null,
    value double precision,
    condition text not null check (condition in ('inactive', 'pending', 'firing', 'recovering', 'resolved')),
    episode bigint not null default 0,
    active_at timestamptz,
    fired_at timestamptz,
    resolved_at timestamptz,
    resolved_reason text,
    held_since timestamptz,
    held_reason text,
    snoozed_until timestamptz,
    cooldown_until timestamptz,
    acked_at timestamptz,
    acked_by text,
    inhibited_by text,
    shadow boolean not null default false,
    notifications bigint not null default 0,
    last_notified_at timestamptz,
    suppressed_episodes bigint not null default 0,
    receivers text[] not null default '{}',
    memory jsonb not null,
    changed_slot timestamptz not null,
    datacenter text generated always as (labels ->> 'datacenter') stored,
    cluster text generated always as (labels ->> 'cluster') stored,
    namespace text generated always as (labels ->> 'namespace') stored,
    node text generated always as (labels ->> 'node') stored,
    pod text generated always as (labels ->> 'pod') stored,
    primary key (rule, fingerprint)
) with (fillfactor = 70);
create index alert_instance_condition on ledger.alert_instance (condition);
comment on table ledger.alert_instance is 'Instances of alerts: one for each set of labels a rule gave, while it is not long resolved.';
comment on column ledger.alert_instance.rule is 'Rule.';
comment on column ledger.alert_instance.fingerprint is 'Hash of its labels.';
comment on column ledger.alert_instance.alertname is 'Name of the alert.';
comment on column ledger.alert_instance.labels is 'All its labels, those of the rule and of the row.';
comment on column ledger.alert_instance.annotations is 'Its annotations, filled in.';
comment on column ledger.alert_instance.value is 'Value of its newest row.';
comment on column ledger.alert_instance.condition is 'inactive, pending, firing, recovering or resolved.';
comment on column ledger.alert_instance.episode is 'How often it fired: the number of the current or last episode.';
comment on column ledger.alert_instance.active_at is 'First slot of this episode at which the condition held.';
comment on column ledger.alert_instance.fired_at is 'Slot at which this episode began to fire.';
comment on column ledger.alert_instance.resolved_at is 'Slot at which it was resolved.';
comment on column ledger.alert_instance.resolved_reason is 'Why: fixed, missing, stale_source, target_retired, rule_removed, rule_disabled or rule_relabelled.';
comment on column ledger.alert_instance.held_since is 'Since when nothing can be said about it.';
comment on column ledger.alert_instance.held_reason is 'Why: the query failed, or its source is stale.';
comment on column ledger.alert_instance.snoozed_until is 'Until when it is snoozed.';
comment on column ledger.alert_instance.cooldown_until is 'Until when a new episode is not notified.';
comment on column ledger.alert_instance.acked_at is 'When it was acknowledged.';
comment on column ledger.alert_instance.acked_by is 'Who acknowledged it.';
comment on column ledger.alert_instance.inhibited_by is 'Alert that keeps it from being notified.';
comment on column ledger.alert_instance.shadow is 'True if its rule notifies nobody.';
comment on column ledger.alert_instance.notifications is 'Notifications sent about it.';
comment on column ledger.alert_instance.last_notified_at is 'Slot of the newest of them.';
comment on column ledger.alert_instance.suppressed_episodes is 'Episodes that came and went without any receiver hearing of them.';
comment on column ledger.alert_instance.receivers is 'Receivers it goes to.';
comment on column ledger.alert_instance.memory is 'What the state machine remembers of it, and of what each receiver was notified of.';
comment on column ledger.alert_instance.changed_slot is 'Newest slot that changed it.';
comment on column ledger.alert_instance.datacenter is 'Its label datacenter.';
comment on column ledger.alert_instance.cluster is 'Its label cluster.';
comment on column ledger.alert_instance.namespace is 'Its label namespace.';
comment on column ledger.alert_instance.node is 'Its label node.';
comment on column ledger.alert_instance.pod is 'Its label pod.';

-- A sequence of its own: identity columns and partitions that are made alone and attached do not mix.
create sequence ledger.alert_event_number;
create table ledger.alert_event (
    slot timestamptz not null,
    alert_event_id bigint not null default nextval('ledger.alert_event_number'),
    rule text not null,
    fingerprint text not null,
    alertname text not null,
    labels jsonb not null,
    event text not null,
    reason text,
    value double precision,
    receiver text,
    by_whom text,
    recorded_at timestamptz not null default clock_timestamp(),
    primary key (slot, alert_event_id)
) partition by range (slot);
create index on ledger.alert_event (rule, fingerprint, slot);
comment on table ledger.alert_event is 'What happened to each instance, append-only.';
comment on column ledger.alert_event.slot is 'Slot at which it happened.';
comment on column ledger.alert_event.alert_event_id is 'Its number.';
comment on column ledger.alert_event.rule is 'Rule.';
comment on column ledger.alert_event.fingerprint is 'Hash of the instance''s labels.';
comment on column ledger.alert_event.alertname is 'Name of the alert.';
comment on column ledger.alert_event.labels is 'Labels of the instance.';
comment on column ledger.alert_event.event is 'pending, reset, firing, recovering, refired, resolved, held, known, snoozed, unsnoozed, acked or notified.';
comment on column ledger.alert_event.reason is 'Why.';
comment on column ledger.alert_event.value is 'Value of the row at that slot.';
comment on column ledger.alert_event.receiver is 'Receiver, for notifications.';
comment on column ledger.alert_event.by_whom is 'Who did it, where somebody did.';
comment on column ledger.alert_event.recorded_at is 'When it was written.';

create table ledger.snooze (
    snooze_id bigint generated always as identity primary key,
    kind text not null check (kind in ('snooze', 'silence')),
    matchers jsonb not null,
    from_at timestamptz not null,
    until_at timestamptz not null,
    created_by text not null,
    reason text not null,
    created_at timestamptz not null,
    ended_at timestamptz,
    ended_by text,
    ended_reason text,
    check (from_at < until_at),
    check (until_at <= from_at + interval '30 days'),
    check ((ended_at is null) = (ended_reason is null))
);
create index snooze_open on ledger.snooze (until_at) where ended_at is null;
comment on table ledger.snooze is 'Snoozes and planned silences; each has an owner, a reason and an end.';
comment on column ledger.snooze.snooze_id is 'Its number.';
comment on column ledger.snooze.kind is 'snooze (of something that fires; ends once that has been resolved for 15 minutes) or silence (planned; lasts to its end).';
comment on column ledger.snooze.matchers is 'Label matchers such as node="n1", all of which must hold.';
comment on column ledger.snooze.from_at is 'When it begins.';
comment on column ledger.snooze.until_at is 'When it ends; 30 days later at most.';
comment on column ledger.snooze.created_by is 'Who snoozed.';
comment on column ledger.snooze.reason is 'Why.';
comment on column ledger.snooze.created_at is 'When it was written down.';
comment on column ledger.snooze.ended_at is 'Slot or instant at which it ended before its time.';
comment on column ledger.snooze.ended_by is 'Who ended it.';
comment on column ledger.snooze.ended_reason is 'unsnoozed, or resolved: nothing it matches has been firing for 15 minutes.';

create table ledger.alert_ack (
    alert_ack_id bigint generated always as identity primary key,
    rule text not null,
    fingerprint text not null,
    acked_by text not null,
    reason text not null default '',
    acked_at timestamptz not null,
    applied_slot timestamptz
);
create index alert_ack_open on ledger.alert_ack (rule) where applied_slot is null;
comment on table ledger.alert_ack is 'Acknowledgements, taken up by the next run of the rule.';
comment on column ledger.alert_ack.alert_ack_id is 'Its number.';
comment on column ledger.alert_ack.rule is 'Rule.';
comment on column ledger.alert_ack.fingerprint is 'Hash of the instance''s labels.';
comment on column ledger.alert_ack.acked_by is 'Who.';
comment on column ledger.alert_ack.reason is 'What they say.';
comment on column ledger.alert_ack.acked_at is 'When.';
comment on column ledger.alert_ack.applied_slot is 'Slot that took it up.';

create table ledger.page_group (
    stream_id text primary key,
    receiver text not null,
    group_key jsonb not null,
    incarnation bigint not null,
    members jsonb not null,
    notified_at timestamptz,
    secret_ref text,
    changed_slot timestamptz not null
) with (fillfactor = 70);
comment on table ledger.page_group is 'What one receiver is notified of as one incident: an instance, or an alert of a cluster.';
comment on column ledger.page_group.stream_id is 'Hash of receiver and group key: its notifications keep their order.';
comment on column ledger.page_group.receiver is 'Receiver.';
comment on column ledger.page_group.group_key is 'Labels that make the group.';
comment on column ledger.page_group.incarnation is 'Raised when it opens again after a full resolve, and at each snooze that ends.';
comment on column ledger.page_group.members is 'Open instances by rule and hash of labels; true for those that were acknowledged or snoozed.';
comment on column ledger.page_group.notified_at is 'When the newest notification that it fires was or is to be sent.';
comment on column ledger.page_group.secret_ref is 'Reference of the secret this incarnation was opened with; its end goes the same way.';
comment on column ledger.page_group.changed_slot is 'Newest slot that changed it.';

create table ledger.outbox (
    outbox_id bigint generated always as identity primary key,
    idempotency_key text not null unique,
    receiver text not null,
    stream_id text not null,
    dedup_key text not null,
    incarnation bigint not null,
    secret_ref text,
    kind text not null check (kind in ('trigger', 'acknowledge', 'resolve')),
    reason text not null,
    slot timestamptz not null,
    rule text,
    fingerprint text,
    message jsonb not null,
    state text not null default 'queued' check (state in ('queued', 'sent', 'cancelled', 'dead')),
    attempts integer not null default 0,
    first_attempt_at timestamptz,
    due_at timestamptz not null,
    claimed_by text,
    claimed_until timestamptz,
    last_error text,
    queued_at timestamptz not null,
    settled_at timestamptz
) with (fillfactor = 70);
create index outbox_open on ledger.outbox (stream_id, outbox_id) where state = 'queued';
-- What is due first is found without sorting all that is due.
create index outbox_due on ledger.outbox (due_at, outbox_id) where state = 'queued';
create index outbox_key on ledger.outbox (dedup_key);
create index outbox_settled on ledger.outbox (settled_at) where state <> 'queued';
comment on table ledger.outbox is 'Notifications, written in the transaction that decided them and sent in order for each group of a receiver.';
comment on column ledger.outbox.outbox_id is 'Its number: the order of one stream.';
comment on column ledger.outbox.idempotency_key is 'What makes it one and the same decision.';
comment on column ledger.outbox.receiver is 'Receiver.';
comment on column ledger.outbox.stream_id is 'What keeps its order: one receiver''s group, whatever its incarnation.';
comment on column ledger.outbox.dedup_key is 'Key under which the receiver knows the incident.';
comment on column ledger.outbox.incarnation is 'Which life of the group the key belongs to.';
comment on column ledger.outbox.secret_ref is 'Reference of the secret it is sent with, where the receiver has one.';
comment on column ledger.outbox.kind is 'trigger, acknowledge or resolve.';
comment on column ledger.outbox.reason is 'Why it is sent.';
comment on column ledger.outbox.slot is 'Slot of the decision.';
comment on column ledger.outbox.rule is 'Rule of the instance it is about; NULL where there are several.';
comment on column ledger.outbox.fingerprint is 'Hash of that instance''s labels.';
comment on column ledger.outbox.message is 'What is to be said; holds no secret.';
comment on column ledger.outbox.state is 'queued, sent, cancelled (overtaken before anybody was notified) or dead (refused for good).';
comment on column ledger.outbox.attempts is 'How often it was tried.';
comment on column ledger.outbox.first_attempt_at is 'When it was first tried.';
comment on column ledger.outbox.due_at is 'When it is tried next.';
comment on column ledger.outbox.claimed_by is 'Evaluator that is sending it.';
comment on column ledger.outbox.claimed_until is 'Until when nobody else may.';
comment on column ledger.outbox.last_error is 'What went wrong at the newest attempt.';
comment on column ledger.outbox.queued_at is 'When it was decided.';
comment on column ledger.outbox.settled_at is 'When it was sent, cancelled or given up.';

create sequence ledger.delivery_number;
create table ledger.delivery (
    attempted_at timestamptz not null,
    delivery_id bigint not null default nextval('ledger.delivery_number'),
    outbox_id bigint not null,
    receiver text not null,
    evaluator text not null,
    outcome text not null check (outcome in ('sent', 'retry', 'dead')),
    status integer,
    seconds double precision not null,
    error text,
    primary key (attempted_at, delivery_id)
) partition by range (attempted_at);
create index on ledger.delivery (outbox_id);
comment on table ledger.delivery is 'Attempts to send a notification.';
comment on column ledger.delivery.attempted_at is 'When.';
comment on column ledger.delivery.delivery_id is 'Its number.';
comment on column ledger.delivery.outbox_id is 'Notification.';
comment on column ledger.delivery.receiver is 'Receiver.';
comment on column ledger.delivery.evaluator is 'Who tried.';
comment on column ledger.delivery.outcome is 'sent, retry or dead.';
comment on column ledger.delivery.status is 'HTTP status; NULL where there was no answer.';
comment on column ledger.delivery.seconds is 'How long it took, in seconds.';
comment on column ledger.delivery.error is 'What went wrong.';

insert into ledger.partitioned_table (table_name, range_column, has_old_partition, retention_days) values
    ('rule_run', 'slot', true, 30),
    ('alert_event', 'slot', true, 400),
    ('delivery', 'attempted_at', true, 30);
