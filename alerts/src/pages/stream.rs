//! Groups of receivers: locked, changed, written.

use std::collections::BTreeMap;

use fleetledger_paging::AlertGroup;
use fleetledger_schema::instant::Instant;
use serde_json::{Value, json};
use tokio_postgres::Transaction;

use super::NotificationContext;
use crate::{
    errors::{AlertsError, while_},
    evaluation::GroupDecisions,
    store::timestamp,
};

/// One receiver's group, as it stands.
pub(super) struct NotificationStream {
    pub(super) group: AlertGroup,
    pub(super) secret_ref: Option<String>,
}

/// The groups, locked in one order, so that two rules that share some cannot wait for each other.
pub(super) async fn lock_streams(
    transaction: &Transaction<'_>,
    context: &NotificationContext<'_>,
    decisions: &BTreeMap<String, GroupDecisions>,
) -> Result<BTreeMap<String, NotificationStream>, AlertsError> {
    let documents = decisions.iter().map(|(stream_id, group)| {
        json!({"stream_id": stream_id, "receiver": group.receiver, "group_key": group.group_key})
    });
    let documents = Value::Array(documents.collect());
    transaction
        .execute(INSERT_GROUPS, &[&documents, &context.slot])
        .await
        .map_err(while_("create groups"))?;
    let ids: Vec<&String> = decisions.keys().collect();
    let rows = transaction
        .query(LOCK_GROUPS, &[&ids])
        .await
        .map_err(while_("load groups"))?;
    let streams = rows.iter().map(|row| {
        let stream_id: String = row.get(0);
        let members = serde_json::from_value(row.get(2)).map_err(|error| AlertsError::Unreadable {
            what: format!("group {stream_id}"),
            why: error.to_string(),
        })?;
        let group = AlertGroup {
            incarnation: u64::try_from(row.get::<_, i64>(1)).unwrap_or(0),
            members,
            notified_at: row.get::<_, Option<Instant>>(3).map(timestamp),
        };
        let stream = NotificationStream {
            group,
            secret_ref: row.get(4),
        };
        Ok((stream_id, stream))
    });
    streams.collect()
}

pub(super) async fn write_streams(
    transaction: &Transaction<'_>,
    context: &NotificationContext<'_>,
    decisions: &BTreeMap<String, GroupDecisions>,
    streams: &BTreeMap<String, NotificationStream>,
) -> Result<(), AlertsError> {
    let documents = decisions.keys().filter_map(|stream_id| {
        let stream = streams.get(stream_id)?;
        Some(json!({
            "stream_id": stream_id, "incarnation": stream.group.incarnation, "members": stream.group.members,
            "notified_at": stream.group.notified_at, "secret_ref": stream.secret_ref,
        }))
    });
    let documents = Value::Array(documents.collect());
    transaction
        .execute(UPDATE_GROUPS, &[&documents, &context.slot])
        .await
        .map_err(while_("write groups"))?;
    Ok(())
}

const INSERT_GROUPS: &str = "
    insert into ledger.page_group (stream_id, receiver, group_key, incarnation, members, changed_slot)
    select d.stream_id, d.receiver, d.group_key, 0, '{}', $2
    from jsonb_to_recordset($1) as d (stream_id text, receiver text, group_key jsonb)
    order by d.stream_id
    on conflict (stream_id) do nothing";

const LOCK_GROUPS: &str = "
    select stream_id, incarnation, members, notified_at, secret_ref
    from ledger.page_group where stream_id = any ($1) order by stream_id for update";

const UPDATE_GROUPS: &str = "
    update ledger.page_group as g set incarnation = d.incarnation, members = d.members,
        notified_at = d.notified_at, secret_ref = d.secret_ref, changed_slot = $2
    from jsonb_to_recordset($1) as d (stream_id text, incarnation bigint, members jsonb, notified_at timestamptz,
        secret_ref text)
    where g.stream_id = d.stream_id";
