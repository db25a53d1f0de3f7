//! Watches the cluster's own logs for records that this emitter did not write.
//!
//! Whoever may write to the topics may write under this cluster's key. A record of a higher epoch, or of this epoch with a
//! number that was not given out yet, would make the central site pass over everything this emitter sends; so it begins an
//! epoch above that one. Without a key (`emit.identity`) somebody who goes on forging can go on making it do so.
//!
//! Kafka cannot send keys and headers alone, so it fetches all that others write to the same partitions. [`BYTES_A_SECOND`]
//! bounds that: what comes faster is read later, and never passed over, for one record is enough to lock an emitter out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    thread,
    time::{Duration, Instant as Tick},
};

use fleetledger_schema::{
    instant::Instant,
    key::{RecordKey, RecordSubject},
    partition::shard_of,
};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::BorrowedMessage,
};

use crate::{
    log::RecordLog,
    metrics::EmitMetrics,
    read_back::{LogPlacement, PollContext, consumer},
    signer::{EpochStamp, RecordSigner},
};

/// How long one look at Kafka waits.
const POLL: Duration = Duration::from_millis(200);

/// How long the broker may gather records, in milliseconds: nobody waits for them.
const FETCH_WAIT_MS: u32 = 500;
/// How far it reads ahead, in kilobytes: little, for it lasts as long as the emitter.
const QUEUE_KBYTES: u32 = 1024;
/// Most bytes of one answer of a broker, and of one partition within it; a batch that is larger comes whole.
const FETCH_BYTES: (&str, &str) = ("1048576", "131072");
/// Most bytes of keys and values that are looked at in a second. At that rate a neighbour's sweep of 200,000 objects of a
/// kilobyte is read within the minute in which an emitter is to notice that it was overtaken.
const BYTES_A_SECOND: usize = 4 << 20;

/// Whose records are looked for.
pub(crate) struct WatchedSource {
    pub(crate) cluster_uid: String,
    pub(crate) epoch: i64,
    pub(crate) signer: RecordSigner,
    pub(crate) metrics: EmitMetrics,
}

/// Keeps reading within [`BYTES_A_SECOND`].
#[derive(Debug)]
struct ReadingPace {
    second: Tick,
    bytes: usize,
}

impl ReadingPace {
    fn new(now: Tick) -> Self {
        Self {
            second: now,
            bytes: 0,
        }
    }

    /// Takes so many bytes; how long to wait before the next ones.
    fn take(&mut self, bytes: usize, now: Tick) -> Duration {
        let passed = now.saturating_duration_since(self.second);
        if passed >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        match self.bytes < BYTES_A_SECOND {
            true => Duration::ZERO,
            false => Duration::from_secs(1).saturating_sub(passed),
        }
    }
}

/// What was seen in one log.
#[derive(Debug)]
struct SeenLog {
    place: LogPlacement,
    /// Highest epoch above our own; 0 for none.
    higher_epoch: AtomicI64,
    /// Highest number within our own epoch.
    sequence: AtomicI64,
}

#[derive(Debug)]
struct SeenLogs {
    logs: Vec<SeenLog>,
    stopped: AtomicBool,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub(crate) struct LogWatch {
    seen: Arc<SeenLogs>,
    epoch: i64,
}

impl LogWatch {
    /// Begins where reading back has ended; where nothing was read back, at the end of the log.
    ///
    /// # Errors
    /// The Kafka client cannot be made.
    pub(crate) fn start(
        kafka: &ClientConfig,
        source: WatchedSource,
        places: &[LogPlacement],
        next_offsets: &[(String, i32, i64)],
    ) -> Result<Self, KafkaError> {
        let mut list = TopicPartitionList::new();
        for place in places {
            let next = next_offsets
                .iter()
                .find(|(topic, partition, _)| (topic, *partition) == (&place.topic, place.partition));
            let from = next.map_or(Offset::End, |(_, _, next)| Offset::Offset(*next));
            if list.find_partition(&place.topic, place.partition).is_none() {
                list.add_partition_offset(&place.topic, place.partition, from)?;
            }
        }
        let mut kafka = kafka.clone();
        kafka
            .set("fetch.max.bytes", FETCH_BYTES.0)
            .set("fetch.message.max.bytes", FETCH_BYTES.1);
        let consumer = consumer(&kafka, FETCH_WAIT_MS, QUEUE_KBYTES)?;
        consumer.assign(&list)?;
        let log = |place: &LogPlacement| SeenLog {
            place: place.clone(),
            higher_epoch: AtomicI64::new(0),
            sequence: AtomicI64::new(0),
        };
        let seen = Arc::new(SeenLogs {
            logs: places.iter().map(log).collect(),
            stopped: AtomicBool::new(false),
        });
        let (epoch, watched) = (source.epoch, seen.clone());
        thread::Builder::new()
            .name("log-watch".to_owned())
            .spawn(move || watched.watch(&consumer, &source))
            .map_err(|_| {
                KafkaError::ClientCreation("the thread that watches the logs could not be started".to_owned())
            })?;
        Ok(Self { seen, epoch })
    }

