//! Certificates, tokens and kubeconfigs by which an emitter reaches its API server.

use std::path::Path;

use fleetledger_local::{kube_apiserver::KubeApiserver, tls::CertificateAuthority};
use fleetledger_tests::{
    cluster::{ApiResourceKind, TestCluster},
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    fleet::FleetObjects,
    parts,
    program::{LedgerProcess, every_partition, ingest_configuration},
    proxy::TcpProxy,
};
use serde_json::json;

use crate::{LIMIT, SecretFile, lines_with};

const TAKEN_UP: &str = "files have changed; using the new contents";
const UNUSABLE: &str = "files have changed but cannot be used";

/// A kubeconfig of the server behind `address`.
fn kubeconfig(address: &str, ca: &Path, user: &serde_json::Value) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "site",
        "clusters": [{"name": "site", "cluster": {"server": format!("https://{address}"), "certificate-authority": ca}}],
        "users": [{"name": "site", "user": user}],
        "contexts": [{"name": "site", "context": {"cluster": "site", "user": "site"}}],
    })
    .to_string()
}

/// Lets a user do everything.
fn binding(user: &str) -> serde_json::Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    })
}

/// A cluster, a way to it that can be cut, and the two roles that bring its pods into the ledger.
struct EmitterFixture {
    cluster: TestCluster,
    proxy: TcpProxy,
    database: LedgerDatabase,
    emitter: LedgerProcess,
    ingester: LedgerProcess,
}

impl EmitterFixture {
    async fn pods(&self) -> i64 {
        let pods = "select count(*) from ledger.pod";
        self.database.number(pods).await
    }

    async fn await_pods(&self, wanted: i64) {
        eventually(&format!("{wanted} pods"), LIMIT, || async {
            let pods = self.pods().await;
            ensure(pods == wanted, || {
                format!(
                    "{pods} pods\n{}{}",
                    self.emitter.log_text(),
                    self.ingester.log_text()
                )
            })
        })
        .await;
    }

    async fn await_lines(&self, words: &str, wanted: usize) {
        eventually(&format!("{words} ({wanted})"), LIMIT, || async {
            ensure(lines_with(&self.emitter, words) >= wanted, || {
                self.emitter.log_text()
            })
        })
        .await;
    }

    /// Breaks all connections off; a pod that vanishes then is seen by new ones alone.
    async fn prove_by_a_deleted_pod(&self) {
        let before = self.pods().await;
        self.proxy.cut();
        let listed = self.cluster.list(ApiResourceKind::Pod).await;
        let of = |name: &str| listed[0]["metadata"][name].as_str().unwrap();
        self.cluster
            .delete(ApiResourceKind::Pod, Some(of("namespace")), of("name"))
            .await;
        self.await_pods(before - 1).await;
        // The Lease was renewed by the new credentials all the while.
        assert_eq!(
            lines_with(&self.emitter, "epoch begins"),
            1,
            "{}",
            self.emitter.log_text()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_tokens_and_kubeconfigs_of_an_emitter_are_rotated_within_its_term() {
    let test = "certificates_tokens_and_kubeconfigs_of_an_emitter_are_rotated_within_its_term";
    let Some(shared) = parts::shared(test).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let ours = CertificateAuthority::create(&folder.path().join("ours"), "ours").unwrap();
    let builder = KubeApiserver::builder()
        .mutual_tls(&ours)
        .user("old", &[])
        .user("new", &[]);
    let Some(cluster) = TestCluster::start_with(test, builder).await else {
        return;
    };
    for user in ["first", "next", "old", "new"] {
        cluster.create_manifest(&binding(user)).await;
    }
    let fleet = FleetObjects::small(22, 3, 20);
    cluster.create_all(&fleet.objects).await;
    let proxy = TcpProxy::start(cluster.port()).await;
    let address = proxy.address.to_string();
    let client = ours.client("first").unwrap();
    let by_certificate = json!({"client-certificate": client.certificate, "client-key": client.key});
    let file = SecretFile::new(
        folder.path(),
        "kubeconfig",
        &kubeconfig(&address, ours.ca(), &by_certificate),
    );
    let (database, prefix) = (shared.database().await, shared.topics().await);
    let servers = shared.kafka.bootstrap_servers();
    let more = format!(
        "instance_id = \"rotated\"\nlinger_caught_up_ms = 5\n{}",
        every_partition(&prefix)
    );
    let of_ingester = ingest_configuration(&servers, &prefix, &database.ingester_url, &more);
    let of_emitter = format!(
        "[kafka]\nbootstrap_servers = \"{servers}\"\n[kubernetes]\nkubeconfig = \"{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [log]\nformat = \"text\"\n[emit]\ndatacenter = \"dfw\"\ncluster = \"prod-1\"\ntopic_prefix = \"{prefix}\"\nsettle_ms = 100\n\
         [emit.leadership]\nnamespace = \"default\"\nduration_seconds = 5\n",
        file.path().display()
    );
    let place = EmitterFixture {
        proxy,
        cluster,
        database,
        emitter: LedgerProcess::start(&["emit"], &of_emitter, &[]),
        ingester: LedgerProcess::start(&["ingest"], &of_ingester, &[]),
    };
    let pods = i64::try_from(fleet.count(ApiResourceKind::Pod)).unwrap();
    place.await_pods(pods).await;

    // A certificate whose key has yet to follow is not taken up.
    let next = ours.client("next").unwrap();
    std::fs::copy(&next.certificate, &client.certificate).unwrap();
    place.await_lines(UNUSABLE, 1).await;
    assert_eq!(lines_with(&place.emitter, TAKEN_UP), 0);
    std::fs::copy(&next.key, &client.key).unwrap();
    place.await_lines(TAKEN_UP, 1).await;
    place.cluster.delete_manifest(&binding("first")).await;
    place.prove_by_a_deleted_pod().await;

    // Another kubeconfig in its place, which names a file that nobody has watched so far.
    let token_of = |user: &str| place.cluster.server.token_of(user).unwrap().to_owned();
    let token = SecretFile::new(folder.path(), "token", &token_of("old"));
    let by_token = json!({"tokenFile": token.path()});
    file.replace(&kubeconfig(&address, ours.ca(), &by_token));
    place.await_lines(TAKEN_UP, 2).await;
    place.cluster.delete_manifest(&binding("next")).await;
    place.prove_by_a_deleted_pod().await;

    token.replace(&token_of("new"));
    place.await_lines(TAKEN_UP, 3).await;
    place.cluster.delete_manifest(&binding("old")).await;
    place.prove_by_a_deleted_pod().await;
    let unusable = lines_with(&place.emitter, UNUSABLE);
    assert_eq!(unusable, 1, "{}", place.emitter.log_text());
    println!("a certificate, a kubeconfig and a token were taken up within one leadership term");
    let EmitterFixture {
        mut emitter,
        mut ingester,
        ..
    } = place;
    emitter.stop().await;
    ingester.stop().await;
}
