//! Stage 8: from the outbox to the receivers.
//!
//! A notification is claimed with a lease, sent, and settled. Whoever dies between sending and settling leaves it
//! claimed; after the lease it is sent again with the same idempotency key. So nothing is lost, and a double is
//! possible where an answer was lost. Within one stream (a receiver's group) the next is sent only when the one before
//! it is settled.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant as Moment},
};

use deadpool_postgres::Pool;
use fleetledger_paging::{Notification, channel::Delivery, retry::Disposition};
use fleetledger_schema::instant::Instant;
use tokio::task::JoinSet;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::{
    errors::{AlertsError, while_},
    fail_point::{FailPoint, hit},
    health::Health,
    metrics::Metrics,
    settings::Settings,
    store::timestamp,
};

/// How long a claimed notification is left to its sender: longer than any request may take.
const LEASE_SECONDS: f64 = 60.0;
/// How often the outbox is looked at where nothing says that there is more.
const LOOK: Duration = Duration::from_millis(500);
/// Characters of an answer that are kept.
const KEPT: usize = 500;

/// A notification that is ours to send.
#[derive(Debug)]
struct Parcel {
    outbox_id: i64,
    receiver: String,
    secret_ref: Option<String>,
    attempts: u32,
    first_attempt_at: Instant,
    claimed_at: Instant,
    notification: Notification,
}

/// Receivers that asked to be left alone, and until when.
#[derive(Debug, Default)]
struct Pauses(Mutex<HashMap<String, Moment>>);

