//! Clusters beside each other: one that is poisoned, flooding, doubled or gone, and neighbours that notice nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use fleetledger_schema::{
    codec,
    framing::{SchemaRef, join},
    instant::Instant as At,
    kind::RecordKind,
    record::Record,
};
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    delivered,
    ingester::{self, TestIngester},
    manual_emitter::{DraftRecord, KafkaPosition, ManualEmitter, namespace, node, pod},
    parts::{self, PARTITIONS, SharedServers},
};
use rdkafka::ClientConfig;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(90);

struct NeighbourSite {
    parts: Arc<SharedServers>,
    database: LedgerDatabase,
    prefix: String,
    ingester: TestIngester,
}

impl NeighbourSite {
    async fn start(test: &str) -> Option<Self> {
        let parts = parts::shared(test).await?;
        let (database, prefix) = (parts.database().await, parts.topics().await);
        let ingester = TestIngester::start(&prefix, &parts.kafka.client_config(), &database);
        Some(Self {
            parts,
            database,
            prefix,
            ingester,
        })
    }

    fn kafka(&self) -> ClientConfig {
        self.parts.kafka.client_config()
    }

    fn emitter(&self, name: &str, cluster_uid: &str) -> ManualEmitter {
        ManualEmitter::new(&self.kafka(), &self.prefix, name, cluster_uid)
    }

    /// Awaits the end of the log and judges the central site by it; `dead` are the records a test spoiled.
    async fn judge_log(&self, dead: &BTreeSet<KafkaPosition>) -> delivered::BatchCounts {
        let fold = delivered::fold(&delivered::read_all(&self.kafka(), &self.prefix), dead);
        eventually("everything is ingested", LIMIT, || {
            fold.is_ingested(&self.database)
        })
        .await;
        let faults = delivered::judge(&fold, &self.database).await;
        assert!(
            faults.is_empty(),
            "{} faults: {:#?}",
            faults.len(),
            &faults[..faults.len().min(20)]
        );
        fold.total()
    }
}

/// A pod whose body `spoil` may change before it is framed.
fn spoiled(
    scribe: &mut ManualEmitter,
    uid: &str,
    change: impl FnOnce(&mut fleetledger_schema::record::Pod),
) -> DraftRecord {
    let Record::Pod(mut object) = pod(uid, 500) else {
        unreachable!()
    };
    change(&mut object);
    scribe.raw(&Record::Pod(object))
}

/// What is wrong, the reason it must be given, and how the record is made.
type PoisonCase = (&'static str, &'static str, fn(&mut ManualEmitter) -> DraftRecord);

const POISON_SET: [PoisonCase; 10] = [
    ("bad magic", "bad_magic", |scribe| {
        broken(scribe, "magic", |value| value[0] = 0x7f)
    }),
    ("unknown schema", "unknown_schema", |scribe| {
        broken(scribe, "schema", |value| value[2..10].fill(0xee))
    }),
    ("truncated", "truncated", |scribe| {
        broken(scribe, "truncated", |value| value.truncate(value.len() - 20))
    }),
    ("trailing bytes", "trailing_bytes", |scribe| {
        broken(scribe, "trailing", |value| value.extend([0; 7]))
    }),
    ("huge array", "truncated", huge_array),
    ("NUL in text", "nul_in_text", |scribe| {
        spoiled(scribe, "nul", |pod| pod.pod = "a\0b".to_owned())
    }),
    // As far as microseconds in 64 bits reach: PostgreSQL's own last year, less the 30 years between the epochs.
    ("year 294277", "instant_out_of_range", |scribe| {
        spoiled(scribe, "year", |pod| pod.started_at = Some(At(i64::MAX)))
    }),
    ("wrong key", "wrong_key", |scribe| {
        rekeyed(scribe, "key", |key| format!("{key}-other"))
    }),
    ("foreign datacenter", "source_mismatch", |scribe| {
        rekeyed(scribe, "foreign", |key| key.replacen("dfw/", "ams/", 1))
    }),
    ("oversized label", "oversized", |scribe| {
        spoiled(scribe, "label", |pod| {
            pod.labels.insert("app".to_owned(), "x".repeat(70_000));
        })
    }),
];

fn broken(scribe: &mut ManualEmitter, uid: &str, spoil: impl FnOnce(&mut Vec<u8>)) -> DraftRecord {
    let mut raw = spoiled(scribe, uid, |_| {});
    spoil(raw.value.as_mut().unwrap());
    raw
}

fn rekeyed(scribe: &mut ManualEmitter, uid: &str, rename: impl FnOnce(String) -> String) -> DraftRecord {
    let mut raw = spoiled(scribe, uid, |_| {});
    raw.key = rename(String::from_utf8(raw.key).unwrap()).into_bytes();
    raw
}

