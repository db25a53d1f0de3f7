//! Stage 8: from the outbox to the receivers.
//!
//! A notification is claimed with a lease, sent, and settled. Whoever dies between sending and settling leaves it
//! claimed; after the lease it is sent again with the same idempotency key. So nothing is lost, and a double is
//! possible where an answer was lost. Within one stream (a receiver's group) the next is sent only when the one before
//! it is settled.
//!
//! What was answered is settled, and as many are claimed as have room, in one transaction for all of them ([`outbox`]):
//! a storm of notifications costs a commit a handful, not two each.

mod outbox;
mod settlement;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant as Moment},
};

use deadpool_postgres::Pool;
use fleetledger_schema::instant::Instant;
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    fail_point::{FailPoint, hit},
    health::{EvaluatorHealth, OUTBOX},
    metrics::EvaluatorMetrics,
    settings::EvaluatorSettings,
    store::timestamp,
};
use outbox::{ClaimedNotification, settle_and_claim};
use settlement::AttemptSettlement;

/// Connections that deliveries take: one that works, and one that takes its place when it breaks.
pub const CONNECTIONS: usize = 2;

/// How long a claimed notification is left to its sender: longer than any request may take.
const LEASE: Duration = Duration::from_secs(60);
/// How many are claimed for each that is sent at once, so that a sender whose notification is answered finds the next.
const AHEAD: usize = 4;
/// One whose turn comes later than this after it was claimed is not sent: an answer could come after the lease.
const FRESH: Duration = Duration::from_secs(25);
/// How often the outbox is looked at where nothing says that there is more.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Receivers that asked to be left alone, and until when.
#[derive(Debug, Default)]
struct ReceiverPauses(Mutex<HashMap<String, Moment>>);

/// A notification whose receiver has answered, or has not in time.
#[derive(Debug)]
struct DeliveryAttempt {
    claimed_notification: ClaimedNotification,
    settlement: AttemptSettlement,
    claimed_at: Moment,
    /// How long the receiver took, in seconds.
    seconds: f64,
}

/// Sends what is due until `stop`. A database that is away is tried again, and health says so.
pub(crate) async fn run(
    pool: Pool,
    settings: Arc<EvaluatorSettings>,
    metrics: EvaluatorMetrics,
    health: EvaluatorHealth,
    stop: CancellationToken,
) {
    let pauses = Arc::new(ReceiverPauses::default());
    let mut under_way: JoinSet<DeliveryAttempt> = JoinSet::new();
    let mut answered: Vec<DeliveryAttempt> = Vec::new();
    let turns = Arc::new(Semaphore::new(settings.deliveries));
    let most = settings.deliveries * AHEAD;
    while !stop.is_cancelled() {
        while let Some(done) = under_way.try_join_next() {
            answered.extend(done);
        }
        let room = most.saturating_sub(under_way.len());
        let parcels =
            match settle_and_claim(&pool, &settings.evaluator, &answered, &pauses.names(), room).await {
                Ok(parcels) => {
                    clear_settled(&mut answered);
                    health.database_answers(OUTBOX);
                    parcels
                }
                Err(error) => {
                    health.database_fails(OUTBOX, &error.chain());
                    forget_late(&mut answered);
                    Vec::new()
                }
            };
        if !parcels.is_empty() {
            hit(FailPoint::BeforeSend);
            for parcel in parcels {
                let (settings, metrics) = (settings.clone(), metrics.clone());
                let (pauses, turns, stop) = (pauses.clone(), turns.clone(), stop.clone());
                under_way.spawn(async move {
                    let claimed = Moment::now();
                    let _turn = turns.acquire().await;
                    if claimed.elapsed() > FRESH
                        || stop.is_cancelled()
                        || pauses.names().contains(&parcel.receiver)
                    {
                        return DeliveryAttempt::not_sent(parcel, claimed);
                    }
                    deliver(&settings, &metrics, &pauses, parcel, claimed).await
                });
            }
            if under_way.len() < most {
                continue;
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            Some(Ok(done)) = under_way.join_next() => answered.push(done),
            () = tokio::time::sleep(POLL_INTERVAL) => {}
        }
    }
    // What was sent is written down; what was not is claimed by others after the lease.
    while let Some(done) = under_way.join_next().await {
        answered.extend(done);
    }
    while !answered.is_empty() {
        match settle_and_claim(&pool, &settings.evaluator, &answered, &[], 0).await {
            Ok(_) => clear_settled(&mut answered),
            Err(_) => {
                forget_late(&mut answered);
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
    }
}

async fn deliver(
    settings: &EvaluatorSettings,
    metrics: &EvaluatorMetrics,
    pauses: &ReceiverPauses,
    parcel: ClaimedNotification,
    claimed: Moment,
) -> DeliveryAttempt {
    let began = Moment::now();
    let now = timestamp(Instant::now());
    let delivery = settings
        .receivers
        .deliver(&parcel.notification, parcel.secret_ref.as_deref(), now)
        .await;
    let seconds = began.elapsed().as_secs_f64();
    hit(FailPoint::AfterSend);
    let settled = AttemptSettlement::new(&settings.backoff, &parcel, delivery, rand::random());
    if let Some(pause) = settled.pause {
        pauses.add(&parcel.receiver, pause);
    }
    metrics.count_delivery(&parcel.receiver, settled.outcome, seconds);
    if settled.outcome == "dead" {
        tracing::error!(
            receiver = parcel.receiver,
            notification = parcel.outbox_id,
            error = settled.error,
            "a notification is given up"
        );
    }
    DeliveryAttempt {
        claimed_notification: parcel,
        settlement: settled,
        claimed_at: claimed,
        seconds,
    }
}

impl DeliveryAttempt {
    /// Claimed, and given back.
    fn not_sent(claimed_notification: ClaimedNotification, claimed_at: Moment) -> Self {
        Self {
            claimed_notification,
            settlement: AttemptSettlement::not_sent(),
            claimed_at,
            seconds: 0.0,
        }
    }
}

/// They stand in the database.
fn clear_settled(answered: &mut Vec<DeliveryAttempt>) {
    if !answered.is_empty() {
        hit(FailPoint::AfterSettle);
        answered.clear();
    }
}

/// After the lease somebody sends it again, whatever is written down now.
fn forget_late(answered: &mut Vec<DeliveryAttempt>) {
    let (late, rest): (Vec<DeliveryAttempt>, Vec<DeliveryAttempt>) = std::mem::take(answered)
        .into_iter()
        .partition(|one| one.claimed_at.elapsed() >= LEASE);
    for one in late {
        tracing::error!(
            notification = one.claimed_notification.outbox_id,
            receiver = one.claimed_notification.receiver,
            "the outcome of a delivery could not be stored: the notification may be sent twice"
        );
    }
    *answered = rest;
}

impl ReceiverPauses {
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
