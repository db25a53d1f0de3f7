//! Emitters against librdkafka's in-process cluster: the current state in the logs afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod logs;

use std::{collections::HashMap, path::Path, time::Duration};

use fleetledger_emit::{
    DumpPlace, EmitError, EmitSettings, EmitterHealth, EmitterSummary, ObjectSource, SimulateSettings, run,
};
use fleetledger_schema::{
    codec::KnownSchemas,
    content_hash::{ContentDigest, ContentHash},
    framing::{self, SchemaRef},
    instant::Instant,
    key::RecordSubject,
    kind::RecordKind,
    record::Record,
};
use logs::{KafkaLogEntry, KafkaLogs};
use rdkafka::ClientConfig;
use serde_json::json;
use tokio_util::sync::CancellationToken;

fn settings() -> EmitSettings {
    EmitSettings {
        datacenter: "dfw".to_owned(),
        cluster: "test".to_owned(),
        settle_ms: 500,
        ..EmitSettings::default()
    }
}

async fn emit(
    settings: EmitSettings,
    source: ObjectSource,
    kafka: &ClientConfig,
) -> Result<EmitterSummary, EmitError> {
    let registry = prometheus::Registry::new();
    run(
        settings,
        source,
        kafka.clone(),
        &registry,
        EmitterHealth::new(),
        CancellationToken::new(),
    )
    .await
}

/// A dump of kube-system and of pods with these names, as uids too, in these phases.
fn dump(pods: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pods: Vec<_> = pods
        .iter()
        .map(|(name, phase)| {
            json!({"kind": "Pod", "metadata": {"name": name, "namespace": "kube-system", "uid": format!("uid-{name}"),
                "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "7"},
                "spec": {"containers": [{"name": "app", "image": "i", "env": [{"name": "A", "value": "not-to-leave"}]}]},
                "status": {"phase": phase}})
        })
        .collect();
    let write = |name: &str, value: serde_json::Value| {
        std::fs::write(folder.path().join(name), value.to_string()).unwrap();
    };
    write("pods.json", json!({"kind": "List", "items": pods}));
    write(
        "namespaces.json",
        json!({"kind": "List", "items": [
        {"kind": "Namespace", "metadata": {"name": "kube-system", "uid": "cluster-1", "creationTimestamp": "2026-01-01T00:00:00Z"},
         "status": {"phase": "Active"}}]}),
    );
    folder
}

async fn emit_dump(settings: EmitSettings, folder: &Path, kafka: &ClientConfig) -> EmitterSummary {
    emit(
        settings,
        ObjectSource::Dump(DumpPlace {
            directory: folder.to_owned(),
            ..DumpPlace::default()
        }),
        kafka,
    )
    .await
    .unwrap()
}

/// A dump of which somebody says that it names everything.
async fn emit_complete_dump(folder: &Path, kafka: &ClientConfig) {
    let place = DumpPlace {
        directory: folder.to_owned(),
        complete: true,
        ..DumpPlace::default()
    };
    emit(settings(), ObjectSource::Dump(place), kafka).await.unwrap();
}

fn digest_of(entries: &[KafkaLogEntry]) -> ContentDigest {
    let mut living: HashMap<&str, ContentHash> = HashMap::new();
    for entry in entries {
        fold(&mut living, entry);
    }
    let mut digest = ContentDigest::default();
    living.values().for_each(|hash| digest.add(*hash));
    digest
}

/// The state of a log as a reader folds it: a last record or a tombstone ends an object.
fn fold<'e>(living: &mut HashMap<&'e str, ContentHash>, entry: &'e KafkaLogEntry) {
    let RecordSubject::Object(uid) = &entry.key.subject else {
        return;
    };
    match &entry.value {
        Some(value) if entry.record().is_some_and(|record| record.deleted_at().is_none()) => {
            let (_, body) = framing::split(value).unwrap();
            living.insert(uid, ContentHash::of(body));
        }
        _ => {
            living.remove(uid.as_str());
        }
    }
}

