//! The idempotent producer: explicit partitions, bounded in flight, every delivery looked at.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant as Tick},
};

use fleetledger_schema::{
    broker_fault::{BrokerFault, BrokerState},
    headers::RecordHeaders,
    kind::RecordKind,
    mac::MAC_HEADER,
};
use rdkafka::{
    ClientConfig, ClientContext, Message, Statistics,
    config::FromClientConfigAndContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer},
};
use tokio::sync::{Notify, mpsc};

use crate::{health::EmitterHealth, metrics::EmitMetrics, refusal::DeliveryFailure, signer::RecordSigner};

/// Largest record the client lets through, in bytes: Kafka's default for topics.
const MESSAGE_MAX_BYTES: usize = 1_048_588;
/// How long librdkafka waits to fill a batch, in milliseconds.
const LINGER_MS: u32 = 20;

/// Who watches Kafka here, and how often, in milliseconds.
pub(crate) const PRODUCER: &str = "producer";
const STATISTICS_INTERVAL_MS: &str = "5000";

/// Bytes that the client takes for a record beside key, value and headers, and for each header beside its name and
/// value: what librdkafka's structures and their allocations come to.
const RECORD_OVERHEAD: usize = 512;
const HEADER_OVERHEAD: usize = 64;

/// What came of a record that was handed over.
#[derive(Debug)]
pub(crate) enum DeliveryReport {
    /// It was not delivered and never will be: the log has a hole, a new epoch must begin.
    Failed(DeliveryFailure),
    /// A tombstone was acknowledged.
    TombstoneAcknowledged(Arc<str>),
}

/// Why a record was not taken.
#[derive(Debug)]
pub(crate) enum SendRefusal {
    /// No room now.
    Full,
    /// The producer is broken: a new one and a new epoch are needed.
    Broken(String),
}

/// A record on its way.
pub(crate) struct OutgoingRecord<'r> {
    pub(crate) kind: RecordKind,
    pub(crate) topic: &'r str,
    pub(crate) partition: i32,
    pub(crate) key: &'r str,
    pub(crate) value: Option<&'r [u8]>,
    pub(crate) headers: &'r RecordHeaders,
    /// The object this is the tombstone of.
    pub(crate) tombstone_of: Option<Arc<str>>,
}

/// Travels with a record and comes back with its delivery.
pub(crate) struct DeliveryReceipt {
    /// What it takes of the client's memory.
    bytes: usize,
    /// Key, value and headers.
    wire: usize,
    kind: RecordKind,
    sent_at: Tick,
    tombstone_of: Option<Arc<str>>,
}

#[derive(Debug, Default)]
struct InFlight {
    records: AtomicUsize,
    bytes: AtomicUsize,
}

pub(crate) struct DeliveryContext {
    in_flight: Arc<InFlight>,
    reports: mpsc::UnboundedSender<DeliveryReport>,
    acknowledged: Arc<Notify>,
    fault: Mutex<BrokerFault>,
    health: EmitterHealth,
    metrics: EmitMetrics,
}

impl DeliveryContext {
    fn fault(&self) -> MutexGuard<'_, BrokerFault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for DeliveryContext {
    /// Whether Kafka is away is told by what the client counts: one broker of several, or one connection that a broker
    /// closes, is no fault.
    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal) => {
                let failure = DeliveryFailure::of_client(reason.to_owned());
                self.reports.send(DeliveryReport::Failed(failure)).ok();
                self.acknowledged.notify_one();
            }
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                self.fault().all_are_down();
            }
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut,
            ) => {
                self.fault().note_reason(reason);
            }
            _ => {
                let mut fault = self.fault();
                if fault.note_reason(reason) {
                    tracing::warn!(%error, why = fault.why(), "kafka client");
                }
            }
        }
    }

    fn stats(&self, statistics: Statistics) {
        let brokers = statistics.brokers.values().map(|broker| BrokerState {
            state: &broker.state,
            unanswered: broker.waitresp_cnt,
            silent_us: broker.rxidle,
        });
        self.fault().note_brokers(brokers, &self.health.kafka, PRODUCER);
    }
}