/// A pod that claims a billion containers and brings none.
fn huge_array(scribe: &mut ManualEmitter) -> DraftRecord {
    let mut raw = spoiled(scribe, "poison-array", |pod| pod.containers.clear());
    let Record::Pod(mut object) = pod("poison-array", 500) else {
        unreachable!()
    };
    object.containers.clear();
    let mut body = codec::encode(&Record::Pod(object)).unwrap();
    assert_eq!(body.pop(), Some(0), "the containers' end is the body's");
    let mut count: u64 = 2_000_000_000;
    while count >= 0x80 {
        body.push((count as u8) | 0x80);
        count >>= 7;
    }
    body.push(count as u8);
    let schema = codec::own_schema(codec::SchemaSubject::Kind(RecordKind::Pod)).fingerprint();
    raw.value = Some(join(SchemaRef::Fingerprint(schema), &body));
    raw
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_the_poison_set_is_a_dead_letter_with_its_place_and_neighbours_land() {
    let Some(site) =
        NeighbourSite::start("each_of_the_poison_set_is_a_dead_letter_with_its_place_and_neighbours_land")
            .await
    else {
        return;
    };
    let mut scribe = site.emitter("prod", "cluster-uid-poison");
    let mut places = BTreeSet::new();
    let mut expected = Vec::new();
    for (number, (what, reason, make)) in POISON_SET.into_iter().enumerate() {
        let raw = make(&mut scribe);
        let place = scribe.put_now(&raw).await;
        expected.push((what, reason, place.clone()));
        places.insert(place);
        scribe.write(&pod(&format!("neighbour-{number}"), 100));
    }
    scribe.write(&pod("neighbour-last", 100));
    scribe.flush().await;
    let counts = site.judge_log(&places).await;
    for (what, reason, place) in &expected {
        let query = format!(
            "select reason, detail from fleet.dead_letter where topic = '{}' and partition = {} and record_offset = {}",
            place.topic, place.partition, place.offset
        );
        let letter = site.database.row(&query).await;
        assert_eq!(letter["reason"], *reason, "{what}: {letter}");
        println!(
            "{what}: dead letter at {}:{}@{}: {} ({})",
            place.topic, place.partition, place.offset, letter["reason"], letter["detail"]
        );
    }
    let landed = site
        .database
        .number("select count(*) from fleet.pod where uid_text like 'neighbour-%'")
        .await;
    assert_eq!(landed, i64::try_from(expected.len()).unwrap() + 1);
    println!("{} neighbours landed; {counts}", landed);
    site.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn same_names_stay_apart_a_double_is_quarantined_and_the_vanished_is_stale_until_retired() {
    let test = "same_names_stay_apart_a_double_is_put_aside_and_the_vanished_is_stale_until_retired";
    let Some(site) = NeighbourSite::start(test).await else {
        return;
    };
    let database = &site.database;
    database
        .execute("insert into ledger.setting (name, value) values ('freshness.stale_seconds', '3')")
        .await;
    let (mut east, mut west) = (
        site.emitter("east", "cluster-uid-east"),
        site.emitter("west", "cluster-uid-west"),
    );
    for scribe in [&mut east, &mut west] {
        for record in [namespace("same", "search"), node("same", 1000)] {
            scribe.write(&record);
        }
    }
    east.write(&pod("same", 100));
    west.write(&pod("same", 200));
    // The same cluster under another name: its second name is put aside, its first goes on.
    let mut double = site.emitter("east-copy", "cluster-uid-east");
    east.flush().await;
    west.flush().await;
    let both = "select count(*) from fleet.pod";
    eventually("both clusters land", LIMIT, || async {
        let count = database.number(both).await;
        ensure(count == 2, || format!("{count} pods"))
    })
    .await;
    double.write(&pod("forged", 1));
    double.flush().await;
    eventually("the double is put aside", LIMIT, || async {
        let rows = database
            .rows(
                "select cluster, reason, records from fleet.quarantine where released_at is null",
                &[],
            )
            .await;
        ensure(
            rows.len() == 1
                && rows[0]["cluster"] == "east-copy"
                && rows[0]["reason"] == "duplicate_cluster_uid"
                && rows[0]["records"] == 1,
            || format!("{rows:?}"),
        )
    })
    .await;
    let apart = database
        .rows(
            "select cluster, pod, cpu_request_cores::float8 as cores from fleet.pod order by cluster",
            &[],
        )
        .await;
    assert_eq!(
        apart,
        [
            json!({"cluster": "east", "pod": "pod-same", "cores": 0.1}),
            json!({"cluster": "west", "pod": "pod-same", "cores": 0.2})
        ]
    );
    println!("same names stay apart: {apart:?}");

    // West falls silent; east goes on.
    let mut found = Vec::new();
    let started = Instant::now();
    while found
        != [
            json!({"cluster": "east", "state": "fresh"}),
            json!({"cluster": "west", "state": "stale"}),
        ]
    {
        assert!(started.elapsed() < LIMIT, "{found:?}");
        east.mark_all();
        east.flush().await;
        found = database
            .rows("select cluster, state from fleet.cluster order by cluster", &[])
            .await;
    }
    assert_eq!(
        database
            .number("select count(*) from fleet.pod where cluster = 'west'")
            .await,
        1,
        "nothing was deleted"
    );
    println!("a vanished cluster is stale and keeps its rows: {found:?}");
    fleetledger_ingest::clusters::retire(&database.owner, "dfw", "west")
        .await
        .unwrap();
    assert_eq!(
        database
            .number("select count(*) from fleet.pod where cluster = 'west'")
            .await,
        0
    );
    assert_eq!(
        database
            .row("select state from fleet.cluster where cluster = 'west'")
            .await["state"],
        "retired"
    );
    assert_eq!(database.number("select count(*) from fleet.pod_history where cluster = 'west' and closed_reason = 'cluster_retired'").await, 1);
    println!("retired: its rows are closed and its history stands");
    site.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flooding_cluster_leaves_its_neighbours_freshness_alone() {
    let test = "a_flooding_cluster_leaves_its_neighbours_freshness_alone";
    let Some(site) = NeighbourSite::start(test).await else {
        return;
    };
    let mut flooding = site.emitter("flooding", "cluster-uid-flood");
    // A neighbour on the same lane, in a partition of its own.
    let neighbour_uid = (0..).map(|n| format!("cluster-uid-quiet-{n}")).find(|uid| {
        let partition = fleetledger_schema::partition::partition_of(uid, 0, PARTITIONS);
        partition != flooding.partition()
    });
    let mut quiet = site.emitter("quiet", &neighbour_uid.unwrap());
    quiet.write(&pod("quiet", 1));
    quiet.mark_all();
    quiet.flush().await;
    const RECORDS: usize = 60_000;
    let mut worst: f64 = 0.0;
    let mut sent = 0;
    let age = "select coalesce(max(age_seconds), 0)::float8 as age from fleet.freshness where cluster = 'quiet' and kind = 'pod'";
    let started = Instant::now();
    let lag = "select coalesce(sum(lag), 0)::bigint from fleet.ingest_partition";
    loop {
        for _ in 0..3_000.min(RECORDS - sent) {
            flooding.write(&pod(&format!("flood-{}", sent % 5_000), sent as i64));
            sent += 1;
        }
        flooding.flush().await;
        quiet.mark_all();
        quiet.flush().await;
        let row = site.database.row(age).await;
        worst = worst.max(row["age"].as_f64().unwrap());
        if sent == RECORDS && site.database.number(lag).await == 0 {
            break;
        }
        assert!(started.elapsed() < LIMIT, "the flood never ended");
    }
    let counts = site.judge_log(&BTreeSet::new()).await;
    println!(
        "flood of {RECORDS} records in {:.0?}: the neighbour was never older than {worst:.1} s; {counts}",
        started.elapsed()
    );
    assert!(worst < 30.0, "the neighbour was {worst} s old");
    site.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_cluster_is_quarantined_and_its_neighbour_stays_fresh() {
    let test = "a_poisoned_cluster_is_put_aside_and_its_neighbour_stays_fresh";
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let (database, prefix) = (parts.database().await, parts.topics().await);
    let kafka = parts.kafka.client_config();
    let settings = fleetledger_ingest::IngestSettings {
        quarantine_window: 200,
        quarantine_minimum: 20,
        ..ingester::settings(&prefix)
    };
    let ingester = TestIngester::start_with(settings, &kafka, database.ingester.clone());
    // The same uid's partition: both write into one log.
    let mut poisoned = ManualEmitter::new(&kafka, &prefix, "poisoned", "cluster-uid-p");
    let neighbour_uid = (0..)
        .map(|n| format!("cluster-uid-n-{n}"))
        .find(|uid| fleetledger_schema::partition::partition_of(uid, 0, PARTITIONS) == poisoned.partition());
    let mut neighbour = ManualEmitter::new(&kafka, &prefix, "neighbour", &neighbour_uid.unwrap());
    let started = Instant::now();
    loop {
        for number in 0..20 {
            let mut raw = spoiled(&mut poisoned, &format!("p-{number}"), |_| {});
            raw.value.as_mut().unwrap()[0] = 0x7f;
            poisoned.put(&raw);
        }
        poisoned.flush().await;
        neighbour.write(&pod("n", i64::try_from(started.elapsed().as_millis()).unwrap()));
        neighbour.flush().await;
        let open = "select count(*) from fleet.quarantine where cluster = 'poisoned' and reason = 'poisoned' and released_at is null";
        if database.number(open).await == 1 {
            break;
        }
        assert!(started.elapsed() < LIMIT, "never put aside");
    }
    neighbour.write(&pod("after", 7));
    neighbour.flush().await;
    eventually("the neighbour goes on", LIMIT, || async {
        let found = database
            .rows(
                "select pod from fleet.pod where cluster = 'neighbour' and uid_text = 'after'",
                &[],
            )
            .await;
        ensure(found.len() == 1, || format!("{found:?}"))
    })
    .await;
    let halted = database
        .number("select count(*) from fleet.ingest_partition where state = 'halted'")
        .await;
    assert_eq!(halted, 0);
    let aside = database
        .number("select count(*) from fleet.dead_letter where cluster = 'neighbour'")
        .await;
    assert_eq!(aside, 0);
    println!(
        "a poisoned cluster was put aside after {:.1?}; its neighbour in the same partition went on",
        started.elapsed()
    );
    ingester.stop().await;
}
