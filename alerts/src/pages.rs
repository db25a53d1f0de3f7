//! Stage 6: from what each receiver is to be told to rows of the outbox, in the transaction that decided it.

mod compose;
mod outbox;
mod outbox_state;
mod stream;

use fleetledger_paging::{GroupNotify, NotifyKind, group::dedup_key, outbox::plan};
use fleetledger_schema::instant::Instant;
use tokio_postgres::Transaction;

use crate::{
    errors::AlertsError,
    evaluation::{EvaluationOutcome, GroupDecisions},
    links::LinkTargets,
    receivers::ReceiverSet,
    store::timestamp,
};
use compose::{compose_notification, other_members, wake};
use outbox::{OutboxEntry, write_outbox};
use outbox_state::OutboxState;
use stream::{lock_streams, write_streams};

/// All that notifications depend on, besides the verdict.
pub(crate) struct NotificationContext<'a> {
    /// The rule.
    pub(crate) rule: &'a str,
    /// The slot.
    pub(crate) slot: Instant,
    /// Where links lead to.
    pub(crate) link_targets: &'a LinkTargets,
    /// Who is told.
    pub(crate) receivers: &'a ReceiverSet,
    /// Who snoozed what, by the snooze's id.
    pub(crate) snoozes: &'a [fleetledger_paging::AlertSnooze],
}

/// Queues what the verdict wants told; returns how many notifications. Where a receiver never saw an incarnation fire,
/// the instances learn of it.
pub(crate) async fn queue(
    transaction: &Transaction<'_>,
    context: &NotificationContext<'_>,
    outcome: &mut EvaluationOutcome,
) -> Result<i64, AlertsError> {
    let decisions = std::mem::take(&mut outcome.decisions);
    if decisions.is_empty() {
        return Ok(0);
    }
    let mut streams = lock_streams(transaction, context, &decisions).await?;
    let slot = timestamp(context.slot);
    let mut applied: Vec<(&String, &GroupDecisions, Vec<GroupNotify>)> = Vec::new();
    for (stream_id, group) in &decisions {
        let Some(stream) = streams.get_mut(stream_id) else {
            continue;
        };
        let members = group
            .notify
            .iter()
            .map(|(id, notify)| (member(context.rule, id), notify.as_slice()));
        let members: Vec<(String, &[fleetledger_paging::InstanceNotify])> = members.collect();
        let changes = members.iter().map(|(id, notify)| (id.as_str(), *notify));
        applied.push((
            stream_id,
            group,
            stream.group.apply(&group.grouping, slot, changes),
        ));
    }
    let keys: Vec<String> = applied
        .iter()
        .flat_map(|(stream_id, _, notifies)| notifies.iter().map(|one| dedup_key(stream_id, one.incarnation)))
        .collect();
    let mut outbox = OutboxState::open(transaction, &keys).await?;
    let others = other_members(transaction, context, &streams, outcome).await?;
    let mut queued = Vec::new();
    for (stream_id, decisions, notifies) in &applied {
        let Some(stream) = streams.get_mut(*stream_id) else {
            continue;
        };
        for notify in notifies {
            let key = dedup_key(stream_id, notify.incarnation);
            let wake = wake(context, decisions, notify, outcome);
            if !context
                .receivers
                .wants_notification(&decisions.receiver, notify.kind, notify.reason)
            {
                continue;
            }
            let plan = plan(notify.kind, outbox.waiting(&key), outbox.was_seen(&key));
            outbox.cancel(&key, &plan.cancel);
            if plan.unseen {
                for (id, _) in &decisions.notify {
                    if let Some(notified) = outcome
                        .instances
                        .get_mut(id)
                        .and_then(|kept| kept.memory.notified.get_mut(&decisions.receiver))
                    {
                        notified.cancel();
                    }
                }
            }
            if notify.kind == NotifyKind::Trigger && !outbox.knows(&key) {
                stream.secret_ref = context.receivers.secret_ref(&decisions.receiver);
            }
            if !plan.enqueue && plan.replace.is_none() {
                continue;
            }
            let mut notification =
                compose_notification(context, decisions, notify, &key, &stream.group, outcome, &others);
            notification.wake = wake;
            outbox.add(&key, notify.kind, plan.replace);
            queued.push(OutboxEntry {
                stream_id: (*stream_id).clone(),
                receiver: decisions.receiver.clone(),
                secret_ref: stream.secret_ref.clone(),
                only: (notification.alerts_total == 1)
                    .then(|| decisions.notify.first().map(|(id, _)| id.clone()))
                    .flatten(),
                notification,
                incarnation: notify.incarnation,
                due_at: notify.due_at,
                replaces: plan.replace,
            });
        }
    }
    outbox.write_cancelled(transaction, context.slot).await?;
    write_streams(transaction, context, &decisions, &streams).await?;
    write_outbox(transaction, context, &queued).await?;
    Ok(i64::try_from(queued.len()).unwrap_or(i64::MAX))
}

fn member(rule: &str, fingerprint: &str) -> String {
    format!("{rule}/{fingerprint}")
}