impl ProducerContext for DeliveryContext {
    type DeliveryOpaque = Box<DeliveryReceipt>;

    fn delivery(&self, result: &DeliveryResult<'_>, receipt: Box<DeliveryReceipt>) {
        self.in_flight.records.fetch_sub(1, Ordering::AcqRel);
        self.in_flight.bytes.fetch_sub(receipt.bytes, Ordering::AcqRel);
        match result {
            Ok(_) => {
                self.metrics.acknowledged.inc();
                self.health.acknowledged(receipt.kind);
                self.metrics
                    .delivery_seconds
                    .observe(receipt.sent_at.elapsed().as_secs_f64());
                if let Some(uid) = receipt.tombstone_of {
                    self.reports.send(DeliveryReport::TombstoneAcknowledged(uid)).ok();
                }
            }
            Err((error, message)) => {
                self.metrics.delivery_failures.inc();
                let failure = DeliveryFailure {
                    topic: message.topic().to_owned(),
                    partition: message.partition(),
                    code: error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail),
                    text: error.to_string(),
                    bytes: receipt.wire,
                };
                self.reports.send(DeliveryReport::Failed(failure)).ok();
            }
        }
        self.acknowledged.notify_one();
    }
}

/// The producer and what is in flight.
pub(crate) struct LogProducer {
    inner: ThreadedProducer<DeliveryContext>,
    in_flight: Arc<InFlight>,
    reports: mpsc::UnboundedReceiver<DeliveryReport>,
    acknowledged: Arc<Notify>,
    max_records: usize,
    max_bytes: usize,
    signer: RecordSigner,
}

impl LogProducer {
    /// A producer with at most `max_records` and about `max_bytes` in flight, in batches of up to `batch_bytes`.
    pub(crate) fn new(
        kafka: &ClientConfig,
        max_records: usize,
        max_bytes: usize,
        batch_bytes: usize,
        signer: RecordSigner,
        health: EmitterHealth,
        metrics: EmitMetrics,
    ) -> Result<Self, KafkaError> {
        let mut config = kafka.clone();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("linger.ms", LINGER_MS.to_string())
            .set("batch.size", batch_bytes.to_string())
            // Records wait for Kafka for ever: a failed delivery would be a hole in the log.
            .set("message.timeout.ms", "0")
            .set("message.max.bytes", MESSAGE_MAX_BYTES.to_string())
            .set("allow.auto.create.topics", "false")
            .set("statistics.interval.ms", STATISTICS_INTERVAL_MS)
            // librdkafka's own limits lie above ours, which are the ones that hold.
            .set("queue.buffering.max.messages", (max_records + 1000).to_string())
            .set("queue.buffering.max.kbytes", (max_bytes / 512 + 4096).to_string());
        let (sender, reports) = mpsc::unbounded_channel();
        let (in_flight, acknowledged) = (Arc::<InFlight>::default(), Arc::<Notify>::default());
        let context = DeliveryContext {
            in_flight: in_flight.clone(),
            reports: sender,
            acknowledged: acknowledged.clone(),
            fault: Mutex::default(),
            health,
            metrics,
        };
        Ok(Self {
            inner: ThreadedProducer::from_config_and_context(&config, context)?,
            in_flight,
            reports,
            acknowledged,
            max_records,
            max_bytes,
            signer,
        })
    }

    /// True if there is room for a last record and its tombstone.
    pub(crate) fn has_room(&self) -> bool {
        let (records, bytes) = self.in_flight();
        records + 2 <= self.max_records && bytes < self.max_bytes
    }

    /// Records and bytes that are not yet acknowledged.
    pub(crate) fn in_flight(&self) -> (usize, usize) {
        (
            self.in_flight.records.load(Ordering::Acquire),
            self.in_flight.bytes.load(Ordering::Acquire),
        )
    }

