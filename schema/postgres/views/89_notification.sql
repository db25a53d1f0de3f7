-- view: notification
-- forms: live
-- Notifications that were sent, are about to be sent, or could not be sent.
select
    o.outbox_id as notification_id, -- Its number: the order of one incident.
    o.slot, -- Slot of the decision.
    o.receiver, -- Receiver.
    o.kind, -- trigger, acknowledge or resolve.
    o.reason, -- Why it is sent, such as new, repeat, snooze_expired, resolved.
    o.state, -- queued, sent, cancelled (superseded before it was sent) or dead (a dead letter).
    o.attempts, -- How often it was tried.
    o.last_error, -- What went wrong at the newest attempt.
    o.due_at, -- When it is tried next.
    i.alertname, -- Name of the alert; NULL where it tells of several.
    i.datacenter, -- Label datacenter.
    i.cluster, -- Label cluster.
    i.namespace, -- Label namespace.
    i.node, -- Label node.
    i.pod, -- Label pod.
    o.rule, -- Rule of the alert it tells of; NULL where it tells of several.
    o.fingerprint, -- Hash of that alert's labels.
    o.dedup_key, -- Key under which the receiver knows the incident.
    o.incarnation, -- Which life of the incident the key belongs to.
    o.message, -- What is said.
    o.queued_at, -- When it was decided.
    o.settled_at -- When it was sent, cancelled or given up.
from ledger.outbox as o
left join ledger.alert_instance as i on i.rule = o.rule and i.fingerprint = o.fingerprint
