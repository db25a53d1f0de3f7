//! What a lane does with what became of its batch: publish it, build it anew, put a record aside, halt.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use fleetledger_schema::instant::Instant;

use crate::{
    batch::{DraftBatch, RecordCounts, RecordOutcome, SealedBatch},
    fail_point::{FailPoint, hit},
    lane::{Lane, PollCommand},
    raw::{PartitionId, RawRecord},
    reader::{StopRequested, retried},
    writer::BatchOutcome,
};

impl Lane {
    pub(crate) async fn resolve(&mut self, outcome: BatchOutcome) -> Result<(), StopRequested> {
        let Some(sealed) = self.in_flight.take() else {
            return Ok(());
        };
        match outcome {
            BatchOutcome::Committed(superseded) => self.finish_committed(&sealed, &superseded).await,
            BatchOutcome::Lost(lost) => {
                self.memory.reader.metrics.fence_losses.inc_by(lost.len() as u64);
                tracing::warn!(
                    lane = %self.name, ?lost,
                    "partitions are now owned by another ingester; their buffered records are dropped"
                );
                self.rebuild(&sealed, "fence");
                lost.iter().for_each(|id| self.memory.forget_partition(*id));
                self.commands.send(&PollCommand::Reclaim(lost));
                Ok(())
            }
            BatchOutcome::Stale(stale) => {
                self.rebuild(&sealed, "stale");
                if stale.timeline {
                    tracing::warn!(
                        lane = %self.name,
                        "another PostgreSQL server has taken over; all caches are read again"
                    );
                    self.memory.forget_history();
                }
                for (cluster_id, kind) in stale.kinds {
                    self.memory.forget_kind(cluster_id, kind);
                }
                if stale.names {
                    self.memory.sources.clear();
                }
                Ok(())
            }
            BatchOutcome::Refused(record, detail) => {
                let found = record.or((sealed.records.len() == 1).then_some(0));
                if let Some(record) = found.and_then(|index| sealed.records.get(index)) {
                    self.memory
                        .doomed
                        .insert((record.partition, record.offset), detail);
                } else {
                    self.limit = (sealed.records.len() / 2).max(1);
                }
                self.rebuild(&sealed, "refused");
                Ok(())
            }
            BatchOutcome::Slow => {
                self.limit = (sealed.records.len() / 2).max(1);
                self.rebuild(&sealed, "slow");
                Ok(())
            }
            BatchOutcome::Fatal(why) => {
                let ids: Vec<PartitionId> = sealed.spans.iter().map(|span| span.id).collect();
                self.rebuild(&sealed, "fatal");
                self.halt(&ids, &why).await
            }
            BatchOutcome::Stopped => Err(StopRequested),
        }
    }

    async fn finish_committed(
        &mut self,
        sealed: &Arc<SealedBatch>,
        superseded: &[usize],
    ) -> Result<(), StopRequested> {
        self.memory.publish(sealed.number);
        hit(FailPoint::CachePublished);
        self.budget.free(sealed.bytes);
        self.limit = (self.limit * 2).min(self.memory.settings.batch_rows);
        let spans: Vec<(PartitionId, i64)> = sealed.spans.iter().map(|span| (span.id, span.to)).collect();
        let mut counts = RecordCounts::default();
        for span in &sealed.spans {
            counts.merge(&sealed.counts_of(span, superseded));
            self.memory
                .doomed
                .retain(|(id, offset), _| *id != span.id || !(span.from..span.to).contains(offset));
        }
        self.measure(sealed, superseded, &counts);
        self.memory.reader.health.landed(&spans, &counts);
        self.commands.send(&PollCommand::Landed(spans));
        self.quarantine(sealed).await
    }

