//! A lane: records in log order into batches, one batch in flight, the next being built meanwhile.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use fleetledger_schema::instant::Instant;
use tokio::sync::mpsc;

use crate::{
    admit::Admitted,
    batch::{Counts, Draft, Sealed, Verdict},
    buffer::Budget,
    claim::Claim,
    fail_point::{FailPoint, hit},
    memory::Memory,
    quarantine::Windows,
    raw::{PartitionId, RawRecord},
    reader::{Stopped, retried},
    writer::Outcome,
};

/// What the poll thread tells a lane, in order.
#[derive(Debug)]
pub(crate) enum LaneMessage {
    Claimed(Claim),
    Revoked(PartitionId),
    Record(RawRecord),
}

/// What a lane tells the poll thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Offsets that have landed.
    Landed(Vec<(PartitionId, i64)>),
    /// Claim these again: the fence said they stand elsewhere.
    Reclaim(Vec<PartitionId>),
    /// Read this one no further.
    Halt(PartitionId),
}

/// How long the last transaction may take when the process ends.
const LAST_COMMIT: Duration = Duration::from_secs(10);

/// A lane.
pub(crate) struct Lane {
    pub(crate) name: String,
    pub(crate) memory: Memory,
    pub(crate) inbox: mpsc::UnboundedReceiver<LaneMessage>,
    pub(crate) commands: crossbeam_channel::Sender<Command>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) batches: mpsc::Sender<Arc<Sealed>>,
    pub(crate) outcomes: mpsc::Receiver<Outcome>,
    pub(crate) windows: Windows,
    draft: Draft,
    in_flight: Option<Arc<Sealed>>,
    /// Records to be built again, before anything new.
    again: VecDeque<RawRecord>,
    /// Most records in the next batch; less than the setting after a failure.
    limit: usize,
    /// The draft takes nothing more.
    must_seal: bool,
}

