//! Watches the cluster's own logs for records that this emitter did not write.
//!
//! Whoever may write to the topics may write under this cluster's key. A record of a higher epoch, or of this epoch with a
//! number that was not given out yet, would make the central site pass over everything this emitter sends; so it begins an
//! epoch above that one. Without a key (`emit.identity`) somebody who goes on forging can go on making it do so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    thread,
    time::Duration,
};

use fleetledger_schema::{
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
    read_back::{LogPlacement, PollContext, consumer},
    signer::{EpochStamp, RecordSigner},
};

/// How long one look at Kafka waits.
const POLL: Duration = Duration::from_millis(200);

/// How long the broker may gather records, in milliseconds: nobody waits for them.
const FETCH_WAIT_MS: u32 = 500;
/// How far it reads ahead, in kilobytes: little, for it lasts as long as the emitter.
const QUEUE_KBYTES: u32 = 1024;

/// Whose records are looked for.
pub(crate) struct WatchedSource {
    pub(crate) cluster_uid: String,
    pub(crate) epoch: i64,
    pub(crate) signer: RecordSigner,
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
        let consumer = consumer(kafka, FETCH_WAIT_MS, QUEUE_KBYTES)?;
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
            .map_err(|_| KafkaError::ClientCreation("no thread to watch the logs".to_owned()))?;
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
        while !self.stopped.load(Ordering::Acquire) {
            match consumer.poll(POLL) {
                Some(Ok(message)) => self.see(&message, source),
                Some(Err(KafkaError::PartitionEOF(_))) | None => {}
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