    /// Hands a record over.
    pub(crate) fn send(&self, record: OutgoingRecord<'_>) -> Result<usize, SendRefusal> {
        let mut pairs = record.headers.to_pairs();
        pairs.extend(self.signer.sign(&record).map(|mac| (MAC_HEADER, mac)));
        let mut headers = OwnedHeaders::new_with_capacity(pairs.len());
        let mut bytes = record.key.len() + record.value.map_or(0, <[u8]>::len);
        for (key, value) in &pairs {
            headers = headers.insert(Header {
                key,
                value: Some(value),
            });
        }
        let wire = bytes;
        bytes += RECORD_OVERHEAD;
        bytes += pairs
            .iter()
            .map(|(name, value)| name.len() + value.len() + HEADER_OVERHEAD)
            .sum::<usize>();
        let of_headers = pairs.iter().map(|(name, value)| name.len() + value.len());
        let receipt = DeliveryReceipt {
            bytes,
            wire: wire + of_headers.sum::<usize>(),
            kind: record.kind,
            sent_at: Tick::now(),
            tombstone_of: record.tombstone_of,
        };
        let mut message = BaseRecord::with_opaque_to(record.topic, Box::new(receipt))
            .partition(record.partition)
            .key(record.key)
            .headers(headers);
        if let Some(value) = record.value {
            message = message.payload(value);
        }
        // Counted first: the acknowledgement may be faster than the next line.
        self.in_flight.records.fetch_add(1, Ordering::AcqRel);
        self.in_flight.bytes.fetch_add(bytes, Ordering::AcqRel);
        let Err((error, _)) = self.inner.send(message) else {
            return Ok(wire);
        };
        self.in_flight.records.fetch_sub(1, Ordering::AcqRel);
        self.in_flight.bytes.fetch_sub(bytes, Ordering::AcqRel);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => Err(SendRefusal::Full),
            _ => Err(SendRefusal::Broken(error.to_string())),
        }
    }

    /// The next report, if there is one.
    pub(crate) fn report(&mut self) -> Option<DeliveryReport> {
        self.reports.try_recv().ok().map(|report| match report {
            DeliveryReport::Failed(failure) => DeliveryReport::Failed(self.with_fatal_cause(failure)),
            report => report,
        })
    }

    /// A producer that is broken for good fails every record with the same word; the client kept the cause.
    fn with_fatal_cause(&self, failure: DeliveryFailure) -> DeliveryFailure {
        match self.inner.client().fatal_error() {
            Some((code, text)) if failure.refusal().is_none() => DeliveryFailure {
                code,
                text,
                ..failure
            },
            _ => failure,
        }
    }

    /// Resolves when something was acknowledged or failed.
    pub(crate) fn acknowledged(&self) -> Arc<Notify> {
        self.acknowledged.clone()
    }

    /// Gives up everything that is in flight, at once: another emitter leads.
    pub(crate) fn abandon(&self) {
        self.inner.purge(PurgeConfig::default().queue().inflight());
    }

    /// Number of partitions of a topic. Blocks for up to `timeout`.
    pub(crate) fn partitions(
        kafka: &ClientConfig,
        topic: &str,
        timeout: Duration,
    ) -> Result<i32, KafkaError> {
        use rdkafka::consumer::{BaseConsumer, Consumer};
        let consumer: BaseConsumer = kafka.clone().set("allow.auto.create.topics", "false").create()?;
        let metadata = consumer.fetch_metadata(Some(topic), timeout)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        match found.map(|found| (found.error(), found.partitions().len())) {
            Some((None, count)) if count > 0 => Ok(i32::try_from(count).unwrap_or(i32::MAX)),
            _ => Err(KafkaError::MetadataFetch(
                RDKafkaErrorCode::UnknownTopicOrPartition,
            )),
        }
    }
}
