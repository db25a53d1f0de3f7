//! The schedule: hours are rated once they are over and their sources are known, again when more is known or usage came
//! late, and the running hour now and then as a partial one.

use std::{collections::BTreeSet, time::Duration};

use fleetledger_schema::{instant::Instant, postgres::PostgresConnector};
use prometheus::{Histogram, HistogramOpts, IntCounterVec, Opts, Registry};
use tokio_postgres::{Client, Row};
use tokio_util::sync::CancellationToken;

use crate::{
    errors::{CostError, while_},
    settings::RatingSettings,
    store::APPLY_OWNERS,
};

const HOUR_MICROS: i64 = 3_600_000_000;
/// Hours that one round rates at most: between rounds others get their turn.
const AT_ONCE: usize = 24;

/// Rates hours on schedule; several may run, one at a time works.
#[derive(Debug, Clone)]
pub struct CostRater {
    connector: PostgresConnector,
    settings: RatingSettings,
    hours: IntCounterVec,
    seconds: Histogram,
}

impl CostRater {
    /// `connector` connects as the evaluator's role.
    ///
    /// # Errors
    /// Its metrics cannot be registered.
    pub fn new(
        connector: PostgresConnector,
        settings: RatingSettings,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let hours = Opts::new(
            "fleetledger_cost_ratings_total",
            "Ratings of an hour, by reason (first, partial, known, usage, rerate); error counts failed \
             rounds, set_aside the hours of clusters that could not be rated and are excluded.",
        );
        let hours = IntCounterVec::new(hours, &["reason"])?;
        let seconds = HistogramOpts::new("fleetledger_cost_rating_seconds", "Duration of rating an hour.")
            .buckets(vec![0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0]);
        let seconds = Histogram::with_opts(seconds)?;
        registry.register(Box::new(hours.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self {
            connector,
            settings,
            hours,
            seconds,
        })
    }

    /// Rates what is due until it is told to stop.
    pub async fn follow(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(Duration::from_secs(self.settings.interval_seconds));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let round = tokio::select! {
                () = stop.cancelled() => return,
                round = self.round(Instant::now()) => round,
            };
            if let Err(error) = round {
                self.hours.with_label_values(&["error"]).inc();
                // Who evaluates tells of a database that is away, once.
                if error.is_database_away() {
                    tracing::debug!("hours were not rated: {}", error.chain());
                } else {
                    tracing::warn!("hours were not rated: {}", error.chain());
                }
            }
        }
    }

    /// Rates what is due at an instant; how many hours.
    ///
    /// # Errors
    /// The database's; hours before the one that failed stand.
    pub async fn round(&self, now: Instant) -> Result<usize, CostError> {
        // Each hour is a transaction of its own, so the lock of the round has a session of its own.
        let mut holder = self.connect("fleetledger-cost-lock").await?;
        let lock = holder.transaction().await.map_err(while_("rate hours"))?;
        lock.batch_execute(KEEP_IDLE_TRANSACTION)
            .await
            .map_err(while_("rate hours"))?;
        // Whoever else does it now does it for us too.
        let locked: bool = lock
            .query_one(TRY_RATING_LOCK, &[])
            .await
            .map_err(while_("rate hours"))?
            .get(0);
        if !locked {
            return Ok(0);
        }
        let client = self.connect("fleetledger-cost").await?;
        let rated = self.rate_due(&client, now).await;
        // A server notices late that a session has ended; the next round must not find the lock taken.
        let unlocked = lock.rollback().await;
        let rated = rated?;
        unlocked.map_err(while_("rate hours"))?;
        Ok(rated)
    }

    async fn connect(&self, application: &str) -> Result<Client, CostError> {
        let client = self.connector.connect(application).await;
        client.map_err(|error| CostError::Connect {
            step: "rate hours",
            why: error.to_string(),
        })
    }

    async fn rate_due(&self, client: &Client, now: Instant) -> Result<usize, CostError> {
        if !self.has_prices(client).await? {
            return Ok(0);
        }
        // Entries of the map of owners begin and end by themselves.
        client
            .batch_execute(APPLY_OWNERS)
            .await
            .map_err(while_("apply owners"))?;
        let due = self.due(client, now).await?;
        let mut days = BTreeSet::new();
        let mut rated = 0;
        for (hour, reason) in due.iter().take(AT_ONCE) {
            rated += usize::from(self.rate(client, *hour, reason, now).await?);
            days.insert(Instant(hour.0 - hour.0.rem_euclid(24 * HOUR_MICROS)));
        }
        let again = client.query(READ_DUE_DAYS, &[&now]).await;
        let again = again.map_err(while_("look for due days"))?;
        days.extend(again.iter().map(|row| row.get::<_, Instant>(0)));
        for day in days {
            fill_day(client, day, now).await?;
        }
        Ok(rated)
    }

    /// Without a price nothing can be rated, and nothing is said about cost.
    async fn has_prices(&self, client: &Client) -> Result<bool, CostError> {
        let row = client
            .query_one(HAS_PRICES, &[])
            .await
            .map_err(while_("read price sheets"))?;
        Ok(row.get(0))
    }