    fn measure(&self, sealed: &SealedBatch, superseded: &[usize], counts: &RecordCounts) {
        let metrics = &self.memory.reader.metrics;
        let now = Instant::now();
        for span in &sealed.spans {
            let topic = self.memory.topics.name(span.id.topic);
            let of_span = sealed.counts_of(span, superseded);
            for verdict in RecordOutcome::ALL {
                let records = of_span.of(verdict);
                if records > 0 {
                    metrics
                        .records
                        .with_label_values(&[topic, verdict.as_str()])
                        .inc_by(records);
                }
            }
            let partition = span.id.partition.to_string();
            let progress = metrics
                .last_progress_seconds
                .with_label_values(&[topic, &partition]);
            progress.set(now.0 as f64 / 1e6);
            let age = span
                .last_kafka_at
                .map_or(0.0, |at| now.micros_since(at) as f64 / 1e6);
            metrics
                .end_to_end_seconds
                .with_label_values(&[topic])
                .observe(age.max(0.0));
            let behind = self.memory.reader.health.high_watermark(span.id) > span.to;
            let lag = metrics.lag_seconds.with_label_values(&[topic, &partition]);
            lag.set(if behind { age.max(0.0) } else { 0.0 });
        }
        for letter in &sealed.dead_letters {
            let topic = sealed
                .records
                .get(letter.record)
                .map_or("", |record| self.memory.topics.name(record.partition.topic));
            metrics
                .dead_letters
                .with_label_values(&[topic, letter.fault.reason.as_str()])
                .inc();
        }
        metrics.batches.inc();
        metrics.bytes.inc_by(sealed.bytes as u64);
        metrics.gaps.inc_by(sealed.gaps.len() as u64);
        metrics
            .cache_lookups
            .with_label_values(&["hit"])
            .inc_by(counts.unchanged);
        metrics
            .cache_lookups
            .with_label_values(&["miss"])
            .inc_by(counts.landed);
        let entries: usize = self.memory.shards.values().map(crate::shard::Shard::len).sum();
        metrics
            .cache_entries
            .with_label_values(&[&self.name])
            .set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// The failed batch and everything after it is built again from its records.
    fn rebuild(&mut self, sealed: &SealedBatch, reason: &str) {
        self.memory
            .reader
            .metrics
            .rebuilds
            .with_label_values(&[reason])
            .inc();
        let next = DraftBatch::new(self.draft.number + 1);
        let draft = std::mem::replace(&mut self.draft, next);
        self.memory.drop_from(sealed.number);
        self.must_seal = false;
        let mut first: BTreeMap<PartitionId, i64> = BTreeMap::new();
        let spans = sealed.spans.iter().chain(draft.spans.values());
        for span in spans {
            first
                .entry(span.id)
                .and_modify(|from| *from = (*from).min(span.from))
                .or_insert(span.from);
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
    pub(crate) async fn leave(&mut self, ids: &[PartitionId]) -> Result<(), StopRequested> {
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
        let next = DraftBatch::new(self.draft.number + 1);
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
    pub(crate) async fn halt(&mut self, ids: &[PartitionId], why: &str) -> Result<(), StopRequested> {
        for id in ids {
            let topic = self.memory.topics.name(id.topic).to_owned();
            let owner_epoch = self
                .memory
                .partitions
                .get(id)
                .map_or(0, |partition| partition.owner_epoch);
            tracing::error!(
                %topic, partition = id.partition, why,
                "a partition halted; see docs/operating.md"
            );
            retried!(self.memory.reader, "halt a partition", client => client.execute(
                HALT_OWN_PARTITION,
                &[&topic, &id.partition, &owner_epoch, &why],
            ).await);
            self.leave(&[*id]).await?;
            self.memory.forget_partition(*id);
            self.memory.reader.health.set_halted(*id);
            self.commands.send(&PollCommand::Halt(*id));
        }
        Ok(())
    }

    /// Puts sources into quarantine of which too many records died.
    async fn quarantine(&mut self, sealed: &SealedBatch) -> Result<(), StopRequested> {
        let (poisoned, halting) = self.windows.evaluate(sealed);
        for (source, topic, detail) in poisoned {
            let topic = self.memory.topics.name(topic).to_owned();
            tracing::error!(%source, %topic, %detail, "a source is quarantined");
            self.memory
                .reader
                .metrics
                .quarantines
                .with_label_values(&["poisoned"])
                .inc();
            retried!(self.memory.reader, "quarantine a source", client => client.execute(
                INSERT_POISONED_QUARANTINE,
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

const HALT_OWN_PARTITION: &str = "
    update ledger.ingest_partition set state = 'halted', halted_reason = $4, halted_at = now()
    where topic = $1 and partition = $2 and owner_epoch = $3";

const INSERT_POISONED_QUARANTINE: &str = "
    insert into ledger.quarantine (datacenter, cluster, cluster_uid, topic, reason, detail)
    values ($1, $2, $3, $4, 'poisoned', $5) on conflict do nothing";
