//! What waits in the outbox under each key, and who has seen it fire.

use std::collections::HashMap;

use fleetledger_paging::{NotifyKind, outbox::WaitingNotification};
use fleetledger_schema::instant::Instant;
use tokio_postgres::Transaction;

use crate::errors::{AlertsError, while_};

/// What waits under each key, and whether anybody was told of it.
pub(super) struct OutboxState {
    waiting: HashMap<String, Vec<WaitingNotification>>,
    seen: HashMap<String, bool>,
    cancelled: Vec<i64>,
}

impl OutboxState {
    pub(super) async fn open(transaction: &Transaction<'_>, keys: &[String]) -> Result<Self, AlertsError> {
        let rows = transaction
            .query(READ_STREAM_STATE, &[&keys])
            .await
            .map_err(while_("load waiting notifications"))?;
        let mut outbox = Self {
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
                "queued" => {
                    outbox
                        .waiting
                        .entry(key)
                        .or_default()
                        .push(WaitingNotification { id, kind, attempted })
                }
                // One that was given up may have arrived.
                "sent" | "dead" if kind == NotifyKind::Trigger => {
                    outbox.seen.insert(key, true);
                }
                _ => {}
            }
        }
        Ok(outbox)
    }

    pub(super) fn waiting(&self, key: &str) -> &[WaitingNotification] {
        self.waiting.get(key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn was_seen(&self, key: &str) -> bool {
        self.seen.contains_key(key)
    }

    pub(super) fn knows(&self, key: &str) -> bool {
        self.was_seen(key) || self.waiting.contains_key(key)
    }

    pub(super) fn cancel(&mut self, key: &str, ids: &[i64]) {
        if let Some(waiting) = self.waiting.get_mut(key) {
            waiting.retain(|one| !ids.contains(&one.id));
        }
        self.cancelled.extend(ids);
    }

    /// One that is about to be written; it has no number yet.
    pub(super) fn add(&mut self, key: &str, kind: NotifyKind, replaces: Option<i64>) {
        if replaces.is_none() {
            let one = WaitingNotification {
                id: 0,
                kind,
                attempted: false,
            };
            self.waiting.entry(key.to_owned()).or_default().push(one);
        }
    }

    pub(super) async fn write_cancelled(
        &self,
        transaction: &Transaction<'_>,
        slot: Instant,
    ) -> Result<(), AlertsError> {
        if self.cancelled.is_empty() {
            return Ok(());
        }
        let cancelled = transaction
            .execute(CANCEL_MESSAGES, &[&self.cancelled, &slot])
            .await;
        cancelled.map_err(while_("cancel notifications"))?;
        Ok(())
    }
}

const READ_STREAM_STATE: &str = "
    select dedup_key, outbox_id, kind, state, attempts
    from ledger.outbox where dedup_key = any ($1) order by outbox_id for update";

const CANCEL_MESSAGES: &str =
    "update ledger.outbox set state = 'cancelled', settled_at = $2 where outbox_id = any ($1)";