/// Numbers run from 1 without holes within an epoch, and every mark agrees with the fold at its own position.
fn check_log(entries: &[KafkaLogEntry]) -> usize {
    let (mut epoch, mut sequence, mut marks) = (0, 0, 0);
    let mut living = HashMap::new();
    for entry in entries {
        assert!(entry.headers.epoch >= epoch, "epochs only rise");
        sequence = if entry.headers.epoch > epoch {
            1
        } else {
            sequence + 1
        };
        epoch = entry.headers.epoch;
        assert_eq!(entry.headers.sequence, sequence, "numbers have no holes");
        fold(&mut living, entry);
        if let Some(mark) = entry.mark() {
            let mut digest = ContentDigest::default();
            living.values().for_each(|hash| digest.add(*hash));
            assert_eq!(
                (mark.count, mark.digest_hi, mark.digest_lo),
                (digest.count, digest.xor.hi, digest.xor.lo),
                "{mark:?}"
            );
            marks += 1;
        }
    }
    marks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_is_one_sweep_with_announced_schemas_and_a_mark() {
    let logs = KafkaLogs::new();
    let folder = dump(&[("a", "Running"), ("b", "Pending")]);
    let summary = emit_dump(settings(), folder.path(), &logs.kafka()).await;
    let entries = logs.read(RecordKind::Pod);
    check_log(&entries);
    let subjects: Vec<String> = entries
        .iter()
        .map(|entry| entry.key.subject.to_string())
        .collect();
    assert!(
        subjects[0].starts_with("!schema/") && subjects[1].starts_with("!schema/"),
        "{subjects:?}"
    );
    assert_eq!(subjects[2], "!sweep-begin/0");
    assert_eq!(subjects[5..], ["!sweep-end/0", "!mark/0"]);
    assert_eq!(entries[5].mark().unwrap().begin_sequence, Some(3));
    assert_eq!(summary.kinds[&RecordKind::Pod].living, digest_of(&entries));
    assert_eq!(summary.kinds[&RecordKind::Namespace].living.count, 1);
    let all: Vec<u8> = entries
        .iter()
        .flat_map(|entry| entry.value.clone().unwrap_or_default())
        .collect();
    assert!(!String::from_utf8_lossy(&all).contains("not-to-leave"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_vanished_while_no_emitter_ran_get_a_last_record_and_a_tombstone() {
    let logs = KafkaLogs::new();
    emit_dump(
        settings(),
        dump(&[("stays", "Running"), ("goes", "Running")]).path(),
        &logs.kafka(),
    )
    .await;
    let first = logs.read(RecordKind::Pod);
    emit_dump(
        settings(),
        dump(&[("stays", "Running"), ("comes", "Pending")]).path(),
        &logs.kafka(),
    )
    .await;
    let entries = logs.read(RecordKind::Pod);
    check_log(&entries);
    let gone: Vec<&KafkaLogEntry> = entries[first.len()..]
        .iter()
        .filter(|e| e.is_object("uid-goes"))
        .collect();
    let Some(Record::Pod(last)) = gone[0].record() else {
        panic!("no last record")
    };
    assert!(last.deleted_at.is_some() && last.deletion_inferred);
    assert_eq!(last.phase, "Running");
    assert!(gone[1].value.is_none() && gone.len() == 2);
    // What stayed as it was keeps the instant at which its content began.
    let stays = |entries: &[KafkaLogEntry]| {
        entries
            .iter()
            .rev()
            .find(|e| e.is_object("uid-stays"))
            .unwrap()
            .headers
            .clone()
    };
    assert_eq!(stays(&entries).since, Some(stays(&first).time));
    assert_eq!(digest_of(&entries).count, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emitter_with_a_slow_clock_takes_over_with_a_higher_epoch() {
    let logs = KafkaLogs::new();
    let folder = dump(&[("a", "Running")]);
    emit_dump(settings(), folder.path(), &logs.kafka()).await;
    // An emitter whose clock was half a day ahead has written here.
    let ahead = Instant::now().plus_micros(43_200_000_000);
    logs.write_mark(&settings(), "cluster-1", ahead.0);
    let summary = emit_dump(settings(), folder.path(), &logs.kafka()).await;
    assert_eq!(summary.epoch, ahead.0 + 1);
    let entries = logs.read(RecordKind::Namespace);
    assert_eq!(entries.last().unwrap().headers.epoch, ahead.0 + 1);
    // One of a year ahead is refused by ingesters: it was forged, and is not followed.
    let far = Instant::now().plus_micros(365 * 86_400_000_000);
    logs.write_mark(&settings(), "cluster-1", far.0);
    let summary = emit_dump(settings(), folder.path(), &logs.kafka()).await;
    assert!(summary.epoch > ahead.0 && summary.epoch < far.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_cluster_is_swept_under_new_keys_and_its_old_keys_get_tombstones() {
    let logs = KafkaLogs::new();
    let folder = dump(&[("a", "Running")]);
    emit_dump(settings(), folder.path(), &logs.kafka()).await;
    let renamed = EmitSettings {
        cluster: "renamed".to_owned(),
        ..settings()
    };
    emit_dump(renamed.clone(), folder.path(), &logs.kafka()).await;
    let last = |entries: Vec<KafkaLogEntry>, cluster: &str| {
        entries
            .into_iter()
            .rev()
            .find(|e| e.is_object("uid-a") && e.key.source.cluster == cluster)
            .unwrap()
    };
    assert!(last(logs.read(RecordKind::Pod), "test").value.is_none());
    assert!(last(logs.read(RecordKind::Pod), "renamed").value.is_some());
    // The old keys are gone for good: a third run sends nothing more for them.
    let before = logs
        .read(RecordKind::Pod)
        .iter()
        .filter(|e| e.key.source.cluster == "test")
        .count();
    emit_dump(renamed, folder.path(), &logs.kafka()).await;
    assert_eq!(
        logs.read(RecordKind::Pod)
            .iter()
            .filter(|e| e.key.source.cluster == "test")
            .count(),
        before
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_a_newer_emitter_is_ended_with_every_field_it_had() {
    let logs = KafkaLogs::new();
    let newer = logs.write_newer_pod(&settings(), "cluster-1", "uid-newer");
    emit_dump(settings(), dump(&[("a", "Running")]).path(), &logs.kafka()).await;
    let entries = logs.read(RecordKind::Pod);
    let last = entries
        .iter()
        .rev()
        .find(|e| e.is_object("uid-newer") && e.value.is_some())
        .unwrap();
    let (schema, body) = framing::split(last.value.as_ref().unwrap()).unwrap();
    assert_eq!(schema, SchemaRef::Fingerprint(newer.fingerprint()));
    let decoded = newer.decode(body).unwrap();
    assert!(decoded.record.deleted_at().is_some());
    assert_eq!(decoded.unknown, json!({"colour": "blue"}));
    let _ = KnownSchemas::own();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulated_fleet_is_in_the_log_as_the_emitter_counts_it() {
    let logs = KafkaLogs::new();
    let simulate = SimulateSettings {
        nodes: 10,
        pods: 80,
        changes_per_second: 200.0,
        ..SimulateSettings::default()
    };
    let settings = EmitSettings {
        mark_interval_seconds: 1,
        // A pod waits so long for the answer about its owner.
        coalesce_ms: 2_000,
        ..settings()
    };
    let (health, shutdown) = (EmitterHealth::new(), CancellationToken::new());
    let registry = prometheus::Registry::new();
    let running = run(
        settings,
        ObjectSource::Simulate(simulate),
        logs.kafka(),
        &registry,
        health.clone(),
        shutdown.clone(),
    );
    let watching = async {
        let changed = |health: &EmitterHealth, sweeps: u64| {
            let pods = health
                .summary()
                .kinds
                .get(&RecordKind::Pod)
                .copied()
                .unwrap_or_default();
            pods.sweeps >= sweeps && pods.objects > 400 && pods.tombstones > 5 && pods.marks > 2
        };
        until(|| changed(&health, 1)).await;
        assert_eq!(health.ready(), Ok(()));
        health.request_sweep();
        until(|| changed(&health, 2)).await;
        shutdown.cancel();
    };
    let (summary, ()) = tokio::join!(running, watching);
    let summary = summary.unwrap();
    assert_eq!(summary.in_flight, 0);
    for kind in RecordKind::ALL {
        let entries = logs.read(kind);
        assert!(check_log(&entries) >= 4, "{kind}");
        assert_eq!(digest_of(&entries), summary.kinds[&kind].living, "{kind}");
        assert_eq!(entries.len() as u64, summary.kinds[&kind].produced, "{kind}");
        assert_eq!(summary.kinds[&kind].missed_changes, 0, "{kind}");
        let all: Vec<u8> = entries
            .iter()
            .flat_map(|entry| entry.value.clone().unwrap_or_default())
            .collect();
        assert!(!String::from_utf8_lossy(&all).contains("not-to-leave-the-cluster"));
    }
    let pods = logs.read(RecordKind::Pod);
    let known = pods
        .iter()
        .filter_map(KafkaLogEntry::record)
        .filter(|r| matches!(r, Record::Pod(p) if p.owner_resolved))
        .count();
    assert_eq!(
        known,
        pods.iter().filter(|e| e.record().is_some()).count(),
        "every owner is resolved in its first record"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_kafka_is_away_little_is_kept_and_afterwards_the_newest_state_arrives() {
    let logs = KafkaLogs::new();
    let simulate = SimulateSettings {
        nodes: 5,
        pods: 60,
        changes_per_second: 300.0,
        ..SimulateSettings::default()
    };
    let settings = EmitSettings {
        buffer_records: 50,
        coalesce_ms: 100,
        ..settings()
    };
    let (health, shutdown) = (EmitterHealth::new(), CancellationToken::new());
    let registry = prometheus::Registry::new();
    let running = run(
        settings,
        ObjectSource::Simulate(simulate),
        logs.kafka(),
        &registry,
        health.clone(),
        shutdown.clone(),
    );
    let watching = async {
        until(|| {
            health
                .summary()
                .kinds
                .get(&RecordKind::Pod)
                .is_some_and(|pods| pods.sweeps >= 1)
        })
        .await;
        logs.down();
        until(|| health.summary().pending > 60).await;
        assert!(health.summary().in_flight <= 50, "{:?}", health.summary());
        assert!(health.summary().pending < 1000);
        logs.up();
        until(|| health.summary().pending < 20).await;
        shutdown.cancel();
    };
    let (summary, ()) = tokio::join!(running, watching);
    let summary = summary.unwrap();
    for kind in RecordKind::ALL {
        let entries = logs.read(kind);
        check_log(&entries);
        assert_eq!(digest_of(&entries), summary.kinds[&kind].living, "{kind}");
    }
}

/// Waits for a condition, up to a minute.
async fn until(condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let mut turn = tokio::time::interval(Duration::from_millis(20));
    while !condition() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "condition not met within a minute"
        );
        turn.tick().await;
    }
}

/// A dump of kube-system and of these workloads, each in a file of its resource; names are uids too.
fn dump_of_workloads(files: &[(&str, &[(&str, &str)])]) -> tempfile::TempDir {
    let folder = dump(&[]);
    std::fs::remove_file(folder.path().join("pods.json")).unwrap();
    for (file, workloads) in files {
        let items: Vec<_> = workloads
            .iter()
            .map(|(kind, name)| {
                let version = if *kind == "Job" { "batch/v1" } else { "apps/v1" };
                json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "kube-system",
                    "uid": format!("uid-{name}"), "creationTimestamp": "2026-01-01T00:00:00Z"}})
            })
            .collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        std::fs::write(folder.path().join(file), list).unwrap();
    }
    folder
}

/// Objects of the log that live, by uid.
fn living(entries: &[KafkaLogEntry]) -> Vec<String> {
    let mut living = HashMap::new();
    entries.iter().for_each(|entry| fold(&mut living, entry));
    let mut uids: Vec<String> = living.into_keys().map(str::to_owned).collect();
    uids.sort();
    uids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_kind_without_a_file_nothing_is_closed_and_nothing_is_sent() {
    let logs = KafkaLogs::new();
    emit_dump(settings(), dump(&[("a", "Running")]).path(), &logs.kafka()).await;
    let before = logs.read(RecordKind::Pod);
    let summary = emit_dump(settings(), dump_of_workloads(&[]).path(), &logs.kafka()).await;
    assert_eq!(logs.read(RecordKind::Pod).len(), before.len());
    assert_eq!(living(&before), ["uid-a"]);
    assert!(
        summary
            .kinds
            .get(&RecordKind::Pod)
            .is_none_or(|pods| pods.produced == 0)
    );
    // A list of none does not say where there are none; that it is complete says so.
    let none = dump_of_workloads(&[("pods.json", &[])]);
    emit_dump(settings(), none.path(), &logs.kafka()).await;
    assert_eq!(living(&logs.read(RecordKind::Pod)), ["uid-a"]);
    emit_complete_dump(none.path(), &logs.kafka()).await;
    let entries = logs.read(RecordKind::Pod);
    check_log(&entries);
    assert_eq!(living(&entries), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_workloads_only_those_are_closed_whose_resource_has_a_file() {
    let logs = KafkaLogs::new();
    let whole: [(&str, &[(&str, &str)]); 6] = [
        (
            "deployments.json",
            &[("Deployment", "stays"), ("Deployment", "goes")],
        ),
        ("jobs.json", &[("Job", "unknown")]),
        ("statefulsets.json", &[]),
        ("daemonsets.json", &[]),
        ("replicasets.json", &[]),
        ("cronjobs.json", &[]),
    ];
    emit_complete_dump(dump_of_workloads(&whole).path(), &logs.kafka()).await;
    assert_eq!(
        living(&logs.read(RecordKind::Workload)),
        ["uid-goes", "uid-stays", "uid-unknown"]
    );
    let part: [(&str, &[(&str, &str)]); 1] = [(
        "deployments.json",
        &[("Deployment", "stays"), ("Deployment", "comes")],
    )];
    emit_dump(settings(), dump_of_workloads(&part).path(), &logs.kafka()).await;
    let entries = logs.read(RecordKind::Workload);
    check_log(&entries);
    assert_eq!(living(&entries), ["uid-comes", "uid-stays", "uid-unknown"]);
    // A sweep would have closed what is not known.
    let sweeps = entries
        .iter()
        .filter(|entry| matches!(entry.key.subject, RecordSubject::SweepBegin(_)));
    assert_eq!(sweeps.count(), 1);
}

/// A list as `kubectl cluster-info dump` writes it: typed, its items without kind.
fn typed_list(kind: &str, items: &[(&str, &str)]) -> String {
    let items: Vec<_> = items
        .iter()
        .map(|(namespace, name)| {
            json!({"metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{name}"),
                "creationTimestamp": "2026-01-01T00:00:00Z"}})
        })
        .collect();
    let version = if kind == "PodList" { "v1" } else { "apps/v1" };
    json!({"kind": kind, "apiVersion": version, "metadata": {"resourceVersion": "9"}, "items": items})
        .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_namespaces_that_a_dump_does_not_hold_nothing_is_closed() {
    let logs = KafkaLogs::new();
    let write = |folder: &Path, files: &[(&str, String)]| {
        for (name, text) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    };
    let (shop, bank) = ("shop", "bank");
    let all = dump(&[]);
    let everything = [
        (
            "pods.json",
            typed_list("PodList", &[(shop, "stays"), (shop, "goes"), (bank, "elsewhere")]),
        ),
        (
            "deployments.json",
            typed_list("DeploymentList", &[(shop, "removed"), (bank, "kept")]),
        ),
    ];
    write(all.path(), &everything);
    emit_dump(settings(), all.path(), &logs.kafka()).await;

    // `kubectl cluster-info dump --namespaces shop --output-directory …`
    let of_shop = tempfile::tempdir().unwrap();
    let files = [
        (
            "shop/pods.json",
            typed_list("PodList", &[(shop, "stays"), (shop, "comes")]),
        ),
        ("shop/deployments.json", typed_list("DeploymentList", &[])),
        ("shop/daemonsets.json", typed_list("DaemonSetList", &[])),
    ];
    write(of_shop.path(), &files);
    let place = DumpPlace {
        directory: of_shop.path().to_owned(),
        cluster_uid: Some("cluster-1".to_owned()),
        complete: false,
    };
    emit(settings(), ObjectSource::Dump(place), &logs.kafka())
        .await
        .unwrap();
    let pods = logs.read(RecordKind::Pod);
    let marks = check_log(&pods);
    assert_eq!(living(&pods), ["uid-comes", "uid-elsewhere", "uid-stays"]);
    let workloads = logs.read(RecordKind::Workload);
    check_log(&workloads);
    assert_eq!(living(&workloads), ["uid-kept"]);
    // Its last word is a mark, which says that it was a dump.
    let last = pods.last().unwrap().mark().unwrap();
    assert_eq!(
        (last.point.as_str(), last.source.as_deref(), last.count),
        ("mark", Some("dump"), 3)
    );
    assert!(marks >= 4, "{marks}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_of_a_dump_say_that_it_is_one() {
    let logs = KafkaLogs::new();
    emit_dump(settings(), dump(&[("a", "Running")]).path(), &logs.kafka()).await;
    let marks: Vec<_> = logs
        .read(RecordKind::Pod)
        .iter()
        .filter_map(KafkaLogEntry::mark)
        .collect();
    assert!(!marks.is_empty() && marks.iter().all(|mark| mark.source.as_deref() == Some("dump")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_without_kube_system_ends_before_anything_is_sent() {
    let logs = KafkaLogs::new();
    let folder = dump(&[("a", "Running")]);
    std::fs::remove_file(folder.path().join("namespaces.json")).unwrap();
    let source = |cluster_uid: Option<&str>| {
        ObjectSource::Dump(DumpPlace {
            directory: folder.path().to_owned(),
            cluster_uid: cluster_uid.map(str::to_owned),
            complete: false,
        })
    };
    let error = emit(settings(), source(None), &logs.kafka()).await.unwrap_err();
    assert!(error.to_string().contains("--cluster-uid"), "{error}");
    let summary = emit(settings(), source(Some("cluster-1")), &logs.kafka())
        .await
        .unwrap();
    assert_eq!(summary.cluster_uid, "cluster-1");
    assert_eq!(living(&logs.read(RecordKind::Pod)), ["uid-a"]);
}
