use std::fs;

use super::*;

const KUBE_SYSTEM: &str =
    r#"{"kind": "List", "items": [{"kind": "Namespace", "metadata": {"name": "kube-system", "uid": "k"}}]}"#;

/// A dump of these files, beside that of the namespaces.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files.iter().chain(&[("namespaces.json", KUBE_SYSTEM)]) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn read(place: &Path, cluster_uid: Option<&str>) -> Result<ClusterDump, EmitError> {
    ClusterDump::read(&DumpPlace {
        directory: place.to_owned(),
        cluster_uid: cluster_uid.map(str::to_owned),
        complete: false,
    })
}

fn dump(files: &[(&str, &str)]) -> ClusterDump {
    read(folder(files).path(), None).unwrap()
}

/// A dump of which somebody says that it names everything.
fn complete_dump(files: &[(&str, &str)]) -> ClusterDump {
    let folder = folder(files);
    let place = DumpPlace {
        directory: folder.path().to_owned(),
        complete: true,
        ..DumpPlace::default()
    };
    ClusterDump::read(&place).unwrap()
}

/// Resources and where everything is named of them, beside the namespaces.
fn named(dump: &ClusterDump) -> Vec<String> {
    let named = dump
        .named
        .iter()
        .filter(|(resource, _)| **resource != WatchedResource::Namespaces);
    named
        .map(|(resource, scope)| format!("{resource}: {scope}"))
        .collect()
}

/// Names of the objects that are kept beside kube-system.
fn kept(dump: &ClusterDump) -> Vec<&str> {
    let names = dump
        .objects
        .iter()
        .filter_map(|object| object.meta().name.as_deref());
    names.filter(|name| *name != "kube-system").collect()
}

/// What is passed over, with its count.
fn passed_over(dump: &ClusterDump) -> Vec<(&str, u64)> {
    let passed = dump.passed_over.iter();
    passed
        .map(|passed| (passed.what.as_str(), passed.count))
        .collect()
}

#[test]
fn lists_and_single_objects_of_known_kinds_are_read() {
    assert!(read(tempfile::tempdir().unwrap().path(), None).is_err());
    let dump = dump(&[
        (
            "pods.json",
            r#"{"kind": "PodList", "items": [{"metadata": {"name": "p", "uid": "p"}}]}"#,
        ),
        (
            "other.yaml",
            "kind: ConfigMap\nmetadata: {name: c}\ndata: {secret: x}\n",
        ),
        ("readme.txt", "no"),
    ]);
    assert_eq!(kept(&dump), ["p"]);
    assert_eq!(passed_over(&dump), [("ConfigMap", 1)]);
    assert_eq!(dump.cluster_uid(), "k");
}

#[test]
fn a_list_without_items_is_a_list_of_none() {
    let files = [
        (
            "cronjobs.json",
            r#"{"kind": "List", "apiVersion": "v1", "items": null}"#,
        ),
        (
            "kube-system/pods.json",
            r#"{"kind": "PodList", "apiVersion": "v1", "items": null}"#,
        ),
        (
            "jobs.json",
            r#"{"kind": "List", "apiVersion": "v1", "items": []}"#,
        ),
        (
            "more.json",
            r#"{"kind": "List", "apiVersion": "v1", "items": []}"#,
        ),
        (
            "nodes.json",
            r#"{"kind": "NodeList", "apiVersion": "v1", "items": []}"#,
        ),
    ];
    let some = dump(&files);
    assert_eq!(passed_over(&some), []);
    // An empty list of no known namespace says nothing; there is one namespace, and the folder of one list names it.
    let expected = [
        "nodes: everything",
        "cronjobs: all namespaces but kube-system",
        "jobs: all namespaces but kube-system",
        "pods: everything",
    ];
    assert_eq!(named(&some), expected);
    let expected = ["nodes", "cronjobs", "jobs", "pods"].map(|resource| format!("{resource}: everything"));
    assert_eq!(named(&complete_dump(&files)), expected);
}

