//! The same objects by a watch of a real API server and by dumps of it, as kubectl, a must-gather and a support bundle write
//! them: column by column they are the same rows, and what they ought to be. What only another API server than this one
//! would say goes through a dump alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use fleetledger_local::kube_apiserver::KubeApiserver;
use fleetledger_tests::{
    cluster::{ApiResourceKind, TestCluster, text},
    comparison::{ViewSelection, compare_rows},
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    emitter::{self, TestEmitter},
    expected,
    ingester::TestIngester,
    parts::{self, SharedServers},
    program,
};
use serde_json::{Value, json};

const CLUSTER: &str = "prod-1";
const LIMIT: Duration = Duration::from_secs(60);
const OBJECTS: &str = include_str!("../fixtures/objects.yaml");
const VIEWS: [&str; 5] = ["namespace", "node", "workload", "pod", "container"];

/// Objects of each resource, as the API server gives them.
type ListedObjects = Vec<(ApiResourceKind, Vec<Value>)>;

/// The rows of every view by uid, without what no object says.
type LedgerRows = BTreeMap<String, Value>;

fn cases(node_uid: &str) -> Vec<Value> {
    let cases = OBJECTS.replace("UID_OF_NODE_1", node_uid);
    serde_yaml_ng::from_str(&cases).unwrap()
}

/// Creates every object, then writes its status.
async fn create(cluster: &TestCluster) {
    for name in ["shapes", "other"] {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        cluster.create_manifest(&namespace).await;
    }
    let mut node_uid = String::new();
    for number in 0..cases("").len() {
        let mut object = cases(&node_uid)[number]["object"].clone();
        let status = object.as_object_mut().unwrap().remove("status");
        cluster.create_manifest(&object).await;
        let kind = text(&object, "/kind");
        let resource = ApiResourceKind::KEPT
            .into_iter()
            .find(|known| known.kind() == kind);
        let (resource, name) = (resource.unwrap(), text(&object, "/metadata/name"));
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        if let Some(status) = &status {
            cluster.patch_status(resource, namespace, &name, status).await;
        }
        if node_uid.is_empty() {
            let node = cluster.get(resource, None, "node-1").await.unwrap();
            node_uid = text(&node, "/metadata/uid");
        }
    }
}

/// What the ledger says of the cluster.
async fn ledger_rows(database: &LedgerDatabase) -> LedgerRows {
    let mut all = LedgerRows::new();
    for view in VIEWS {
        let query = format!("select * from fleet.{view} where cluster = $1");
        for mut row in database.rows(&query, &[&CLUSTER]).await {
            let key = format!("{view} {} {}", row["uid"], row["container"]);
            let columns = row.as_object_mut().unwrap();
            for column in expected::NOT_FROM_THE_API_SERVER {
                columns.remove(column);
            }
            all.insert(key, row);
        }
    }
    all
}

/// Names of columns that differ, row by row.
fn differences(one: &LedgerRows, other: &LedgerRows) -> Vec<String> {
    let mut found = Vec::new();
    for key in one
        .keys()
        .chain(other.keys().filter(|key| !one.contains_key(*key)))
    {
        match (one.get(key), other.get(key)) {
            (Some(one), Some(other)) => {
                for (column, value) in one.as_object().unwrap() {
                    if other.get(column) != Some(value) {
                        found.push(format!("{key}.{column}: {value} and {:?}", other.get(column)));
                    }
                }
            }
            (one, _) => found.push(format!(
                "{key} is in the {} alone",
                if one.is_some() { "first" } else { "second" }
            )),
        }
    }
    found
}

/// A ledger of its own for one source.
struct OneWay {
    parts: Arc<SharedServers>,
    database: LedgerDatabase,
    prefix: String,
    ingester: TestIngester,
}

impl OneWay {
    async fn start(parts: &Arc<SharedServers>) -> Self {
        let (database, prefix) = (parts.database().await, parts.topics().await);
        let ingester = TestIngester::start(&prefix, &parts.kafka.client_config(), &database);
        Self {
            parts: parts.clone(),
            database,
            prefix,
            ingester,
        }
    }

