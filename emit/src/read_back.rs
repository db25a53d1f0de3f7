//! What the logs of this cluster already hold, read back from Kafka when a leadership term begins.
//!
//! For every key its newest offset and content hash are kept, about a hundred bytes each; bodies are read again
//! only of objects that have vanished.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant as Tick},
};

use fleetledger_schema::{
    codec::{KnownSchemas, WriterSchema},
    content_hash::ContentHash,
    framing,
    instant::Instant,
    key::{RecordKey, RecordSource, RecordSubject},
    kind::RecordKind,
};
use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    message::BorrowedMessage,
};

use crate::{encode::decode, health::EmitterHealth, memory::LogContent, signer::RecordSigner};

/// Without a word from Kafka for this long, reading back begins anew.
const SILENCE: Duration = Duration::from_secs(30);

/// The end of a log shows in an empty fetch: let it come soon.
const FETCH_WAIT_MS: u32 = 10;
/// How far it reads ahead, in kilobytes.
const QUEUE_KBYTES: u32 = 16_384;

/// Where a log stands in Kafka.
#[derive(Debug, Clone)]
pub(crate) struct LogPlacement {
    pub(crate) kind: RecordKind,
    pub(crate) shard: u16,
    pub(crate) topic: String,
    pub(crate) partition: i32,
}

/// What was read back.
#[derive(Debug)]
pub(crate) struct ReadBack {
    /// Living objects under the cluster's present name, by uid.
    pub(crate) objects: HashMap<Arc<str>, LoggedObject>,
    /// Objects under a former name of the cluster.
    pub(crate) former_keys: Vec<(RecordKind, u16, RecordKey)>,
    /// Highest epoch that any emitter of this cluster has used; forged ones that no ingester takes are none.
    pub(crate) highest_epoch: i64,
    /// Of each log that was read, the offset after its newest record.
    pub(crate) next_offsets: Vec<(String, i32, i64)>,
    /// Schemas that were announced.
    pub(crate) schemas: KnownSchemas,
}

impl ReadBack {
    /// What logs hold that are new.
    pub(crate) fn nothing() -> Self {
        Self {
            objects: HashMap::new(),
            former_keys: Vec::new(),
            highest_epoch: 0,
            next_offsets: Vec::new(),
            schemas: KnownSchemas::own(),
        }
    }
}

/// What a log holds of one object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoggedObject {
    pub(crate) kind: RecordKind,
    pub(crate) shard: u16,
    offset: i64,
    pub(crate) content: LogContent,
    /// True if its last record is there and the tombstone is not.
    pub(crate) ended: bool,
}

/// Reads the logs of one cluster. Blocks.
pub(crate) fn read_back(
    kafka: &ClientConfig,
    source: &RecordSource,
    places: &[LogPlacement],
    signer: &RecordSigner,
    health: &EmitterHealth,
) -> Result<ReadBack, KafkaError> {
    let consumer = consumer(kafka, FETCH_WAIT_MS, QUEUE_KBYTES)?;
    let mut read = ReadBack {
        objects: HashMap::new(),
        former_keys: Vec::new(),
        next_offsets: Vec::new(),
        highest_epoch: 0,
        schemas: KnownSchemas::own(),
    };
    // Windows of usage are never ended nor compared: their log is not read.
    for place in places.iter().filter(|place| place.kind.is_object()) {
        let mut former: HashMap<RecordKey, ()> = HashMap::new();
        let mut next_offset = 0;
        each_message(&consumer, place, Offset::Beginning, health, |message| {
            next_offset = message.offset() + 1;
            read.take(message, place, source, signer, &mut former);
            true
        })?;
        read.next_offsets
            .push((place.topic.clone(), place.partition, next_offset));
        read.former_keys
            .extend(former.into_keys().map(|key| (place.kind, place.shard, key)));
    }
    Ok(read)
}

impl ReadBack {
    fn take(
        &mut self,
        message: &BorrowedMessage<'_>,
        place: &LogPlacement,
        source: &RecordSource,
        signer: &RecordSigner,
        former: &mut HashMap<RecordKey, ()>,
    ) {
        let Some(key) = message.key().and_then(|key| RecordKey::parse(key).ok()) else {
            return;
        };
        if key.source.cluster_uid != source.cluster_uid {
            return;
        }
        let stamp = signer.stamp_of(message);
        if let Some(stamp) = stamp {
            self.highest_epoch = self.highest_epoch.max(stamp.epoch);
        }
        match (&key.subject, message.payload()) {
            (RecordSubject::Schema(_), Some(json)) => {
                let schema = std::str::from_utf8(json)
                    .ok()
                    .and_then(|json| WriterSchema::parse(json).ok());
                if let Some(schema) = schema {
                    self.schemas.learn(Arc::new(schema));
                }
            }
            (RecordSubject::Object(_), None) if key.source != *source => {
                former.remove(&key);
            }
            (RecordSubject::Object(_), Some(_)) if key.source != *source => {
                former.insert(key, ());
            }
            (RecordSubject::Object(uid), None) => {
                self.objects.remove(uid.as_str());
            }
            (RecordSubject::Object(uid), Some(value)) => {
                // What others wrote says nothing of when anything began.
                let at = stamp.map_or_else(Instant::now, |stamp| stamp.began_at);
                let kept = self.logged_object(message.offset(), value, at, place);
                match self.objects.get_mut(uid.as_str()) {
                    // The same content again, from a sweep: it began when it began.
                    Some(known) if known.content.hash == kept.content.hash => {
                        let since = known.content.since.min(kept.content.since);
                        *known = LoggedObject {
                            content: LogContent {
                                since,
                                ..kept.content
                            },
                            ..kept
                        };
                    }
                    _ => {
                        self.objects.insert(uid.as_str().into(), kept);
                    }
                }
            }
            _ => {}
        }
    }

