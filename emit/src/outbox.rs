//! All logs of the cluster and the producer they share.

use std::sync::Arc;

use fleetledger_schema::{
    instant::Instant, key::RecordSource, kind::RecordKind, partition::shard_of, record::Usage,
};

use crate::{
    encode::encode_usage,
    health::EmitterHealth,
    log::{RecordLog, SentKind, SweepItem},
    memory::ObjectMemory,
    metrics::EmitMetrics,
    producer::{DeliveryReport, LogProducer, SendRefusal},
    read_back::{LogPlacement, ReadBack},
    refusal::DeliveryFailure,
};

/// Steps that one log takes before the next has its turn.
const STEPS_IN_A_ROW: usize = 64;

/// Places in a queue of changes that objects may have which were given up, beside as many as there are objects.
const GIVEN_UP: usize = 1024;

/// All logs of the cluster and the producer they share.
pub(crate) struct Outbox {
    pub(crate) logs: Vec<RecordLog>,
    pub(crate) producer: LogProducer,
    broken: Option<DeliveryFailure>,
    metrics: EmitMetrics,
    health: EmitterHealth,
}

/// The logs of a new epoch, holding what was read back.
pub(crate) fn logs_of(
    source: &RecordSource,
    epoch: i64,
    shards: u16,
    places: &[LogPlacement],
    held: &ReadBack,
) -> Vec<RecordLog> {
    let log = |place: &LogPlacement| {
        RecordLog::new(
            source.clone(),
            place.kind,
            place.shard,
            shards,
            place.topic.clone(),
            place.partition,
            epoch,
        )
    };
    let mut logs: Vec<RecordLog> = places.iter().map(log).collect();
    for kept in held.objects.values().filter(|kept| !kept.ended) {
        if let Some(log) = logs
            .iter_mut()
            .find(|log| (log.kind, log.shard) == (kept.kind, kept.shard))
        {
            log.holds(kept.content.hash);
        }
    }
    logs
}

impl Outbox {
    pub(crate) fn new(
        logs: Vec<RecordLog>,
        producer: LogProducer,
        metrics: EmitMetrics,
        health: EmitterHealth,
    ) -> Self {
        Self {
            logs,
            producer,
            broken: None,
            metrics,
            health,
        }
    }

    /// Queues the newest state of an object.
    pub(crate) fn queue(&mut self, uid: &Arc<str>, memory: &mut ObjectMemory) {
        let Some(entry) = memory.get_mut(uid) else { return };
        let log = self
            .logs
            .iter_mut()
            .find(|log| (log.kind, log.shard) == (entry.kind, entry.shard));
        if let Some(log) = log
            && !std::mem::replace(&mut entry.queued, true)
        {
            log.changes.push_back(uid.clone());
        }
    }

    /// What was given up while it waited needs no place in its queue. However long Kafka is away and whatever comes and
    /// goes meanwhile, a queue does not outgrow the cluster.
    pub(crate) fn forget_given_up(&mut self, memory: &ObjectMemory) {
        for log in &mut self.logs {
            if log.changes.len() > memory.len() + GIVEN_UP {
                log.changes
                    .retain(|uid| memory.get(uid).is_some_and(|entry| entry.queued));
            }
        }
    }

    /// Queues a sweep of one kind; `missed` says how many changes the watches had missed of a shard.
    pub(crate) fn queue_sweep(&mut self, kind: RecordKind, id: &str, missed: impl Fn(u16) -> i64) {
        for log in self.logs.iter_mut().filter(|log| log.kind == kind) {
            log.sweep.push_back(SweepItem::Begin {
                id: id.to_owned(),
                missed: missed(log.shard),
            });
        }
    }

    /// Queues a window of usage of up to `largest` bytes. Where Kafka is away the oldest windows are given up beyond `budget` bytes: they are
    /// unknown then, which is told by what is not covered.
    pub(crate) fn queue_window(&mut self, usage: &Usage, largest: usize, budget: usize) {
        let value = match encode_usage(usage) {
            Ok(value) if value.len() <= largest => value,
            Ok(value) => {
                tracing::error!(
                    node = usage.node,
                    bytes = value.len(),
                    "a usage window is too large for its topic and is dropped"
                );
                return self.metrics.usage_dropped.inc();
            }
            Err(error) => {
                tracing::error!(node = usage.node, %error, "a usage window cannot be encoded and is dropped");
                return self.metrics.usage_dropped.inc();
            }
        };
        let of_usage = self.logs.iter_mut().filter(|log| log.kind == RecordKind::Usage);
        for log in of_usage.filter(|log| log.shard == shard_of(&usage.uid, log.shards)) {
            log.windows.push_back((usage.uid.as_str().into(), value.clone()));
            let mut waiting: usize = log.windows.iter().map(|(_, value)| value.len()).sum();
            while waiting > budget && log.windows.len() > 1 {
                let given_up = log.windows.pop_front().map_or(0, |(_, value)| value.len());
                waiting -= given_up;
                self.metrics.usage_dropped.inc();
            }
        }
    }

