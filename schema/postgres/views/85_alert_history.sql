-- view: alert_history
-- forms: live
-- What happened to every alert: when it became pending, fired, was held, snoozed, acknowledged, notified, resolved.
select
    e.slot as happened_at, -- Slot at which it happened.
    e.alertname, -- Name of the alert.
    e.event, -- pending, reset, firing, recovering, refired, resolved, held, known, snoozed, unsnoozed, acked or notified.
    e.reason, -- Why.
    e.labels ->> 'datacenter' as datacenter, -- Label datacenter.
    e.labels ->> 'cluster' as cluster, -- Label cluster.
    e.labels ->> 'namespace' as namespace, -- Label namespace.
    e.labels ->> 'node' as node, -- Label node.
    e.labels ->> 'pod' as pod, -- Label pod.
    e.value, -- Value of the row at that slot.
    e.receiver, -- Receiver, for notifications.
    e.by_whom, -- Who did it, where somebody did.
    e.rule, -- Rule it comes from.
    e.fingerprint, -- Hash of its labels.
    e.labels, -- All its labels.
    e.alert_event_id, -- Order of what happened at one slot.
    e.recorded_at -- When it was written.
from ledger.alert_event as e
