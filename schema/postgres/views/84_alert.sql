-- view: alert
-- forms: live
-- Alerts that are pending, firing or recovering. Join it with node or pod by datacenter, cluster, namespace, node, pod.
select
    i.alertname, -- Name of the alert.
    i.condition, -- pending, firing or recovering.
    i.labels ->> 'severity' as severity, -- Severity, such as page or ticket.
    i.labels ->> 'team' as team, -- Team it goes to.
    i.datacenter, -- Label datacenter.
    i.cluster, -- Label cluster.
    i.namespace, -- Label namespace.
    i.node, -- Label node.
    i.pod, -- Label pod.
    i.annotations ->> 'summary' as summary, -- Its summary.
    i.value, -- Value of the newest row.
    i.episode, -- How often it fired: the number of the current or last episode.
    i.active_at, -- First slot at which its condition held.
    i.fired_at, -- Slot at which it began to fire.
    coalesce(i.snoozed_until > fleet.as_of(), false) as snoozed, -- True if it is snoozed.
    i.snoozed_until, -- Until when it is snoozed.
    i.acked_by, -- Who acknowledged it.
    i.acked_at, -- When.
    i.held_reason, -- Why nothing can be said about it just now; NULL if it is evaluated.
    i.held_since, -- Since when.
    i.inhibited_by, -- Alert that keeps it from being notified.
    i.shadow, -- True if its rule notifies nobody.
    i.cooldown_until, -- Until when a new episode is not notified.
    i.notifications, -- Notifications sent about it.
    i.last_notified_at, -- Slot of the newest of them.
    i.suppressed_episodes, -- Episodes that came and went without any receiver hearing of them.
    i.receivers, -- Receivers it goes to.
    i.rule, -- Rule it comes from.
    i.fingerprint, -- Hash of its labels: its identity within the rule.
    i.labels, -- All its labels.
    i.annotations -- All its annotations.
from ledger.alert_instance as i
where i.condition in ('pending', 'firing', 'recovering')
