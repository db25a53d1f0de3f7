//! One lane's writer: one transaction in flight, the same bytes until they have landed or are given up.

use std::sync::Arc;

use fleetledger_schema::postgres::Connector;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    Settings,
    batch::Sealed,
    books,
    errors::{Disposition, Failure},
    fail_point::{FailPoint, hit},
    fence::{self, Resolved, Stale},
    health::Health,
    merge::{copy, merge, prepare},
    metrics::Metrics,
    raw::PartitionId,
    reader::{Backoff, Stopped},
    session::Session,
    topics::Topics,
};

/// What became of a batch.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It has landed, exactly once; these windows of usage, by their records, turned out to be superseded.
    Committed(Vec<usize>),
    /// These partitions belong to someone else now; nothing has landed.
    Lost(Vec<PartitionId>),
    /// It was built on what is no longer so; nothing has landed.
    Stale(Stale),
    /// PostgreSQL refused data; the record is known if COPY named its line. Nothing has landed.
    Refused(Option<usize>, String),
    /// It takes too long as a whole; nothing has landed.
    Slow,
    /// No attempt can succeed; nothing has landed.
    Fatal(String),
    /// The process is asked to end; whether it has landed is in the fence.
    Stopped,
}

/// Timeouts in a row after which a batch is halved.
const SLOW_ATTEMPTS: u32 = 3;

pub(crate) struct Writer {
    pub(crate) connector: Connector,
    pub(crate) name: String,
    pub(crate) owner: Arc<str>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) topics: Arc<Topics>,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: CancellationToken,
    session: Option<Session>,
}

impl Writer {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different thing of the lane's"
    )]
    pub(crate) fn new(
        connector: Connector,
        name: String,
        owner: Arc<str>,
        settings: Arc<Settings>,
        topics: Arc<Topics>,
        health: Health,
        metrics: Metrics,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            connector,
            name,
            owner,
            settings,
            topics,
            health,
            metrics,
            shutdown,
            session: None,
        }
    }

    /// Lands batches one after the other.
    pub(crate) async fn run(
        mut self,
        mut batches: mpsc::Receiver<Arc<Sealed>>,
        outcomes: mpsc::Sender<Outcome>,
    ) {
        while let Some(sealed) = batches.recv().await {
            let outcome = self.land(&sealed).await.unwrap_or(Outcome::Stopped);
            drop(sealed);
            if outcomes.send(outcome).await.is_err() {
                return;
            }
        }
    }

    /// Sends a batch until it has landed or must be built anew.
    async fn land(&mut self, sealed: &Sealed) -> Result<Outcome, Stopped> {
        let mut backoff = Backoff::default();
        let mut slow = 0;
        let mut ensured = false;
        let mut unsure = false;
        loop {
            let failure = match self.attempt(sealed, unsure).await {
                Ok(Outcome::Committed(superseded)) => {
                    self.health.database_answered();
                    return Ok(Outcome::Committed(superseded));
                }
                Ok(outcome) => {
                    self.roll_back().await;
                    return Ok(outcome);
                }
                Err(failure) => failure,
            };
            self.metrics.retries.with_label_values(&[failure.code()]).inc();
            let disposition = failure.disposition();
            tracing::warn!(lane = %self.name, batch = sealed.number, ?disposition, error = %failure, "transaction failed");
            match disposition {
                Disposition::Reconnect => {
                    self.health.database_failed(failure.to_string());
                    self.session = None;
                    // Its COMMIT may have been on the way.
                    unsure = true;
                }
                Disposition::Retry => self.roll_back().await,
                Disposition::EnsurePartitions if !ensured => {
                    self.roll_back().await;
                    ensured = true;
                    self.ensure_partitions(&failure).await;
                    continue;
                }
                Disposition::Slow => {
                    self.roll_back().await;
                    slow += 1;
                    if slow >= SLOW_ATTEMPTS && sealed.records.len() > 1 {
                        return Ok(Outcome::Slow);
                    }
                }
                Disposition::Poison => {
                    self.roll_back().await;
                    let line = failure.copy_line();
                    let record = line.and_then(|(stage, line)| sealed.record_of_line(&stage, line));
                    return Ok(Outcome::Refused(record, failure.to_string()));
                }
                Disposition::Fatal | Disposition::EnsurePartitions => {
                    self.roll_back().await;
                    return Ok(Outcome::Fatal(failure.to_string()));
                }
            }
            backoff.wait(&self.shutdown).await?;
        }
    }

    async fn attempt(&mut self, sealed: &Sealed, unsure: bool) -> Result<Outcome, Failure> {
        if self.session.as_ref().is_none_or(Session::is_closed) {
            self.session = Some(Session::open(&self.connector, &self.name, &self.settings).await?);
        }
        let Some(session) = self.session.as_mut() else {
            return Err(Failure::Connection("no session".to_owned()));
        };
        prepare(session, sealed).await?;
        session.command("begin").await?;
        if unsure {
            match fence::resolve(session, &self.topics, sealed).await? {
                Resolved::Landed => {
                    session.command("commit").await?;
                    // The batch ledger knows which windows were superseded; the metrics do without.
                    return Ok(Outcome::Committed(Vec::new()));
                }
                Resolved::Lost(lost) => return Ok(Outcome::Lost(lost)),
                Resolved::NotLanded => {}
            }
        }
        hit(FailPoint::BeforeFence);
        let timer = self.metrics.phase("fence");
        let health = &self.health;
        let lost = fence::advance(session, &self.topics, sealed, |id| health.high_watermark(id)).await?;
        if !lost.is_empty() {
            return Ok(Outcome::Lost(lost));
        }
        let stale = fence::stale(session, sealed).await?;
        if stale != Stale::default() {
            return Ok(Outcome::Stale(stale));
        }
        timer.observe_duration();
        hit(FailPoint::AfterFence);
        let timer = self.metrics.phase("copy");
        copy(session, sealed).await?;
        timer.observe_duration();
        hit(FailPoint::AfterCopy);
        let timer = self.metrics.phase("merge");
        let superseded = merge(session, sealed).await?;
        timer.observe_duration();
        let timer = self.metrics.phase("books");
        books::write(
            session,
            &self.topics,
            &self.owner,
            self.settings.gap_policy,
            sealed,
            &superseded,
        )
        .await?;
        timer.observe_duration();
        hit(FailPoint::BeforeCommit);
        let timer = self.metrics.phase("commit");
        session.command("commit").await?;
        timer.observe_duration();
        hit(FailPoint::AfterCommit);
        // Whatever becomes of this, the batch has landed; a broken connection shows at the next one.
        let _ = session.replan().await;
        Ok(Outcome::Committed(superseded))
    }

    /// Ends the failed transaction; a connection that cannot is given up.
    async fn roll_back(&mut self) {
        if let Some(session) = &self.session
            && session.command("rollback").await.is_err()
        {
            self.session = None;
        }
    }

    /// Makes the partitions of the days around today and of the day that was missing.
    async fn ensure_partitions(&mut self, failure: &Failure) {
        let Some(session) = &self.session else { return };
        let mut days = vec!["select ledger.ensure_partitions()".to_owned()];
        if let Some(day) = failure.missing_day()
            && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        {
            days.push(format!(
                "select ledger.ensure_partitions(date '{day}', date '{day}')"
            ));
        }
        for statement in days {
            match session.command(&statement).await {
                Ok(()) => tracing::info!(%statement, "made missing partitions"),
                Err(error) => tracing::error!(%statement, %error, "could not make missing partitions"),
            }
        }
    }
}
