//! An emitter written by hand: it puts exactly the records a test asks for into the logs of one cluster.

use std::{collections::HashMap, time::Duration};

use fleetledger_schema::{
    codec::{self, SchemaSubject},
    content_hash::{ContentDigest, ContentHash},
    framing::{SchemaRef, join},
    headers::{MARK_EVENT_TYPE, RecordHeaders, RecordHeadersRef},
    instant::Instant,
    key::{RecordKey, RecordSource, RecordSubject},
    kind::RecordKind,
    mac::{MAC_HEADER, MacKey, SignedContent},
    partition::partition_of,
    record::{Container, Mark, Namespace, Node, ObjectRecord, Pod, Record, Resources, Usage, Workload},
};
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _},
};

use crate::parts::PARTITIONS;

/// How long Kafka may take to begin or end a transaction.
const TRANSACTION: Duration = Duration::from_secs(30);

/// Where a record was put.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KafkaPosition {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// A record as it goes into Kafka; a test may spoil any part of it before it is sent.
#[derive(Debug, Clone)]
pub struct DraftRecord {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Key.
    pub key: Vec<u8>,
    /// Framed body; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl DraftRecord {
    /// Signs it as it is; what is spoiled afterwards shows.
    pub fn sign(&mut self, key: &MacKey) {
        self.headers.retain(|(name, _)| name != MAC_HEADER);
        let pairs = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()));
        let headers = RecordHeadersRef::parse(pairs).unwrap();
        let content = SignedContent::of(&self.topic, &self.key, self.value.as_deref(), &headers);
        let mac = key.sign(&content).into_bytes();
        self.headers.push((MAC_HEADER.to_owned(), mac));
    }
}

/// The state of one (kind) log of the cluster; one shard.
#[derive(Debug, Default)]
struct EmitterLog {
    sequence: i64,
    living: HashMap<String, ContentHash>,
}

/// The emitter of one cluster.
pub struct ManualEmitter {
    /// The names and the uid it writes under.
    pub source: RecordSource,
    /// Its leadership term.
    pub epoch: i64,
    /// Added to the wall clock in `ce_time`, in microseconds.
    pub clock_skew_micros: i64,
    /// Signs its records, where it has one.
    pub key: Option<MacKey>,
    prefix: String,
    producer: FutureProducer,
    logs: HashMap<RecordKind, EmitterLog>,
    waiting: Vec<(String, DeliveryFuture)>,
}

impl std::fmt::Debug for ManualEmitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scribe({}, epoch {})", self.source, self.epoch)
    }
}

impl ManualEmitter {
    /// An emitter of cluster `name` in datacenter `dfw`, whose epoch is now.
    #[must_use]
    pub fn new(kafka: &ClientConfig, prefix: &str, name: &str, cluster_uid: &str) -> Self {
        let mut config = kafka.clone();
        config
            .set("enable.idempotence", "true")
            .set("linger.ms", "2")
            .set("compression.type", "zstd");
        Self::with(&config, prefix, name, cluster_uid)
    }

    /// One that writes within transactions, as `id`.
    #[must_use]
    pub fn transactional(
        kafka: &ClientConfig,
        prefix: &str,
        name: &str,
        cluster_uid: &str,
        id: &str,
    ) -> Self {
        let mut config = kafka.clone();
        config.set("transactional.id", format!("{prefix}-{id}"));
        let scribe = Self::with(&config, prefix, name, cluster_uid);
        scribe.producer.init_transactions(TRANSACTION).unwrap();
        scribe
    }

    /// Begins a transaction.
    pub fn begin(&self) {
        self.producer.begin_transaction().unwrap();
    }

    /// Commits what was sent since [`ManualEmitter::begin`].
    pub async fn commit(&mut self) -> Vec<KafkaPosition> {
        let places = self.flush().await;
        self.producer.commit_transaction(TRANSACTION).unwrap();
        places
    }

    /// Takes back what was sent since [`ManualEmitter::begin`], though Kafka has it.
    pub async fn abort(&mut self) {
        self.flush().await;
        self.producer.abort_transaction(TRANSACTION).unwrap();
    }

