//! An emitter by hand.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use fleetledger_schema::{
    codec::{SchemaSubject, WriterSchema, encode, encode_mark, own_schema},
    content_hash::{ContentDigest, ContentHash},
    framing::{SchemaRef, join},
    headers::{MARK_EVENT_TYPE, RecordHeaders, SCHEMA_EVENT_TYPE},
    instant::Instant,
    key::{RecordKey, RecordSource, RecordSubject},
    kind::RecordKind,
    partition::partition_of,
    record::{Container, Mark, Namespace, ObjectRecord, Pod, Record},
};
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};

use crate::harness::{IngestHarness, PARTITIONS};

/// One message, before it is sent; a test may spoil any part of it.
#[derive(Clone)]
pub struct ScriptedMessage {
    pub topic: String,
    pub partition: i32,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

pub struct ScriptedEmitter {
    pub source: RecordSource,
    pub epoch: i64,
    pub sequences: BTreeMap<RecordKind, i64>,
    pub suffix: Option<String>,
    /// Added to every clock of this emitter.
    pub clock_micros: i64,
    pub living: BTreeMap<RecordKind, BTreeMap<String, ContentHash>>,
    /// Where its objects come from, as marks say it.
    pub origin: Option<&'static str>,
    producer: FutureProducer,
    ends: Arc<Mutex<BTreeMap<(String, i32), i64>>>,
    sweeps: u32,
}

impl ScriptedEmitter {
    pub fn new(place: &IngestHarness, datacenter: &str, cluster: &str, cluster_uid: &str) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", place.kafka.bootstrap_servers())
            .set("linger.ms", "0")
            .set("message.timeout.ms", "30000");
        Self {
            source: RecordSource::new(datacenter, cluster, cluster_uid).unwrap(),
            epoch: 1_000,
            sequences: BTreeMap::new(),
            suffix: None,
            clock_micros: 0,
            living: BTreeMap::new(),
            origin: None,
            producer: config.create().unwrap(),
            ends: place.ends.clone(),
            sweeps: 0,
        }
    }

