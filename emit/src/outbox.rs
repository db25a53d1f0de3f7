//! All logs of the cluster and the producer they share.

use std::sync::Arc;

use fleetledger_schema::{instant::Instant, key::Source, kind::Kind, partition::shard_of, record::Usage};

use crate::{
    encode::encode_usage,
    health::Health,
    log::{Log, Sent, SweepItem},
    memory::Memory,
    metrics::Metrics,
    object::MAX_RECORD_BYTES,
    producer::{Producer, Refusal, Report},
    read_back::{Place, ReadBack},
};

/// Steps that one log takes before the next has its turn.
const STEPS_IN_A_ROW: usize = 64;

/// Places in a queue of changes that objects may have which were given up, beside as many as there are objects.
const GIVEN_UP: usize = 1024;

/// All logs of the cluster and the producer they share.
pub(crate) struct Outbox {
    pub(crate) logs: Vec<Log>,
    pub(crate) producer: Producer,
    broken: Option<String>,
    metrics: Metrics,
    health: Health,
}

/// The logs of a new epoch, holding what was read back.
pub(crate) fn logs_of(
    source: &Source,
    epoch: i64,
    shards: u16,
    places: &[Place],
    held: &ReadBack,
) -> Vec<Log> {
    let log = |place: &Place| {
        Log::new(
            source.clone(),
            place.kind,
            place.shard,
            shards,
            place.topic.clone(),
            place.partition,
            epoch,
        )
    };
    let mut logs: Vec<Log> = places.iter().map(log).collect();
    for kept in held.kept.values().filter(|kept| !kept.ended) {
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
    pub(crate) fn new(logs: Vec<Log>, producer: Producer, metrics: Metrics, health: Health) -> Self {
        Self {
            logs,
            producer,
            broken: None,
            metrics,
            health,
        }
    }

    /// Queues the newest state of an object.
    pub(crate) fn queue(&mut self, uid: &Arc<str>, memory: &mut Memory) {
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
    pub(crate) fn forget_given_up(&mut self, memory: &Memory) {
        for log in &mut self.logs {
            if log.changes.len() > memory.len() + GIVEN_UP {
                log.changes
                    .retain(|uid| memory.get(uid).is_some_and(|entry| entry.queued));
            }
        }
    }

    /// Queues a sweep of one kind; `missed` says how many changes the watches had missed of a shard.
    pub(crate) fn queue_sweep(&mut self, kind: Kind, id: &str, missed: impl Fn(u16) -> i64) {
        for log in self.logs.iter_mut().filter(|log| log.kind == kind) {
            log.sweep.push_back(SweepItem::Begin {
                id: id.to_owned(),
                missed: missed(log.shard),
            });
        }
    }

    /// Queues a window of usage. Where Kafka is away the oldest windows are given up beyond `budget` bytes: they are
    /// unknown then, which is told by what is not covered.
    pub(crate) fn queue_window(&mut self, usage: &Usage, budget: usize) {
        let value = match encode_usage(usage) {
            Ok(value) if value.len() <= MAX_RECORD_BYTES => value,
            Ok(value) => {
                tracing::error!(
                    node = usage.node,
                    bytes = value.len(),
                    "window of usage is too large for its topic"
                );
                return self.metrics.usage_dropped.inc();
            }
            Err(error) => {
                tracing::error!(node = usage.node, %error, "window of usage cannot be encoded");
                return self.metrics.usage_dropped.inc();
            }
        };
        let of_usage = self.logs.iter_mut().filter(|log| log.kind == Kind::Usage);
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
        self.logs.iter_mut().for_each(Log::mark);
    }

    /// True while a sweep is being sent.
    pub(crate) fn is_sweeping(&self) -> bool {
        self.logs.iter().any(|log| !log.sweep.is_empty())
    }

    /// True if nothing waits and nothing is in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.producer.in_flight().0 == 0 && self.logs.iter().all(Log::is_idle)
    }

    /// Sends while there is something to send and room for it. Returns true if something was sent.
    pub(crate) fn drain(&mut self, memory: &mut Memory, now: Instant) -> bool {
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
                        Some(Err(Refusal::Full)) => return sent_any,
                        Some(Err(Refusal::Broken(why))) => {
                            self.broken = Some(why);
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
    pub(crate) fn check_deliveries(&mut self, memory: &mut Memory) -> Result<(), String> {
        while let Some(report) = self.producer.report() {
            match report {
                Report::Buried(uid) => memory.forget(&uid),
                Report::Failed(why) => self.broken = Some(why),
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
            for kind in Kind::ALL {
                let mut living = fleetledger_schema::content_hash::Digest::default();
                for digest in self.logs.iter().filter(|log| log.kind == kind).map(Log::digest) {
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

    fn step(&mut self, index: usize, memory: &mut Memory, now: Instant) -> Option<Result<(), Refusal>> {
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

    fn count(&self, kind: Kind, shard: u16, sent: Sent, bytes: usize) {
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
                Sent::Change | Sent::Swept | Sent::Last => counts.objects += 1,
                Sent::Tombstone => counts.tombstones += 1,
                Sent::Mark => counts.marks += 1,
                Sent::SweepEnd { missed } => {
                    counts.missed_changes += missed.unsigned_abs();
                    counts.sweeps += u64::from(shard == 0);
                }
                Sent::SweepBegin | Sent::Schema | Sent::Window => {}
            }
        });
        if matches!(sent, Sent::SweepEnd { .. }) && shard == 0 {
            self.metrics.sweeps.with_label_values(&[name]).inc();
        }
    }
}