#[test]
fn a_list_is_of_one_namespace_unless_it_holds_objects_of_two() {
    let pod = |namespace: &str, name: &str| {
        format!(
            r#"{{"kind": "Pod", "metadata": {{"name": "{name}", "namespace": "{namespace}", "uid": "{namespace}-{name}"}}}}"#
        )
    };
    let list = |items: &[String]| format!(r#"{{"kind": "List", "items": [{}]}}"#, items.join(","));
    let namespaces = r#"{"kind": "NamespaceList", "items": [{"metadata": {"name": "kube-system", "uid": "k"}},
        {"metadata": {"name": "a", "uid": "a"}}, {"metadata": {"name": "b", "uid": "b"}}]}"#;
    let scopes = |files: &[(&str, &str)]| named(&dump(files));
    let of_a = list(&[pod("a", "p"), pod("a", "q")]);
    let of_two = list(&[pod("a", "p"), pod("b", "p")]);
    assert_eq!(scopes(&[("pods.json", &of_two)]), ["pods: everything"]);
    // Of namespaces that the dump does not name, nothing is known; where it names them all, no other can hold anything.
    let nothing_else = [("namespaces.json", of_a.as_str())];
    let place = folder(&[]);
    fs::write(place.path().join("namespaces.json"), nothing_else[0].1).unwrap();
    assert_eq!(
        named(&read(place.path(), Some("k")).unwrap()),
        ["pods: only namespaces a"]
    );
    let with_namespaces = [("pods.json", of_a.as_str()), ("all.json", namespaces)];
    assert_eq!(
        scopes(&with_namespaces),
        ["pods: all namespaces but b, kube-system"]
    );
    // A must-gather, a support bundle, `kubectl cluster-info dump`: what is empty is of the folder's namespace.
    for (path, empty) in [
        (
            "quay-io/namespaces/b/core/pods.yaml",
            r#"{"kind": "PodList", "items": []}"#,
        ),
        (
            "cluster-resources/pods/b.json",
            r#"{"kind": "PodList", "items": []}"#,
        ),
        ("b/pods.json", r#"{"kind": "List", "items": null}"#),
    ] {
        let files = [with_namespaces[0], with_namespaces[1], (path, empty)];
        assert_eq!(scopes(&files), ["pods: all namespaces but kube-system"], "{path}");
    }
    // One object says nothing of others, and neither does a page of a list.
    assert_eq!(
        scopes(&[("pod.json", &pod("a", "p")), with_namespaces[1]]),
        ["pods: all namespaces but a, b, kube-system"]
    );
    let page = of_two.replace(
        r#""kind": "List","#,
        r#""kind": "List", "metadata": {"continue": "x"},"#,
    );
    assert_eq!(
        scopes(&[("pods.json", &page), with_namespaces[1]]),
        ["pods: all namespaces but a, b, kube-system"]
    );
    assert_eq!(
        named(&complete_dump(&[("pod.json", &pod("a", "p"))])),
        ["pods: everything"]
    );
}

#[test]
fn the_same_kind_of_another_group_is_passed_over_and_old_versions_are_kept() {
    let dump = dump(&[(
        "all.yaml",
        "apiVersion: v1
kind: List
items:
- {apiVersion: batch.volcano.sh/v1alpha1, kind: Job, metadata: {name: volcano, uid: v}, spec: {tasks: 7}}
- {apiVersion: config.openshift.io/v1, kind: Node, metadata: {name: cluster, uid: o}, spec: {}}
- {apiVersion: extensions/v1beta1, kind: Deployment, metadata: {name: old, uid: d}, spec: {rollbackTo: {revision: 1}}}
- {apiVersion: batch/v2alpha1, kind: CronJob, metadata: {name: older, uid: c}}
- {apiVersion: apps/v1beta2, kind: StatefulSet, metadata: {name: newer, uid: s}}
- {apiVersion: batch/v1, kind: Job, metadata: {name: job, uid: j}}
",
    )]);
    assert_eq!(kept(&dump), ["old", "older", "newer", "job"]);
    let expected = [
        ("Job of batch.volcano.sh/v1alpha1", 1),
        ("Node of config.openshift.io/v1", 1),
    ];
    assert_eq!(passed_over(&dump), expected);
    assert!(!dump.names(WatchedResource::Nodes));
    assert!(dump.names(WatchedResource::Jobs));
}

