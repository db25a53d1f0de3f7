//! A broker of three is killed under a storm and comes back.

use fleetledger_local::{kafka::LocalKafka, skip::unless_available};
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    delivered,
    parts::{self, PARTITIONS, create_topics},
    program::{LedgerProcess, every_partition, ingest_configuration},
    storm::{RecordStorm, RunningStorm},
};

use crate::fixture::LIMIT;

const PREFIX: &str = "three";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_under_a_storm_costs_no_record() {
    let test = "a_broker_killed_under_a_storm_costs_no_record";
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let cache = parts::cache();
    let started = LocalKafka::builder().brokers(3).start(&cache).await;
    let Some(mut kafka) = unless_available(test, started).unwrap() else {
        return;
    };
    create_topics(&kafka, PREFIX, PARTITIONS).await;
    let database: LedgerDatabase = parts.database().await;
    let servers = kafka.bootstrap_servers();
    let toml = ingest_configuration(&servers, PREFIX, &database.ingester_url, &every_partition(PREFIX));
    let blowing = RunningStorm::start_at(RecordStorm::new(&kafka.client_config(), PREFIX, 11).await, 5);
    let mut ingester = LedgerProcess::start(&["ingest"], &toml, &[]);
    let landed = "select coalesce(sum(next_offset), 0)::bigint from ledger.ingest_partition";
    for broker in [1, 2] {
        let before = database.number(landed).await;
        eventually("records land with all brokers", LIMIT, || async {
            ensure(database.number(landed).await > before + 200, || {
                ingester.log_text()
            })
        })
        .await;
        kafka.kill_broker(broker).await.unwrap();
        let before = database.number(landed).await;
        eventually("records land with two brokers", LIMIT, || async {
            ensure(database.number(landed).await > before + 200, || {
                ingester.log_text()
            })
        })
        .await;
        kafka.start_broker(broker).await.unwrap();
    }
    blowing.end().await;
    let records = delivered::read_all(&kafka.client_config(), PREFIX);
    let fold = delivered::fold(&records, &Default::default());
    eventually("everything is ingested", LIMIT, || fold.is_ingested(&database)).await;
    assert_eq!(delivered::judge(&fold, &database).await, Vec::<String>::new());
    ingester.stop().await;
}
