//! The outbox: settling what was answered and claiming what is due, a handful in one transaction.

use deadpool_postgres::{Object, Pool, Transaction};
use fleetledger_paging::Notification;
use fleetledger_schema::instant::Instant;

use super::{DeliveryAttempt, LEASE};
use crate::{
    errors::{AlertsError, while_},
    pool::give_back,
};

/// A notification that is ours to send.
#[derive(Debug)]
pub(super) struct ClaimedNotification {
    pub(super) outbox_id: i64,
    pub(super) receiver: String,
    pub(super) secret_ref: Option<String>,
    pub(super) attempts: u32,
    pub(super) first_attempt_at: Instant,
    pub(super) claimed_at: Instant,
    pub(super) notification: Notification,
}

/// In a storm the outbox grows faster than PostgreSQL learns its size. What is due is found by its index whatever the
/// planner believes: a sort of all that waits would be made for each handful.
const SET_INDEX_PLANS: &str = "
    set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off;
    set local enable_hashjoin = off; set local enable_mergejoin = off";

/// Writes down what was answered, and claims up to `room` notifications of receivers that are not `paused`. All of it
/// stands, or nothing.
pub(super) async fn settle_and_claim(
    pool: &Pool,
    evaluator: &str,
    answered: &[DeliveryAttempt],
    paused: &[String],
    room: usize,
) -> Result<Vec<ClaimedNotification>, AlertsError> {
    if answered.is_empty() && room == 0 {
        return Ok(Vec::new());
    }
    let step = "settle and claim notifications";
    let mut client = pool
        .get()
        .await
        .map_err(|source| AlertsError::Pool { step, source })?;
    let done = settle_and_claim_by(&mut client, evaluator, answered, paused, room).await;
    give_back(client, done)
}

async fn settle_and_claim_by(
    client: &mut Object,
    evaluator: &str,
    answered: &[DeliveryAttempt],
    paused: &[String],
    room: usize,
) -> Result<Vec<ClaimedNotification>, AlertsError> {
    let step = "settle and claim notifications";
    let transaction = client.transaction().await.map_err(while_(step))?;
    transaction
        .batch_execute(SET_INDEX_PLANS)
        .await
        .map_err(while_(step))?;
    if !answered.is_empty() {
        settle(&transaction, evaluator, answered).await?;
    }
    let parcels = match room {
        0 => Vec::new(),
        room => claim(&transaction, evaluator, paused, room).await?,
    };
    transaction.commit().await.map_err(while_(step))?;
    Ok(parcels)
}

async fn settle(
    transaction: &Transaction<'_>,
    evaluator: &str,
    answered: &[DeliveryAttempt],
) -> Result<(), AlertsError> {
    const SETTLE_MESSAGES: &str = "
        update ledger.outbox as o set claimed_by = null, claimed_until = null, last_error = d.error,
            state = case d.outcome when 'retry' then 'queued' else d.outcome end,
            settled_at = case when d.outcome <> 'retry' then clock_timestamp() end,
            due_at = case d.outcome when 'retry' then clock_timestamp() + make_interval(secs => d.wait_seconds)
                else o.due_at end
        from unnest($1::bigint[], $2::text[], $3::text[], $4::double precision[])
            as d (outbox_id, outcome, error, wait_seconds)
        where o.outbox_id = d.outbox_id and o.state = 'queued' and o.claimed_by = $5";
    const INSERT_ATTEMPTS: &str = "
        insert into ledger.delivery (attempted_at, outbox_id, receiver, evaluator, outcome, status, seconds, error)
        select d.attempted_at, d.outbox_id, d.receiver, $7, d.outcome, d.status, d.seconds, d.error
        from unnest($1::timestamptz[], $2::bigint[], $3::text[], $4::text[], $5::integer[], $6::double precision[],
            $8::text[]) as d (attempted_at, outbox_id, receiver, outcome, status, seconds, error)";
    let step = "store the outcomes of deliveries";
    let ids: Vec<i64> = answered
        .iter()
        .map(|one| one.claimed_notification.outbox_id)
        .collect();
    let outcomes: Vec<&str> = answered.iter().map(|one| one.settlement.outcome).collect();
    let errors: Vec<Option<&str>> = answered
        .iter()
        .map(|one| one.settlement.error.as_deref())
        .collect();
    let waits: Vec<f64> = answered
        .iter()
        .map(|one| one.settlement.wait.as_secs_f64())
        .collect();
    let statement = transaction
        .prepare_cached(SETTLE_MESSAGES)
        .await
        .map_err(while_(step))?;
    transaction
        .execute(&statement, &[&ids, &outcomes, &errors, &waits, &evaluator])
        .await
        .map_err(while_(step))?;
    let at: Vec<Instant> = answered
        .iter()
        .map(|one| one.claimed_notification.claimed_at)
        .collect();
    let receivers: Vec<&str> = answered
        .iter()
        .map(|one| one.claimed_notification.receiver.as_str())
        .collect();
    let statuses: Vec<Option<i32>> = answered.iter().map(|one| one.settlement.status).collect();
    let seconds: Vec<f64> = answered.iter().map(|one| one.seconds).collect();
    let statement = transaction
        .prepare_cached(INSERT_ATTEMPTS)
        .await
        .map_err(while_(step))?;
    transaction
        .execute(
            &statement,
            &[
                &at, &ids, &receivers, &outcomes, &statuses, &seconds, &evaluator, &errors,
            ],
        )
        .await
        .map_err(while_(step))?;
    Ok(())
}

