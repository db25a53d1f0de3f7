//! Logical messages, whose right cannot be taken from anybody, do not fill the disk.

use std::time::Instant;

use fleetledger_local::{postgres::LocalPostgres, skip::unless_available};
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    parts::cache,
    program::LedgerProcess,
};

use crate::login::login;

/// What a reader writes, in all.
const WRITTEN_MB: i32 = 1_000;
const MESSAGE_MB: i32 = 10;
const MAX_WAL_MB: i64 = 128;

/// Bytes of PostgreSQL's log that are kept, in MB.
const KEPT_WAL_MB: &str = "select (sum(size) / 1048576)::bigint from pg_ls_waldir()";

#[tokio::test]
async fn what_a_reader_writes_to_the_log_is_recycled_and_from_18_on_ends_its_session() {
    let test = "what_a_reader_writes_to_the_log_is_recycled_and_from_18_on_ends_its_session";
    let server = LocalPostgres::builder()
        .temporary()
        .fast()
        .config("max_wal_size", &format!("{MAX_WAL_MB}MB"))
        .start(&cache())
        .await;
    let Some(server) = unless_available(test, server).unwrap() else {
        return;
    };
    let database = LedgerDatabase::create(&server, "ledger").await;
    let version = database
        .number("select current_setting('server_version_num')::bigint / 10000")
        .await;
    let reader = login(&database, "fleetledger_reader").await;
    let message = format!(
        "select pg_logical_emit_message(false, 'x', repeat('x', {}))",
        MESSAGE_MB * 1_048_576
    );
    let began = Instant::now();
    let mut most = 0;
    for _ in 0..WRITTEN_MB / MESSAGE_MB {
        reader.batch_execute(&message).await.unwrap();
        most = most.max(database.number(KEPT_WAL_MB).await);
    }
    let rate = f64::from(WRITTEN_MB) / began.elapsed().as_secs_f64();
    database.execute("checkpoint").await;
    let after = database.number(KEPT_WAL_MB).await;
    println!(
        "PostgreSQL {version}: a reader wrote {WRITTEN_MB} MB of messages at {rate:.0} MB/s; of the log {most} MB stood at most, {after} MB after a checkpoint (max_wal_size {MAX_WAL_MB} MB)"
    );
    assert!(after <= 2 * MAX_WAL_MB, "{after} MB are kept");
    if version < 18 {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let toml = format!(
        "[postgres]\nurl = \"{}\"\ntls = \"off\"\n[http]\nlisten = \"127.0.0.1:0\"\n[evaluate]\nrules = \"{}\"\n",
        database
            .owner_url
            .replacen("fleetledger@", "fleetledger_evaluate@", 1),
        folder.path().display()
    );
    let _evaluator = LedgerProcess::start(&["evaluate"], &toml, &[]);
    eventually("the session is ended", std::time::Duration::from_secs(60), || {
        let is_closed = reader.is_closed();
        async move { ensure(is_closed, || "it lives on".to_owned()) }
    })
    .await;
}
