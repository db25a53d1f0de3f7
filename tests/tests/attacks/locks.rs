//! No login can make another role wait.

use std::time::Duration;

use fleetledger_schema::postgres::migrate;
use fleetledger_tests::parts;
use tokio_postgres::Client;

use crate::login::{login, refused, team};

const LOCK_MODES: [&str; 8] = [
    "access share",
    "row share",
    "row exclusive",
    "share update exclusive",
    "share",
    "share row exclusive",
    "exclusive",
    "access exclusive",
];

/// Every key that a name in the sources could be hashed to, and the ones that stand for themselves.
async fn hold_advisory_keys(client: &Client) {
    let held = client
        .batch_execute(
            "select pg_advisory_lock(hashtext(prefix || name)::bigint), pg_advisory_lock(hashtext(prefix || name), 0)
             from unnest(array['', 'ledger.', 'ledger.lock_']) as prefix,
                  unnest(array['migration', 'partition', 'ensure_partitions', 'cost_fill', 'cost_rating', 'cost_apply',
                      'rule_set']) as name;
             select pg_advisory_lock(key) from generate_series(-2000, 2000) as key;
             select pg_advisory_lock(7378697629416746604)",
        )
        .await;
    held.unwrap();
}

#[tokio::test]
async fn a_team_that_holds_every_lock_it_can_makes_nobody_wait() {
    let Some(parts) = parts::shared("a_team_that_holds_every_lock_it_can_makes_nobody_wait").await else {
        return;
    };
    let database = parts.database().await;
    let locks = database
        .rows(
            "select c.relname as name from pg_class as c
             where c.relnamespace = 'ledger'::regnamespace and c.relname like 'lock\\_%' order by 1",
            &[],
        )
        .await;
    assert_eq!(locks.len(), 6, "{locks:?}");
    let attackers = [
        team(&database, "red").await,
        login(&database, "fleetledger_reader").await,
    ];
    let mut attempts = 0;
    for attacker in &attackers {
        for lock in &locks {
            let name = lock["name"].as_str().unwrap();
            for mode in LOCK_MODES {
                let statement = format!("begin; lock table ledger.{name} in {mode} mode nowait");
                refused(attacker, &statement).await;
                attacker.batch_execute("rollback").await.unwrap();
                attempts += 1;
            }
            for call in [
                format!("select from ledger.{name} for update"),
                format!("select ledger.take_lock('{}')", &name["lock_".len()..]),
                format!("select ledger.try_lock('{}')", &name["lock_".len()..]),
            ] {
                refused(attacker, &call).await;
                attempts += 1;
            }
        }
    }
    hold_advisory_keys(&attackers[0]).await;

    let work = async {
        migrate(&database.owner, |_| {}).await.unwrap();
        let ingester = database.ingester.connect("ingest").await.unwrap();
        for call in [
            "select ledger.ensure_partitions()",
            "select ledger.maintain_partitions()",
        ] {
            ingester.batch_execute(call).await.unwrap();
        }
        let evaluator = login(&database, "fleetledger_evaluate").await;
        for lock in ["partition", "cost_fill", "cost_rating", "cost_apply", "rule_set"] {
            let taken = evaluator.query_one("select ledger.try_lock($1)", &[&lock]).await;
            assert!(taken.unwrap().get::<_, bool>(0), "{lock}");
        }
        evaluator
            .batch_execute("select ledger.cost_fill_day(now())")
            .await
            .unwrap();
    };
    let done = tokio::time::timeout(Duration::from_secs(60), work).await;
    assert!(done.is_ok(), "somebody waits for a lock that a team holds");
    println!("{attempts} attempts to lock, 4,043 advisory keys held: nobody waited");
}

#[tokio::test]
async fn who_holds_a_lock_is_named() {
    let Some(parts) = parts::shared("who_holds_a_lock_is_named").await else {
        return;
    };
    let database = parts.database().await;
    let holder = login(&database, "fleetledger_evaluate").await;
    holder
        .batch_execute("begin; select ledger.take_lock('cost_fill')")
        .await
        .unwrap();
    let other = login(&database, "fleetledger_evaluate").await;
    let row = other
        .query_one(
            "select ledger.try_lock('cost_fill'), ledger.lock_holder('cost_fill')",
            &[],
        )
        .await
        .unwrap();
    assert!(!row.get::<_, bool>(0));
    let named: String = row.get(1);
    assert!(
        named.contains("role fleetledger_evaluate, attack") && named.starts_with("pid "),
        "{named}"
    );
    holder.batch_execute("commit").await.unwrap();
    let row = other.query_one("select ledger.try_lock('cost_fill')", &[]).await;
    assert!(row.unwrap().get::<_, bool>(0));
}
