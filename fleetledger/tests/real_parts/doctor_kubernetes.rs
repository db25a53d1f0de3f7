//! Doctor against a real API server: each broken set-up is found, with its fix.

use crate::support::{self, BinaryFixture, assert_broken, assert_well};
use fleetledger_local::{kube_apiserver::KubeApiserver, ports, skip, tls::CertificateAuthority};

fn section(url: &str, ca: &std::path::Path, more: &str) -> BinaryFixture {
    let nobody = ports::free_port().unwrap();
    BinaryFixture::new(&format!(
        "[postgres]\nport = {nobody}\ntls = \"off\"\n[emit]\ndatacenter = \"dfw\"\ncluster = \"a\"\n\
         [kubernetes]\nurl = \"{url}\"\nca = \"{}\"\n{more}\n",
        ca.display()
    ))
}

#[test]
fn api_server_that_is_away_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::create(folder.path(), "ca").unwrap();
    let url = format!("https://127.0.0.1:{}", ports::free_port().unwrap());
    let setup = section(&url, authority.ca(), "token = \"env:TEST_TOKEN\"").variable("TEST_TOKEN", "hunter2");
    assert_broken(
        &setup,
        "kubernetes",
        "kubernetes-reach",
        "connection refused",
        "kubernetes.url",
    );
}

#[tokio::test]
async fn wrong_ca_wrong_token_and_missing_rights_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = CertificateAuthority::create(folder.path(), "theirs").unwrap();
    let started = KubeApiserver::builder()
        .user("stranger", &[])
        .start(&support::cache())
        .await;
    let Some(server) =
        skip::unless_available("wrong_ca_wrong_token_and_missing_rights_are_told", started).unwrap()
    else {
        return;
    };
    let with = |ca: &std::path::Path, token: &str| {
        section(&server.url(), ca, "token = \"env:TEST_TOKEN\"").variable("TEST_TOKEN", token)
    };
    let administrator = with(server.ca(), server.token());
    for check in ["kubernetes-reach", "kubernetes-rbac", "kubernetes-clock"] {
        assert_well(&administrator, "kubernetes", check);
    }
    assert_broken(
        &administrator,
        "kubernetes",
        "kubernetes-lease",
        "namespace fleetledger of the emitter's Lease not found",
        "kubectl create namespace",
    );

    let wrong_ca = with(theirs.ca(), server.token());
    assert_broken(
        &wrong_ca,
        "kubernetes",
        "kubernetes-reach",
        &server.url(),
        "kubernetes.ca",
    );
    assert_broken(
        &wrong_ca,
        "kubernetes",
        "kubernetes-reach",
        "ca.pem",
        "kubernetes.ca",
    );
    let unknown = with(server.ca(), "hunter2");
    assert_broken(&unknown, "kubernetes", "kubernetes-reach", "401", "token");
    let (_, output) = unknown.run_to_text(&["doctor", "--only", "kubernetes"]);
    assert!(!output.contains("hunter2"), "{output}");

    let stranger = with(server.ca(), server.token_of("stranger").unwrap());
    assert_broken(
        &stranger,
        "kubernetes",
        "kubernetes-rbac",
        "list pods",
        "emit-rbac.yaml",
    );
    assert_broken(
        &stranger,
        "kubernetes",
        "kubernetes-lease",
        "create, update leases",
        "emit-rbac.yaml",
    );
}
