//! An ingester whose pooler is put into transaction mode below it: nothing halts, and all lands exactly once.

use fleetledger_local::{
    pgbouncer::{Pgbouncer, PoolMode},
    skip::unless_available,
};
use fleetledger_tests::{
    deadline::{ensure, eventually},
    delivered, parts,
    program::{LedgerProcess, every_partition, ingest_configuration},
    storm::{RecordStorm, RunningStorm},
};

use crate::fixture::{FaultFixture, LIMIT};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_put_into_transaction_mode_halts_nothing() {
    let test = "a_pooler_put_into_transaction_mode_halts_nothing";
    let Some(scene) = FaultFixture::new(test, None).await else {
        return;
    };
    let port = scene.parts.postgres.port();
    let users = ["fleetledger_ingest"];
    let started = Pgbouncer::start(&parts::cache(), port, PoolMode::Session, &users, &[]).await;
    let Some(mut pgbouncer) = unless_available(test, started).unwrap() else {
        return;
    };
    let url = &scene.database.ingester_url;
    let url = url.replace(&format!(":{port}/"), &format!(":{}/", pgbouncer.port()));
    let more = format!(
        "linger_ms = 20\nlinger_caught_up_ms = 5\n{}",
        every_partition(&scene.prefix)
    );
    let toml = ingest_configuration(&scene.parts.kafka.bootstrap_servers(), &scene.prefix, &url, &more);
    let storm = RecordStorm::new(&scene.parts.kafka.client_config(), &scene.prefix, 5).await;
    let blowing = RunningStorm::start_at(storm, 5);
    let mut ingester = LedgerProcess::start(&["ingest"], &toml, &[]);
    let landed = "select coalesce(sum(next_offset), 0)::bigint from ledger.ingest_partition";
    let more_lands = async |ingester: &LedgerProcess| {
        let before = scene.database.number(landed).await;
        eventually("records land", LIMIT, || async {
            ensure(scene.database.number(landed).await > before + 200, || {
                ingester.log_text()
            })
        })
        .await;
    };
    more_lands(&ingester).await;
    let halted = "select count(*) from ledger.ingest_partition where state = 'halted'";
    for _ in 0..3 {
        pgbouncer.restart_as(PoolMode::Transaction).await.unwrap();
        // Whether anything lands is chance; that nothing halts is not.
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_secs(4) {
            assert_eq!(scene.database.number(halted).await, 0, "{}", ingester.log_text());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        pgbouncer.restart_as(PoolMode::Session).await.unwrap();
        more_lands(&ingester).await;
    }
    blowing.end().await;
    let fold = scene.await_ingested(&ingester).await;
    assert_eq!(
        delivered::judge(&fold, &scene.database).await,
        Vec::<String>::new()
    );
    assert_eq!(scene.database.number(halted).await, 0);
    assert!(!ingester.log_text().contains("halted"), "{}", ingester.log_text());
    println!("{}", ingester.log_text());
    ingester.stop().await;
}