    /// The next message about `subject`.
    pub fn message(
        &mut self,
        kind: RecordKind,
        subject: RecordSubject,
        value: Option<Vec<u8>>,
    ) -> ScriptedMessage {
        let event_type = match subject {
            RecordSubject::Object(_) => kind.event_type(),
            RecordSubject::Schema(_) => SCHEMA_EVENT_TYPE,
            _ => MARK_EVENT_TYPE,
        };
        let sequence = self.sequences.entry(kind).or_insert(0);
        *sequence += 1;
        let headers = RecordHeaders::new(
            &self.source,
            event_type,
            0,
            Instant::now().plus_micros(self.clock_micros),
            self.epoch,
            *sequence,
        );
        let key = RecordKey {
            source: self.source.clone(),
            subject,
        };
        ScriptedMessage {
            topic: kind.topic("fleetledger", self.suffix.as_deref()),
            partition: partition_of(&self.source.cluster_uid, 0, PARTITIONS),
            key: key.to_string().into_bytes(),
            value,
            headers: headers
                .to_pairs()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into_bytes()))
                .collect(),
        }
    }

    pub async fn send(&self, message: &ScriptedMessage) -> i64 {
        let mut headers = OwnedHeaders::new();
        for (key, value) in &message.headers {
            headers = headers.insert(Header {
                key,
                value: Some(value),
            });
        }
        let mut record = FutureRecord::<[u8], [u8]>::to(&message.topic)
            .partition(message.partition)
            .headers(headers)
            .key(&message.key);
        if let Some(value) = &message.value {
            record = record.payload(value);
        }
        let delivery = self.producer.send(record, Duration::from_secs(30)).await.unwrap();
        let mut ends = self.ends.lock().unwrap();
        let end = ends
            .entry((message.topic.clone(), message.partition))
            .or_insert(0);
        *end = (*end).max(delivery.offset + 1);
        delivery.offset
    }

    pub fn object(&mut self, record: &Record) -> ScriptedMessage {
        let body = encode(record).unwrap();
        self.body(record, &own_schema(SchemaSubject::Kind(record.kind())), &body)
    }

    pub fn body(&mut self, record: &Record, schema: &WriterSchema, body: &[u8]) -> ScriptedMessage {
        let kind = record.kind();
        let living = self.living.entry(kind).or_default();
        if record.deleted_at().is_some() {
            living.remove(record.uid());
        } else {
            living.insert(record.uid().to_owned(), ContentHash::of(body));
        }
        let value = join(SchemaRef::Fingerprint(schema.fingerprint()), body);
        self.message(kind, RecordSubject::Object(record.uid().to_owned()), Some(value))
    }

    pub async fn put(&mut self, object: impl ObjectRecord) -> i64 {
        let message = self.object(&object.into_record());
        self.send(&message).await
    }

    /// A last record, then a tombstone.
    pub async fn delete(&mut self, mut object: impl ObjectRecord, at: Instant) {
        object.set_deleted(at, false);
        let record = object.into_record();
        let message = self.object(&record);
        self.send(&message).await;
        self.tombstone(record.kind(), record.uid()).await;
    }

    pub async fn tombstone(&mut self, kind: RecordKind, uid: &str) {
        self.living.entry(kind).or_default().remove(uid);
        let message = self.message(kind, RecordSubject::Object(uid.to_owned()), None);
        self.send(&message).await;
    }

    fn point(&self, kind: RecordKind, point: &str) -> Mark {
        let mut digest = ContentDigest::default();
        self.living
            .get(&kind)
            .into_iter()
            .flat_map(BTreeMap::values)
            .for_each(|hash| digest.add(*hash));
        Mark {
            kind: kind.as_str().into(),
            point: point.into(),
            shards: 1,
            count: digest.count,
            digest_hi: digest.xor.hi,
            digest_lo: digest.xor.lo,
            source: self.origin.map(str::to_owned),
            ..Mark::default()
        }
    }

    async fn send_mark(&mut self, kind: RecordKind, subject: RecordSubject, mark: &Mark) -> i64 {
        let schema = own_schema(SchemaSubject::Mark);
        let value = join(
            SchemaRef::Fingerprint(schema.fingerprint()),
            &encode_mark(mark).unwrap(),
        );
        let message = self.message(kind, subject, Some(value));
        self.send(&message).await
    }

    pub async fn mark(&mut self, kind: RecordKind) {
        let mark = self.point(kind, "mark");
        self.send_mark(kind, RecordSubject::Mark(0), &mark).await;
    }

    pub async fn begin_sweep(&mut self, kind: RecordKind) -> (String, i64) {
        self.sweeps += 1;
        let sweep_id = format!("{}-{}", self.epoch, self.sweeps);
        let mut mark = self.point(kind, "sweep_begin");
        mark.sweep_id = Some(sweep_id.clone());
        self.send_mark(kind, RecordSubject::SweepBegin(0), &mark).await;
        (sweep_id, self.sequences[&kind])
    }

    pub async fn end_sweep(&mut self, kind: RecordKind, begun: (String, i64)) {
        let mut mark = self.point(kind, "sweep_end");
        mark.sweep_id = Some(begun.0);
        mark.begin_sequence = Some(begun.1);
        mark.missed_changes = Some(0);
        self.send_mark(kind, RecordSubject::SweepEnd(0), &mark).await;
    }

    pub async fn sweep(&mut self, kind: RecordKind, objects: &[Record]) {
        let begun = self.begin_sweep(kind).await;
        for object in objects {
            let message = self.object(object);
            self.send(&message).await;
        }
        self.end_sweep(kind, begun).await;
    }

    pub async fn announce(&mut self, kind: RecordKind, schema: &WriterSchema) {
        let message = self.message(
            kind,
            RecordSubject::Schema(schema.fingerprint()),
            Some(schema.json().as_bytes().to_vec()),
        );
        self.send(&message).await;
    }
}

pub fn namespace(uid: &str, phase: &str) -> Namespace {
    Namespace {
        uid: uid.into(),
        namespace: format!("ns-{uid}"),
        created_at: Instant(1_700_000_000_000_000),
        phase: phase.into(),
        ..Namespace::default()
    }
}

pub fn pod(uid: &str, phase: &str, restarts: &[i32]) -> Pod {
    Pod {
        uid: uid.into(),
        namespace: "default".into(),
        pod: format!("pod-{uid}"),
        created_at: Instant(1_700_000_000_000_000),
        phase: phase.into(),
        restart_policy: "Always".into(),
        owner_resolved: true,
        containers: restarts
            .iter()
            .enumerate()
            .map(|(position, restarts)| Container {
                container: format!("c{position}"),
                container_type: "app".into(),
                position: position as i32,
                image: "registry/app:1".into(),
                restart_count: *restarts,
                ..Container::default()
            })
            .collect(),
        ..Pod::default()
    }
}