/// Sends what is due until `stop`.
///
/// # Errors
/// None that ends it: a database that is away is tried again, and health says so.
pub(crate) async fn run(
    pool: Pool,
    settings: Arc<Settings>,
    metrics: Metrics,
    health: Health,
    stop: CancellationToken,
) {
    let pauses = Arc::new(Pauses::default());
    let mut under_way: JoinSet<()> = JoinSet::new();
    while !stop.is_cancelled() {
        while under_way.try_join_next().is_some() {}
        let room = settings.deliveries.saturating_sub(under_way.len());
        let claimed = match room {
            0 => Ok(Vec::new()),
            room => claim(&pool, &settings.evaluator, &pauses.names(), room).await,
        };
        match claimed {
            Ok(parcels) if !parcels.is_empty() => {
                hit(FailPoint::BeforeSend);
                for parcel in parcels {
                    let (pool, settings) = (pool.clone(), settings.clone());
                    let (metrics, pauses) = (metrics.clone(), pauses.clone());
                    under_way
                        .spawn(async move { deliver(&pool, &settings, &metrics, &pauses, parcel).await });
                }
                continue;
            }
            Ok(_) => health.database_answers(),
            Err(error) => health.database_fails(&error.chain()),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            Some(_) = under_way.join_next() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    // What was sent is written down; what was not is claimed by others after the lease.
    while under_way.join_next().await.is_some() {}
}

async fn deliver(pool: &Pool, settings: &Settings, metrics: &Metrics, pauses: &Pauses, parcel: Parcel) {
    let began = Moment::now();
    let now = timestamp(Instant::now());
    let delivery = settings
        .receivers
        .deliver(&parcel.notification, parcel.secret_ref.as_deref(), now)
        .await;
    let seconds = began.elapsed().as_secs_f64();
    hit(FailPoint::AfterSend);
    let settled = Settled::new(settings, &parcel, delivery, rand::random());
    if let Some(pause) = settled.pause {
        pauses.add(&parcel.receiver, pause);
    }
    metrics.delivered(&parcel.receiver, settled.outcome, seconds);
    if settled.outcome == "dead" {
        tracing::error!(
            receiver = parcel.receiver,
            notification = parcel.outbox_id,
            error = settled.error,
            "notification given up"
        );
    }
    // Until it is written down nothing else of its stream goes out, and after the lease it would go out again.
    let until = began + Duration::from_secs_f64(LEASE_SECONDS);
    loop {
        match settled.write(pool, settings, &parcel, seconds).await {
            Ok(()) => break,
            Err(error) if Moment::now() >= until => {
                tracing::error!(
                    notification = parcel.outbox_id,
                    error = error.chain(),
                    "delivery could not be written down: it may be sent twice"
                );
                break;
            }
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
    hit(FailPoint::AfterSettle);
}

async fn claim(
    pool: &Pool,
    evaluator: &str,
    paused: &[String],
    limit: usize,
) -> Result<Vec<Parcel>, AlertsError> {
    const CLAIM: &str = "
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
    let client = pool.get().await.map_err(|source| AlertsError::Pool {
        step: "claim notifications",
        source,
    })?;
    let limit = i64::try_from(limit).unwrap_or(1);
    let rows = client
        .query(CLAIM, &[&evaluator, &paused, &limit, &LEASE_SECONDS])
        .await
        .map_err(while_("claim notifications"))?;
    let mut parcels = Vec::new();
    for row in &rows {
        let outbox_id: i64 = row.get(0);
        match serde_json::from_value(row.get(6)) {
            Ok(notification) => parcels.push(Parcel {
                outbox_id,
                receiver: row.get(1),
                secret_ref: row.get(2),
                attempts: u32::try_from(row.get::<_, i32>(3)).unwrap_or(1),
                first_attempt_at: row.get(4),
                claimed_at: row.get(5),
                notification,
            }),
            Err(error) => bury(&client, outbox_id, &error.to_string()).await?,
        }
    }
    Ok(parcels)
}

/// A message that this version cannot read.
async fn bury(client: &Client, outbox_id: i64, error: &str) -> Result<(), AlertsError> {
    let bury = "
        update ledger.outbox set state = 'dead', settled_at = clock_timestamp(), last_error = $2 where outbox_id = $1";
    client
        .execute(bury, &[&outbox_id, &error])
        .await
        .map_err(while_("bury a notification"))?;
    Ok(())
}

/// What an attempt came to.
#[derive(Debug)]
struct Settled {
    outcome: &'static str,
    status: Option<i32>,
    error: Option<String>,
    wait: Duration,
    pause: Option<Duration>,
}

impl Settled {
    fn new(settings: &Settings, parcel: &Parcel, delivery: Delivery, random: f64) -> Self {
        let status = delivery.status.map(i32::from);
        let of = |outcome, error: Option<String>, wait, pause| Self {
            outcome,
            status,
            error: error.map(|error| error.chars().take(KEPT).collect()),
            wait,
            pause,
        };
        match delivery.disposition {
            Disposition::Accepted => of("sent", None, Duration::ZERO, None),
            Disposition::Reject { reason } => of("dead", Some(reason), Duration::ZERO, None),
            Disposition::Retry { after, reason } => {
                let since = parcel.claimed_at.micros_since(parcel.first_attempt_at);
                let since = Duration::from_micros(u64::try_from(since).unwrap_or(0));
                if settings.backoff.gives_up(since) {
                    return of("dead", Some(format!("given up: {reason}")), Duration::ZERO, None);
                }
                let wait = settings.backoff.wait(parcel.attempts, after, random);
                of("retry", Some(reason), wait, after.map(|_| wait))
            }
        }
    }

    async fn write(
        &self,
        pool: &Pool,
        settings: &Settings,
        parcel: &Parcel,
        seconds: f64,
    ) -> Result<(), AlertsError> {
        const SETTLE: &str = "
            update ledger.outbox set claimed_by = null, claimed_until = null, last_error = $3,
                state = case $2 when 'retry' then 'queued' else $2 end,
                settled_at = case when $2 <> 'retry' then clock_timestamp() end,
                due_at = case when $2 = 'retry' then clock_timestamp() + make_interval(secs => $4) else due_at end
            where outbox_id = $1 and state = 'queued' and claimed_by = $5";
        const ATTEMPT: &str = "
            insert into ledger.delivery (attempted_at, outbox_id, receiver, evaluator, outcome, status, seconds, error)
            values ($1, $2, $3, $4, $5, $6, $7, $8)";
        let step = "write down a delivery";
        let mut client = pool
            .get()
            .await
            .map_err(|source| AlertsError::Pool { step, source })?;
        let transaction = client.transaction().await.map_err(while_(step))?;
        let wait = self.wait.as_secs_f64();
        transaction
            .execute(
                SETTLE,
                &[
                    &parcel.outbox_id,
                    &self.outcome,
                    &self.error,
                    &wait,
                    &settings.evaluator,
                ],
            )
            .await
            .map_err(while_(step))?;
        transaction
            .execute(
                ATTEMPT,
                &[
                    &parcel.claimed_at,
                    &parcel.outbox_id,
                    &parcel.receiver,
                    &settings.evaluator,
                    &self.outcome,
                    &self.status,
                    &seconds,
                    &self.error,
                ],
            )
            .await
            .map_err(while_(step))?;
        transaction.commit().await.map_err(while_(step))
    }
}

impl Pauses {
    fn add(&self, receiver: &str, pause: Duration) {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.insert(receiver.to_owned(), Moment::now() + pause);
    }

    fn names(&self) -> Vec<String> {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.retain(|_, until| *until > Moment::now());
        pauses.keys().cloned().collect()
    }
}