    fn logged_object(&self, offset: i64, value: &[u8], since: Instant, place: &LogPlacement) -> LoggedObject {
        let body = framing::split(value).map_or(value, |(_, body)| body);
        let ended = decode(value, &self.schemas).is_some_and(|record| record.deleted_at().is_some());
        LoggedObject {
            kind: place.kind,
            shard: place.shard,
            offset,
            content: LogContent {
                hash: ContentHash::of(body),
                since,
            },
            ended,
        }
    }
}

/// Values by uid, where they are still there.
pub(crate) type ValuesByUid = HashMap<Arc<str>, Vec<u8>>;

/// The newest values of these objects, read again at their offsets in one pass, up to `budget` bytes. Blocks.
pub(crate) fn read_values(
    kafka: &ClientConfig,
    place: &LogPlacement,
    wanted: &[(Arc<str>, LoggedObject)],
    mut budget: usize,
) -> Result<ValuesByUid, KafkaError> {
    let by_offset: BTreeMap<i64, &Arc<str>> = wanted.iter().map(|(uid, kept)| (kept.offset, uid)).collect();
    let (Some((first, _)), Some((last, _))) = (by_offset.first_key_value(), by_offset.last_key_value())
    else {
        return Ok(ValuesByUid::new());
    };
    let mut values = ValuesByUid::new();
    each_message(
        &consumer(kafka, FETCH_WAIT_MS, QUEUE_KBYTES)?,
        place,
        Offset::Offset(*first),
        &EmitterHealth::new(),
        |message| {
            if let (Some(uid), Some(value)) = (by_offset.get(&message.offset()), message.payload())
                && let Some(left) = budget.checked_sub(value.len())
            {
                budget = left;
                values.insert((*uid).clone(), value.to_vec());
            }
            message.offset() < *last && budget > 0
        },
    )?;
    Ok(values)
}

/// Reports errors by the return of a poll alone: the end of a partition is no error here.
pub(crate) struct PollContext;

impl ClientContext for PollContext {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "reading back");
    }
}

impl ConsumerContext for PollContext {}

/// A consumer that reads `fetch_wait_ms` at a time and keeps up to `queue_kbytes` ahead.
pub(crate) fn consumer(
    kafka: &ClientConfig,
    fetch_wait_ms: u32,
    queue_kbytes: u32,
) -> Result<BaseConsumer<PollContext>, KafkaError> {
    let mut config = kafka.clone();
    config
        // Required by librdkafka though no group is ever joined: partitions are assigned by hand.
        .set("group.id", "fleetledger-emit-read-back")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("queued.max.messages.kbytes", queue_kbytes.to_string())
        .set("fetch.wait.max.ms", fetch_wait_ms.to_string())
        .set("allow.auto.create.topics", "false");
    BaseConsumer::from_config_and_context(&config, PollContext)
}

fn assign(
    consumer: &BaseConsumer<PollContext>,
    place: &LogPlacement,
    from: Offset,
) -> Result<(), KafkaError> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&place.topic, place.partition, from)?;
    consumer.assign(&list)
}

/// Calls `take` with each message up to the end of the log, while it returns true.
fn each_message(
    consumer: &BaseConsumer<PollContext>,
    place: &LogPlacement,
    from: Offset,
    health: &EmitterHealth,
    mut take: impl FnMut(&BorrowedMessage<'_>) -> bool,
) -> Result<(), KafkaError> {
    assign(consumer, place, from)?;
    let mut heard_at = Tick::now();
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                heard_at = Tick::now();
                health.turn();
                if !take(&message) {
                    return Ok(());
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) if partition == place.partition => return Ok(()),
            Some(Err(error)) if heard_at.elapsed() > SILENCE => return Err(error),
            None if heard_at.elapsed() > SILENCE => {
                return Err(KafkaError::OffsetFetch(
                    rdkafka::error::RDKafkaErrorCode::OperationTimedOut,
                ));
            }
            _ => health.turn(),
        }
    }
}
