//! What is to be done now and then: snoozes that end early, partitions ahead of time, old notifications.

use std::time::Duration;

use deadpool_postgres::Pool;
use tokio_util::sync::CancellationToken;

use crate::{
    errors::{AlertsError, while_},
    rule_set, slot, store,
};

/// How often snoozes are looked at.
const MINUTE: Duration = Duration::from_secs(60);
/// Every so many minutes the rest is done.
const MINUTES_AN_HOUR: u32 = 60;

/// Keeps house until `stop`. Several evaluators may: each step is safe to repeat.
pub(crate) async fn run(pool: Pool, stop: CancellationToken) {
    let mut minutes = 0;
    loop {
        if let Err(error) = run_chores(&pool, minutes % MINUTES_AN_HOUR == 0).await {
            error.log_unless_away(|error| {
                tracing::warn!(error, "housekeeping failed; it is retried in a minute");
            });
        }
        minutes += 1;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(MINUTE) => {}
        }
    }
}

async fn run_chores(pool: &Pool, hourly: bool) -> Result<(), AlertsError> {
    let step = "do housekeeping";
    let mut client = pool
        .get()
        .await
        .map_err(|source| AlertsError::Pool { step, source })?;
    let slot = slot::at(rule_set::now(&client).await?, MINUTE);
    let transaction = client.transaction().await.map_err(while_(step))?;
    let ended = store::end_snoozes(&transaction, slot).await?;
    transaction.commit().await.map_err(while_(step))?;
    if ended > 0 {
        tracing::info!(
            ended,
            "snoozes ended early: all alerts they cover have been resolved for 15 minutes"
        );
    }
    if hourly {
        const CLEAN_UP_HOURLY: &str = "
            select ledger.ensure_partitions();
            delete from ledger.outbox where state <> 'queued' and settled_at < clock_timestamp() - interval '30 days';
            delete from ledger.page_group where members = '{}' and changed_slot < clock_timestamp() - interval '90 days';
            delete from ledger.alert_ack where acked_at < clock_timestamp() - interval '30 days';
            delete from ledger.evaluator where heartbeat_at < clock_timestamp() - interval '1 day'";
        client
            .batch_execute(CLEAN_UP_HOURLY)
            .await
            .map_err(while_(step))?;
    }
    Ok(())
}
