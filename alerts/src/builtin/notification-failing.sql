/*---
alert: NotificationFailing
group: fleetledger
interval: 1m
cooldown: 30m
repeat_interval: 4h
columns: {value: notifications, labels: [receiver], annotations: [last_error]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ value | count('notification') }} did not reach {{ labels.receiver }}: {{ annotations.last_error }}"
  runbook: notification-failing
freshness: none
---*/
-- Given up within the last hour, or tried for five minutes without success.
select receiver, count(*) as notifications, coalesce((array_agg(last_error order by notification_id desc))[1], 'no answer') as last_error
from notification
where (state = 'dead' and settled_at > as_of() - interval '1 hour')
   or (state = 'queued' and attempts >= 3 and queued_at < as_of() - interval '5 minutes')
group by receiver