    fn with(config: &ClientConfig, prefix: &str, name: &str, cluster_uid: &str) -> Self {
        Self {
            source: RecordSource::new("dfw", name, cluster_uid).unwrap(),
            epoch: Instant::now().0,
            clock_skew_micros: 0,
            key: None,
            prefix: prefix.to_owned(),
            producer: config.create().unwrap(),
            logs: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    /// The same cluster under a new leadership term, remembering what lives.
    pub fn begin_epoch(&mut self, epoch: i64) {
        self.epoch = epoch;
        for log in self.logs.values_mut() {
            log.sequence = 0;
        }
    }

    /// The partition that holds all of this cluster's records.
    #[must_use]
    pub fn partition(&self) -> i32 {
        partition_of(&self.source.cluster_uid, 0, PARTITIONS)
    }

    /// Its topic of a kind.
    #[must_use]
    pub fn topic(&self, kind: RecordKind) -> String {
        kind.topic(&self.prefix, None)
    }

    /// Living objects of a kind, as the log stands.
    #[must_use]
    pub fn living(&self, kind: RecordKind) -> usize {
        self.logs.get(&kind).map_or(0, |log| log.living.len())
    }

    /// Sends the state of an object.
    pub fn write(&mut self, record: &Record) {
        let raw = self.raw(record);
        self.put(&raw);
    }

    /// The record that [`ManualEmitter::write`] would send, with the next number of its log.
    pub fn raw(&mut self, record: &Record) -> DraftRecord {
        let kind = record.kind();
        let body = codec::encode(record).unwrap();
        let log = self.logs.entry(kind).or_default();
        if record.deleted_at().is_some() {
            log.living.remove(record.uid());
        } else {
            log.living.insert(record.uid().to_owned(), ContentHash::of(&body));
        }
        let schema = codec::own_schema(SchemaSubject::Kind(kind)).fingerprint();
        let value = Some(join(SchemaRef::Fingerprint(schema), &body));
        self.numbered(
            kind,
            RecordSubject::Object(record.uid().to_owned()),
            kind.event_type(),
            value,
        )
    }

    /// Sends a window of usage.
    pub fn write_usage(&mut self, usage: &Usage) {
        let schema = codec::own_schema(SchemaSubject::Kind(RecordKind::Usage)).fingerprint();
        let value = join(
            SchemaRef::Fingerprint(schema),
            &codec::encode_usage(usage).unwrap(),
        );
        let subject = RecordSubject::Object(usage.uid.clone());
        let raw = self.numbered(
            RecordKind::Usage,
            subject,
            RecordKind::Usage.event_type(),
            Some(value),
        );
        self.put(&raw);
    }

    /// Sends an object's last record and its tombstone.
    pub fn delete(&mut self, record: &Record) {
        let mut last = record.clone();
        last.set_deleted(Instant::now(), false);
        self.write(&last);
        let tombstone = self.tombstone(record.kind(), record.uid());
        self.put(&tombstone);
    }

    /// A tombstone with the next number of its log.
    pub fn tombstone(&mut self, kind: RecordKind, uid: &str) -> DraftRecord {
        self.logs.entry(kind).or_default().living.remove(uid);
        self.numbered(
            kind,
            RecordSubject::Object(uid.to_owned()),
            kind.event_type(),
            None,
        )
    }

    /// Sends a mark of every kind: count and digest of what lives.
    pub fn mark_all(&mut self) {
        for kind in RecordKind::ALL {
            self.point(kind, "mark", None, None);
        }
    }

    /// Sends a sweep of `kind` that names exactly these objects.
    pub fn sweep(&mut self, kind: RecordKind, objects: &[Record]) {
        self.sweep_losing(kind, objects, &[]);
    }

    /// A sweep of which `lost` never reach Kafka: they have taken their numbers.
    pub fn sweep_losing(&mut self, kind: RecordKind, objects: &[Record], lost: &[Record]) {
        let id = format!(
            "{}-{}",
            self.epoch,
            self.logs.get(&kind).map_or(0, |log| log.sequence)
        );
        self.point(kind, "sweep_begin", Some(id.clone()), None);
        let begin = self.logs[&kind].sequence;
        for object in objects {
            self.write(object);
        }
        for object in lost {
            let _ = self.raw(object);
        }
        self.point(kind, "sweep_end", Some(id), Some(begin));
    }

    fn point(
        &mut self,
        kind: RecordKind,
        point: &str,
        sweep_id: Option<String>,
        begin_sequence: Option<i64>,
    ) {
        let log = self.logs.entry(kind).or_default();
        let mut digest = ContentDigest::default();
        for hash in log.living.values() {
            digest.add(*hash);
        }
        let mark = Mark {
            kind: kind.as_str().to_owned(),
            point: point.to_owned(),
            shard: 0,
            shards: 1,
            count: digest.count,
            digest_hi: digest.xor.hi,
            digest_lo: digest.xor.lo,
            sweep_id,
            begin_sequence,
            missed_changes: (point == "sweep_end").then_some(0),
            emitter_version: "scribe".to_owned(),
            source: Some("watch".to_owned()),
        };
        let subject = match point {
            "mark" => RecordSubject::Mark(0),
            "sweep_begin" => RecordSubject::SweepBegin(0),
            _ => RecordSubject::SweepEnd(0),
        };
        let schema = codec::own_schema(SchemaSubject::Mark).fingerprint();
        let value = join(
            SchemaRef::Fingerprint(schema),
            &codec::encode_mark(&mark).unwrap(),
        );
        let raw = self.numbered(kind, subject, MARK_EVENT_TYPE, Some(value));
        self.put(&raw);
    }

    fn numbered(
        &mut self,
        kind: RecordKind,
        subject: RecordSubject,
        event_type: &str,
        value: Option<Vec<u8>>,
    ) -> DraftRecord {
        let log = self.logs.entry(kind).or_default();
        log.sequence += 1;
        let time = Instant::now().plus_micros(self.clock_skew_micros);
        let headers = RecordHeaders::new(&self.source, event_type, 0, time, self.epoch, log.sequence);
        let key = RecordKey {
            source: self.source.clone(),
            subject,
        };
        let mut draft = DraftRecord {
            topic: self.topic(kind),
            partition: self.partition(),
            key: key.to_string().into_bytes(),
            value,
            headers: headers
                .to_pairs()
                .into_iter()
                .map(|(name, text)| (name.to_owned(), text.into_bytes()))
                .collect(),
        };
        if let Some(key) = &self.key {
            draft.sign(key);
        }
        draft
    }

    /// Sends a record as it is. [`ManualEmitter::flush`] waits for it.
    pub fn put(&mut self, raw: &DraftRecord) {
        let mut headers = OwnedHeaders::new_with_capacity(raw.headers.len());
        for (key, value) in &raw.headers {
            headers = headers.insert(Header {
                key,
                value: Some(value),
            });
        }
        let mut record = FutureRecord::to(&raw.topic)
            .partition(raw.partition)
            .key(&raw.key)
            .headers(headers);
        if let Some(value) = &raw.value {
            record = record.payload(value);
        }
        let sent = self.producer.send_result(record).map_err(|(error, _)| error);
        self.waiting.push((raw.topic.clone(), sent.unwrap()));
    }

    /// Waits until Kafka has everything, and returns where it was put, in the order in which it was sent.
    pub async fn flush(&mut self) -> Vec<KafkaPosition> {
        let mut places = Vec::with_capacity(self.waiting.len());
        for (topic, sent) in self.waiting.drain(..) {
            let delivery = sent.await.unwrap().map_err(|(error, _)| error).unwrap();
            places.push(KafkaPosition {
                topic,
                partition: delivery.partition,
                offset: delivery.offset,
            });
        }
        places
    }

    /// Sends one record and waits for it.
    pub async fn put_now(&mut self, raw: &DraftRecord) -> KafkaPosition {
        self.put(raw);
        self.flush().await.pop().unwrap()
    }
}

/// A pod with one container, in a namespace of its own number.
#[must_use]
pub fn pod(uid: &str, cpu_millicores: i64) -> Record {
    let requests = Resources {
        cpu_millicores: Some(cpu_millicores),
        memory_bytes: Some(1 << 30),
        ..Resources::default()
    };
    Pod {
        uid: uid.to_owned(),
        namespace: "default".to_owned(),
        pod: format!("pod-{uid}"),
        created_at: a_while_ago(),
        phase: "Running".to_owned(),
        node: Some("node-1".to_owned()),
        owner_resolved: true,
        restart_policy: "Always".to_owned(),
        requests: requests.clone(),
        containers: vec![Container {
            container: "main".to_owned(),
            container_type: "app".to_owned(),
            image: format!("app:{cpu_millicores}"),
            requests,
            ..Container::default()
        }],
        ..Pod::default()
    }
    .into_record()
}

/// A node with so much CPU.
#[must_use]
pub fn node(uid: &str, cpu_millicores: i64) -> Record {
    Node {
        uid: uid.to_owned(),
        node: format!("node-{uid}"),
        created_at: a_while_ago(),
        capacity: Resources {
            cpu_millicores: Some(cpu_millicores),
            ..Resources::default()
        },
        ..Node::default()
    }
    .into_record()
}

/// A namespace.
#[must_use]
pub fn namespace(uid: &str, team: &str) -> Record {
    Namespace {
        uid: uid.to_owned(),
        namespace: format!("namespace-{uid}"),
        created_at: a_while_ago(),
        labels: [("team".to_owned(), team.to_owned())].into(),
        phase: "Active".to_owned(),
        ..Namespace::default()
    }
    .into_record()
}

/// A Deployment that wants so many replicas.
#[must_use]
pub fn deployment(uid: &str, desired: i32) -> Record {
    Workload {
        uid: uid.to_owned(),
        namespace: "default".to_owned(),
        workload: format!("deployment-{uid}"),
        created_at: a_while_ago(),
        workload_kind: "Deployment".to_owned(),
        desired: Some(desired),
        ..Workload::default()
    }
    .into_record()
}

/// When everything of a scribe's was created: long before any test.
#[must_use]
pub fn a_while_ago() -> Instant {
    Instant(1_767_225_600_000_000)
}
