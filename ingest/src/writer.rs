//! One lane's writer: one transaction in flight, the same bytes until they have landed or are given up.

use std::sync::Arc;

use fleetledger_schema::postgres::PostgresConnector;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    IngestSettings,
    batch::SealedBatch,
    bookkeeping,
    errors::{DatabaseFailure, FailureDisposition},
    fail_point::{FailPoint, hit},
    fence::{self, CommitResolution, StaleBasis},
    health::IngestHealth,
    merge::{copy, merge, prepare},
    metrics::IngestMetrics,
    raw::PartitionId,
    reader::{ReconnectBackoff, StopRequested},
    session::WriterSession,
    topics::IngestTopics,
};

/// What became of a batch.
#[derive(Debug)]
pub(crate) enum BatchOutcome {
    /// It has landed, exactly once; these windows of usage, by their records, turned out to be superseded.
    Committed(Vec<usize>),
    /// These partitions belong to someone else now; nothing has landed.
    Lost(Vec<PartitionId>),
    /// It was built on what is no longer so; nothing has landed.
    Stale(StaleBasis),
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
/// Attempts at a batch that meets an internal error of the server each time: about half a minute.
const DEFECT_ATTEMPTS: usize = 10;

pub(crate) struct LaneWriter {
    pub(crate) connector: PostgresConnector,
    pub(crate) lane: usize,
    /// Of its connection.
    pub(crate) name: String,
    pub(crate) owner: Arc<str>,
    pub(crate) settings: Arc<IngestSettings>,
    pub(crate) topics: Arc<IngestTopics>,
    pub(crate) health: IngestHealth,
    pub(crate) metrics: IngestMetrics,
    pub(crate) shutdown: CancellationToken,
    session: Option<WriterSession>,
}

impl LaneWriter {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different thing of the lane's"
    )]
    pub(crate) fn new(
        connector: PostgresConnector,
        lane: usize,
        owner: Arc<str>,
        settings: Arc<IngestSettings>,
        topics: Arc<IngestTopics>,
        health: IngestHealth,
        metrics: IngestMetrics,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            connector,
            lane,
            name: format!("fleetledger-ingest-lane-{lane}"),
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
        mut batches: mpsc::Receiver<Arc<SealedBatch>>,
        outcomes: mpsc::Sender<BatchOutcome>,
    ) {
        while let Some(sealed) = batches.recv().await {
            let outcome = self.land(&sealed).await.unwrap_or(BatchOutcome::Stopped);
            drop(sealed);
            if outcomes.send(outcome).await.is_err() {
                return;
            }
        }
    }

    /// Sends a batch until it has landed or must be built anew.
    async fn land(&mut self, sealed: &SealedBatch) -> Result<BatchOutcome, StopRequested> {
        let mut backoff = ReconnectBackoff::default();
        let mut slow = 0;
        let mut ensured = false;
        let mut unsure = false;
        let mut defects = 0;
        let mut refused = false;
        loop {
            let failure = match self.attempt(sealed, unsure).await {
                Ok(BatchOutcome::Committed(superseded)) => {
                    self.health.postgres.answered(&self.name);
                    return Ok(BatchOutcome::Committed(superseded));
                }
                Ok(outcome) => {
                    self.health.postgres.answered(&self.name);
                    self.roll_back().await;
                    return Ok(outcome);
                }
                Err(failure) => failure,
            };
            self.metrics.retries.with_label_values(&[failure.code()]).inc();
            let disposition = failure.disposition();
            if disposition.is_outage() {
                // An outage may have begun otherwise: what somebody must mend is said once a batch.
                if disposition == FailureDisposition::LoginRefused && !std::mem::replace(&mut refused, true) {
                    tracing::warn!(
                        lane = self.lane,
                        why = failure.explain(),
                        "PostgreSQL refuses the login; retrying"
                    );
                }
                self.health.postgres.failed(&self.name, &failure.explain());
            } else {
                self.health.postgres.answered(&self.name);
                tracing::warn!(lane = self.lane, batch = sealed.number, ?disposition, error = %failure, "transaction failed");
            }
            defects += usize::from(disposition == FailureDisposition::ServerDefect);
            match disposition {
                FailureDisposition::ServerDefect if defects >= DEFECT_ATTEMPTS => {
                    self.health.postgres.answered(&self.name);
                    self.roll_back().await;
                    return Ok(BatchOutcome::Fatal(failure.to_string()));
                }
                FailureDisposition::Reconnect
                | FailureDisposition::LoginRefused
                | FailureDisposition::ServerBroken
                | FailureDisposition::ServerDefect => {
                    self.session = None;
                    // Its COMMIT may have been on the way.
                    unsure = true;
                }
                FailureDisposition::Retry => self.roll_back().await,
                FailureDisposition::EnsurePartitions if !ensured => {
                    self.roll_back().await;
                    ensured = true;
                    self.ensure_partitions(&failure).await;
                    continue;
                }
                FailureDisposition::Slow => {
                    self.roll_back().await;
                    slow += 1;
                    if slow >= SLOW_ATTEMPTS && sealed.records.len() > 1 {
                        return Ok(BatchOutcome::Slow);
                    }
                }
                FailureDisposition::Poison => {
                    self.roll_back().await;
                    let line = failure.copy_line();
                    let record = line.and_then(|(stage, line)| sealed.record_of_line(&stage, line));
                    return Ok(BatchOutcome::Refused(record, failure.to_string()));
                }
                FailureDisposition::Fatal | FailureDisposition::EnsurePartitions => {
                    self.roll_back().await;
                    return Ok(BatchOutcome::Fatal(failure.to_string()));
                }
            }
            backoff.wait(&self.shutdown).await?;
        }
    }

    async fn attempt(&mut self, sealed: &SealedBatch, unsure: bool) -> Result<BatchOutcome, DatabaseFailure> {
        if self.session.as_ref().is_none_or(WriterSession::is_closed) {
            self.session = Some(WriterSession::open(&self.connector, &self.name, &self.settings).await?);
        }
        let Some(session) = self.session.as_mut() else {
            return Err(DatabaseFailure::Connection("no session".to_owned()));
        };
        prepare(session, sealed).await?;
        session.begin().await?;
        if unsure {
            match fence::resolve(session, &self.topics, sealed).await? {
                CommitResolution::Landed => {
                    session.command("commit").await?;
                    // The batch ledger knows which windows were superseded; the metrics do without.
                    return Ok(BatchOutcome::Committed(Vec::new()));
                }
                CommitResolution::Lost(lost) => return Ok(BatchOutcome::Lost(lost)),
                CommitResolution::NotLanded => {}
            }
        }
        hit(FailPoint::BeforeFence);
        let timer = self.metrics.phase("fence");
        let health = &self.health;
        let lost = fence::advance(session, &self.topics, sealed, |id| health.high_watermark(id)).await?;
        if !lost.is_empty() {
            return Ok(BatchOutcome::Lost(lost));
        }
        let stale = fence::find_stale_basis(session, sealed).await?;
        if stale != StaleBasis::default() {
            return Ok(BatchOutcome::Stale(stale));
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
        let timer = self.metrics.phase("bookkeeping");
        bookkeeping::write(
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
        Ok(BatchOutcome::Committed(superseded))
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
    async fn ensure_partitions(&mut self, failure: &DatabaseFailure) {
        let Some(session) = &self.session else { return };
        let mut days = vec![ENSURE_PARTITIONS.to_owned()];
        if let Some(day) = failure.missing_day()
            && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        {
            days.push(format!(
                "select ledger.ensure_partitions(date '{day}', date '{day}')"
            ));
        }
        for statement in days {
            match session.command(&statement).await {
                Ok(()) => tracing::info!(%statement, "created missing partitions"),
                Err(error) => tracing::error!(%statement, %error, "missing partitions could not be created"),
            }
        }
    }
}

const ENSURE_PARTITIONS: &str = "select ledger.ensure_partitions()";
