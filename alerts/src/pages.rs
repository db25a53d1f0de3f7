//! Stage 6: from what each receiver is to be told to rows of the outbox, in the transaction that decided it.

mod book;
mod outbox;
mod stream;
mod word;

use fleetledger_paging::{GroupNotify, NotifyKind, group::dedup_key, outbox::plan};
use fleetledger_schema::instant::Instant;
use tokio_postgres::Transaction;

use crate::{
    errors::AlertsError,
    judge::{Telling, Verdict},
    links::Places,
    receivers::Receivers,
    store::timestamp,
};
use book::Book;
use outbox::{Queued, write_outbox};
use stream::{lock_streams, write_streams};
use word::{other_members, wake, word};

/// All that notifications depend on, besides the verdict.
pub(crate) struct Desk<'a> {
    /// The rule.
    pub(crate) rule: &'a str,
    /// The slot.
    pub(crate) slot: Instant,
    /// Where links lead to.
    pub(crate) places: &'a Places,
    /// Who is told.
    pub(crate) receivers: &'a Receivers,
    /// Who snoozed what, by the snooze's id.
    pub(crate) snoozes: &'a [fleetledger_paging::Snooze],
}

/// Queues what the verdict wants told; returns how many notifications. Where a receiver never saw an incarnation fire,
/// the instances learn of it.
pub(crate) async fn queue(
    transaction: &Transaction<'_>,
    desk: &Desk<'_>,
    verdict: &mut Verdict,
) -> Result<i64, AlertsError> {
    let telling = std::mem::take(&mut verdict.telling);
    if telling.is_empty() {
        return Ok(0);
    }
    let mut streams = lock_streams(transaction, desk, &telling).await?;
    let slot = timestamp(desk.slot);
    let mut said: Vec<(&String, &Telling, Vec<GroupNotify>)> = Vec::new();
    for (stream_id, telling) in &telling {
        let Some(stream) = streams.get_mut(stream_id) else {
            continue;
        };
        let members = telling
            .notify
            .iter()
            .map(|(id, notify)| (member(desk.rule, id), notify.as_slice()));
        let members: Vec<(String, &[fleetledger_paging::Notify])> = members.collect();
        let decisions = members.iter().map(|(id, notify)| (id.as_str(), *notify));
        said.push((
            stream_id,
            telling,
            stream.group.apply(&telling.grouping, slot, decisions),
        ));
    }
    let keys: Vec<String> = said
        .iter()
        .flat_map(|(stream_id, _, notifies)| notifies.iter().map(|one| dedup_key(stream_id, one.incarnation)))
        .collect();
    let mut book = Book::open(transaction, &keys).await?;
    let others = other_members(transaction, desk, &streams, verdict).await?;
    let mut queued = Vec::new();
    for (stream_id, telling, notifies) in &said {
        let Some(stream) = streams.get_mut(*stream_id) else {
            continue;
        };
        for notify in notifies {
            let key = dedup_key(stream_id, notify.incarnation);
            let wake = wake(desk, telling, notify, verdict);
            if !desk
                .receivers
                .tells(&telling.receiver, notify.kind, notify.reason)
            {
                continue;
            }
            let plan = plan(notify.kind, book.waiting(&key), book.seen(&key));
            book.cancel(&key, &plan.cancel);
            if plan.unseen {
                for (id, _) in &telling.notify {
                    if let Some(told) = verdict
                        .kept
                        .get_mut(id)
                        .and_then(|kept| kept.memory.told.get_mut(&telling.receiver))
                    {
                        told.cancel();
                    }
                }
            }
            if notify.kind == NotifyKind::Trigger && !book.knows(&key) {
                stream.secret_ref = desk.receivers.secret_ref(&telling.receiver);
            }
            if !plan.enqueue && plan.replace.is_none() {
                continue;
            }
            let mut notification = word(desk, telling, notify, &key, &stream.group, verdict, &others);
            notification.wake = wake;
            book.add(&key, notify.kind, plan.replace);
            queued.push(Queued {
                stream_id: (*stream_id).clone(),
                receiver: telling.receiver.clone(),
                secret_ref: stream.secret_ref.clone(),
                only: (notification.alerts_total == 1)
                    .then(|| telling.notify.first().map(|(id, _)| id.clone()))
                    .flatten(),
                notification,
                incarnation: notify.incarnation,
                due_at: notify.due_at,
                replaces: plan.replace,
            });
        }
    }
    book.write_cancelled(transaction, desk.slot).await?;
    write_streams(transaction, desk, &telling, &streams).await?;
    write_outbox(transaction, desk, &queued).await?;
    Ok(i64::try_from(queued.len()).unwrap_or(i64::MAX))
}

fn member(rule: &str, fingerprint: &str) -> String {
    format!("{rule}/{fingerprint}")
}
