//! Puts records into Kafka as fast as it takes them, in the form an emitter sends them.

use std::{collections::HashMap, time::Duration};

use anyhow::Context as _;
use fleetledger_schema::{
    codec::{self, SchemaSubject},
    content_hash::{ContentDigest, ContentHash},
    framing::{SchemaRef, join},
    headers::{MARK_EVENT_TYPE, RecordHeaders},
    instant::Instant,
    key::{RecordKey, RecordSource, RecordSubject},
    kind::RecordKind,
    mac::{MAC_HEADER, MacKey, SignedContent},
    partition::partition_of,
    record::{Mark, Record},
};
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer},
};

use crate::fleet::{self, PARTITIONS};

const FLUSH: Duration = Duration::from_secs(120);

/// One producer; compressed and batched as an emitter's.
pub(crate) struct RecordSender {
    producer: ThreadedProducer<DefaultProducerContext>,
}

impl RecordSender {
    pub(crate) fn new(kafka: &ClientConfig) -> anyhow::Result<Self> {
        let mut config = kafka.clone();
        config
            .set("enable.idempotence", "true")
            .set("compression.type", "zstd")
            .set("linger.ms", "20")
            .set("queue.buffering.max.messages", "200000");
        Ok(Self {
            producer: config.create().context("make a producer")?,
        })
    }

    /// Sends a record; waits while the queue is full.
    pub(crate) fn send(
        &self,
        topic: &str,
        partition: i32,
        key: &str,
        value: &[u8],
        headers: &[(&'static str, String)],
    ) -> anyhow::Result<()> {
        let mut owned = OwnedHeaders::new_with_capacity(headers.len());
        for (key, value) in headers {
            owned = owned.insert(Header {
                key,
                value: Some(value),
            });
        }
        let mut record = BaseRecord::to(topic)
            .partition(partition)
            .key(key)
            .payload(value)
            .headers(owned);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err((error, _)) => return Err(error).context("produce"),
            }
        }
    }

    /// Waits until the broker has everything.
    pub(crate) fn flush(&self) -> anyhow::Result<()> {
        self.producer.flush(FLUSH).context("flush the producer")
    }

    /// Ends of the partitions of a topic.
    pub(crate) fn ends(&self, topic: &str) -> anyhow::Result<Vec<i64>> {
        let end = |partition| {
            let marks = self
                .producer
                .client()
                .fetch_watermarks(topic, partition, Duration::from_secs(30));
            Ok(marks.with_context(|| format!("ask for the end of {topic}"))?.1)
        };
        (0..PARTITIONS).map(end).collect()
    }
}

/// The log of one cluster and kind.
struct LoaderLog {
    source: RecordSource,
    partition: i32,
    sequence: i64,
    living: HashMap<String, ContentHash>,
    digest: ContentDigest,
}

/// The emitters of all clusters, for one kind.
pub(crate) struct RecordLoader {
    sender: RecordSender,
    kind: RecordKind,
    topic: String,
    epoch: i64,
    logs: Vec<LoaderLog>,
    sweeps: u32,
    /// Signs every record, where it is set.
    pub(crate) key: Option<MacKey>,
}

impl RecordLoader {
    pub(crate) fn new(kafka: &ClientConfig, prefix: &str, kind: RecordKind) -> anyhow::Result<Self> {
        let log = |source: RecordSource| LoaderLog {
            partition: partition_of(&source.cluster_uid, 0, PARTITIONS),
            source,
            sequence: 0,
            living: HashMap::new(),
            digest: ContentDigest::default(),
        };
        Ok(Self {
            sender: RecordSender::new(kafka)?,
            kind,
            topic: kind.topic(prefix, None),
            epoch: Instant::now().0,
            logs: fleet::sources()?.into_iter().map(log).collect(),
            sweeps: 0,
            key: None,
        })
    }

