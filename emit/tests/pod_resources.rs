//! What is reserved for pods and their containers is what Kubernetes' own library says, for thousands of random pods, most of
//! them in the middle of a resize.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};

use fleetledger_emit::object::{AllowList, MetadataRules, TopOwner, pod};
use fleetledger_local::{ArtifactCache, LocalResult, go, skip::unless_available};
use fleetledger_schema::record::{self, Resources};
use k8s_openapi::api::core::v1::Pod;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::{io::AsyncWriteExt, process::Command};

const PODS: usize = 5_000;

#[derive(Debug, Deserialize)]
struct LibraryAnswer {
    requests: BTreeMap<String, String>,
    limits: BTreeMap<String, String>,
    containers: Option<Vec<BTreeMap<String, String>>>,
}

/// A list of resources: each of them is there or not.
fn list() -> BoxedStrategy<Value> {
    let of = |name: &'static str, amounts: &'static [&'static str]| {
        let amount = prop::sample::select(amounts);
        prop::option::weighted(0.7, amount).prop_map(move |amount| (name, amount))
    };
    (
        of("cpu", &["0", "1", "250m", "3", "0.1", "7"]),
        of("memory", &["0", "64Mi", "1Gi", "100M", "3Gi"]),
        of("ephemeral-storage", &["1Gi", "500M"]),
        of("nvidia.com/gpu", &["1", "2"]),
    )
        .prop_map(|(cpu, memory, storage, gpu)| object([cpu, memory, storage, gpu]))
        .boxed()
}

fn object<const N: usize>(members: [(&str, Option<&str>); N]) -> Value {
    let there = members
        .into_iter()
        .filter_map(|(name, amount)| Some((name.to_owned(), json!(amount?))));
    Value::Object(there.collect::<Map<_, _>>())
}

/// Requests and limits.
fn resources() -> BoxedStrategy<Value> {
    let both = (list(), list());
    both.prop_map(|(requests, limits)| json!({"requests": requests, "limits": limits}))
        .boxed()
}

/// A container and its status, which may know nothing of resources.
fn container(name: &'static str) -> BoxedStrategy<(Value, Option<Value>)> {
    let in_force = prop::option::weighted(0.7, resources());
    let allocated = prop::option::weighted(0.7, list());
    (resources(), prop::bool::weighted(0.9), in_force, allocated)
        .prop_map(move |(asked, reported, in_force, allocated)| {
            let status = json!({"name": name, "image": "i", "imageID": "", "ready": true, "restartCount": 0,
            "resources": in_force, "allocatedResources": allocated});
            (
                json!({"name": name, "image": "i", "resources": asked}),
                reported.then_some(status),
            )
        })
        .boxed()
}

fn any_pod() -> impl Strategy<Value = Value> {
    let apps = (container("a"), prop::option::of(container("b")));
    let init = (
        prop::option::of(container("i")),
        prop::option::of(container("s")),
        prop::option::of(container("j")),
    );
    let pod_level = (
        prop::option::weighted(0.4, resources()),
        prop::option::of(resources()),
        prop::option::of(list()),
    );
    let reason = prop::option::of(prop::sample::select(vec!["Infeasible", "Deferred"]));
    let overhead = prop::option::weighted(0.2, list());
    (apps, init, pod_level, reason, overhead).prop_map(|(apps, init, (asked, in_force, allocated), reason, overhead)| {
        let apps: Vec<_> = [Some(apps.0), apps.1].into_iter().flatten().collect();
        let mut init: Vec<_> = [init.0, init.1, init.2].into_iter().flatten().collect();
        for (container, _) in init.iter_mut().filter(|(container, _)| container["name"] == "s") {
            container["restartPolicy"] = json!("Always");
        }
        let specs = |all: &[(Value, Option<Value>)]| all.iter().map(|(spec, _)| spec.clone()).collect::<Vec<_>>();
        let statuses = |all: &[(Value, Option<Value>)]| all.iter().filter_map(|(_, status)| status.clone()).collect::<Vec<_>>();
        let conditions: Vec<_> = reason
            .iter()
            .map(|reason| json!({"type": "PodResizePending", "status": "True", "reason": reason}))
            .collect();
        json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u"},
            "spec": {"containers": specs(&apps), "initContainers": specs(&init), "resources": asked, "overhead": overhead},
            "status": {"conditions": conditions, "containerStatuses": statuses(&apps), "initContainerStatuses": statuses(&init),
                "resources": in_force, "allocatedResources": allocated},
        })
    })
}

