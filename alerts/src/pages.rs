//! Stage 6: from what each receiver is to be told to rows of the outbox, in the transaction that decided it.

use std::collections::{BTreeMap, HashMap};

use fleetledger_paging::{
    Alert, Group, GroupNotify, Notification, NotifyKind, NotifyReason,
    group::dedup_key,
    notification::By,
    outbox::{Waiting, plan},
};
use fleetledger_schema::instant::Instant;
use serde_json::{Value, json};
use tokio_postgres::Transaction;

use crate::{
    errors::{AlertsError, while_},
    instance::Kept,
    judge::{Telling, Verdict},
    links::Places,
    receivers::Receivers,
    store::{texts, timestamp},
};

/// Members that a notification shows; receivers are told how many more there are.
const SHOWN: usize = 20;

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

struct Stream {
    group: Group,
    secret_ref: Option<String>,
}

struct Queued {
    stream_id: String,
    receiver: String,
    secret_ref: Option<String>,
    notification: Notification,
    incarnation: u64,
    due_at: jiff::Timestamp,
    replaces: Option<i64>,
    only: Option<String>,
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

/// The groups, locked in one order, so that two rules that share some cannot wait for each other.
async fn lock_streams(
    transaction: &Transaction<'_>,
    desk: &Desk<'_>,
    telling: &BTreeMap<String, Telling>,
) -> Result<BTreeMap<String, Stream>, AlertsError> {
    let documents = telling.iter().map(|(stream_id, telling)| {
        json!({"stream_id": stream_id, "receiver": telling.receiver, "group_key": telling.group_key})
    });
    let documents = Value::Array(documents.collect());
    let make = "
        insert into ledger.page_group (stream_id, receiver, group_key, incarnation, members, changed_slot)
        select d.stream_id, d.receiver, d.group_key, 0, '{}', $2
        from jsonb_to_recordset($1) as d (stream_id text, receiver text, group_key jsonb)
        order by d.stream_id
        on conflict (stream_id) do nothing";
    transaction
        .execute(make, &[&documents, &desk.slot])
        .await
        .map_err(while_("make groups"))?;
    let ids: Vec<&String> = telling.keys().collect();
    let lock = "
        select stream_id, incarnation, members, notified_at, secret_ref
        from ledger.page_group where stream_id = any ($1) order by stream_id for update";
    let rows = transaction
        .query(lock, &[&ids])
        .await
        .map_err(while_("load groups"))?;
    let streams = rows.iter().map(|row| {
        let stream_id: String = row.get(0);
        let members = serde_json::from_value(row.get(2)).map_err(|error| AlertsError::Unreadable {
            what: format!("group {stream_id}"),
            why: error.to_string(),
        })?;
        let group = Group {
            incarnation: u64::try_from(row.get::<_, i64>(1)).unwrap_or(0),
            members,
            notified_at: row.get::<_, Option<Instant>>(3).map(timestamp),
        };
        let stream = Stream {
            group,
            secret_ref: row.get(4),
        };
        Ok((stream_id, stream))
    });
    streams.collect()
}

/// What waits under each key, and whether anybody was told of it.
struct Book {
    waiting: HashMap<String, Vec<Waiting>>,
    seen: HashMap<String, bool>,
    cancelled: Vec<i64>,
}

impl Book {
    async fn open(transaction: &Transaction<'_>, keys: &[String]) -> Result<Self, AlertsError> {
        let load = "
            select dedup_key, outbox_id, kind, state, attempts
            from ledger.outbox where dedup_key = any ($1) order by outbox_id for update";
        let rows = transaction
            .query(load, &[&keys])
            .await
            .map_err(while_("load what waits"))?;
        let mut book = Self {
            waiting: HashMap::new(),
            seen: HashMap::new(),
            cancelled: Vec::new(),
        };
        for row in &rows {
            let (key, id, kind, state): (String, i64, String, String) =
                (row.get(0), row.get(1), row.get(2), row.get(3));
            let Some(kind) = NotifyKind::parse(&kind) else {
                continue;
            };
            let attempted = row.get::<_, i32>(4) > 0;
            match state.as_str() {
                "queued" => book
                    .waiting
                    .entry(key)
                    .or_default()
                    .push(Waiting { id, kind, attempted }),
                // One that was given up may have arrived.
                "sent" | "dead" if kind == NotifyKind::Trigger => {
                    book.seen.insert(key, true);
                }
                _ => {}
            }
        }
        Ok(book)
    }

    fn waiting(&self, key: &str) -> &[Waiting] {
        self.waiting.get(key).map_or(&[], Vec::as_slice)
    }

    fn seen(&self, key: &str) -> bool {
        self.seen.contains_key(key)
    }

    fn knows(&self, key: &str) -> bool {
        self.seen(key) || self.waiting.contains_key(key)
    }