    /// The epoch that somebody has overtaken this emitter with, which has given out the numbers of `logs`.
    pub(crate) fn overtaking_epoch(&self, logs: &[RecordLog]) -> Option<i64> {
        let of_log = |seen: &SeenLog| {
            let higher = seen.higher_epoch.load(Ordering::Acquire);
            if higher > self.epoch {
                return Some(higher);
            }
            let log = logs
                .iter()
                .find(|log| (log.kind, log.shard) == (seen.place.kind, seen.place.shard))?;
            (seen.sequence.load(Ordering::Acquire) > log.sequence()).then_some(self.epoch)
        };
        self.seen.logs.iter().filter_map(of_log).max()
    }
}

impl Drop for LogWatch {
    fn drop(&mut self) {
        self.seen.stopped.store(true, Ordering::Release);
    }
}

impl SeenLogs {
    fn watch(&self, consumer: &BaseConsumer<PollContext>, source: &WatchedSource) {
        let mut pace = ReadingPace::new(Tick::now());
        let metrics = &source.metrics;
        while !self.stopped.load(Ordering::Acquire) {
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    let bytes = message.payload_len() + message.key_len();
                    metrics.watched_bytes.inc_by(bytes as u64);
                    self.see(&message, source);
                    let pause = pace.take(bytes, Tick::now());
                    if !pause.is_zero() {
                        metrics.watch_behind_seconds.set(seconds_behind(&message));
                        thread::sleep(pause);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) | None => metrics.watch_behind_seconds.set(0),
                Some(Err(error)) => {
                    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
                        tracing::debug!(%error, "watching the logs");
                    }
                    thread::sleep(POLL);
                }
            }
        }
    }

    fn see(&self, message: &BorrowedMessage<'_>, source: &WatchedSource) {
        // Most records are of others.
        let uid = message
            .key()
            .and_then(|key| key.split(|byte| *byte == b'/').nth(2));
        if uid != Some(source.cluster_uid.as_bytes()) {
            return;
        }
        let key = message.key().and_then(|key| RecordKey::parse(key).ok());
        let Some(key) = key.filter(|key| key.source.cluster_uid == source.cluster_uid) else {
            return;
        };
        let Some(EpochStamp { epoch, sequence, .. }) = source.signer.stamp_of(message) else {
            return;
        };
        let here = |log: &&SeenLog| {
            (log.place.topic.as_str(), log.place.partition) == (message.topic(), message.partition())
        };
        for log in self.logs.iter().filter(here) {
            if epoch > source.epoch {
                log.higher_epoch.fetch_max(epoch, Ordering::AcqRel);
            } else if epoch == source.epoch && self.is_of(&log.place, &key.subject) {
                log.sequence.fetch_max(sequence, Ordering::AcqRel);
            }
        }
    }

    /// Shards of one kind may share a partition, and each has numbers of its own.
    fn is_of(&self, place: &LogPlacement, subject: &RecordSubject) -> bool {
        let of_kind = self.logs.iter().filter(|log| log.place.kind == place.kind);
        let shards = u16::try_from(of_kind.count()).unwrap_or(1);
        match subject {
            RecordSubject::Object(uid) => shard_of(uid, shards) == place.shard,
            RecordSubject::Mark(shard)
            | RecordSubject::SweepBegin(shard)
            | RecordSubject::SweepEnd(shard) => *shard == place.shard,
            // It names no shard.
            RecordSubject::Schema(_) => shards == 1,
        }
    }
}

/// How old a record is.
fn seconds_behind(message: &BorrowedMessage<'_>) -> i64 {
    let now = Instant::now().0 / 1_000;
    let written = message.timestamp().to_millis().unwrap_or(now);
    now.saturating_sub(written).max(0) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_holds_more_than_its_bytes_and_a_record() {
        let start = Tick::now();
        let (mut now, mut taken, record) = (start, 0, 2_000);
        let mut pace = ReadingPace::new(start);
        while now < start + Duration::from_secs(10) {
            taken += record;
            // Ten million records a second.
            now += Duration::from_nanos(100) + pace.take(record, now);
        }
        assert!(taken <= 10 * (BYTES_A_SECOND + record), "{taken}");
        assert!(taken >= 9 * BYTES_A_SECOND, "{taken}");
        // Few records are never waited for.
        let mut pace = ReadingPace::new(start);
        let waits = (0..1_000).map(|number| pace.take(record, start + Duration::from_millis(number * 10)));
        assert_eq!(waits.sum::<Duration>(), Duration::ZERO);
    }
}