impl Lane {
    #[expect(clippy::too_many_arguments, reason = "each is a different end of the lane")]
    pub(crate) fn new(
        name: String,
        memory: Memory,
        inbox: mpsc::UnboundedReceiver<LaneMessage>,
        commands: crossbeam_channel::Sender<Command>,
        budget: Arc<Budget>,
        batches: mpsc::Sender<Arc<Sealed>>,
        outcomes: mpsc::Receiver<Outcome>,
        windows: Windows,
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
            draft: Draft::new(1),
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

    async fn step(&mut self) -> Result<(), Stopped> {
        while !self.is_full() {
            let Some(record) = self.again.pop_front() else { break };
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
            () = shutdown.cancelled() => Err(Stopped),
            outcome = self.outcomes.recv(), if self.in_flight.is_some() => {
                self.resolve(outcome.unwrap_or(Outcome::Stopped)).await
            }
            message = self.inbox.recv(), if may_take => match message {
                Some(message) => self.receive(message).await,
                None => Err(Stopped),
            },
            () = tokio::time::sleep(waits), if !self.draft.is_empty() && self.in_flight.is_none() => Ok(()),
        }
    }

    async fn receive(&mut self, message: LaneMessage) -> Result<(), Stopped> {
        match message {
            LaneMessage::Record(record) => self.take(record).await,
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

    async fn take(&mut self, record: RawRecord) -> Result<(), Stopped> {
        if self.draft.is_empty() {
            self.draft.begun = std::time::Instant::now();
        }
        match self.memory.admit(&mut self.draft, record).await? {
            Admitted::Taken => {}
            Admitted::Dropped(bytes) => self.budget.free(bytes),
            Admitted::SealFirst(record) => {
                self.again.push_front(*record);
                self.must_seal = true;
            }
            Admitted::Halt(record, why) => {
                self.budget.free(record.bytes());
                self.halt(&[record.partition], &why).await?;
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.must_seal
            || self.draft.records.len() >= self.limit
            || self.draft.bytes >= self.memory.settings.batch_bytes
    }

    fn is_ripe(&self) -> bool {
        !self.draft.is_empty() && (self.is_full() || self.draft.begun.elapsed() >= self.linger())
    }

    fn linger(&self) -> Duration {
        let settings = &self.memory.settings;
        let caught_up = self.inbox.is_empty() && self.again.is_empty();
        Duration::from_millis(if caught_up { settings.linger_caught_up_ms } else { settings.linger_ms })
    }

    async fn seal(&mut self) -> Result<(), Stopped> {
        self.must_seal = false;
        let next = Draft::new(self.draft.number + 1);
        let draft = std::mem::replace(&mut self.draft, next);
        let heads = self.memory.heads(&draft);
        let sealed = Arc::new(draft.seal(heads));
        self.in_flight = Some(sealed.clone());
        self.batches.send(sealed).await.map_err(|_| Stopped)
    }

    async fn resolve(&mut self, outcome: Outcome) -> Result<(), Stopped> {
        let Some(sealed) = self.in_flight.take() else {
            return Ok(());
        };
        match outcome {
            Outcome::Committed => self.committed(&sealed).await,
            Outcome::Lost(lost) => {
                self.memory.reader.metrics.fence_losses.inc_by(lost.len() as u64);
                tracing::warn!(lane = %self.name, ?lost, "partitions belong to someone else now; their records are dropped");
                self.rebuild(&sealed, "fence");
                lost.iter().for_each(|id| self.memory.forget_partition(*id));
                let _ = self.commands.send(Command::Reclaim(lost));
                Ok(())
            }
            Outcome::Stale(stale) => {
                self.rebuild(&sealed, "stale");
                for (cluster_id, kind) in stale.kinds {
                    self.memory.forget_kind(cluster_id, kind);
                }
                if stale.names {
                    self.memory.sources.clear();
                }
                Ok(())
            }
            Outcome::Refused(record, detail) => {
                let found = record.or((sealed.records.len() == 1).then_some(0));
                if let Some(record) = found.and_then(|index| sealed.records.get(index)) {
                    self.memory.doomed.insert((record.partition, record.offset), detail);
                } else {
                    self.limit = (sealed.records.len() / 2).max(1);
                }
                self.rebuild(&sealed, "refused");
                Ok(())
            }
            Outcome::Slow => {
                self.limit = (sealed.records.len() / 2).max(1);
                self.rebuild(&sealed, "slow");
                Ok(())
            }
            Outcome::Fatal(why) => {
                let ids: Vec<PartitionId> = sealed.spans.iter().map(|span| span.id).collect();
                self.rebuild(&sealed, "fatal");
                self.halt(&ids, &why).await
            }
            Outcome::Stopped => Err(Stopped),
        }
    }

    async fn committed(&mut self, sealed: &Arc<Sealed>) -> Result<(), Stopped> {
        self.memory.publish(sealed.number);
        hit(FailPoint::CachePublished);
        self.budget.free(sealed.bytes);
        self.limit = (self.limit * 2).min(self.memory.settings.batch_rows);
        let spans: Vec<(PartitionId, i64)> = sealed.spans.iter().map(|span| (span.id, span.to)).collect();
        let mut counts = Counts::default();
        for span in &sealed.spans {
            counts.merge(&span.counts);
            for record in &sealed.records {
                if record.partition == span.id {
                    self.memory.doomed.remove(&(record.partition, record.offset));
                }
            }
        }
        self.measure(sealed, &counts);
        self.memory.reader.health.landed(&spans, &counts);
        let _ = self.commands.send(Command::Landed(spans));
        self.quarantine(sealed).await
    }

    fn measure(&self, sealed: &Sealed, counts: &Counts) {
        let metrics = &self.memory.reader.metrics;
        let now = Instant::now();
        for span in &sealed.spans {
            let topic = self.memory.topics.name(span.id.topic);
            for verdict in Verdict::ALL {
                let records = span.counts.of(verdict);
                if records > 0 {
                    metrics.records.with_label_values(&[topic, verdict.as_str()]).inc_by(records);
                }
            }
            let partition = span.id.partition.to_string();
            let progress = metrics.last_progress_seconds.with_label_values(&[topic, &partition]);
            progress.set(now.0 as f64 / 1e6);
            let age = span.seam_at.map_or(0.0, |at| now.micros_since(at) as f64 / 1e6);
            metrics.end_to_end_seconds.with_label_values(&[topic]).observe(age.max(0.0));
            let behind = self.memory.reader.health.high_watermark(span.id) > span.to;
            let lag = metrics.lag_seconds.with_label_values(&[topic, &partition]);
            lag.set(if behind { age.max(0.0) } else { 0.0 });
        }
        for letter in &sealed.letters {
            let topic = sealed.records.get(letter.record).map_or("", |record| self.memory.topics.name(record.partition.topic));
            metrics.dead_letters.with_label_values(&[topic, letter.fault.reason.as_str()]).inc();
        }
        metrics.batches.inc();
        metrics.bytes.inc_by(sealed.bytes as u64);
        metrics.gaps.inc_by(sealed.gaps.len() as u64);
        metrics.cache_lookups.with_label_values(&["hit"]).inc_by(counts.unchanged);
        metrics.cache_lookups.with_label_values(&["miss"]).inc_by(counts.landed);
        let entries: usize = self.memory.shards.values().map(crate::shard::Shard::len).sum();
        metrics.cache_entries.with_label_values(&[&self.name]).set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// The failed batch and everything after it is built again from its records.
    fn rebuild(&mut self, sealed: &Sealed, reason: &str) {
        self.memory.reader.metrics.rebuilds.with_label_values(&[reason]).inc();
        let next = Draft::new(self.draft.number + 1);
        let draft = std::mem::replace(&mut self.draft, next);
        self.memory.drop_from(sealed.number);
        self.must_seal = false;
        let mut first: BTreeMap<PartitionId, i64> = BTreeMap::new();
        let spans = sealed.spans.iter().chain(draft.spans.values());
        for span in spans {
            first.entry(span.id).and_modify(|from| *from = (*from).min(span.from)).or_insert(span.from);
        }
        self.rewind(&first);
        for record in draft.records.into_iter().rev() {
            self.again.push_front(record);
        }
        for record in sealed.records.iter().rev() {
            self.again.push_front(record.clone());
        }
    }

    fn rewind(&mut self, first: &BTreeMap<PartitionId, i64>) {
        for (id, from) in first {
            if let Some(partition) = self.memory.partitions.get_mut(id) {
                partition.cursor = *from;
            }
        }
    }

    /// Drops what the draft holds of these partitions. A batch in flight is left to its fence.
    async fn leave(&mut self, ids: &[PartitionId]) -> Result<(), Stopped> {
        let concerned = |record: &RawRecord| ids.contains(&record.partition);
        let waiting: VecDeque<RawRecord> = std::mem::take(&mut self.again);
        for record in waiting {
            if concerned(&record) {
                self.budget.free(record.bytes());
            } else {
                self.again.push_back(record);
            }
        }
        if !self.draft.records.iter().any(concerned) {
            return Ok(());
        }
        let next = Draft::new(self.draft.number + 1);
        let draft = std::mem::replace(&mut self.draft, next);
        self.memory.drop_from(draft.number);
        self.must_seal = false;
        let first = draft.spans.values().map(|span| (span.id, span.from)).collect();
        self.rewind(&first);
        for record in draft.records.into_iter().rev() {
            if concerned(&record) {
                self.budget.free(record.bytes());
            } else {
                self.again.push_front(record);
            }
        }
        Ok(())
    }

    /// Halts partitions, visibly: nothing of them advances until `ingest resume`.
    async fn halt(&mut self, ids: &[PartitionId], why: &str) -> Result<(), Stopped> {
        for id in ids {
            let topic = self.memory.topics.name(id.topic).to_owned();
            let owner_epoch = self.memory.partitions.get(id).map_or(0, |partition| partition.owner_epoch);
            tracing::error!(%topic, partition = id.partition, why, "partition halted; see docs/operating.md");
            retried!(self.memory.reader, "halt a partition", client => client.execute(
                "update ledger.ingest_partition set state = 'halted', halted_reason = $4, halted_at = now()
                 where topic = $1 and partition = $2 and owner_epoch = $3",
                &[&topic, &id.partition, &owner_epoch, &why],
            ).await);
            self.leave(&[*id]).await?;
            self.memory.forget_partition(*id);
            self.memory.reader.health.set_halted(*id);
            let _ = self.commands.send(Command::Halt(*id));
        }
        Ok(())
    }

    /// Puts sources into quarantine of which too many records died.
    async fn quarantine(&mut self, sealed: &Sealed) -> Result<(), Stopped> {
        let (poisoned, halting) = self.windows.judge(sealed);
        for (source, topic, detail) in poisoned {
            let topic = self.memory.topics.name(topic).to_owned();
            tracing::error!(%source, %topic, %detail, "source goes into quarantine");
            self.memory.reader.metrics.quarantines.with_label_values(&["poisoned"]).inc();
            retried!(self.memory.reader, "quarantine a source", client => client.execute(
                "insert into ledger.quarantine (datacenter, cluster, cluster_uid, topic, reason, detail)
                 values ($1, $2, $3, $4, 'poisoned', $5) on conflict do nothing",
                &[&source.datacenter, &source.cluster, &source.cluster_uid, &topic, &detail],
            ).await);
            self.memory.sources.forget(&source);
        }
        for (id, why) in halting {
            if self.memory.partitions.contains_key(&id) {
                self.halt(&[id], &why).await?;
            }
        }
        Ok(())
    }
}
