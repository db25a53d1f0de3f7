//! What can happen to a log: records deleted before they were read, topics made again or grown, transactions,
//! compaction.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use fleetledger_schema::kind::RecordKind;
use fleetledger_tests::{
    deadline::{ensure, eventually},
    delivered,
    manual_emitter::{ManualEmitter, namespace},
    parts::{create_topics_with, unique},
    program::run,
};
use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier},
    client::DefaultClientContext,
};

use crate::fixture::{FaultFixture, LIMIT};

fn admin(scene: &FaultFixture) -> AdminClient<DefaultClientContext> {
    scene.parts.kafka.client_config().create().unwrap()
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)))
}

fn sound(faults: Vec<String>) {
    assert_eq!(faults, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_deleted_before_they_were_read_are_a_gap_and_the_next_sweep_heals_it() {
    let test = "records_deleted_before_they_were_read_are_a_gap_and_the_next_sweep_heals_it";
    let Some(mut scene) = FaultFixture::new(test, None).await else {
        return;
    };
    scene.prefix = unique("deleted");
    // Of a topic that is only compacted Kafka deletes nothing by offset.
    let settings = [
        ("cleanup.policy", "compact,delete"),
        ("min.compaction.lag.ms", "604800000"),
    ];
    create_topics_with(&scene.parts.kafka, &scene.prefix, &settings).await;
    let kafka = scene.parts.kafka.client_config();
    scene.emitter = ManualEmitter::new(&kafka, &scene.prefix, "prod", "cluster-uid");
    scene.emitter.write(&namespace("u", "a"));
    scene.emitter.flush().await;
    let mut victim = scene.victim();
    scene.await_ingested(&victim).await;
    victim.stop().await;
    scene.emitter.write(&namespace("u", "b"));
    scene.emitter.write(&namespace("unseen", "b"));
    let gone = scene.emitter.flush().await;
    let (topic, partition) = (gone[0].topic.clone(), gone[0].partition);
    let (from, to) = (gone[0].offset, gone[1].offset + 1);
    let mut before = TopicPartitionList::new();
    before
        .add_partition_offset(&topic, partition, Offset::Offset(to))
        .unwrap();
    let kept = delivered::read_all(&scene.parts.kafka.client_config(), &scene.prefix);
    let deleted = admin(&scene).delete_records(&before, &options()).await.unwrap();
    assert!(
        deleted.elements().iter().all(|element| element.error().is_ok()),
        "{deleted:?}"
    );
    let sweep = [namespace("u", "c"), namespace("unseen", "b")];
    scene.emitter.sweep(RecordKind::Namespace, &sweep);
    scene.emitter.flush().await;

    let mut victim = scene.victim();
    scene.await_ingested(&victim).await;
    // The oracle read the first record before it was deleted too; what the central site could read is all but the gap.
    let mut all: BTreeMap<_, _> = kept
        .into_iter()
        .map(|record| (record.place.clone(), record))
        .collect();
    all.retain(|place, _| !gone.contains(place));
    for record in delivered::read_all(&scene.parts.kafka.client_config(), &scene.prefix) {
        all.insert(record.place.clone(), record);
    }
    let readable: Vec<_> = all.into_values().collect();
    let mut fold = delivered::fold(&readable, &Default::default());
    fold.misses(&topic, partition, from, to);
    sound(delivered::judge(&fold, &scene.database).await);
    victim.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_again_halts_its_partition_alone_until_it_is_resumed() {
    let test = "a_topic_made_again_halts_its_partition_alone_until_it_is_resumed";
    let Some(mut scene) = FaultFixture::new(test, None).await else {
        return;
    };
    for value in ["a", "b", "c"] {
        scene.emitter.write(&namespace("u", value));
    }
    let places = scene.emitter.flush().await;
    let (topic, partition) = (places[0].topic.clone(), places[0].partition);
    let mut victim = scene.victim();
    scene.await_ingested(&victim).await;
    let kafka = &scene.parts.kafka;
    admin(&scene).delete_topics(&[&topic], &options()).await.unwrap();
    eventually("the topic is made again", LIMIT, || async {
        let made = kafka.create_topic(&topic, fleetledger_tests::parts::PARTITIONS, &[]);
        made.await.map_err(|error| error.to_string())
    })
    .await;
    // Its emitter begins a new leadership term and sweeps; another kind goes on all the while.
    let epoch = scene.emitter.epoch + 1_000_000;
    scene.emitter.begin_epoch(epoch);
    scene.emitter.sweep(RecordKind::Namespace, &[namespace("u", "d")]);
    scene
        .emitter
        .write(&fleetledger_tests::manual_emitter::node("n", 1));
    scene.emitter.flush().await;
    victim.stop().await;
    let mut victim = scene.victim();
    let halted = format!(
        "select exists (select from ledger.ingest_partition where topic = '{topic}' and state = 'halted')
         and exists (select from ledger.node where uid_text = 'n')"
    );
    scene.until(&halted, &victim).await;
    let toml = scene.configuration("resumer");
    let (code, output) = run(
        &["ingest", "resume", &topic, &partition.to_string(), "--from-start"],
        &toml,
    );
    assert_eq!(code, Some(0), "{output}");
    let whole = "select labels ->> 'team' = 'd' from ledger.namespace where uid_text = 'u'";
    scene.until(whole, &victim).await;
    victim.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_has_grown_is_refused_by_name() {
    let test = "a_topic_that_has_grown_is_refused_by_name";
    let Some(mut scene) = FaultFixture::new(test, None).await else {
        return;
    };
    scene.emitter.write(&namespace("u", "a"));
    scene.emitter.flush().await;
    let mut victim = scene.victim();
    scene.await_ingested(&victim).await;
    victim.stop().await;
    let topic = scene.emitter.topic(RecordKind::Namespace);
    let more = fleetledger_tests::parts::PARTITIONS as usize + 1;
    let wanted = [NewPartitions::new(&topic, more)];
    let grown = admin(&scene).create_partitions(&wanted, &options()).await;
    assert!(grown.unwrap().iter().all(Result::is_ok));
    let mut victim = scene.victim();
    let log = victim.await_end().await;
    assert!(
        log.contains(&topic) && log.contains("was first read with"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aborted_records_never_land_and_an_open_transaction_is_no_stall() {
    let test = "aborted_records_never_land_and_an_open_transaction_is_no_stall";
    let Some(mut scene) = FaultFixture::new(test, None).await else {
        return;
    };
    scene.more = "stall_seconds = 3".to_owned();
    let kafka = scene.parts.kafka.client_config();
    let mut writer = ManualEmitter::transactional(&kafka, &scene.prefix, "prod", "cluster-uid", "writer");
    writer.begin();
    writer.write(&namespace("u", "a"));
    writer.commit().await;
    let victim = scene.victim();
    scene.await_ingested(&victim).await;
    writer.begin();
    writer.write(&namespace("u", "aborted"));
    writer.write(&namespace("never", "aborted"));
    writer.abort().await;
    writer.begin();
    writer.write(&namespace("u", "b"));
    writer.flush().await;
    // Another emitter's records lie behind the open transaction in the same log, and cannot be read yet.
    let mut neighbour = scene.neighbour();
    neighbour.write(&namespace("n", "x"));
    neighbour.flush().await;
    let begun = Instant::now();
    eventually(
        "the transaction stays open for longer than a stall",
        LIMIT,
        || async { ensure(begun.elapsed() > Duration::from_secs(12), || "not yet".to_owned()) },
    )
    .await;
    assert!(
        !victim.log_text().contains("lands nothing"),
        "{}",
        victim.log_text()
    );
    writer.commit().await;
    let fold = scene.await_ingested(&victim).await;
    sound(delivered::judge(&fold, &scene.database).await);
    // The last offset of the log is a marker, which never lands.
    let gaps = scene
        .database
        .number("select count(*) from ledger.ingest_gap")
        .await;
    assert_eq!(gaps, 0, "what was aborted is not lost");
    let mut victim = victim;
    victim.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_central_site_rebuilt_from_a_compacted_log_is_whole() {
    let test = "a_centre_rebuilt_from_a_compacted_log_is_whole";
    let Some(mut scene) = FaultFixture::new(test, None).await else {
        return;
    };
    scene.prefix = unique("compacted");
    let settings = [
        ("cleanup.policy", "compact"),
        ("min.compaction.lag.ms", "0"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "0"),
        ("segment.ms", "500"),
    ];
    create_topics_with(&scene.parts.kafka, &scene.prefix, &settings).await;
    let kafka = scene.parts.kafka.client_config();
    scene.emitter = ManualEmitter::new(&kafka, &scene.prefix, "prod", "cluster-uid");
    let began = Instant::now();
    let (mut written, mut held) = (0, 0);
    while written < 400 || held * 2 > written {
        assert!(
            began.elapsed() < LIMIT,
            "the log holds {held} of {written} records"
        );
        for number in 0..30 {
            let value = format!("{written}");
            scene.emitter.write(&namespace(&format!("u{number}"), &value));
        }
        scene.emitter.delete(&namespace(&format!("gone{written}"), "x"));
        scene.emitter.flush().await;
        written += 32;
        held = delivered::read_all(&kafka, &scene.prefix).len();
    }
    scene.emitter.mark_all();
    scene.emitter.flush().await;
    // Ingester and oracle read the same log: no more of it may go between the two.
    let topics = RecordKind::ALL.map(|kind| scene.emitter.topic(kind));
    let kept = topics
        .iter()
        .map(|topic| AlterConfig::new(ResourceSpecifier::Topic(topic)));
    let kept: Vec<AlterConfig<'_>> = kept.map(|topic| topic.set("cleanup.policy", "delete")).collect();
    let altered = admin(&scene).alter_configs(&kept, &options()).await;
    assert!(altered.unwrap().iter().all(Result::is_ok));
    held = 0;
    eventually("compaction has ended", LIMIT, || {
        let now = delivered::read_all(&kafka, &scene.prefix).len();
        let before = std::mem::replace(&mut held, now);
        async move { ensure(now == before, || format!("{before} records, then {now}")) }
    })
    .await;
    let mut victim = scene.victim();
    let ended = "select count(*) = 30 from ledger.namespace";
    scene.until(ended, &victim).await;
    let fold = scene.await_ingested(&victim).await;
    assert_eq!(fold.living.len(), 30);
    sound(delivered::judge(&fold, &scene.database).await);
    let gaps = scene
        .database
        .number("select count(*) from ledger.ingest_gap")
        .await;
    assert_eq!(gaps, 0, "what was compacted is not lost");
    victim.stop().await;
}