#[test]
fn a_typed_list_gives_its_group_to_its_items() {
    let dump = dump(&[(
        "volcano.yaml",
        "apiVersion: batch.volcano.sh/v1alpha1\nkind: JobList\nitems:\n- {metadata: {name: volcano, uid: v}}\n",
    )]);
    assert_eq!(passed_over(&dump), [("Job of batch.volcano.sh/v1alpha1", 1)]);
    assert!(!dump.names(WatchedResource::Jobs));
}

#[test]
fn kinds_that_end_in_list_are_no_lists() {
    let dump = dump(&[
        (
            "one.json",
            r#"{"kind": "AllowList", "metadata": {"name": "a", "uid": "1"}, "spec": {}}"#,
        ),
        (
            "two.json",
            r#"{"kind": "DenyList", "metadata": {"name": "d", "uid": "2"}, "items": [{"kind": "Pod"}]}"#,
        ),
        ("three.json", r#"{"kind": "IpList", "items": ["10.0.0.1"]}"#),
        (
            "four.json",
            r#"{"kind": "AllowListList", "items": [{"metadata": {"name": "a", "uid": "3"}}]}"#,
        ),
    ]);
    assert_eq!(
        passed_over(&dump),
        [("AllowList", 2), ("DenyList", 1), ("IpList", 1)]
    );
}

#[test]
fn files_may_hold_several_documents() {
    let dump = dump(&[
        (
            "pods.yaml",
            "---\nkind: Pod\nmetadata: {name: a, uid: a}\n---\n---\nkind: Pod\nmetadata: {name: b, uid: b}\n...\n",
        ),
        (
            "nodes.json",
            "{\"kind\": \"Node\", \"metadata\": {\"name\": \"c\", \"uid\": \"c\"}}\n{\"kind\": \"Node\", \"metadata\": {\"name\": \"d\", \"uid\": \"d\"}}",
        ),
        (
            "jq.json",
            r#"[{"kind": "Job", "metadata": {"name": "e", "uid": "e"}}]"#,
        ),
        ("yaml.json", "kind: Job\nmetadata: {name: f, uid: f}\n"),
        ("empty.yaml", ""),
    ]);
    assert_eq!(kept(&dump), ["e", "c", "d", "a", "b", "f"]);
    assert_eq!(passed_over(&dump), []);
}

#[test]
fn a_must_gather_tree_is_read_and_an_object_in_two_files_is_kept_once() {
    let pods =
        "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: p, uid: p, resourceVersion: '99'}\n";
    let newer = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, uid: p, resourceVersion: '100'}\nspec: {nodeName: n}\n";
    let dump = dump(&[
        ("quay-io/namespaces/a/core/pods.yaml", pods),
        ("quay-io/namespaces/a/pods/p/p.yaml", newer),
        (
            "quay-io/namespaces/a/a.yaml",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, uid: a}\n",
        ),
        (
            "quay-io/namespaces/a/core/events.yaml",
            "apiVersion: v1\nkind: EventList\nitems:\n- {reason: x}\n",
        ),
        (
            "quay-io/cluster-scoped-resources/core/nodes/n.yaml",
            "apiVersion: v1\nkind: Node\nmetadata: {name: n, uid: n}\n",
        ),
        ("quay-io/namespaces/a/pods/p/p/logs/current.log", "no { yaml"),
        (".cache/broken.json", "{"),
    ]);
    assert_eq!(kept(&dump), ["n", "a", "p"]);
    let pod = dump.objects.iter().find(|object| object.uid() == "p").unwrap();
    assert_eq!(pod.meta().resource_version.as_deref(), Some("100"));
    assert_eq!(passed_over(&dump), [("Event of v1", 1)]);
}

