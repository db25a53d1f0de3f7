//! What a notification says.

use std::collections::{BTreeMap, HashMap};

use fleetledger_paging::{
    Alert, AlertGroup, GroupNotify, Notification, NotifyKind, NotifyReason, notification::QuietedBy,
};
use tokio_postgres::Transaction;

use super::{NotificationContext, member, stream::NotificationStream};
use crate::{
    errors::{AlertsError, while_},
    evaluation::{EvaluationOutcome, GroupDecisions},
    instance::StoredInstance,
    store::{texts, timestamp},
};

/// Members that a notification shows; receivers are told how many more there are.
const SHOWN: usize = 20;

/// Members of the same groups that other slots told of, and that this verdict does not hold.
pub(super) async fn other_members(
    transaction: &Transaction<'_>,
    context: &NotificationContext<'_>,
    streams: &BTreeMap<String, NotificationStream>,
    outcome: &EvaluationOutcome,
) -> Result<HashMap<String, Alert>, AlertsError> {
    let mut wanted = (Vec::new(), Vec::new());
    for id in streams.values().flat_map(|stream| stream.group.members.keys()) {
        let Some((rule, fingerprint)) = id.rsplit_once('/') else {
            continue;
        };
        if rule != context.rule || !outcome.instances.contains_key(fingerprint) {
            wanted.0.push(rule);
            wanted.1.push(fingerprint);
        }
    }
    if wanted.0.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = transaction
        .query(READ_MEMBERS, &[&wanted.0, &wanted.1])
        .await
        .map_err(while_("load members of groups"))?;
    let alerts = rows.iter().map(|row| {
        let (labels, annotations) = (texts(row.get(1)), texts(row.get(2)));
        let alert = Alert {
            links: context.link_targets.links(&labels, &annotations),
            labels,
            annotations,
            value: row.get(3),
            starts_at: timestamp(row.get(4)),
            ends_at: None,
        };
        (row.get(0), alert)
    });
    Ok(alerts.collect())
}

pub(super) fn compose_notification(
    context: &NotificationContext<'_>,
    decisions: &GroupDecisions,
    notify: &GroupNotify,
    key: &str,
    group: &AlertGroup,
    outcome: &EvaluationOutcome,
    others: &HashMap<String, Alert>,
) -> Notification {
    let slot = timestamp(context.slot);
    let instances: Vec<&StoredInstance> = decisions
        .notify
        .iter()
        .filter_map(|(id, _)| outcome.instances.get(id))
        .collect();
    let is_end = notify.kind == NotifyKind::Resolve;
    let mut alerts: Vec<Alert> = instances
        .iter()
        .filter(|kept| {
            is_end
                || group
                    .members
                    .contains_key(&member(context.rule, &kept.fingerprint))
        })
        .map(|kept| alert(context, kept, is_end))
        .collect();
    if !is_end {
        let known = |id: &String| {
            decisions
                .notify
                .iter()
                .any(|(instances, _)| member(context.rule, instances) == *id)
        };
        for id in group.members.keys().filter(|id| !known(id)) {
            if alerts.len() >= SHOWN {
                break;
            }
            let own = id.rsplit_once('/').filter(|(rule, _)| *rule == context.rule);
            let own = own.and_then(|(_, fingerprint)| outcome.instances.get(fingerprint));
            alerts.extend(
                own.map(|kept| alert(context, kept, false))
                    .or_else(|| others.get(id).cloned()),
            );
        }
    }
    let alerts_total = if is_end { alerts.len() } else { group.members.len() };
    alerts.sort_by(|left, right| right.value.unwrap_or(0.0).total_cmp(&left.value.unwrap_or(0.0)));
    alerts.truncate(SHOWN);
    let suppressed = decisions
        .notify
        .iter()
        .flat_map(|(_, notify)| notify)
        .map(|one| one.suppressed_episodes);
    Notification {
        idempotency_key: format!("{key}:{}:{}", notify.kind.as_str(), context.slot.0),
        receiver: decisions.receiver.clone(),
        kind: notify.kind,
        reason: notify.reason,
        decided_at: slot,
        dedup_key: key.to_owned(),
        group_key: decisions.group_key.clone(),
        alerts,
        alerts_total,
        by: instances
            .first()
            .and_then(|kept| snoozed_or_acked_by(context, kept))
            .filter(|_| notify.kind == NotifyKind::Acknowledge),
        suppressed_episodes: suppressed.sum(),
        wake: 0,
    }
}

/// How often the instance has been woken, for a receiver that knows it by that.
pub(super) fn wake(
    desk: &NotificationContext<'_>,
    decisions: &GroupDecisions,
    notify: &GroupNotify,
    verdict: &mut EvaluationOutcome,
) -> u64 {
    let [(id, _)] = decisions.notify.as_slice() else {
        return 0;
    };
    let Some(kept) = verdict
        .instances
        .get_mut(id)
        .filter(|_| desk.receivers.wants_instances(&decisions.receiver))
    else {
        return 0;
    };
    let woken = kept.memory.wakes.entry(decisions.receiver.clone()).or_default();
    if (notify.kind, notify.reason) == (NotifyKind::Trigger, NotifyReason::SnoozeExpired) {
        woken.at = Some(timestamp(desk.slot));
    }
    woken.wake.count(notify.kind, notify.reason)
}

fn alert(context: &NotificationContext<'_>, kept: &StoredInstance, is_end: bool) -> Alert {
    let slot = timestamp(context.slot);
    let instance = &kept.memory.instance;
    Alert {
        labels: kept.labels.clone(),
        annotations: kept.annotations.clone(),
        value: kept.value,
        starts_at: instance.firing_since.unwrap_or(slot),
        ends_at: is_end.then(|| instance.resolved_at.unwrap_or(slot)),
        links: context.link_targets.links(&kept.labels, &kept.annotations),
    }
}

/// Who made it quiet.
fn snoozed_or_acked_by(context: &NotificationContext<'_>, kept: &StoredInstance) -> Option<QuietedBy> {
    let instance = &kept.memory.instance;
    let snooze = instance.snooze_id.as_ref();
    if let Some(snooze) = snooze.and_then(|id| context.snoozes.iter().find(|snooze| snooze.id == *id)) {
        return Some(QuietedBy {
            who: snooze.owner.clone(),
            reason: snooze.reason.clone(),
            until: Some(snooze.until),
        });
    }
    instance.acked_by.as_ref().map(|who| QuietedBy {
        who: who.clone(),
        reason: String::new(),
        until: None,
    })
}

const READ_MEMBERS: &str = "
    select rule || '/' || fingerprint, labels, annotations, value, coalesce(fired_at, changed_slot)
    from ledger.alert_instance
    where (rule, fingerprint) in (select * from unnest($1::text[], $2::text[]))";
