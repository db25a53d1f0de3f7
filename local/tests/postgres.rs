//! A real PostgreSQL starts, crashes, recovers, and leaves nothing behind.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::path::Path;
use std::time::Instant;

use fleetledger_local::postgres::LocalPostgres;
use fleetledger_local::skip::unless_available;
use fleetledger_local::tls::CertificateAuthority;
use fleetledger_local::{ArtifactCache, LocalError};

fn cache() -> ArtifactCache {
    ArtifactCache::new(ArtifactCache::default_root())
}

#[tokio::test]
async fn temporary_server_answers_and_leaves_nothing() {
    let started = Instant::now();
    let postgres = LocalPostgres::builder()
        .temporary()
        .fast()
        .start(&cache())
        .await
        .unwrap();
    eprintln!(
        "PostgreSQL {} ready in {:?}",
        postgres.version(),
        started.elapsed()
    );
    postgres.create_database("one \"quoted\" name").await.unwrap();
    let claim = "do $$ begin
        assert current_setting('jit') = 'off';
        assert current_setting('max_locks_per_transaction') = '512';
        assert current_setting('fsync') = 'off';
        assert current_setting('server_encoding') = 'UTF8';
        assert current_setting('listen_addresses') = '127.0.0.1';
        end $$";
    postgres.execute("check its settings", claim).await.unwrap();
    assert!(
        postgres
            .url_of("x")
            .ends_with(&format!("127.0.0.1:{}/x", postgres.port()))
    );

    let (pid, data_dir) = (postgres.pid().unwrap(), postgres.data_dir().to_owned());
    drop(postgres);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!data_dir.exists());
}

#[tokio::test]
async fn committed_rows_survive_a_crash_and_a_restart() {
    let mut postgres = LocalPostgres::builder().start(&cache()).await.unwrap();
    let table = "create table kept as select 42 as answer";
    postgres.execute("create a table", table).await.unwrap();
    let port = postgres.port();
    postgres.stop_immediate().await.unwrap();
    assert_eq!(postgres.pid(), None);
    assert!(
        postgres
            .execute("answer while stopped", "select 1")
            .await
            .is_err()
    );
    postgres.start().await.unwrap();
    postgres.restart().await.unwrap();
    assert_eq!(postgres.port(), port);
    let claim = "do $$ begin assert (select answer from kept) = 42; end $$";
    postgres.execute("keep a row", claim).await.unwrap();
}

#[tokio::test]
async fn named_folder_is_found_again() {
    let folder =
        fleetledger_local::scratch::ScratchFolder::create(&cache().data_root().join("scratch"), "test")
            .await
            .unwrap();
    let data_dir = folder.path().join("data");
    let start = async || {
        LocalPostgres::builder()
            .data_dir(&data_dir)
            .fast()
            .start(&cache())
            .await
            .unwrap()
    };
    start().await.create_database("kept").await.unwrap();
    let again = start().await;
    let twice = again.create_database("kept").await.unwrap_err();
    assert!(matches!(twice, LocalError::Postgres { .. }));
}

#[tokio::test]
async fn mutual_tls_admits_certificates_of_its_authority() {
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::create(folder.path(), "test").unwrap();
    let server = authority.server("postgres").unwrap();
    let postgres = LocalPostgres::builder()
        .fast()
        .tls(server, true)
        .start(&cache())
        .await;
    let test = "mutual_tls_admits_certificates_of_its_authority";
    let Some(postgres) = unless_available(test, postgres).unwrap() else {
        return;
    };
    let claim = "do $$ begin assert (select ssl from pg_stat_ssl where pid = pg_backend_pid()); end $$";
    postgres.execute("speak TLS", claim).await.unwrap();

    let config: tokio_postgres::Config = postgres.url().parse().unwrap();
    assert!(config.connect(tokio_postgres::NoTls).await.is_err());
}

#[tokio::test]
async fn wrong_setting_is_shown_with_its_log() {
    let builder = LocalPostgres::builder().config("shared_buffers", "many");
    let error = builder.start(&cache()).await.unwrap_err();
    assert!(error.to_string().contains("shared_buffers"), "{error}");
}

#[tokio::test]
async fn start_waits_for_the_server_of_a_run_that_was_killed() {
    let folder =
        fleetledger_local::scratch::ScratchFolder::create(&cache().data_root().join("scratch"), "test")
            .await
            .unwrap();
    let data_dir = folder.path().join("data");
    let builder = LocalPostgres::builder().data_dir(&data_dir).fast();
    let first = builder.clone().start(&cache()).await.unwrap();
    let end_soon = async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        drop(first);
    };
    let cache = cache();
    let ((), second) = tokio::join!(end_soon, builder.start(&cache));
    second.unwrap().create_database("ours").await.unwrap();
}

#[tokio::test]
async fn a_standby_follows_lags_and_takes_over() {
    let primary = LocalPostgres::builder().fast().start(&cache()).await.unwrap();
    let standby = primary.standby(&cache()).await.unwrap();
    let insert = |number| format!("insert into followed values ({number})");
    primary
        .execute("make a table", "create table followed (number integer)")
        .await
        .unwrap();
    primary.execute("insert", &insert(1)).await.unwrap();
    let started = Instant::now();
    let counts = |count| format!("do $$ begin assert (select count(*) from followed) = {count}; end $$");
    while standby.execute("count", &counts(1)).await.is_err() {
        assert!(started.elapsed().as_secs() < 30, "nothing arrives");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    standby.stop_following().await.unwrap();
    let hears = "do $$ begin assert not exists (select from pg_stat_wal_receiver); end $$";
    while standby.execute("look", hears).await.is_err() {
        assert!(started.elapsed().as_secs() < 30, "it still follows");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    primary.execute("insert", &insert(2)).await.unwrap();
    primary.refuse_writes().await.unwrap();
    while primary.execute("insert", &insert(3)).await.is_ok() {
        assert!(started.elapsed().as_secs() < 30, "it still takes writes");
    }
    standby.promote().await.unwrap();
    standby.execute("insert", &insert(4)).await.unwrap();
    let lost =
        "do $$ begin assert (select array_agg(number order by number) from followed) = '{1,4}'; end $$";
    standby.execute("look", lost).await.unwrap();
}