#[test]
fn what_cannot_be_kept_is_passed_over_and_named_with_a_count() {
    let dump = dump(&[
        (
            "manifest.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: m}\n",
        ),
        (
            "odd.json",
            r#"{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "o", "uid": "o"}, "spec": {"priority": "high"}}"#,
        ),
        (
            "pods.json",
            r#"{"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "p", "uid": "p"}}]}"#,
        ),
        (
            "error.json",
            "Error from server (Forbidden): nodes is forbidden\n",
        ),
        ("text.yaml", "No resources found\n"),
        ("numbers.yaml", "1: one\n? [a]\n: list\n"),
        (
            "lease.yaml",
            "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: l, namespace: kube-system, uid: l}\n",
        ),
    ]);
    assert_eq!(kept(&dump), ["p"]);
    let expected = [
        ("Deployment of apps/v1", 1),
        ("Lease of coordination.k8s.io/v1", 1),
        ("Pod of v1", 1),
        ("document", 1),
        ("document", 2),
    ];
    assert_eq!(passed_over(&dump), expected);
    let pod = dump
        .passed_over
        .iter()
        .find(|passed| passed.what == "Pod of v1")
        .unwrap();
    assert!(pod.example.contains("odd.json: invalid type"), "{}", pod.example);
    // The pod that could not be read exists: nothing may be closed for not being named.
    assert_eq!(
        dump.named[&WatchedResource::Pods],
        NamedScope::AllBut(["kube-system".to_owned()].into())
    );
}

#[test]
fn only_a_file_that_is_neither_json_nor_yaml_is_refused() {
    let refused = read(
        folder(&[("pods.json", "{\"kind\": \"PodList\", \"items\": [{")]).path(),
        None,
    );
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("pods.json: it is neither JSON"), "{error}");
    let refused = read(folder(&[("a/pods.yaml", "kind: [Pod\n")]).path(), None);
    assert!(
        refused
            .err()
            .unwrap()
            .to_string()
            .contains("pods.yaml: it is neither JSON")
    );
}

#[test]
fn files_that_powershell_wrote_are_read() {
    let place = folder(&[(
        "bom.json",
        "\u{feff}{\"kind\": \"Node\", \"metadata\": {\"name\": \"n\", \"uid\": \"n\"}}",
    )]);
    let wide = "\u{feff}{\"kind\": \"Pod\", \"metadata\": {\"name\": \"p\", \"uid\": \"p\"}}";
    let bytes: Vec<u8> = wide.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(place.path().join("pods.json"), bytes).unwrap();
    assert_eq!(kept(&read(place.path(), None).unwrap()), ["n", "p"]);
}

#[test]
fn a_dump_without_kube_system_ends_with_a_sentence_and_takes_a_cluster_uid() {
    let place = folder(&[(
        "pods.json",
        r#"{"kind": "Pod", "metadata": {"name": "p", "uid": "p"}}"#,
    )]);
    let differs = read(place.path(), Some("other"));
    let error = differs.err().unwrap().to_string();
    assert!(
        error.contains("has the uid k, but --cluster-uid says other"),
        "{error}"
    );
    fs::remove_file(place.path().join("namespaces.json")).unwrap();
    let error = read(place.path(), None).err().unwrap().to_string();
    assert!(
        error.contains("no namespace kube-system") && error.contains("--cluster-uid"),
        "{error}"
    );
    let dump = read(&place.path().join("pods.json"), Some("given")).unwrap();
    assert_eq!(dump.cluster_uid(), "given");
}

/// kubectl writes these plain, where YAML 1.2 sees a float beyond 64 bits, or one of fewer digits than the text has.
#[test]
fn labels_that_look_like_numbers_are_texts() {
    let dump = dump(&[(
        "pods.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  uid: p\n  labels:\n    commit: 12e4567\n    other: +12e4567\n    \
         build: \"0123\"\n    octal: 0o8\n    bits: 0b12\n    hex: 0x_\n    share: .e1\n",
    )]);
    assert_eq!(kept(&dump), ["p"]);
    let pod = dump
        .objects
        .iter()
        .find(|object| object.meta().name.as_deref() == Some("p"));
    let labels = pod.unwrap().meta().labels.clone().unwrap();
    let expected = ["0b12", "0123", "12e4567", "0x_", "0o8", "+12e4567", ".e1"];
    assert_eq!(labels.into_values().collect::<Vec<_>>(), expected);
}