/// The program in `tests/pod-resources`.
async fn library() -> LocalResult<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/pod-resources");
    let cache = ArtifactCache::new(ArtifactCache::default_root());
    go::program(&cache, "pod-resources", &module, &[]).await
}

/// What the library says of each of these pods.
async fn ask(program: &Path, pods: &[Value]) -> Vec<LibraryAnswer> {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: String = pods.iter().map(|pod| format!("{pod}\n")).collect();
    let write = async move { stdin.write_all(lines.as_bytes()).await };
    let (written, output) = tokio::join!(write, child.wait_with_output());
    written.unwrap();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn amount(list: &BTreeMap<String, String>, name: &str, unit: i64) -> Option<i64> {
    list.get(name).map(|text| text.parse::<i64>().unwrap() * unit)
}

/// Ours and the library's, by resource.
fn pairs(ours: &Resources, library: &BTreeMap<String, String>) -> [(Option<i64>, Option<i64>); 4] {
    [
        (ours.cpu_millicores, amount(library, "cpu", 1)),
        (ours.memory_bytes, amount(library, "memory", 1)),
        (
            ours.ephemeral_storage_bytes,
            amount(library, "ephemeral-storage", 1),
        ),
        (ours.gpu_millis, amount(library, "nvidia.com/gpu", 1000)),
    ]
}

/// Whether a container, or the pod as a whole, has a limit of 0 of that resource, asked for or in force.
fn has_limit_of_zero(value: &Value, name: &str) -> bool {
    let is_zero = |quantity: &str| !quantity.chars().any(|digit| ('1'..='9').contains(&digit));
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            key == "limits" && value[name].as_str().is_some_and(is_zero) || has_limit_of_zero(value, name)
        }),
        Value::Array(items) => items.iter().any(|item| has_limit_of_zero(item, name)),
        _ => false,
    }
}

fn record_of(pod_json: &Value) -> record::Pod {
    let object: Pod = serde_json::from_value(pod_json.clone()).unwrap();
    let none = || AllowList::new(&[]).unwrap();
    let rules = MetadataRules {
        labels: none(),
        annotations: none(),
    };
    pod(&object, &rules, &TopOwner::None)
}

#[tokio::test]
async fn what_is_reserved_is_what_kubernetes_says_for_random_pods() {
    let test = "what_is_reserved_is_what_kubernetes_says_for_random_pods";
    let Some(program) = unless_available(test, library().await).unwrap() else {
        return;
    };
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let strategy = any_pod();
    let pods: Vec<Value> = (0..PODS)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect();
    let answers = ask(&program, &pods).await;
    assert_eq!(answers.len(), PODS);
    let mut resized = 0;
    for (pod, answer) in pods.iter().zip(&answers) {
        let ours = record_of(pod);
        for (our, theirs) in pairs(&ours.requests, &answer.requests) {
            assert_eq!(our, theirs, "requests {:?} {answer:?} of {pod}", ours.requests);
        }
        // A limit that some container does not have is none for the pod: there the library sums what there is. A limit of 0 of
        // what containers share is none for the kubelet, and so for us; the library counts it as a number.
        let names = ["cpu", "memory", "ephemeral-storage", "nvidia.com/gpu"];
        for (name, (our, theirs)) in names.iter().zip(pairs(&ours.limits, &answer.limits)) {
            assert!(
                our.is_none() || our == theirs || has_limit_of_zero(pod, name),
                "limits {:?} {answer:?} of {pod}",
                ours.limits
            );
        }
        let apps = ours
            .containers
            .iter()
            .filter(|container| container.container_type == "app");
        for (container, theirs) in apps.zip(answer.containers.iter().flatten()) {
            let cpu = container
                .reserved_cpu_millicores
                .or(container.requests.cpu_millicores);
            let memory = container
                .reserved_memory_bytes
                .or(container.requests.memory_bytes);
            assert_eq!(
                cpu.unwrap_or(0),
                amount(theirs, "cpu", 1).unwrap_or(0),
                "{container:?} of {pod}"
            );
            assert_eq!(
                memory.unwrap_or(0),
                amount(theirs, "memory", 1).unwrap_or(0),
                "{container:?} of {pod}"
            );
            resized += usize::from(container.reserved_cpu_millicores.is_some());
        }
    }
    assert!(
        resized > PODS / 4,
        "only {resized} containers reserve what they do not ask for"
    );
}
