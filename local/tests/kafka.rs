//! A real Apache Kafka, and the in-process one, take records and give them back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::time::{Duration, Instant};

use fleetledger_local::ArtifactCache;
use fleetledger_local::kafka::LocalKafka;
use fleetledger_local::mock_kafka::MockKafka;
use fleetledger_local::skip::unless_available;
use fleetledger_local::tls::CertificateAuthority;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;

fn cache() -> ArtifactCache {
    ArtifactCache::new(ArtifactCache::default_root())
}

async fn produce(config: &ClientConfig, topic: &str, value: &str) -> Result<(), rdkafka::error::KafkaError> {
    let mut config = config.clone();
    config
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "30000");
    let producer: FutureProducer = config.create()?;
    let record = FutureRecord::to(topic).key("key").partition(0).payload(value);
    let sent = producer.send(record, Timeout::Never).await;
    sent.map(|_| ()).map_err(|(error, _)| error)
}

fn consume(config: &ClientConfig, topic: &str, count: usize) -> Vec<String> {
    let mut config = config.clone();
    config.set("group.id", "test").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(topic, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&assignment).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut values = Vec::new();
    while values.len() < count && Instant::now() < deadline {
        if let Some(message) = consumer.poll(Duration::from_millis(200)) {
            let message = message.unwrap();
            values.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
        }
    }
    values
}

#[tokio::test]
async fn one_broker_keeps_records_over_a_kill() {
    let started = Instant::now();
    let kafka = LocalKafka::builder().start(&cache()).await;
    let Some(mut kafka) = unless_available("one_broker_keeps_records_over_a_kill", kafka).unwrap() else {
        return;
    };
    eprintln!("Kafka with one broker ready in {:?}", started.elapsed());
    let config = kafka.client_config();
    let settings = [("cleanup.policy", "compact")];
    kafka.create_topic("kept", 2, &settings).await.unwrap();
    assert!(kafka.create_topic("kept", 2, &settings).await.is_err());
    produce(&config, "kept", "before").await.unwrap();
    kafka.kill_broker(1).await.unwrap();
    kafka.start_broker(1).await.unwrap();
    produce(&config, "kept", "after").await.unwrap();
    assert_eq!(consume(&config, "kept", 2), ["before", "after"]);
    kafka.stop().await.unwrap();
}

#[tokio::test]
async fn three_brokers_go_on_when_one_is_killed() {
    let started = Instant::now();
    let kafka = LocalKafka::builder().brokers(3).start(&cache()).await;
    let Some(mut kafka) = unless_available("three_brokers_go_on_when_one_is_killed", kafka).unwrap() else {
        return;
    };
    eprintln!("Kafka with three brokers ready in {:?}", started.elapsed());
    let config = kafka.client_config();
    kafka.create_topic("kept", 1, &[]).await.unwrap();
    produce(&config, "kept", "three").await.unwrap();
    kafka.kill_broker(1).await.unwrap();
    produce(&config, "kept", "two").await.unwrap();
    kafka.start_broker(1).await.unwrap();
    assert_eq!(consume(&config, "kept", 2), ["three", "two"]);
}

#[tokio::test]
async fn mutual_tls_refuses_a_client_without_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::create(&folder.path().join("ours"), "ours").unwrap();
    let kafka = LocalKafka::builder()
        .heap_mb(256)
        .mutual_tls(&authority)
        .start(&cache())
        .await;
    let test = "mutual_tls_refuses_a_client_without_its_certificate";
    let Some(kafka) = unless_available(test, kafka).unwrap() else {
        return;
    };
    kafka.create_topic("kept", 1, &[]).await.unwrap();
    let good = kafka.client_config();
    produce(&good, "kept", "secret").await.unwrap();

    let theirs = CertificateAuthority::create(&folder.path().join("theirs"), "theirs").unwrap();
    let stranger = theirs.client("stranger").unwrap();
    let mut bad = good.clone();
    bad.set(
        "ssl.certificate.location",
        stranger.certificate.display().to_string(),
    );
    bad.set("ssl.key.location", stranger.key.display().to_string());
    bad.set("message.timeout.ms", "3000");
    let producer: FutureProducer = bad.create().unwrap();
    let record = FutureRecord::<str, str>::to("kept")
        .payload("forged")
        .partition(0);
    assert!(producer.send(record, Timeout::Never).await.is_err());
    assert_eq!(consume(&good, "kept", 1), ["secret"]);
}

#[tokio::test]
async fn in_process_broker_takes_records_and_gives_them_back() {
    let kafka = MockKafka::start().unwrap();
    kafka.create_topic("kept", 3).unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.bootstrap_servers());
    produce(&config, "kept", "value").await.unwrap();
    assert_eq!(consume(&config, "kept", 1), ["value"]);

    let consumer: BaseConsumer = config.create().unwrap();
    let metadata = consumer
        .fetch_metadata(Some("kept"), Duration::from_secs(5))
        .unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 3);
    kafka.down().unwrap();
    kafka.up().unwrap();
    assert_eq!(consume(&config, "kept", 1), ["value"]);
}
