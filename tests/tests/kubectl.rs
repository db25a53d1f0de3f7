//! `fleet.pod` beside `kubectl get pods`: what the API server prints of pods of every shape, and what the ledger has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{collections::BTreeMap, time::Duration};

use fleetledger_emit::{DumpPlace, ObjectSource};
use fleetledger_tests::{
    cluster::{ApiResourceKind, TestCluster},
    comparison::{ViewSelection, compare_rows},
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    emitter::{self, TestEmitter},
    expected,
    ingester::TestIngester,
    parts,
    pod_shapes::{self, PodShape},
};
use kube::{
    api::{DeleteParams, ListParams, Patch, PatchParams},
    core::Request,
};
use serde_json::{Value, json};

const CLUSTER: &str = "prod-1";
const NAMESPACE: &str = "default";
const LIMIT: Duration = Duration::from_secs(60);

/// A row as kubectl shows it, of a view that is put in its place.
const PRINTED_TEMPLATE: &str = "select pod, ready_containers, status, restarts,
    extract(epoch from now() - last_restart_at)::float8 as since_restart from {rows} where cluster = 'prod-1'";

/// READY, STATUS and the number and age of RESTARTS by the name of the pod.
type PrintedPods = BTreeMap<String, (String, String, i64, Option<f64>)>;

async fn create(cluster: &TestCluster, shapes: &[PodShape]) {
    let api = cluster.api(ApiResourceKind::Pod, Some(NAMESPACE));
    for shape in shapes {
        cluster.create(&shape.desired(NAMESPACE)).await;
        if shape.debugged {
            let debugger =
                json!({"spec": {"ephemeralContainers": [{"name": "debugger", "image": "busybox:1"}]}});
            let patch = Patch::Strategic(&debugger);
            api.patch_subresource(
                "ephemeralcontainers",
                &shape.name,
                &PatchParams::default(),
                &patch,
            )
            .await
            .unwrap();
            let runs = json!({"ephemeralContainerStatuses": [{"name": "debugger", "image": "", "imageID": "",
                "ready": false, "restartCount": 0, "state": {"running": {"startedAt": null}}}]});
            cluster
                .patch_status(ApiResourceKind::Pod, Some(NAMESPACE), &shape.name, &runs)
                .await;
        }
        if shape.deleted {
            api.delete(&shape.name, &DeleteParams::default()).await.unwrap();
        }
    }
}

/// What the API server prints.
async fn printed_by_server(cluster: &TestCluster) -> PrintedPods {
    let mut request = Request::new(format!("/api/v1/namespaces/{NAMESPACE}/pods"))
        .list(&ListParams::default())
        .unwrap();
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    request.headers_mut().insert("accept", table.parse().unwrap());
    let table: Value = cluster.client.request(request).await.unwrap();
    assert_eq!(table["kind"], "Table", "{table}");
    let columns = table["columnDefinitions"].as_array().unwrap();
    let cell = |row: &Value, name: &str| {
        let at = columns.iter().position(|column| column["name"] == name).unwrap();
        match &row["cells"][at] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    };
    let rows = table["rows"].as_array().unwrap().iter().map(|row| {
        let restarts = cell(row, "Restarts");
        let (count, age) = match restarts.split_once(" (") {
            Some((count, age)) => (count, Some(seconds(age.strip_suffix(" ago)").unwrap()))),
            None => (restarts.as_str(), None),
        };
        let printed = (
            cell(row, "Ready"),
            cell(row, "Status"),
            count.parse().unwrap(),
            age,
        );
        (cell(row, "Name"), printed)
    });
    rows.collect()
}

/// An age as kubectl writes it, such as 3d4h.
fn seconds(age: &str) -> f64 {
    let mut total = 0.0;
    let mut number = String::new();
    for character in age.chars() {
        let unit = match character {
            's' => 1.0,
            'm' => 60.0,
            'h' => 3600.0,
            'd' => 86_400.0,
            'y' => 31_536_000.0,
            digit => {
                number.push(digit);
                continue;
            }
        };
        total += unit * number.parse::<f64>().unwrap();
        number.clear();
    }
    total
}

async fn printed_by_ledger(database: &LedgerDatabase, rows: &str) -> PrintedPods {
    let rows = database
        .rows(&PRINTED_TEMPLATE.replace("{rows}", rows), &[])
        .await;
    let text = |row: &Value, column: &str| row[column].as_str().unwrap_or("NULL").to_owned();
    let rows = rows.iter().map(|row| {
        let (ready, status) = (text(row, "ready_containers"), text(row, "status"));
        let printed = (
            ready,
            status,
            row["restarts"].as_i64().unwrap_or(-1),
            row["since_restart"].as_f64(),
        );
        (text(row, "pod"), printed)
    });
    rows.collect()
}

