//! Doctor against Kafka: each broken set-up is found, with its fix.

use crate::support::{self, BinaryFixture, assert_broken, assert_well};
use fleetledger_local::{kafka::LocalKafka, mock_kafka::MockKafka, ports, skip, tls::CertificateAuthority};

fn section(servers: &str, more: &str) -> String {
    // No database: what needs one is skipped.
    let nobody = ports::free_port().unwrap();
    format!(
        "[postgres]\nport = {nobody}\ntls = \"off\"\n[topics]\npartitions = 2\n[kafka]\nbootstrap_servers = \"{servers}\"\n{more}\n"
    )
}

#[test]
fn broker_that_is_away_and_missing_topics_are_reported() {
    let nobody = format!("127.0.0.1:{}", ports::free_port().unwrap());
    let away = BinaryFixture::new(&section(&nobody, ""));
    assert_broken(
        &away,
        "kafka",
        "kafka-reach",
        "connection refused",
        "start the broker",
    );
    assert_broken(
        &away,
        "kafka",
        "kafka-reach",
        &format!("kafka broker {nobody}"),
        "",
    );

    let broker = MockKafka::start().unwrap();
    let setup = BinaryFixture::new(&section(broker.bootstrap_servers(), ""));
    assert_well(&setup, "kafka", "kafka-reach");
    assert_broken(
        &setup,
        "kafka",
        "kafka-topics",
        "fleetledger.pod",
        "fleetledger topics create",
    );
    let tls = BinaryFixture::new(&section(broker.bootstrap_servers(), "[kafka.tls]\n"));
    assert_broken(&tls, "kafka", "kafka-reach", "TLS", "kafka");
}

#[tokio::test]
async fn topics_set_up_wrongly_are_reported_each_with_its_command() {
    let started = LocalKafka::builder()
        .property("auto.create.topics.enable", "true")
        .start(&support::cache())
        .await;
    let Some(kafka) = skip::unless_available("topics_set_up_wrongly_are_told", started).unwrap() else {
        return;
    };
    let servers = kafka.bootstrap_servers();
    let setup = BinaryFixture::new(&section(&servers, ""));
    assert_broken(
        &setup,
        "kafka",
        "kafka-auto-create",
        "create a topic",
        "auto.create.topics.enable=false",
    );

    let (code, output) = setup.run_to_text(&["topics", "create"]);
    assert!(
        code == 0 && output.contains("created fleetledger.pod with 2 partitions"),
        "{output}"
    );
    let (code, said) = setup.run_to_text(&["topics", "create"]);
    assert!(code == 0 && said.contains("kept    fleetledger.pod"), "{said}");
    for check in [
        "kafka-topics",
        "kafka-leaders",
        "kafka-clock",
        "topic-tombstones",
        "topic-timestamps",
        "topic-compaction",
        "topic-compaction-lag",
        "topic-usage-retention",
        "topic-message-size",
        "topic-replicas",
    ] {
        assert_well(&setup, "kafka", check);
    }

    let other = |prefix: &str| {
        BinaryFixture::new(&section(
            &servers,
            &format!("[emit]\ntopic_prefix = \"{prefix}\"\n[ingest]\ntopic_prefix = \"{prefix}\""),
        ))
    };
    let broken = [
        (
            "deleting",
            "cleanup.policy",
            "delete",
            "topic-compaction",
            "cleanup.policy=delete",
        ),
        (
            "hasty",
            "min.compaction.lag.ms",
            "60000",
            "topic-compaction-lag",
            "min.compaction.lag.ms=60000",
        ),
        (
            "brief",
            "delete.retention.ms",
            "60000",
            "topic-tombstones",
            "delete.retention.ms=60000",
        ),
        (
            "punctual",
            "message.timestamp.after.max.ms",
            "3600000",
            "topic-timestamps",
            "message.timestamp.after.max.ms=3600000",
        ),
        (
            "small",
            "max.message.bytes",
            "1000",
            "topic-message-size",
            "max.message.bytes=1000",
        ),
        (
            "lonely",
            "min.insync.replicas",
            "2",
            "topic-replicas",
            "every write fails",
        ),
        (
            "forgetful",
            "retention.ms",
            "60000",
            "topic-usage-retention",
            "retention.ms=60000",
        ),
    ];
    for (prefix, key, value, check, why) in broken {
        let kind = if check == "topic-usage-retention" {
            "usage"
        } else {
            "pod"
        };
        let topic = format!("{prefix}.{kind}");
        let compact = if key == "cleanup.policy" || kind == "usage" {
            vec![(key, value)]
        } else {
            vec![("cleanup.policy", "compact"), (key, value)]
        };
        kafka.create_topic(&topic, 2, &compact).await.unwrap();
        assert_broken(
            &other(prefix),
            "kafka",
            check,
            why,
            &format!("--entity-name {topic}"),
        );
    }
}

