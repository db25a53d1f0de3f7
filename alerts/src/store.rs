//! Instances, events, snoozes and acknowledgements in PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};

use fleetledger_paging::{AlertCondition, AlertSnooze, LabelSet, snooze::SnoozeKind};
use fleetledger_schema::instant::Instant;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::{GenericClient, Row, Transaction};

use crate::{
    errors::{AlertsError, while_},
    evaluation::{AlertAck, EvaluationOutcome, InstanceEvent},
    instance::{InstanceMemory, StoredInstance},
};

/// Rows of one statement: a document of a hundred thousand would be as large as PostgreSQL takes.
const ROWS_A_STATEMENT: usize = 5_000;

/// An instant as the state machine counts.
pub(crate) fn timestamp(instant: Instant) -> Timestamp {
    instant.to_timestamp().unwrap_or(Timestamp::MAX)
}

/// All instances of a rule.
pub(crate) async fn load(
    transaction: &Transaction<'_>,
    rule: &str,
) -> Result<BTreeMap<String, StoredInstance>, AlertsError> {
    let rows = transaction
        .query(READ_INSTANCES, &[&rule])
        .await
        .map_err(while_("load the instances"))?;
    let kept = rows.iter().map(|row| {
        let kept = read(rule, row)?;
        Ok((kept.fingerprint.clone(), kept))
    });
    kept.collect()
}

fn read(rule: &str, row: &Row) -> Result<StoredInstance, AlertsError> {
    let fingerprint: String = row.get(0);
    let memory: Value = row.get(4);
    let memory: InstanceMemory = serde_json::from_value(memory).map_err(|error| AlertsError::Unreadable {
        what: format!("the stored state of instance {fingerprint} of rule {rule}"),
        why: error.to_string(),
    })?;
    let receivers: Vec<String> = row.get(7);
    Ok(StoredInstance {
        labels: texts(row.get(1)),
        annotations: texts(row.get(2)),
        value: row.get(3),
        memory,
        inhibited_by: row.get(5),
        shadow: row.get(6),
        receivers: receivers.into_iter().collect(),
        notifications: row.get(8),
        changed_slot: timestamp(row.get(9)),
        fingerprint,
    })
}