    fn cancel(&mut self, key: &str, ids: &[i64]) {
        if let Some(waiting) = self.waiting.get_mut(key) {
            waiting.retain(|one| !ids.contains(&one.id));
        }
        self.cancelled.extend(ids);
    }

    /// One that is about to be written; it has no number yet.
    fn add(&mut self, key: &str, kind: NotifyKind, replaces: Option<i64>) {
        if replaces.is_none() {
            let one = Waiting {
                id: 0,
                kind,
                attempted: false,
            };
            self.waiting.entry(key.to_owned()).or_default().push(one);
        }
    }

    async fn write_cancelled(&self, transaction: &Transaction<'_>, slot: Instant) -> Result<(), AlertsError> {
        if self.cancelled.is_empty() {
            return Ok(());
        }
        let cancel =
            "update ledger.outbox set state = 'cancelled', settled_at = $2 where outbox_id = any ($1)";
        let cancelled = transaction.execute(cancel, &[&self.cancelled, &slot]).await;
        cancelled.map_err(while_("cancel notifications"))?;
        Ok(())
    }
}

/// Members of the same groups that other slots told of, and that this verdict does not hold.
async fn other_members(
    transaction: &Transaction<'_>,
    desk: &Desk<'_>,
    streams: &BTreeMap<String, Stream>,
    verdict: &Verdict,
) -> Result<HashMap<String, Alert>, AlertsError> {
    let mut wanted = (Vec::new(), Vec::new());
    for id in streams.values().flat_map(|stream| stream.group.members.keys()) {
        let Some((rule, fingerprint)) = id.rsplit_once('/') else {
            continue;
        };
        if rule != desk.rule || !verdict.kept.contains_key(fingerprint) {
            wanted.0.push(rule);
            wanted.1.push(fingerprint);
        }
    }
    if wanted.0.is_empty() {
        return Ok(HashMap::new());
    }
    let load = "
        select rule || '/' || fingerprint, labels, annotations, value, coalesce(fired_at, changed_slot)
        from ledger.alert_instance
        where (rule, fingerprint) in (select * from unnest($1::text[], $2::text[]))";
    let rows = transaction
        .query(load, &[&wanted.0, &wanted.1])
        .await
        .map_err(while_("load members of groups"))?;
    let alerts = rows.iter().map(|row| {
        let (labels, annotations) = (texts(row.get(1)), texts(row.get(2)));
        let alert = Alert {
            links: desk.places.links(&labels, &annotations),
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

fn word(
    desk: &Desk<'_>,
    telling: &Telling,
    notify: &GroupNotify,
    key: &str,
    group: &Group,
    verdict: &Verdict,
    others: &HashMap<String, Alert>,
) -> Notification {
    let slot = timestamp(desk.slot);
    let told: Vec<&Kept> = telling
        .notify
        .iter()
        .filter_map(|(id, _)| verdict.kept.get(id))
        .collect();
    let is_end = notify.kind == NotifyKind::Resolve;
    let mut alerts: Vec<Alert> = told
        .iter()
        .filter(|kept| is_end || group.members.contains_key(&member(desk.rule, &kept.fingerprint)))
        .map(|kept| alert(desk, kept, is_end))
        .collect();
    if !is_end {
        let known = |id: &String| {
            telling
                .notify
                .iter()
                .any(|(told, _)| member(desk.rule, told) == *id)
        };
        for id in group.members.keys().filter(|id| !known(id)) {
            if alerts.len() >= SHOWN {
                break;
            }
            let own = id.rsplit_once('/').filter(|(rule, _)| *rule == desk.rule);
            let own = own.and_then(|(_, fingerprint)| verdict.kept.get(fingerprint));
            alerts.extend(
                own.map(|kept| alert(desk, kept, false))
                    .or_else(|| others.get(id).cloned()),
            );
        }
    }
    let alerts_total = if is_end { alerts.len() } else { group.members.len() };
    alerts.sort_by(|left, right| right.value.unwrap_or(0.0).total_cmp(&left.value.unwrap_or(0.0)));
    alerts.truncate(SHOWN);
    let suppressed = telling
        .notify
        .iter()
        .flat_map(|(_, notify)| notify)
        .map(|one| one.suppressed_episodes);
    Notification {
        idempotency_key: format!("{key}:{}:{}", notify.kind.as_str(), desk.slot.0),
        receiver: telling.receiver.clone(),
        kind: notify.kind,
        reason: notify.reason,
        decided_at: slot,
        dedup_key: key.to_owned(),
        group_key: telling.group_key.clone(),
        alerts,
        alerts_total,
        by: told
            .first()
            .and_then(|kept| by(desk, kept))
            .filter(|_| notify.kind == NotifyKind::Acknowledge),
        suppressed_episodes: suppressed.sum(),
        wake: 0,
    }
}

/// How often the instance has been woken, for a receiver that knows it by that.
fn wake(desk: &Desk<'_>, telling: &Telling, notify: &GroupNotify, verdict: &mut Verdict) -> u64 {
    let [(id, _)] = telling.notify.as_slice() else {
        return 0;
    };
    let Some(kept) = verdict
        .kept
        .get_mut(id)
        .filter(|_| desk.receivers.wants_instances(&telling.receiver))
    else {
        return 0;
    };
    let woken = kept.memory.wakes.entry(telling.receiver.clone()).or_default();
    if (notify.kind, notify.reason) == (NotifyKind::Trigger, NotifyReason::SnoozeExpired) {
        woken.at = Some(timestamp(desk.slot));
    }
    woken.wake.count(notify.kind, notify.reason)
}

fn alert(desk: &Desk<'_>, kept: &Kept, is_end: bool) -> Alert {
    let slot = timestamp(desk.slot);
    let instance = &kept.memory.instance;
    Alert {
        labels: kept.labels.clone(),
        annotations: kept.annotations.clone(),
        value: kept.value,
        starts_at: instance.firing_since.unwrap_or(slot),
        ends_at: is_end.then(|| instance.resolved_at.unwrap_or(slot)),
        links: desk.places.links(&kept.labels, &kept.annotations),
    }
}

/// Who made it quiet.
fn by(desk: &Desk<'_>, kept: &Kept) -> Option<By> {
    let instance = &kept.memory.instance;
    let snooze = instance.snooze_id.as_ref();
    if let Some(snooze) = snooze.and_then(|id| desk.snoozes.iter().find(|snooze| snooze.id == *id)) {
        return Some(By {
            who: snooze.owner.clone(),
            reason: snooze.reason.clone(),
            until: Some(snooze.until),
        });
    }
    instance.acked_by.as_ref().map(|who| By {
        who: who.clone(),
        reason: String::new(),
        until: None,
    })
}

async fn write_streams(
    transaction: &Transaction<'_>,
    desk: &Desk<'_>,
    telling: &BTreeMap<String, Telling>,
    streams: &BTreeMap<String, Stream>,
) -> Result<(), AlertsError> {
    let documents = telling.keys().filter_map(|stream_id| {
        let stream = streams.get(stream_id)?;
        Some(json!({
            "stream_id": stream_id, "incarnation": stream.group.incarnation, "members": stream.group.members,
            "notified_at": stream.group.notified_at, "secret_ref": stream.secret_ref,
        }))
    });
    let documents = Value::Array(documents.collect());
    let write = "
        update ledger.page_group as g set incarnation = d.incarnation, members = d.members,
            notified_at = d.notified_at, secret_ref = d.secret_ref, changed_slot = $2
        from jsonb_to_recordset($1) as d (stream_id text, incarnation bigint, members jsonb, notified_at timestamptz,
            secret_ref text)
        where g.stream_id = d.stream_id";
    transaction
        .execute(write, &[&documents, &desk.slot])
        .await
        .map_err(while_("write groups"))?;
    Ok(())
}

async fn write_outbox(
    transaction: &Transaction<'_>,
    desk: &Desk<'_>,
    queued: &[Queued],
) -> Result<(), AlertsError> {
    const INSERT: &str = "
        insert into ledger.outbox (idempotency_key, receiver, stream_id, dedup_key, incarnation, secret_ref, kind, reason,
            slot, rule, fingerprint, message, due_at, queued_at)
        select d.message ->> 'idempotency_key', d.receiver, d.stream_id, d.message ->> 'dedup_key', d.incarnation,
            d.secret_ref, d.message ->> 'kind', d.message ->> 'reason', $2, case when d.fingerprint is not null then $3 end,
            d.fingerprint, d.message, d.due_at, clock_timestamp()
        from rows from (jsonb_to_recordset($1) as (receiver text, stream_id text, incarnation bigint, secret_ref text,
            fingerprint text, message jsonb, due_at timestamptz)) with ordinality as d
        order by d.ordinality
        on conflict (idempotency_key) do nothing";
    let (replacing, new): (Vec<&Queued>, Vec<&Queued>) =
        queued.iter().partition(|one| one.replaces.is_some());
    for one in replacing {
        let message = json!(one.notification);
        let replace = "
            update ledger.outbox set message = $2, reason = $2::jsonb ->> 'reason', slot = $3
            where outbox_id = $1 and state = 'queued'";
        transaction
            .execute(replace, &[&one.replaces, &message, &desk.slot])
            .await
            .map_err(while_("replace a notification"))?;
    }
    let documents: Vec<Value> = new
        .iter()
        .map(|one| {
            json!({
                "receiver": one.receiver, "stream_id": one.stream_id, "incarnation": one.incarnation,
                "secret_ref": one.secret_ref, "fingerprint": one.only, "message": one.notification, "due_at": one.due_at,
            })
        })
        .collect();
    for rows in documents.chunks(2_000) {
        let rows = Value::Array(rows.to_vec());
        transaction
            .execute(INSERT, &[&rows, &desk.slot, &desk.rule])
            .await
            .map_err(while_("queue notifications"))?;
    }
    Ok(())
}