#[tokio::test]
async fn partition_count_that_is_not_the_recorded_one_is_reported() {
    let server = support::postgres().await;
    let url = support::migrated(&server, "ledger").await;
    let broker = MockKafka::start().unwrap();
    broker.create_topic("fleetledger.pod", 3).unwrap();
    let recorded =
        "insert into ledger.topic (topic, kind, partitions, shards) values ('fleetledger.pod', 2, 2, 1)";
    support::client(&url).await.batch_execute(recorded).await.unwrap();
    let setup = BinaryFixture::new(&format!(
        "[postgres]\nurl = \"{url}\"\ntls = \"off\"\n[kafka]\nbootstrap_servers = \"{}\"\n",
        broker.bootstrap_servers()
    ));
    assert_broken(
        &setup,
        "kafka",
        "topic-partitions",
        "has 3 partitions, but had 2",
        "topic_prefix",
    );
}

#[tokio::test]
async fn wrong_ca_names_the_broker_and_the_file_and_mutual_tls_works() {
    let folder = tempfile::tempdir().unwrap();
    let ours = CertificateAuthority::create(&folder.path().join("ours"), "ours").unwrap();
    let theirs = CertificateAuthority::create(&folder.path().join("theirs"), "theirs").unwrap();
    let started = LocalKafka::builder()
        .mutual_tls(&ours)
        .start(&support::cache())
        .await;
    let Some(kafka) = skip::unless_available("wrong_ca_names_the_broker", started).unwrap() else {
        return;
    };
    let servers = kafka.bootstrap_servers();
    let own = ours.client("fleetledger").unwrap();
    let pair = format!(
        "certificate = \"{}\"\nkey = \"{}\"",
        own.certificate.display(),
        own.key.display()
    );
    let with = |ca: &std::path::Path, more: &str| {
        BinaryFixture::new(&section(
            &servers,
            &format!("[kafka.tls]\nca = \"{}\"\n{more}", ca.display()),
        ))
    };
    assert_well(&with(ours.ca(), &pair), "kafka", "kafka-reach");
    let wrong = with(theirs.ca(), &pair);
    assert_broken(&wrong, "kafka", "kafka-reach", "theirs/ca.pem", "kafka.tls.ca");
    let (code, output) = wrong.run_to_text(&["topics", "create"]);
    assert!(
        code == 4 && output.contains(&format!("kafka broker {servers}")) && output.contains("theirs/ca.pem"),
        "{code} {output}"
    );
    assert_broken(
        &with(ours.ca(), ""),
        "kafka",
        "kafka-reach",
        "certificate",
        "kafka.tls.certificate",
    );
    assert_broken(
        &BinaryFixture::new(&section(&servers, "")),
        "kafka",
        "kafka-reach",
        "uses TLS on this port",
        "[kafka.tls]",
    );
}

#[tokio::test]
async fn brokers_behind_a_login_tell_the_time_and_a_wrong_password_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let ours = CertificateAuthority::create(&folder.path().join("ours"), "ours").unwrap();
    for authority in [None, Some(&ours)] {
        let builder = LocalKafka::builder().login("doctor", "right-password");
        let builder = match authority {
            Some(authority) => builder.mutual_tls(authority),
            None => builder,
        };
        let started = builder.start(&support::cache()).await;
        let name = "brokers_behind_a_login_tell_the_time_and_a_wrong_password_is_not_shown";
        let Some(kafka) = skip::unless_available(name, started).unwrap() else {
            return;
        };
        let tls = authority.map_or_else(String::new, |_| {
            format!("[kafka.tls]\nca = \"{}\"\n", ours.ca().display())
        });
        let setup = |mechanism: &str, password: &str| {
            let file = folder.path().join(format!("secret-{}", password.len()));
            std::fs::write(&file, password).unwrap();
            let more = format!(
                "{tls}[kafka.sasl]\nmechanism = \"{mechanism}\"\nusername = \"doctor\"\npassword = \"file:{}\"\n",
                file.display()
            );
            BinaryFixture::new(&section(&kafka.login_servers(), &more))
        };
        let mechanisms = ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"];
        // PLAIN without TLS is refused by the configuration.
        for mechanism in mechanisms.iter().take(if authority.is_some() { 3 } else { 2 }) {
            assert_well(&setup(mechanism, "right-password"), "kafka", "kafka-clock");
        }
        let (_, said) = setup("SCRAM-SHA-512", "not-the-password").run_to_text(&["doctor"]);
        assert!(
            said.contains("kafka-clock") && !said.contains("-password"),
            "{said}"
        );
    }
}
