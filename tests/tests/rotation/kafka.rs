//! Passwords and certificates that Kafka asks for, of an emitter and an ingester.

use std::path::Path;

use fleetledger_local::{
    kafka::LocalKafka,
    postgres::LocalPostgres,
    skip::unless_available,
    tls::{CertificateAuthority, TlsFiles},
};
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    parts::{PARTITIONS, cache, create_topics, unique},
    program::LedgerProcess,
};

use crate::{LIMIT, SecretFile, await_landing, judge, lines_with};

const USER: &str = "fleetledger";
/// What a broker says of a wrong password.
const REFUSED: &str = "Authentication failed";
/// Lines of refusals that a process may log until it has the new password.
const MOST_LINES: usize = 200;
const INGESTER_RENEWS: &str = "creating a new consumer with the newest secrets and certificates";
const EPOCH_BEGINS: &str = "epoch begins cluster";
const EMITTER_RENEWS: &str = "a new epoch begins with the newest secrets and certificates";

fn configuration(
    kafka: &LocalKafka,
    prefix: &str,
    database_url: &str,
    client: &TlsFiles,
    password: &SecretFile,
) -> String {
    let quoted = |path: &Path| path.display().to_string();
    format!(
        "[kafka]\nbootstrap_servers = \"{}\"\n[kafka.tls]\nca = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n\
         [kafka.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"{USER}\"\npassword = \"{}\"\n\
         [postgres]\nurl = \"{database_url}\"\ntls = \"off\"\n[http]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"text\"\n\
         [emit]\ndatacenter = \"dfw\"\ncluster = \"prod-1\"\ntopic_prefix = \"{prefix}\"\nmark_interval_seconds = 1\nsettle_ms = 100\n\
         [simulate]\nnodes = 10\npods = 100\nchanges_per_second = 100.0\nusage = false\n\
         [ingest]\ntopic_prefix = \"{prefix}\"\ngroup_id = \"{prefix}-rotated\"\nlinger_ms = 20\nlinger_caught_up_ms = 5\n",
        kafka.login_servers(),
        quoted(&client.ca),
        quoted(&client.certificate),
        quoted(&client.key),
        password.reference(),
    )
}

async fn await_lines(process: &LedgerProcess, words: &str, wanted: usize) {
    eventually(&format!("{words} ({wanted})"), LIMIT, || async {
        ensure(lines_with(process, words) >= wanted, || process.log_text())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_and_certificates_of_kafka_are_rotated_under_load_and_no_record_is_lost() {
    let test = "passwords_and_certificates_of_kafka_are_rotated_under_load_and_no_record_is_lost";
    let started = LocalPostgres::builder().temporary().fast().start(&cache()).await;
    let Some(postgres) = unless_available(test, started).unwrap() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let ours = CertificateAuthority::create(&folder.path().join("ours"), "ours").unwrap();
    let former = CertificateAuthority::create(&folder.path().join("former"), "former").unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, [former.ca_pem(), ours.ca_pem()].concat()).unwrap();
    // A session is asked for its password again every few seconds, as brokers do that do not trust a login for ever.
    let started = LocalKafka::builder()
        .heap_mb(256)
        .mutual_tls(&ours)
        .login(USER, "first")
        .property("ssl.truststore.location", &trusted.display().to_string())
        .property("listener.name.login.ssl.client.auth", "required")
        .property(
            "listener.name.login.scram-sha-512.connections.max.reauth.ms",
            "4000",
        )
        .start(&cache())
        .await;
    let Some(mut kafka) = unless_available(test, started).unwrap() else {
        return;
    };
    let (database, prefix) = (
        LedgerDatabase::create(&postgres, "ledger").await,
        unique("rotated"),
    );
    create_topics(&kafka, &prefix, PARTITIONS).await;
    let password = SecretFile::new(folder.path(), "password", "first");
    let client = TlsFiles {
        ca: ours.ca().to_owned(),
        ..former.client("site").unwrap()
    };
    let of = |url: &str| configuration(&kafka, &prefix, url, &client, &password);
    let mut ingester = LedgerProcess::start(&["ingest"], &of(&database.ingester_url), &[]);
    let mut emitter = LedgerProcess::start(
        &["emit", "--source", "simulate"],
        &of(&database.ingester_url),
        &[],
    );
    await_landing(&database, &[&emitter, &ingester]).await;

    // Certificates of another authority; then the former one is trusted no more, and every connection is made anew.
    let next = ours.client("site").unwrap();
    for (from, to) in [(&next.certificate, &client.certificate), (&next.key, &client.key)] {
        std::fs::copy(from, to).unwrap();
    }
    await_lines(&ingester, INGESTER_RENEWS, 1).await;
    await_lines(&emitter, EMITTER_RENEWS, 1).await;
    // Each time it reads its logs back first, by connections of their own.
    await_lines(&emitter, EPOCH_BEGINS, 2).await;
    std::fs::write(&trusted, ours.ca_pem()).unwrap();
    kafka.kill_broker(1).await.unwrap();
    kafka.start_broker(1).await.unwrap();
    await_landing(&database, &[&emitter, &ingester]).await;

    // The broker knows the new password, the file has the former one.
    kafka.set_password(USER, "second").unwrap();
    for process in [&emitter, &ingester] {
        await_lines(process, REFUSED, 3).await;
    }
    let lines = [&emitter, &ingester].map(|process| lines_with(process, REFUSED));
    for (process, lines) in [&emitter, &ingester].into_iter().zip(lines) {
        assert!(lines < MOST_LINES, "{lines}: {}", process.log_text());
    }
    assert!(!emitter.has_ended() && !ingester.has_ended());
    password.replace("second");
    await_lines(&ingester, INGESTER_RENEWS, 2).await;
    await_lines(&emitter, EMITTER_RENEWS, 2).await;
    await_lines(&emitter, EPOCH_BEGINS, 3).await;
    await_landing(&database, &[&emitter, &ingester]).await;

    emitter.stop().await;
    let fold = judge(&kafka.client_config(), &prefix, &database, &ingester).await;
    let records: i64 = fold.counts.values().map(|counts| counts.total()).sum();
    println!(
        "a certificate and a password of Kafka under load, {records} records: the emitter logged {} lines of refusals, the \
         ingester {}; 0 halted, 0 lost",
        lines[0], lines[1]
    );
    ingester.stop().await;
}
