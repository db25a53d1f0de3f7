//! The logs of one in-process Kafka cluster.

#![expect(unreachable_pub, reason = "a module of a test binary")]

use std::time::Duration;

use fleetledger_emit::EmitSettings;
use fleetledger_schema::{
    codec::{KnownSchemas, SchemaSubject, WriterSchema, own_schema},
    framing::{self, SchemaRef},
    headers::{MARK_EVENT_TYPE, RecordHeaders, SCHEMA_EVENT_TYPE},
    instant::Instant,
    key::{RecordKey, RecordSource, RecordSubject},
    kind::RecordKind,
    record::{Mark, ObjectRecord, Pod, Record},
};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::{Header, Headers as _, OwnedHeaders},
    mocking::MockCluster,
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};

/// One record of a log.
#[derive(Debug, Clone)]
pub struct KafkaLogEntry {
    pub key: RecordKey,
    pub value: Option<Vec<u8>>,
    pub headers: RecordHeaders,
}

impl KafkaLogEntry {
    pub fn is_object(&self, uid: &str) -> bool {
        matches!(&self.key.subject, RecordSubject::Object(found) if found == uid)
    }

    /// The object's record, if it is one of this version.
    pub fn record(&self) -> Option<Record> {
        let RecordSubject::Object(_) = self.key.subject else {
            return None;
        };
        let (SchemaRef::Fingerprint(schema), body) = framing::split(self.value.as_ref()?).ok()? else {
            return None;
        };
        KnownSchemas::own()
            .get(schema)?
            .decode(body)
            .ok()
            .map(|decoded| decoded.record)
    }

    pub fn mark(&self) -> Option<Mark> {
        if self.headers.event_type != MARK_EVENT_TYPE {
            return None;
        }
        let (_, body) = framing::split(self.value.as_ref()?).ok()?;
        own_schema(SchemaSubject::Mark).decode_mark(body).ok()
    }
}

/// A Kafka cluster with one partition a kind.
pub struct KafkaLogs {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl KafkaLogs {
    pub fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for kind in RecordKind::TOPICS {
            cluster
                .create_topic(&kind.topic("fleetledger", None), 1, 1)
                .unwrap();
        }
        Self { cluster }
    }

    pub fn kafka(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.cluster.bootstrap_servers())
            .set("reconnect.backoff.max.ms", "500");
        config
    }

    pub fn down(&self) {
        self.cluster.broker_down(-1).unwrap();
    }

    pub fn up(&self) {
        self.cluster.broker_up(-1).unwrap();
    }

    /// Everything in the log of that kind.
    pub fn read(&self, kind: RecordKind) -> Vec<KafkaLogEntry> {
        let mut config = self.kafka();
        config
            .set("group.id", "test")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&kind.topic("fleetledger", None), 0, Offset::Beginning)
            .unwrap();
        consumer.assign(&list).unwrap();
        let mut entries = Vec::new();
        loop {
            match consumer
                .poll(Duration::from_secs(10))
                .expect("log is readable within 10 s")
            {
                Ok(message) => {
                    let headers = message.headers().unwrap();
                    let pairs = headers.iter().map(|header| (header.key, header.value.unwrap()));
                    entries.push(KafkaLogEntry {
                        key: RecordKey::parse(message.key().unwrap()).unwrap(),
                        value: message.payload().map(<[u8]>::to_vec),
                        headers: RecordHeaders::parse(pairs).unwrap(),
                    });
                }
                Err(KafkaError::PartitionEOF(_)) => return entries,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// A mark in the log of namespaces by an emitter of that epoch.
    pub fn write_mark(&self, settings: &EmitSettings, cluster_uid: &str, epoch: i64) {
        let source = RecordSource::new(&settings.datacenter, &settings.cluster, cluster_uid).unwrap();
        let headers = RecordHeaders::new(&source, MARK_EVENT_TYPE, 0, Instant::now(), epoch, 1);
        let mark = fleetledger_schema::codec::encode_mark(&Mark::default()).unwrap();
        let value = framing::join(
            SchemaRef::Fingerprint(own_schema(SchemaSubject::Mark).fingerprint()),
            &mark,
        );
        self.write(
            RecordKind::Namespace,
            &source,
            RecordSubject::Mark(0),
            &value,
            &headers,
        );
    }

    /// A pod by an emitter whose schema has one field more, with its announcement.
    pub fn write_newer_pod(&self, settings: &EmitSettings, cluster_uid: &str, uid: &str) -> WriterSchema {
        let source = RecordSource::new(&settings.datacenter, &settings.cluster, cluster_uid).unwrap();
        let own = own_schema(SchemaSubject::Kind(RecordKind::Pod));
        let mut json: serde_json::Value = serde_json::from_str(own.json()).unwrap();
        json["fields"]
            .as_array_mut()
            .unwrap()
            .push(serde_json::json!({"name": "colour", "type": "string"}));
        let newer = WriterSchema::parse(&json.to_string()).unwrap();
        let headers =
            |event_type, sequence| RecordHeaders::new(&source, event_type, 0, Instant::now(), 1, sequence);
        let announced = RecordSubject::Schema(newer.fingerprint());
        self.write(
            RecordKind::Pod,
            &source,
            announced,
            newer.json().as_bytes(),
            &headers(SCHEMA_EVENT_TYPE, 1),
        );
        let pod = Pod {
            uid: uid.to_owned(),
            pod: "newer".to_owned(),
            ..Pod::default()
        }
        .into_record();
        let body = newer
            .encode(&pod, &serde_json::json!({"colour": "blue"}))
            .unwrap();
        let value = framing::join(SchemaRef::Fingerprint(newer.fingerprint()), &body);
        self.write(
            RecordKind::Pod,
            &source,
            RecordSubject::Object(uid.to_owned()),
            &value,
            &headers(RecordKind::Pod.event_type(), 2),
        );
        newer
    }

    fn write(
        &self,
        kind: RecordKind,
        source: &RecordSource,
        subject: RecordSubject,
        value: &[u8],
        headers: &RecordHeaders,
    ) {
        let producer: ThreadedProducer<DefaultProducerContext> = self.kafka().create().unwrap();
        let key = RecordKey {
            source: source.clone(),
            subject,
        }
        .to_string();
        let mut all = OwnedHeaders::new();
        for (name, value) in &headers.to_pairs() {
            all = all.insert(Header {
                key: name,
                value: Some(value),
            });
        }
        let topic = kind.topic("fleetledger", None);
        producer
            .send(
                BaseRecord::to(&topic)
                    .partition(0)
                    .key(&key)
                    .payload(value)
                    .headers(all),
            )
            .unwrap();
        producer.flush(Duration::from_secs(10)).unwrap();
    }
}