    /// Name of the topic.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Sends a sweep of all clusters; returns the ends of the partitions after it.
    pub(crate) fn sweep(
        &mut self,
        records: impl Iterator<Item = (usize, Record)>,
    ) -> anyhow::Result<Vec<i64>> {
        self.sweeps += 1;
        let begins: Result<Vec<i64>, _> = (0..self.logs.len())
            .map(|cluster| self.point(cluster, "sweep_begin", None))
            .collect();
        for (cluster, record) in records {
            self.write(cluster, &record)?;
        }
        for (cluster, begin) in begins?.into_iter().enumerate() {
            self.point(cluster, "sweep_end", Some(begin))?;
        }
        self.ends()
    }

    /// Sends what is left; returns the ends of the partitions.
    pub(crate) fn ends(&self) -> anyhow::Result<Vec<i64>> {
        self.sender.flush()?;
        self.sender.ends(&self.topic)
    }

    /// Sends one record.
    pub(crate) fn write(&mut self, cluster: usize, record: &Record) -> anyhow::Result<()> {
        let body = codec::encode(record)?;
        let fingerprint = codec::own_schema(SchemaSubject::Kind(self.kind)).fingerprint();
        let value = join(SchemaRef::Fingerprint(fingerprint), &body);
        let log = self.logs.get_mut(cluster).context("no such cluster")?;
        let hash = ContentHash::of(&body);
        match log.living.insert(record.uid().to_owned(), hash) {
            Some(old) => log.digest.replace(old, hash),
            None => log.digest.add(hash),
        }
        let subject = RecordSubject::Object(record.uid().to_owned());
        self.put(cluster, subject, self.kind.event_type(), &value)?;
        Ok(())
    }

    fn point(&mut self, cluster: usize, point: &str, begin_sequence: Option<i64>) -> anyhow::Result<i64> {
        let log = self.logs.get(cluster).context("no such cluster")?;
        let mark = Mark {
            kind: self.kind.as_str().to_owned(),
            point: point.to_owned(),
            shard: 0,
            shards: 1,
            count: log.digest.count,
            digest_hi: log.digest.xor.hi,
            digest_lo: log.digest.xor.lo,
            sweep_id: Some(format!("{}-{}", self.epoch, self.sweeps)),
            begin_sequence,
            missed_changes: begin_sequence.map(|_| 0),
            emitter_version: "bench".to_owned(),
            source: Some("watch".to_owned()),
        };
        let subject = if begin_sequence.is_none() {
            RecordSubject::SweepBegin(0)
        } else {
            RecordSubject::SweepEnd(0)
        };
        let fingerprint = codec::own_schema(SchemaSubject::Mark).fingerprint();
        let value = join(SchemaRef::Fingerprint(fingerprint), &codec::encode_mark(&mark)?);
        self.put(cluster, subject, MARK_EVENT_TYPE, &value)
    }

    /// Sends a value with the next number of its log, which is returned.
    fn put(
        &mut self,
        cluster: usize,
        subject: RecordSubject,
        event_type: &str,
        value: &[u8],
    ) -> anyhow::Result<i64> {
        let log = self.logs.get_mut(cluster).context("no such cluster")?;
        log.sequence += 1;
        let now = Instant::now();
        let mut headers = RecordHeaders::new(&log.source, event_type, 0, now, self.epoch, log.sequence);
        if matches!(subject, RecordSubject::Object(_)) {
            headers.since = Some(now);
            headers.resource_version = Some((1_000_000 + log.sequence).to_string());
        }
        let key = RecordKey {
            source: log.source.clone(),
            subject,
        };
        let key = key.to_string();
        let mut pairs = headers.to_pairs();
        if let Some(own) = &self.key {
            let content = SignedContent::of_sent(&self.topic, key.as_bytes(), Some(value), &headers);
            pairs.push((MAC_HEADER, own.sign(&content)));
        }
        self.sender
            .send(&self.topic, log.partition, &key, value, &pairs)?;
        Ok(log.sequence)
    }
}