async fn claim(
    transaction: &Transaction<'_>,
    evaluator: &str,
    paused: &[String],
    room: usize,
) -> Result<Vec<ClaimedNotification>, AlertsError> {
    const CLAIM_DUE_MESSAGES: &str = "
        with due as (
            select o.outbox_id from ledger.outbox as o
            where o.state = 'queued' and o.due_at <= clock_timestamp()
              and (o.claimed_until is null or o.claimed_until <= clock_timestamp())
              and not o.receiver = any ($2)
              and not exists (
                  select from ledger.outbox as earlier
                  where earlier.stream_id = o.stream_id and earlier.state = 'queued' and earlier.outbox_id < o.outbox_id
              )
            order by o.due_at, o.outbox_id
            limit $3
            for update skip locked
        )
        update ledger.outbox as o
        set claimed_by = $1, claimed_until = clock_timestamp() + make_interval(secs => $4), attempts = o.attempts + 1,
            first_attempt_at = coalesce(o.first_attempt_at, clock_timestamp())
        from due where o.outbox_id = due.outbox_id
        returning o.outbox_id, o.receiver, o.secret_ref, o.attempts, o.first_attempt_at, clock_timestamp(), o.message";
    let step = "claim notifications";
    let (room, lease) = (i64::try_from(room).unwrap_or(1), LEASE.as_secs_f64());
    let statement = transaction
        .prepare_cached(CLAIM_DUE_MESSAGES)
        .await
        .map_err(while_(step))?;
    let rows = transaction
        .query(&statement, &[&evaluator, &paused, &room, &lease])
        .await
        .map_err(while_(step))?;
    let mut parcels = Vec::new();
    for row in &rows {
        let outbox_id: i64 = row.get(0);
        match serde_json::from_value(row.get(6)) {
            Ok(notification) => parcels.push(ClaimedNotification {
                outbox_id,
                receiver: row.get(1),
                secret_ref: row.get(2),
                attempts: u32::try_from(row.get::<_, i32>(3)).unwrap_or(1),
                first_attempt_at: row.get(4),
                claimed_at: row.get(5),
                notification,
            }),
            Err(error) => mark_dead_letter(transaction, outbox_id, &error.to_string()).await?,
        }
    }
    Ok(parcels)
}

/// A message that this version cannot read.
async fn mark_dead_letter(
    transaction: &Transaction<'_>,
    outbox_id: i64,
    error: &str,
) -> Result<(), AlertsError> {
    transaction
        .execute(KILL_MESSAGE, &[&outbox_id, &error])
        .await
        .map_err(while_("dead-letter a notification"))?;
    Ok(())
}

const KILL_MESSAGE: &str = "
    update ledger.outbox set state = 'dead', settled_at = clock_timestamp(), last_error = $2 where outbox_id = $1";
