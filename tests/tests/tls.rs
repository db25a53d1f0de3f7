//! Mutual TLS on every hop: Kafka, PostgreSQL and the API server, with the real binary; a wrong authority is
//! refused, and the message names the hop.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{path::Path, time::Duration};

use fleetledger_local::{
    kafka::LocalKafka,
    kube_apiserver::KubeApiserver,
    postgres::{LocalPostgres, SUPERUSER},
    skip::unless_available,
    tls::CertificateAuthority,
};
use fleetledger_tests::{
    cluster::{ApiResourceKind, TestCluster},
    deadline::{ensure, eventually},
    fleet::FleetObjects,
    parts::cache,
    program::{self, LedgerProcess},
};

const LIMIT: Duration = Duration::from_secs(90);

/// Certificate files of the client, and the authority it trusts on each hop.
struct TrustedAuthorities<'a> {
    kafka: &'a Path,
    postgres: &'a Path,
    kubernetes: &'a Path,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutual_tls_on_every_hop_and_a_wrong_authority_names_the_hop() {
    let test = "mutual_tls_on_every_hop_and_a_wrong_authority_names_the_hop";
    let folder = tempfile::tempdir().unwrap();
    let ours = CertificateAuthority::create(&folder.path().join("ours"), "ours").unwrap();
    let theirs = CertificateAuthority::create(&folder.path().join("theirs"), "theirs").unwrap();
    let cache = cache();
    let kafka = LocalKafka::builder().heap_mb(256).mutual_tls(&ours).start(&cache);
    let postgres = LocalPostgres::builder()
        .fast()
        .tls(ours.server("postgres").unwrap(), true)
        .start(&cache);
    let (kafka, postgres) = tokio::join!(kafka, postgres);
    let Some(kafka) = unless_available(test, kafka).unwrap() else {
        return;
    };
    let Some(postgres) = unless_available(test, postgres).unwrap() else {
        return;
    };
    let Some(cluster) = TestCluster::start_with(test, KubeApiserver::builder().mutual_tls(&ours)).await
    else {
        return;
    };
    let client = ours.client_in("fleetledger-emit", "system:masters").unwrap();
    let configuration = |trust: &TrustedAuthorities<'_>| {
        let (certificate, key) = (client.certificate.display(), client.key.display());
        format!(
            "[kafka]\nbootstrap_servers = \"{}\"\n[kafka.tls]\nca = \"{}\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n\
             [postgres]\nhost = \"127.0.0.1\"\nport = {}\nuser = \"{SUPERUSER}\"\ndatabase = \"postgres\"\nca = \"{}\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n\
             [kubernetes]\nurl = \"{}\"\nca = \"{}\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n\
             [emit]\ndatacenter = \"dfw\"\ncluster = \"prod-1\"\nmark_interval_seconds = 1\n[emit.leadership]\nnamespace = \"default\"\n\
             [topics]\npartitions = 2\n[http]\nlisten = \"127.0.0.1:0\"\n",
            kafka.bootstrap_servers(),
            trust.kafka.display(),
            postgres.port(),
            trust.postgres.display(),
            cluster.server.url(),
            trust.kubernetes.display(),
        )
    };
    let right = configuration(&TrustedAuthorities {
        kafka: ours.ca(),
        postgres: ours.ca(),
        kubernetes: ours.ca(),
    });
    for arguments in [&["migrate"][..], &["topics", "create"][..]] {
        let (code, output) = program::run(arguments, &right);
        assert_eq!(code, Some(0), "{arguments:?}: {output}");
    }
    let fleet = FleetObjects::small(21, 5, 50);
    cluster.create_all(&fleet.objects).await;
    let mut ingester = LedgerProcess::start(&["ingest"], &right, &[]);
    let mut emitter = LedgerProcess::start(&["emit"], &right, &[]);
    let pods = fleet.count(ApiResourceKind::Pod);
    let rows = eventually("the fleet lands over TLS", LIMIT, || async {
        let (_, said) = program::run(&["status", "--json"], &right);
        let status: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
        let cluster = status["standing"]["clusters"].get(0).cloned().unwrap_or_default();
        let well = cluster["pods"] == pods
            && cluster["state"] == "fresh"
            && cluster["compared"] == true
            && cluster["unbalanced"] == serde_json::json!([]);
        ensure(well, || {
            format!("{said}\n{}\n{}", emitter.log_text(), ingester.log_text())
        })
        .map(|()| cluster)
    })
    .await;
    println!("mutual TLS on Kafka, PostgreSQL and API server: {rows}");
    // Certificates are rotated while both run: each takes them up, and what changes then lands by them.
    ours.client_in("fleetledger-emit", "system:masters").unwrap();
    for (role, process, words) in [
        (
            "ingester",
            &ingester,
            "creating a new consumer with the newest secrets and certificates",
        ),
        (
            "emitter",
            &emitter,
            "a new epoch begins with the newest secrets and certificates",
        ),
    ] {
        eventually("rotated certificates are taken up", LIMIT, || async {
            ensure(process.log_text().contains(words), || {
                format!("{role}: {}", process.log_text())
            })
        })
        .await;
    }
    let listed = cluster.list(ApiResourceKind::Pod).await;
    let of = |name: &str| listed[0]["metadata"][name].as_str().unwrap();
    cluster
        .delete(ApiResourceKind::Pod, Some(of("namespace")), of("name"))
        .await;
    let wanted = pods - 1;
    eventually("a change lands by rotated certificates", LIMIT, || async {
        let (_, said) = program::run(&["status", "--json"], &right);
        let status: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
        let cluster = status["standing"]["clusters"].get(0).cloned().unwrap_or_default();
        let well = cluster["pods"] == wanted && cluster["unbalanced"] == serde_json::json!([]);
        ensure(well, || {
            format!("{said}\n{}\n{}", emitter.log_text(), ingester.log_text())
        })
    })
    .await;
    println!("rotated certificates: {wanted} pods");
    emitter.stop().await;
    ingester.stop().await;

    for (hop, arguments, trust) in [
        (
            "kafka",
            &["ingest"],
            TrustedAuthorities {
                kafka: theirs.ca(),
                postgres: ours.ca(),
                kubernetes: ours.ca(),
            },
        ),
        (
            "postgres",
            &["ingest"],
            TrustedAuthorities {
                kafka: ours.ca(),
                postgres: theirs.ca(),
                kubernetes: ours.ca(),
            },
        ),
        (
            "kubernetes",
            &["emit"],
            TrustedAuthorities {
                kafka: ours.ca(),
                postgres: ours.ca(),
                kubernetes: theirs.ca(),
            },
        ),
    ] {
        let mut refused = LedgerProcess::start(arguments, &configuration(&trust), &[]);
        let said = refused.await_end().await;
        let last = said
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default()
            .to_owned();
        assert!(
            said.contains(hop) && said.contains(&theirs.ca().display().to_string()),
            "{hop}: {said}"
        );
        println!("wrong authority for {hop}: {last}");
    }
}