    /// Sends a dump with the binary, and awaits that it has landed.
    async fn emit_dump(&self, folder: &Path, options: &[&str]) -> String {
        let list = |entries: &[&str]| serde_json::to_string(entries).unwrap();
        // A dump opens no port: that of another role on the machine does not matter.
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let configuration = format!(
            "[kafka]\nbootstrap_servers = \"{}\"\n[http]\nlisten = \"{}\"\n[emit]\ndatacenter = \"dfw\"\n\
             cluster = \"{CLUSTER}\"\ntopic_prefix = \"{}\"\nlabels = {}\nannotations = {}\n",
            self.parts.kafka.bootstrap_servers(),
            taken.local_addr().unwrap(),
            self.prefix,
            list(&expected::LABELS),
            list(&expected::ANNOTATIONS),
        );
        let mut arguments = vec![
            "emit",
            "--source",
            "dump",
            "--directory",
            folder.to_str().unwrap(),
            "-o",
            "json",
        ];
        arguments.extend(options);
        let (code, printed) = program::run(&arguments, &configuration);
        assert_eq!(code, Some(0), "{printed}");
        let said = serde_json::Deserializer::from_str(&printed)
            .into_iter::<Value>()
            .next();
        let said = said.unwrap().unwrap();
        assert_eq!(said["acknowledged"], said["records"], "{printed}");
        assert!(
            said["records"].as_u64() > Some(10) && said["waiting"] == 0,
            "{printed}"
        );
        let kinds = said["kinds"].as_array().unwrap();
        let of = |name: &str| kinds.iter().find(|kind| kind["kind"] == name).unwrap();
        assert!(of("pod")["objects"].as_u64() >= Some(1), "{printed}");
        printed
    }

