//! Rows of the outbox.

use fleetledger_paging::Notification;
use serde_json::{Value, json};
use tokio_postgres::Transaction;

use super::NotificationContext;
use crate::errors::{AlertsError, while_};

/// A notification on its way into the outbox.
pub(super) struct OutboxEntry {
    pub(super) stream_id: String,
    pub(super) receiver: String,
    pub(super) secret_ref: Option<String>,
    pub(super) notification: Notification,
    pub(super) incarnation: u64,
    pub(super) due_at: jiff::Timestamp,
    pub(super) replaces: Option<i64>,
    pub(super) only: Option<String>,
}

pub(super) async fn write_outbox(
    transaction: &Transaction<'_>,
    context: &NotificationContext<'_>,
    queued: &[OutboxEntry],
) -> Result<(), AlertsError> {
    const QUEUE_MESSAGES: &str = "
        insert into ledger.outbox (idempotency_key, receiver, stream_id, dedup_key, incarnation, secret_ref, kind, reason,
            slot, rule, fingerprint, message, due_at, queued_at)
        select d.message ->> 'idempotency_key', d.receiver, d.stream_id, d.message ->> 'dedup_key', d.incarnation,
            d.secret_ref, d.message ->> 'kind', d.message ->> 'reason', $2, case when d.fingerprint is not null then $3 end,
            d.fingerprint, d.message, d.due_at, clock_timestamp()
        from rows from (jsonb_to_recordset($1) as (receiver text, stream_id text, incarnation bigint, secret_ref text,
            fingerprint text, message jsonb, due_at timestamptz)) with ordinality as d
        order by d.ordinality
        on conflict (idempotency_key) do nothing";
    let (replacing, new): (Vec<&OutboxEntry>, Vec<&OutboxEntry>) =
        queued.iter().partition(|one| one.replaces.is_some());
    for one in replacing {
        let message = json!(one.notification);
        transaction
            .execute(REPLACE_QUEUED_MESSAGE, &[&one.replaces, &message, &context.slot])
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
            .execute(QUEUE_MESSAGES, &[&rows, &context.slot, &context.rule])
            .await
            .map_err(while_("queue notifications"))?;
    }
    Ok(())
}

const REPLACE_QUEUED_MESSAGE: &str = "
    update ledger.outbox set message = $2, reason = $2::jsonb ->> 'reason', slot = $3
    where outbox_id = $1 and state = 'queued'";