/// Nothing, or what differs. Ages are printed in whole minutes, hours or days.
fn equal(server: &PrintedPods, ledger: &PrintedPods) -> Result<(), String> {
    let mut differences = Vec::new();
    for (pod, printed) in server {
        let Some(found) = ledger.get(pod) else {
            differences.push(format!("{pod}: not in the ledger"));
            continue;
        };
        let same_age = match (printed.3, found.3) {
            (Some(age), Some(found)) => {
                let unit = if age < 7200.0 { 60.0 } else { 86_400.0 };
                (age - 5.0..age + unit + 60.0).contains(&found)
            }
            (age, found) => age.is_none() && found.is_none(),
        };
        if (&printed.0, &printed.1, printed.2) != (&found.0, &found.1, found.2) || !same_age {
            differences.push(format!("{pod}: {printed:?} and in the ledger {found:?}"));
        }
    }
    ensure(differences.is_empty() && server.len() == ledger.len(), || {
        format!(
            "{} of {} differ:\n{}",
            differences.len(),
            server.len(),
            differences.join("\n")
        )
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_of_every_shape_have_the_columns_that_the_api_server_prints() {
    let test = "pods_of_every_shape_have_the_columns_that_the_api_server_prints";
    let Some(cluster) = TestCluster::start(test).await else {
        return;
    };
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let kafka = parts.kafka.client_config();
    let (database, prefix) = (parts.database().await, parts.topics().await);
    let ingester = TestIngester::start(&prefix, &kafka, &database);
    let settings = emitter::settings(CLUSTER, &prefix);
    let emitter = TestEmitter::start(settings, cluster.client.clone(), &kafka);
    let shapes = pod_shapes::all();
    assert!(shapes.len() >= 60, "{} shapes", shapes.len());
    create(&cluster, &shapes).await;
    let printed = printed_by_server(&cluster).await;
    assert_eq!(printed.len(), shapes.len());
    eventually("fleet.pod = kubectl get pods", LIMIT, || async {
        equal(&printed, &printed_by_ledger(&database, "fleet.pod").await)
    })
    .await;
    let statuses: std::collections::BTreeSet<&String> = printed.values().map(|printed| &printed.1).collect();
    println!(
        "{} pods, {} statuses, 0 differences: {statuses:?}",
        shapes.len(),
        statuses.len()
    );
    let guessed =
        "select count(*) from fleet.pod where status = coalesce(unschedulable_reason, reason, phase)";
    let guessed = database.number(guessed).await;
    println!("phase and reason alone say it of {guessed}");
    for rows in [
        "fleet.pod_at(now())",
        "fleet_asof.pod",
        "(select * from fleet.pod_history where closed_reason is null)",
    ] {
        equal(
            &printed,
            &printed_by_ledger(&database, &format!("{rows} as pod")).await,
        )
        .unwrap();
    }
    let wanted = expected::rows(&cluster.list_all().await);
    let comparison = compare_rows(&wanted, &database, CLUSTER, ViewSelection::Live).await;
    comparison.assert_equal();
    println!("the oracle agrees: {comparison}");

    crash(&cluster, &database).await;
    emitter.stop().await;
    ingester.stop().await;

    // The same objects as a dump, read by another emitter into another ledger.
    let printed = printed_by_server(&cluster).await;
    let (database, prefix) = (parts.database().await, parts.topics().await);
    let ingester = TestIngester::start(&prefix, &kafka, &database);
    let dump = tempfile::tempdir().unwrap();
    for (resource, mut objects) in cluster.list_all().await {
        for object in &mut objects {
            object["apiVersion"] = json!(resource.api_version());
            object["kind"] = json!(resource.kind());
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let file = dump.path().join(format!("{}.json", resource.kind()));
        std::fs::write(file, list.to_string()).unwrap();
    }
    let source = ObjectSource::Dump(DumpPlace {
        directory: dump.path().to_owned(),
        ..DumpPlace::default()
    });
    let emitter = TestEmitter::start_from(source, emitter::settings(CLUSTER, &prefix), &kafka);
    eventually("the dump's fleet.pod = kubectl get pods", LIMIT, || async {
        equal(&printed, &printed_by_ledger(&database, "fleet.pod").await)
    })
    .await;
    emitter.finish().await;
    ingester.stop().await;
}

/// A container crashes and waits: each state is a version of the pod, though its phase stays.
async fn crash(cluster: &TestCluster, database: &LedgerDatabase) {
    let ended =
        json!({"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z"}});
    let waits = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    for (state, last, count) in [
        (&ended, &json!({}), 0),
        (&waits, &ended, 0),
        (&json!({"running": {}}), &ended, 1),
    ] {
        let status = json!({"containerStatuses": [{"name": "a", "image": "", "imageID": "", "ready": false,
            "restartCount": count, "state": state, "lastState": last}]});
        cluster
            .patch_status(ApiResourceKind::Pod, Some(NAMESPACE), "running", &status)
            .await;
        let server = printed_by_server(cluster).await;
        eventually("the crash lands", LIMIT, || async {
            equal(&server, &printed_by_ledger(database, "fleet.pod").await)
        })
        .await;
    }
    let versions = "select h.status, h.phase, h.restarts, h.last_restart_at is not null as restarted,
            (select p.status from fleet.pod_at(h.valid_from) as p where p.uid = h.uid) as as_of
        from fleet.pod_history as h where pod = 'running' order by valid_from desc limit 4";
    let mut versions = database.rows(versions, &[]).await;
    versions.reverse();
    let version = |status: &str, restarts: i32| json!({"status": status, "as_of": status, "phase": "Running", "restarts": restarts, "restarted": restarts > 0});
    assert_eq!(
        versions,
        [
            version("Running", 0),
            version("Error", 0),
            version("CrashLoopBackOff", 0),
            version("Running", 1)
        ]
    );
}
