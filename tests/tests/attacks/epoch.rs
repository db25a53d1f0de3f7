//! Whoever forges an epoch or a sequence does not lock the true emitter out.

use std::time::{Duration, Instant};

use fleetledger_emit::{EmitIdentitySettings, ObjectSource, SimulateSettings};
use fleetledger_ingest::{IdentitySettings, IngestSettings, UnsignedRecords};
use fleetledger_schema::{instant::Instant as At, kind::RecordKind};
use fleetledger_tests::{
    cluster::{ApiResourceKind, DesiredObject, TestCluster},
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    emitter::{self, TestEmitter},
    ingester::{self, TestIngester},
    manual_emitter::{ManualEmitter, pod},
    parts,
};
use serde_json::json;

use crate::site::LIMIT;

const CLUSTER: &str = "prod-1";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR_MICROS: i64 = 3_600_000_000;

async fn await_number(database: &LedgerDatabase, what: &str, query: &str, at_least: i64) {
    eventually(what, LIMIT, || async {
        let found = database.number(query).await;
        ensure(found >= at_least, || format!("{found}, not {at_least}"))
    })
    .await;
}

fn new_pod(name: &str) -> DesiredObject {
    DesiredObject {
        resource: ApiResourceKind::Pod,
        namespace: Some("default".to_owned()),
        name: name.to_owned(),
        owner: None,
        body: json!({"metadata": {}, "spec": {"containers": [{"name": "main", "image": "app:1"}]}}),
        status: None,
    }
}

/// What is forged: epoch and sequence, of the true epoch.
type ForgedStamp = (&'static str, fn(i64) -> (i64, i64));

const FORGED: [ForgedStamp; 6] = [
    ("an hour ahead", |_| (At::now().0 + HOUR_MICROS, 1)),
    ("two hours ahead", |_| (At::now().0 + 2 * HOUR_MICROS, 1)),
    ("a sequence far ahead", |epoch| (epoch, 1 << 40)),
    ("ten years ahead", |_| (At::now().0 + 87_660 * HOUR_MICROS, 1)),
    ("the last epoch", |_| (i64::MAX, 1)),
    ("the last sequence", |epoch| (epoch, i64::MAX)),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_true_emitter_lands_within_a_minute_of_a_forged_epoch() {
    let test = "the_true_emitter_lands_within_a_minute_of_a_forged_epoch";
    let Some(cluster) = TestCluster::start(test).await else {
        return;
    };
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let (database, prefix) = (parts.database().await, parts.topics().await);
    let kafka = parts.kafka.client_config();
    let ingester = TestIngester::start(&prefix, &kafka, &database);
    let emitter = TestEmitter::start(
        emitter::settings(CLUSTER, &prefix),
        cluster.client.clone(),
        &kafka,
    );
    let landed = |name: &str| format!("select count(*) from fleet.pod where pod = '{name}'");
    cluster.create(&new_pod("first")).await;
    await_number(&database, "the first pod lands", &landed("first"), 1).await;
    let uid = emitter.health.summary().cluster_uid;
    for (number, (what, forge)) in FORGED.into_iter().enumerate() {
        let mut forger = ManualEmitter::new(&kafka, &prefix, CLUSTER, &uid);
        let (epoch, sequence) = forge(emitter.health.summary().epoch);
        forger.epoch = epoch;
        let mut raw = forger.raw(&pod(&format!("forged-{number}"), 1));
        let header = raw.headers.iter_mut().find(|(name, _)| name == "ce_logsequence");
        header.unwrap().1 = sequence.to_string().into_bytes();
        forger.put(&raw);
        let forged_at = Instant::now();
        forger.flush().await;
        let name = format!("after-{number}");
        cluster.create(&new_pod(&name)).await;
        await_number(&database, "the true emitter lands again", &landed(&name), 1).await;
        let took = forged_at.elapsed();
        println!("forged {what}: the true emitter landed after {took:.1?}");
        assert!(took < MINUTE, "{what}: {took:?}");
    }
    let overtaken = emitter.metric("fleetledger_emit_overtaken_total");
    println!(
        "{} attempts, {overtaken} of them made it begin a higher epoch",
        FORGED.len()
    );
    assert!(overtaken >= 1.0);
    emitter.stop().await;
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_emitter_lands_whole_where_unsigned_records_are_refused() {
    let test = "a_signed_emitter_lands_whole_where_unsigned_records_are_refused";
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let (database, prefix) = (parts.database().await, parts.topics().await);
    let kafka = parts.kafka.client_config();
    let folder = tempfile::tempdir().unwrap();
    let (own, all) = (folder.path().join("own.key"), folder.path().join("clusters.keys"));
    let key = "5a".repeat(32);
    std::fs::write(&own, &key).unwrap();
    std::fs::write(&all, format!("dfw/{CLUSTER} {key}\n")).unwrap();
    let ingester = TestIngester::start_with(
        IngestSettings {
            identity: IdentitySettings {
                key_file: all.display().to_string(),
                unsigned: UnsignedRecords::Refused,
            },
            ..ingester::settings(&prefix)
        },
        &kafka,
        database.ingester.clone(),
    );
    let mut settings = emitter::settings(CLUSTER, &prefix);
    settings.identity = EmitIdentitySettings {
        key_file: own.display().to_string(),
    };
    settings.sweep_interval_seconds = 5;
    let simulate = SimulateSettings {
        nodes: 20,
        pods: 200,
        changes_per_second: 20.0,
        usage: true,
        ..SimulateSettings::default()
    };
    let emitter = TestEmitter::start_from(ObjectSource::Simulate(simulate), settings, &kafka);
    for (what, query, at_least) in [
        ("objects", "select count(*) from fleet.pod", 150),
        (
            "sweeps",
            "select count(*) from fleet.sweep where state = 'complete'",
            4,
        ),
        (
            "deletes",
            "select count(*) from fleet.pod_history where closed_reason = 'deleted'",
            3,
        ),
        ("marks", "select count(*) from fleet.balance where balanced", 4),
    ] {
        await_number(&database, what, query, at_least).await;
    }
    // Somebody without the key, under the name and beside it.
    let uid = emitter.health.summary().cluster_uid;
    let mut attempts = 0;
    for name in [CLUSTER, "other"] {
        let mut attacker = ManualEmitter::new(&kafka, &prefix, name, &uid);
        attacker.epoch += HOUR_MICROS;
        attacker.sweep(RecordKind::Pod, &[pod("forged", 1)]);
        attacker.flush().await;
        attempts += 3;
    }
    let refused = "select count(*) from fleet.dead_letter where reason = 'bad_mac'";
    await_number(&database, "all of them are refused", refused, attempts).await;
    let all = database.number("select count(*) from fleet.dead_letter").await;
    assert_eq!(all, attempts, "nothing of the emitter itself is dead");
    assert!(emitter.metric("fleetledger_emit_overtaken_total") < 1.0);
    println!(
        "{attempts} unsigned records: all refused; the emitter's landed, sweeps, marks and tombstones included"
    );
    emitter.stop().await;
    ingester.stop().await;
}