    async fn await_objects(&self, objects: &ListedObjects) {
        let wanted = expected::rows(objects);
        let comparison = eventually("the ledger = the objects", LIMIT, || async {
            compare_rows(&wanted, &self.database, CLUSTER, ViewSelection::Live)
                .await
                .equal()
        })
        .await;
        println!("{comparison}");
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// `kubectl get <resource> --all-namespaces -o json`, a file each.
fn write_lists(folder: &Path, objects: &ListedObjects) {
    for (resource, objects) in objects {
        let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": objects});
        write(
            folder,
            &format!("{}s.json", resource.kind().to_lowercase()),
            &list.to_string(),
        );
    }
}

/// A tree of `oc adm must-gather`: a file for each object of the cluster, typed lists for those of namespaces.
fn write_must_gather(folder: &Path, objects: &ListedObjects) {
    for (resource, objects) in objects {
        let plural = format!("{}s", resource.kind().to_lowercase());
        for object in objects {
            let (name, namespace) = (
                text(object, "/metadata/name"),
                text(object, "/metadata/namespace"),
            );
            let yaml = serde_yaml_ng::to_string(object).unwrap();
            let path = match resource {
                ApiResourceKind::Namespace => format!("quay-io/namespaces/{name}/{name}.yaml"),
                ApiResourceKind::Pod => format!("quay-io/namespaces/{namespace}/pods/{name}/{name}.yaml"),
                _ if namespace.is_empty() => {
                    format!("quay-io/cluster-scoped-resources/core/{plural}/{name}.yaml")
                }
                _ => continue,
            };
            write(folder, &path, &format!("---\n{yaml}"));
        }
        for (namespace, list) in lists_by_namespace(*resource, objects) {
            let group = if resource.api_version() == "v1" {
                "core"
            } else {
                "apps"
            };
            let path = format!("quay-io/namespaces/{namespace}/{group}/{plural}.yaml");
            write(
                folder,
                &path,
                &format!("---\n{}", serde_yaml_ng::to_string(&list).unwrap()),
            );
        }
    }
    write(folder, "quay-io/event-filter.html", "<html>");
    write(folder, "timestamp", "now");
}

/// `cluster-resources` of a support bundle.
fn write_support_bundle(folder: &Path, objects: &ListedObjects) {
    for (resource, objects) in objects {
        let plural = format!("{}s", resource.kind().to_lowercase());
        if matches!(resource, ApiResourceKind::Namespace | ApiResourceKind::Node) {
            let list = json!({"kind": format!("{}List", resource.kind()), "apiVersion": resource.api_version(), "items": objects});
            write(
                folder,
                &format!("cluster-resources/{plural}.json"),
                &list.to_string(),
            );
        }
        for (namespace, list) in lists_by_namespace(*resource, objects) {
            write(
                folder,
                &format!("cluster-resources/{plural}/{namespace}.json"),
                &list.to_string(),
            );
        }
    }
    write(
        folder,
        "cluster-info/cluster_version.json",
        r#"{"info": {"major": "1"}, "string": "v1.35.4"}"#,
    );
}

/// Typed lists, one for each namespace; their items do not say what they are. Empty ones are null.
fn lists_by_namespace(resource: ApiResourceKind, objects: &[Value]) -> Vec<(&'static str, Value)> {
    if matches!(
        resource,
        ApiResourceKind::Namespace | ApiResourceKind::Node | ApiResourceKind::Watchdog
    ) {
        return Vec::new();
    }
    let namespaces = ["shapes", "other", "kube-system", "default"].into_iter();
    let list = |namespace: &'static str| {
        let items = objects
            .iter()
            .filter(|object| text(object, "/metadata/namespace") == namespace);
        let items: Vec<Value> = items
            .map(|object| {
                let mut item = object.clone();
                item.as_object_mut()
                    .unwrap()
                    .retain(|field, _| field != "kind" && field != "apiVersion");
                item
            })
            .collect();
        let items = if items.is_empty() {
            Value::Null
        } else {
            json!(items)
        };
        let list = json!({"kind": format!("{}List", resource.kind()), "apiVersion": resource.api_version(), "items": items});
        (namespace, list)
    };
    namespaces.map(list).collect()
}

/// Everything that becomes a row; each object says what it is, as kubectl prints it.
async fn listed(cluster: &TestCluster) -> ListedObjects {
    let mut all = cluster.list_all().await;
    for (resource, objects) in &mut all {
        for object in objects {
            object["apiVersion"] = json!(resource.api_version());
            object["kind"] = json!(resource.kind());
        }
    }
    all
}

/// Each case's `expect` against the row of its object.
fn assert_expected(rows: &LedgerRows, node_uid: &str) -> usize {
    let mut columns = 0;
    for case in cases(node_uid) {
        let object = &case["object"];
        let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
        let view = match kind.as_str() {
            "Node" => "node",
            "Pod" => "pod",
            _ => "workload",
        };
        let row = rows
            .iter()
            .find(|(key, row)| key.starts_with(&format!("{view} ")) && row[view] == json!(name));
        let (_, row) = row.unwrap_or_else(|| panic!("no {view} {name}"));
        for (column, value) in case["expect"].as_object().unwrap() {
            let found = &row[column];
            let same = match (value.as_str(), found.as_str()) {
                (Some(value), Some(found)) if column.ends_with("_at") => {
                    value.parse::<jiff::Timestamp>().unwrap() == found.parse().unwrap()
                }
                _ => value == found || (value.is_number() && value.as_f64() == found.as_f64()),
            };
            assert!(same, "{view} {name}: {column} should be {value} and is {found}");
            columns += 1;
        }
    }
    columns
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_objects_by_watch_and_by_dumps_of_every_form_are_the_same_rows() {
    let test = "the_same_objects_by_watch_and_by_dumps_of_every_form_are_the_same_rows";
    let builder = KubeApiserver::builder()
        .feature_gate("NodeDeclaredFeatures=true")
        .feature_gate("InPlacePodLevelResourcesVerticalScaling=true");
    let Some(cluster) = TestCluster::start_with(test, builder).await else {
        return;
    };
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    create(&cluster).await;
    let objects = listed(&cluster).await;
    let node = objects
        .iter()
        .find(|(resource, _)| *resource == ApiResourceKind::Node)
        .unwrap();
    let node = node
        .1
        .iter()
        .find(|node| node["metadata"]["name"] == "node-1")
        .unwrap();
    let node_uid = text(node, "/metadata/uid");

    let watch = OneWay::start(&parts).await;
    let emitter = TestEmitter::start(
        emitter::settings(CLUSTER, &watch.prefix),
        cluster.client.clone(),
        &parts.kafka.client_config(),
    );
    watch.await_objects(&objects).await;
    emitter.stop().await;
    let watched = ledger_rows(&watch.database).await;
    let columns = assert_expected(&watched, &node_uid);
    println!("{} rows by watch, {columns} columns as expected", watched.len());
    watch.ingester.stop().await;

    type Writer = fn(&Path, &ListedObjects);
    let forms: [(&str, Writer, &[&str]); 3] = [
        ("kubectl get", write_lists, &[]),
        ("must-gather", write_must_gather, &["--complete"]),
        ("support bundle", write_support_bundle, &[]),
    ];
    for (form, writer, options) in forms {
        let folder = tempfile::tempdir().unwrap();
        writer(folder.path(), &objects);
        let way = OneWay::start(&parts).await;
        let printed = way.emit_dump(folder.path(), options).await;
        way.await_objects(&objects).await;
        let dumped = ledger_rows(&way.database).await;
        let source = way.database.row("select source from fleet.cluster").await;
        assert_eq!(
            source,
            json!({"source": "dump"}),
            "it grows old, and no alert tells of it"
        );
        let differing = differences(&watched, &dumped);
        assert!(differing.is_empty(), "{form}: {differing:#?}\n{printed}");
        println!("{form}: {} rows, 0 differences to the watch", dumped.len());
        way.ingester.stop().await;
    }
    old_api_server(&parts, objects).await;
}

/// What this API server fills in, another leaves out: it is not known then. A dump alone can show it.
async fn old_api_server(parts: &Arc<SharedServers>, mut objects: ListedObjects) {
    let mut edit = |kind: ApiResourceKind, name: &str, change: fn(&mut Value)| {
        let of_kind = objects
            .iter_mut()
            .find(|(resource, _)| *resource == kind)
            .unwrap();
        let mut found = of_kind.1.iter_mut();
        change(found.find(|object| object["metadata"]["name"] == name).unwrap());
    };
    edit(ApiResourceKind::StatefulSet, "db", |object| {
        object["status"]
            .as_object_mut()
            .unwrap()
            .remove("availableReplicas");
    });
    edit(ApiResourceKind::Namespace, "other", |object| {
        object["metadata"]["creationTimestamp"] = Value::Null;
    });
    edit(ApiResourceKind::Node, "node-1", |object| {
        object["status"]["addresses"] = Value::Null;
        object["status"]["conditions"] = Value::Null;
        object["status"].as_object_mut().unwrap().remove("nodeInfo");
    });
    edit(ApiResourceKind::Pod, "sidecar", |object| {
        object["status"]["initContainerStatuses"] = Value::Null;
    });
    let folder = tempfile::tempdir().unwrap();
    write_lists(folder.path(), &objects);
    // Kept by kubectl as null, where a list has none.
    write(
        folder.path(),
        "cronjobs-of-none.json",
        r#"{"kind": "CronJobList", "apiVersion": "batch/v1", "items": null}"#,
    );
    let way = OneWay::start(parts).await;
    way.emit_dump(folder.path(), &[]).await;
    eventually("the dump has landed", LIMIT, || async {
        let pods = way.database.number("select count(*) from fleet.pod").await;
        let workloads = way.database.number("select count(*) from fleet.workload").await;
        ensure(pods == 10 && workloads == 7, || {
            format!("{pods} pods, {workloads} workloads")
        })
    })
    .await;
    let row = way
        .database
        .row(
            "select w.available, w.unavailable, w.ready, n.created_at as namespace_created_at, o.addresses, o.ready_status,
                o.kernel_version, p.restarts, p.status
            from fleet.workload as w, fleet.namespace as n, fleet.node as o, fleet.pod as p
            where w.workload = 'db' and n.namespace = 'other' and o.node = 'node-1' and p.pod = 'sidecar'",
        )
        .await;
    assert_eq!(
        row,
        json!({"available": null, "unavailable": null, "ready": 2, "namespace_created_at": null, "addresses": [],
            "ready_status": null, "kernel_version": "", "restarts": 0, "status": "Running"})
    );
    way.ingester.stop().await;
}
