//! A lane: records in log order into batches, one batch in flight, the next being built meanwhile.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use crate::{
    admit::AdmissionOutcome,
    batch::{DraftBatch, SealedBatch},
    buffer::BufferBudget,
    claim::PartitionClaim,
    memory::LaneMemory,
    quarantine::QuarantineWindows,
    raw::{PartitionId, RawRecord},
    reader::StopRequested,
    writer::BatchOutcome,
};

/// What the poll thread tells a lane, in order.
#[derive(Debug)]
pub(crate) enum LaneMessage {
    Claimed(PartitionClaim),
    Revoked(PartitionId),
    /// Several at once: a message a record would cost more than what is done with most of them.
    Records(Vec<RawRecord>),
}

/// What a lane tells the poll threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PollCommand {
    /// Offsets that have landed.
    Landed(Vec<(PartitionId, i64)>),
    /// Claim these again: the fence said they stand elsewhere.
    Reclaim(Vec<PartitionId>),
    /// Read this one no further.
    Halt(PartitionId),
}

/// The way to the poll threads. Each hears everything and heeds what is said of partitions that it owns.
#[derive(Debug, Clone)]
pub(crate) struct PollCommands(Vec<crossbeam_channel::Sender<PollCommand>>);

impl PollCommands {
    /// To so many poll threads.
    pub(crate) fn to(threads: usize) -> (Self, Vec<crossbeam_channel::Receiver<PollCommand>>) {
        let (senders, receivers) = (0..threads).map(|_| crossbeam_channel::unbounded()).unzip();
        (Self(senders), receivers)
    }

    pub(crate) fn send(&self, command: &PollCommand) {
        for thread in &self.0 {
            let _ = thread.send(command.clone());
        }
    }
}

/// How long the last transaction may take when the process ends.
const LAST_COMMIT: Duration = Duration::from_secs(10);

/// A lane.
pub(crate) struct Lane {
    pub(crate) name: String,
    pub(crate) memory: LaneMemory,
    pub(crate) inbox: mpsc::UnboundedReceiver<LaneMessage>,
    pub(crate) commands: PollCommands,
    pub(crate) budget: Arc<BufferBudget>,
    pub(crate) batches: mpsc::Sender<Arc<SealedBatch>>,
    pub(crate) outcomes: mpsc::Receiver<BatchOutcome>,
    pub(crate) windows: QuarantineWindows,
    pub(crate) draft: DraftBatch,
    pub(crate) in_flight: Option<Arc<SealedBatch>>,
    /// Records to be built again, and behind them those that were received and not yet looked at.
    pub(crate) again: VecDeque<RawRecord>,
    /// Most records in the next batch; less than the setting after a failure.
    pub(crate) limit: usize,
    /// The draft takes nothing more.
    pub(crate) must_seal: bool,
}

impl Lane {
    #[expect(clippy::too_many_arguments, reason = "each is a different end of the lane")]
    pub(crate) fn new(
        name: String,
        memory: LaneMemory,
        inbox: mpsc::UnboundedReceiver<LaneMessage>,
        commands: PollCommands,
        budget: Arc<BufferBudget>,
        batches: mpsc::Sender<Arc<SealedBatch>>,
        outcomes: mpsc::Receiver<BatchOutcome>,
        windows: QuarantineWindows,
    ) -> Self {
        let limit = memory.settings.batch_rows;
        Self {
            name,
            memory,
            inbox,
            commands,
            budget,
            batches,
            outcomes,
            windows,
            draft: DraftBatch::new(1),
            in_flight: None,
            again: VecDeque::new(),
            limit,
            must_seal: false,
        }
    }

    /// Runs until the process is asked to end.
    pub(crate) async fn run(mut self) {
        let shutdown = self.memory.reader.shutdown.clone();
        while !shutdown.is_cancelled() {
            if self.step().await.is_err() {
                break;
            }
        }
        if self.in_flight.is_some() {
            // What has landed is in the fence; waiting only spares the next owner the work.
            let _ = tokio::time::timeout(LAST_COMMIT, self.outcomes.recv()).await;
        }
    }

    async fn step(&mut self) -> Result<(), StopRequested> {
        while !self.is_full() {
            let Some(record) = self.again.pop_front() else {
                break;
            };
            self.take(record).await?;
        }
        if self.in_flight.is_none() && self.is_ripe() {
            self.seal().await?;
        }
        let waits = self.linger().saturating_sub(self.draft.begun.elapsed());
        let shutdown = self.memory.reader.shutdown.clone();
        let may_take = self.again.is_empty() && !self.is_full();
        tokio::select! {
            biased;
            () = shutdown.cancelled() => Err(StopRequested),
            outcome = self.outcomes.recv(), if self.in_flight.is_some() => {
                self.resolve(outcome.unwrap_or(BatchOutcome::Stopped)).await
            }
            message = self.inbox.recv(), if may_take => match message {
                Some(message) => self.receive(message).await,
                None => Err(StopRequested),
            },
            () = tokio::time::sleep(waits), if !self.draft.is_empty() && self.in_flight.is_none() => Ok(()),
        }
    }

    async fn receive(&mut self, message: LaneMessage) -> Result<(), StopRequested> {
        match message {
            LaneMessage::Records(records) => {
                self.again.extend(records);
                Ok(())
            }
            LaneMessage::Claimed(claim) => {
                self.leave(&[claim.id]).await?;
                self.memory.claim(&claim);
                Ok(())
            }
            LaneMessage::Revoked(id) => {
                self.leave(&[id]).await?;
                self.memory.forget_partition(id);
                Ok(())
            }
        }
    }

    async fn take(&mut self, record: RawRecord) -> Result<(), StopRequested> {
        if self.draft.is_empty() {
            self.draft.begun = std::time::Instant::now();
        }
        match self.memory.admit(&mut self.draft, record).await? {
            AdmissionOutcome::Taken => {}
            AdmissionOutcome::Dropped(bytes) => self.budget.free(bytes),
            AdmissionOutcome::SealFirst(record) => {
                self.again.push_front(*record);
                self.must_seal = true;
            }
            AdmissionOutcome::Halt(record, why) => {
                self.budget.free(record.bytes());
                self.halt(&[record.partition], &why).await?;
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.must_seal
            || self.draft.records.len() >= self.limit
            || self.draft.held_bytes() >= self.memory.settings.batch_bytes
    }

    fn is_ripe(&self) -> bool {
        !self.draft.is_empty() && (self.is_full() || self.draft.begun.elapsed() >= self.linger())
    }

    fn linger(&self) -> Duration {
        let settings = &self.memory.settings;
        let caught_up = self.inbox.is_empty() && self.again.is_empty();
        Duration::from_millis(if caught_up {
            settings.linger_caught_up_ms
        } else {
            settings.linger_ms
        })
    }

    async fn seal(&mut self) -> Result<(), StopRequested> {
        self.must_seal = false;
        let next = DraftBatch::new(self.draft.number + 1);
        let draft = std::mem::replace(&mut self.draft, next);
        let (heads, timelines) = (self.memory.heads(&draft), self.memory.timelines(&draft));
        let sealed = Arc::new(draft.seal(heads, timelines));
        self.in_flight = Some(sealed.clone());
        self.batches.send(sealed).await.map_err(|_| StopRequested)
    }
}