    async fn due(&self, client: &Client, now: Instant) -> Result<Vec<(Instant, String)>, CostError> {
        let step = "look for hours that are due";
        let seconds = |hours: u64| Duration::from_secs(hours * 3_600).as_secs_f64();
        let history = seconds(self.settings.history_hours);
        let lateness = seconds(self.settings.lateness_days * 24);
        let rows = client
            .query(READ_DUE_HOURS, &[&now, &history, &lateness])
            .await
            .map_err(while_(step))?;
        let mut due: Vec<(Instant, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        if self.settings.partial_minutes > 0 {
            let hour = Instant(now.0 - now.0.rem_euclid(HOUR_MICROS));
            let last = client
                .query_opt(READ_FILLED_AT, &[&hour])
                .await
                .map_err(while_(step))?;
            let last: Option<Instant> = last.map(|row| row.get(0));
            let every = i64::try_from(self.settings.partial_minutes).unwrap_or(i64::MAX);
            let every = every.saturating_mul(60_000_000);
            if now > hour && last.is_none_or(|last| now.micros_since(last) >= every) {
                due.push((hour, "partial".to_owned()));
            }
        }
        Ok(due)
    }

    /// True if the hour was rated, whatever was set aside of it.
    async fn rate(
        &self,
        client: &Client,
        hour: Instant,
        reason: &str,
        now: Instant,
    ) -> Result<bool, CostError> {
        let timer = self.seconds.start_timer();
        let rated = client.query_one(RATE_HOUR, &[&hour, &reason, &now]).await;
        timer.observe_duration();
        let run: Option<i64> = rated.map_err(while_("rate an hour"))?.get(0);
        for failure in failures(client, hour, hour.plus_micros(1)).await? {
            self.hours.with_label_values(&["set_aside"]).inc();
            tracing::error!("{failure}; it is excluded and retried");
        }
        if run.is_some() {
            self.hours.with_label_values(&[reason]).inc();
            tracing::debug!(%hour, reason, "hour rated");
        }
        Ok(run.is_some())
    }
}

/// Rates every hour that begins in `from..to` and has begun again; how many.
///
/// # Errors
/// [`CostError::Refused`] if hours of clusters could not be rated, once all others were; the database's, hours before the
/// one that failed stand.
pub async fn rerate(client: &Client, from: Instant, to: Instant, now: Instant) -> Result<usize, CostError> {
    let first = Instant(from.0 - from.0.rem_euclid(HOUR_MICROS));
    let mut hour = first;
    let mut days = BTreeSet::new();
    let mut count = 0;
    while hour < to && hour < now {
        let rated = client.query_one(RERATE_HOUR, &[&hour, &now]).await;
        let run: Option<i64> = rated.map_err(while_("rate an hour again"))?.get(0);
        days.insert(Instant(hour.0 - hour.0.rem_euclid(24 * HOUR_MICROS)));
        hour = hour.plus_micros(HOUR_MICROS);
        count += usize::from(run.is_some());
    }
    for day in days {
        fill_day(client, day, now).await?;
    }
    let failures = failures(client, first, to).await?;
    if failures.is_empty() {
        Ok(count)
    } else {
        Err(CostError::Refused(format!(
            "{}; these are excluded, and {count} hours were rated again without them",
            failures.join("; ")
        )))
    }
}

async fn fill_day(client: &Client, day: Instant, now: Instant) -> Result<(), CostError> {
    let filled = client.query_one(FILL_DAY, &[&day, &now]).await;
    let filled: bool = filled.map_err(while_("fill the rows of a day"))?.get(0);
    if !filled {
        tracing::error!(
            %day,
            "the rows of a day could not be filled; fleet.cost_failure shows why; retrying"
        );
    }
    Ok(())
}

/// What is set aside of hours that begin in `from..to`, a sentence each.
async fn failures(client: &Client, from: Instant, to: Instant) -> Result<Vec<String>, CostError> {
    let rows = client.query(READ_FAILURES, &[&from, &to]).await;
    let rows = rows.map_err(while_("read excluded hours"))?;
    let sentence = |row: &Row| {
        let (hour, cluster, error): (Instant, String, String) = (row.get(0), row.get(1), row.get(2));
        format!("hour {hour} of {cluster} could not be rated: {error}")
    };
    Ok(rows.iter().map(sentence).collect())
}

/// A server may end transactions that are idle; this one is while its round works.
const KEEP_IDLE_TRANSACTION: &str = "set local idle_in_transaction_session_timeout = 0";

const TRY_RATING_LOCK: &str = "select ledger.try_lock('cost_rating')";

const HAS_PRICES: &str = "select exists (select from ledger.price_sheet where superseded_at is null)";

const READ_DUE_HOURS: &str = "
    select hour_at, reason
    from ledger.cost_due($1, make_interval(secs => $2), make_interval(secs => $3))";

const READ_FILLED_AT: &str = "select filled_at from ledger.cost_hour where hour_at = $1";

const RATE_HOUR: &str = "select ledger.cost_fill_rest($1, $2, $3)";

const RERATE_HOUR: &str = "select ledger.cost_fill_rest($1, 'rerate', $2)";

const FILL_DAY: &str = "select ledger.cost_fill_day_rest($1, $2)";

const READ_DUE_DAYS: &str = "
    select f.at from ledger.cost_failure as f
    where f.period = 'day' and ledger.cost_retry(f.failed_at, f.attempts) <= $1";

const READ_FAILURES: &str = "
    select f.at, coalesce(f.datacenter || '/' || f.cluster, 'the whole fleet'),
        concat_ws(': ', nullif(array_to_string(f.objects, ', '), ''), f.error)
    from fleet.cost_failure as f
    where f.period = 'hour' and f.at >= $1 and f.at < $2
    order by f.at, f.datacenter, f.cluster";