    /// Asks every log for a mark.
    pub(crate) fn mark(&mut self) {
        self.logs.iter_mut().for_each(RecordLog::mark);
    }

    /// True while a sweep is being sent.
    pub(crate) fn is_sweeping(&self) -> bool {
        self.logs.iter().any(|log| !log.sweep.is_empty())
    }

    /// True while a sweep or a change waits to be sent.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_sweeping() || self.logs.iter().any(|log| !log.changes.is_empty())
    }

    /// True if nothing waits and nothing is in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.producer.in_flight().0 == 0 && self.logs.iter().all(RecordLog::is_idle)
    }

    /// Sends while there is something to send and room for it. Returns true if something was sent.
    pub(crate) fn drain(&mut self, memory: &mut ObjectMemory, now: Instant) -> bool {
        let mut sent_any = false;
        let mut stepped = true;
        while std::mem::take(&mut stepped) && self.broken.is_none() {
            for index in 0..self.logs.len() {
                for _ in 0..STEPS_IN_A_ROW {
                    if !self.producer.has_room() {
                        return sent_any;
                    }
                    match self.step(index, memory, now) {
                        Some(Ok(())) => (stepped, sent_any) = (true, true),
                        Some(Err(SendRefusal::Full)) => return sent_any,
                        Some(Err(SendRefusal::Broken(why))) => {
                            self.broken = Some(DeliveryFailure::of_client(why));
                            return sent_any;
                        }
                        None => break,
                    }
                }
            }
        }
        sent_any
    }

    /// Looks at deliveries. A failure means that this epoch is over: its log has a hole.
    pub(crate) fn check_deliveries(&mut self, memory: &mut ObjectMemory) -> Result<(), DeliveryFailure> {
        while let Some(report) = self.producer.report() {
            match report {
                DeliveryReport::TombstoneAcknowledged(uid) => memory.forget(&uid),
                // A refusal says more than what fails in its wake.
                DeliveryReport::Failed(failure) => {
                    if self.broken.as_ref().is_none_or(|known| known.refusal().is_none()) {
                        self.broken = Some(failure);
                    }
                }
            }
        }
        self.broken.take().map_or(Ok(()), Err)
    }

    /// Writes gauges and the summary.
    pub(crate) fn report(&self) {
        let (records, bytes) = self.producer.in_flight();
        let pending = self.logs.iter().map(|log| log.changes.len()).sum();
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.in_flight_records.set(gauge(records));
        self.metrics.in_flight_bytes.set(gauge(bytes));
        self.metrics.pending.set(gauge(pending));
        self.health.update(|summary| {
            summary.in_flight = records;
            summary.pending = pending;
            for kind in RecordKind::ALL {
                let mut living = fleetledger_schema::content_hash::ContentDigest::default();
                for digest in self
                    .logs
                    .iter()
                    .filter(|log| log.kind == kind)
                    .map(RecordLog::digest)
                {
                    living.count += digest.count;
                    living.xor.hi ^= digest.xor.hi;
                    living.xor.lo ^= digest.xor.lo;
                }
                self.metrics
                    .objects
                    .with_label_values(&[kind.as_str()])
                    .set(living.count);
                summary.kinds.entry(kind).or_default().living = living;
            }
        });
    }

    fn step(
        &mut self,
        index: usize,
        memory: &mut ObjectMemory,
        now: Instant,
    ) -> Option<Result<(), SendRefusal>> {
        let log = self.logs.get_mut(index)?;
        let (kind, shard) = (log.kind, log.shard);
        let sent = match log.step(memory, &self.producer, now)? {
            Ok(sent) => sent,
            Err(refusal) => return Some(Err(refusal)),
        };
        for (what, bytes) in sent {
            self.count(kind, shard, what, bytes);
        }
        Some(Ok(()))
    }

    fn count(&self, kind: RecordKind, shard: u16, sent: SentKind, bytes: usize) {
        let name = kind.as_str();
        self.metrics
            .records
            .with_label_values(&[name, sent.as_str()])
            .inc();
        self.metrics
            .record_bytes
            .with_label_values(&[name])
            .inc_by(bytes as u64);
        self.health.update(|summary| {
            let counts = summary.kinds.entry(kind).or_default();
            counts.produced += 1;
            match sent {
                SentKind::Change | SentKind::Swept | SentKind::Last => counts.objects += 1,
                SentKind::Tombstone => counts.tombstones += 1,
                SentKind::Mark => counts.marks += 1,
                SentKind::SweepEnd { missed } => {
                    counts.missed_changes += missed.unsigned_abs();
                    counts.sweeps += u64::from(shard == 0);
                }
                SentKind::SweepBegin | SentKind::Schema | SentKind::Window => {}
            }
        });
        if matches!(sent, SentKind::SweepEnd { .. }) && shard == 0 {
            self.metrics.sweeps.with_label_values(&[name]).inc();
        }
    }
}