/// A JSON object of texts.
pub(crate) fn texts(value: Value) -> LabelSet {
    let Value::Object(map) = value else {
        return LabelSet::new();
    };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    map.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// Writes what a verdict changed; returns how many instances.
pub(crate) async fn save(
    transaction: &Transaction<'_>,
    rule: &str,
    slot: Instant,
    outcome: &EvaluationOutcome,
) -> Result<i64, AlertsError> {
    const UPSERT_INSTANCES: &str = "
        insert into ledger.alert_instance (rule, fingerprint, alertname, labels, annotations, value, condition, episode,
            active_at, fired_at, resolved_at, resolved_reason, held_since, held_reason, snoozed_until, cooldown_until,
            acked_at, acked_by, inhibited_by, shadow, notifications, last_notified_at, suppressed_episodes, receivers,
            memory, changed_slot)
        select d.* from jsonb_to_recordset($1) as d (rule text, fingerprint text, alertname text, labels jsonb,
            annotations jsonb, value double precision, condition text, episode bigint, active_at timestamptz,
            fired_at timestamptz, resolved_at timestamptz, resolved_reason text, held_since timestamptz, held_reason text,
            snoozed_until timestamptz, cooldown_until timestamptz, acked_at timestamptz, acked_by text, inhibited_by text,
            shadow boolean, notifications bigint, last_notified_at timestamptz, suppressed_episodes bigint,
            receivers text[], memory jsonb, changed_slot timestamptz)
        on conflict (rule, fingerprint) do update set annotations = excluded.annotations, value = excluded.value,
            condition = excluded.condition, episode = excluded.episode, active_at = excluded.active_at,
            fired_at = excluded.fired_at, resolved_at = excluded.resolved_at, resolved_reason = excluded.resolved_reason,
            held_since = excluded.held_since, held_reason = excluded.held_reason, snoozed_until = excluded.snoozed_until,
            cooldown_until = excluded.cooldown_until, acked_at = excluded.acked_at, acked_by = excluded.acked_by,
            inhibited_by = excluded.inhibited_by, shadow = excluded.shadow, notifications = excluded.notifications,
            last_notified_at = excluded.last_notified_at, suppressed_episodes = excluded.suppressed_episodes,
            receivers = excluded.receivers, memory = excluded.memory, changed_slot = excluded.changed_slot";
    let changed: Vec<Value> = outcome
        .changed
        .iter()
        .filter_map(|id| Some(outcome.instances.get(id)?.document(rule)))
        .collect();
    for rows in changed.chunks(ROWS_A_STATEMENT) {
        let document = Value::Array(rows.to_vec());
        transaction
            .execute(UPSERT_INSTANCES, &[&document])
            .await
            .map_err(while_("write the instances"))?;
    }
    if !outcome.forgotten.is_empty() {
        let forgotten = transaction
            .execute(DELETE_INSTANCES, &[&rule, &outcome.forgotten])
            .await;
        forgotten.map_err(while_("forget instances"))?;
    }
    save_events(transaction, rule, slot, outcome).await?;
    Ok(i64::try_from(changed.len()).unwrap_or(i64::MAX))
}

async fn save_events(
    transaction: &Transaction<'_>,
    rule: &str,
    slot: Instant,
    outcome: &EvaluationOutcome,
) -> Result<(), AlertsError> {
    const INSERT_EVENTS: &str = "
        insert into ledger.alert_event (slot, rule, fingerprint, alertname, labels, event, reason, value, receiver, by_whom)
        select $2, $3, d.* from jsonb_to_recordset($1) as d (fingerprint text, alertname text, labels jsonb, event text,
            reason text, value double precision, receiver text, by_whom text)";
    let nothing = LabelSet::new();
    let document = |event: &InstanceEvent| {
        // An instance that is forgotten at once never got beyond pending.
        let kept = outcome.instances.get(&event.fingerprint);
        let labels = kept.map_or(&nothing, |kept| &kept.labels);
        let alertname = labels.get("alertname").map_or("", String::as_str);
        serde_json::json!({
            "fingerprint": event.fingerprint, "alertname": alertname, "labels": labels, "event": event.event,
            "reason": event.reason, "value": kept.and_then(|kept| kept.value).filter(|value| value.is_finite()),
            "receiver": event.receiver, "by_whom": event.by,
        })
    };
    let known = outcome
        .events
        .iter()
        .filter(|event| outcome.instances.contains_key(&event.fingerprint));
    let documents: Vec<Value> = known.map(document).collect();
    for rows in documents.chunks(ROWS_A_STATEMENT) {
        let rows = Value::Array(rows.to_vec());
        transaction
            .execute(INSERT_EVENTS, &[&rows, &slot, &rule])
            .await
            .map_err(while_("store events"))?;
    }
    Ok(())
}

/// Snoozes that may be in force at `slot`, or ended for an instance since the last one.
pub(crate) async fn snoozes(
    client: &impl GenericClient,
    slot: Instant,
) -> Result<Vec<AlertSnooze>, AlertsError> {
    let rows = client
        .query(READ_SNOOZES_AT, &[&slot])
        .await
        .map_err(while_("load the snoozes"))?;
    rows.iter().map(read_snooze).collect()
}

pub(crate) fn read_snooze(row: &Row) -> Result<AlertSnooze, AlertsError> {
    let id: i64 = row.get(0);
    let kind: String = row.get(1);
    let matchers: Value = row.get(2);
    let matchers = serde_json::from_value(matchers).map_err(|error| AlertsError::Unreadable {
        what: format!("snooze {id}"),
        why: error.to_string(),
    })?;
    Ok(AlertSnooze {
        id: id.to_string(),
        kind: if kind == "silence" {
            SnoozeKind::Silence
        } else {
            SnoozeKind::Snooze
        },
        matchers,
        owner: row.get(3),
        reason: row.get(4),
        from: timestamp(row.get(5)),
        until: timestamp(row.get(6)),
        ended_at: row.get::<_, Option<Instant>>(7).map(timestamp),
    })
}

/// Acknowledgements of a rule's instances that no run has taken up, by fingerprint.
pub(crate) async fn take_acks(
    transaction: &Transaction<'_>,
    rule: &str,
    slot: Instant,
) -> Result<BTreeMap<String, AlertAck>, AlertsError> {
    let rows = transaction
        .query(TAKE_ACKS, &[&rule, &slot])
        .await
        .map_err(while_("load acknowledgements"))?;
    let acks = rows.iter().map(|row| {
        let ack = AlertAck {
            by: row.get(1),
            at: timestamp(row.get(2)),
            reason: row.get(3),
        };
        (row.get(0), ack)
    });
    Ok(acks.collect())
}

/// Labels of every open instance of these alerts.
pub(crate) async fn open_labels(
    transaction: &Transaction<'_>,
    alertnames: &BTreeSet<&str>,
) -> Result<Vec<LabelSet>, AlertsError> {
    if alertnames.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = alertnames.iter().copied().collect();
    let open = [
        AlertCondition::Firing.as_str(),
        AlertCondition::Recovering.as_str(),
    ];
    let rows = transaction
        .query(READ_INHIBITING_LABELS, &[&&open[..], &names])
        .await
        .map_err(while_("look for inhibiting alerts"))?;
    Ok(rows.iter().map(|row| texts(row.get(0))).collect())
}

/// Ends snoozes whose instances have all been resolved for long enough. Returns how many.
pub(crate) async fn end_snoozes(transaction: &Transaction<'_>, slot: Instant) -> Result<usize, AlertsError> {
    let at = timestamp(slot);
    let snoozes = snoozes(transaction, slot).await?;
    let mut ended = 0;
    for snooze in snoozes.iter().filter(|snooze| snooze.kind == SnoozeKind::Snooze) {
        let covered = covered_instances(transaction, snooze).await?;
        if !snooze.is_done(at, covered.iter()) {
            continue;
        }
        let id: i64 = snooze.id.parse().unwrap_or_default();
        ended += usize::from(
            transaction
                .execute(END_SNOOZE_OF_RESOLVED, &[&id, &slot])
                .await
                .map_err(while_("end a snooze"))?
                > 0,
        );
    }
    Ok(ended)
}

async fn covered_instances(
    transaction: &Transaction<'_>,
    snooze: &AlertSnooze,
) -> Result<Vec<fleetledger_paging::AlertInstance>, AlertsError> {
    // Equal labels narrow it down; the matchers themselves decide.
    let equal = snooze.matchers.iter().filter(|matcher| {
        matcher.operator() == fleetledger_paging::matcher::MatchOperator::Equal && !matcher.value().is_empty()
    });
    let equal: LabelSet = equal
        .map(|one| (one.label().to_owned(), one.value().to_owned()))
        .collect();
    let equal = serde_json::json!(equal);
    let rows = transaction
        .query(READ_MEMORY, &[&equal])
        .await
        .map_err(while_("look for the alerts that a snooze covers"))?;
    let mut covered = Vec::new();
    for row in &rows {
        let labels = texts(row.get(0));
        if fleetledger_paging::matcher::all_met(&snooze.matchers, &labels) {
            let memory: InstanceMemory =
                serde_json::from_value(row.get(1)).map_err(|error| AlertsError::Unreadable {
                    what: "the stored state of an instance".to_owned(),
                    why: error.to_string(),
                })?;
            covered.push(memory.instance);
        }
    }
    Ok(covered)
}

const READ_INSTANCES: &str = "
    select fingerprint, labels, annotations, value, memory, inhibited_by, shadow, receivers, notifications, changed_slot
    from ledger.alert_instance where rule = $1";

const DELETE_INSTANCES: &str = "delete from ledger.alert_instance where rule = $1 and fingerprint = any ($2)";

const READ_SNOOZES_AT: &str = "
    select snooze_id, kind, matchers, created_by, reason, from_at, until_at, ended_at
    from ledger.snooze
    where until_at > $1 and from_at <= $1 and (ended_at is null or ended_at > $1)";

const TAKE_ACKS: &str = "
    update ledger.alert_ack set applied_slot = $2
    where rule = $1 and applied_slot is null
    returning fingerprint, acked_by, acked_at, reason";

const READ_INHIBITING_LABELS: &str =
    "select labels from ledger.alert_instance where condition = any ($1) and alertname = any ($2)";

const END_SNOOZE_OF_RESOLVED: &str = "
    update ledger.snooze set ended_at = $2, ended_by = 'fleetledger', ended_reason = 'resolved'
    where snooze_id = $1 and ended_at is null";

const READ_MEMORY: &str = "select labels, memory from ledger.alert_instance where labels @> $1";
