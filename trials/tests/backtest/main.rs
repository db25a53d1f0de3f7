//! A backtest over real history says what every slot by itself would have said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail by panicking"
)]

use std::path::Path;
use std::sync::Arc;

use fleetledger_queries::{StoredQuery, parse};
use fleetledger_schema::postgres::PostgresConnector;
use fleetledger_trials::TestDatabase;
use fleetledger_trials::backtest::{BacktestError, BacktestRange, backtest, slot_by_slot};
use jiff::Timestamp;

const SILENT_NODES: &str = "
insert into ledger.cluster (cluster_id, datacenter, cluster, cluster_uid, first_seen_at)
overriding system value values (1, 'dc1', 'a', 'uid-a', '2025-01-01');
insert into ledger.freshness_history
select 1, kind, '2025-01-01', 'infinity' from generate_series(1, 5) as kind;
insert into ledger.freshness select 1, kind, 'infinity', 'infinity' from generate_series(1, 5) as kind;

create function pg_temp.node(name text, from_at timestamptz, to_at timestamptz, silent boolean) returns void
language sql as $$
    insert into ledger.node_history
    select * from jsonb_populate_record(null::ledger.node_history, jsonb_build_object(
        'cluster_id', 1, 'uid', md5(name)::uuid, 'node', name, 'created_at', '2025-01-01', 'labels', '{}'::jsonb,
        'annotations', '{}'::jsonb, 'finalizers', '[]'::jsonb, 'unschedulable', false, 'taints', '[]'::jsonb,
        'conditions', '[]'::jsonb, 'addresses', '[]'::jsonb, 'pod_cidrs', '[]'::jsonb, 'kernel_version', '6.8',
        'os_image', '', 'operating_system', 'linux', 'architecture', 'amd64', 'container_runtime_version', '',
        'kubelet_version', 'v1.35.4', 'kube_proxy_version', '', 'boot_id', '', 'machine_id', '', 'system_uuid', '',
        'capacity_other', '{}'::jsonb, 'allocatable_other', '{}'::jsonb, 'row_hash_hi', 0, 'row_hash_lo', 0,
        'writer_schema', 0, 'reader_version', 1, 'valid_from', from_at, 'observed_at', from_at, 'landed_at', from_at,
        'valid_to', to_at, 'closed_reason', 'changed', 'heartbeat_stale_since', case when silent then from_at end))
$$;
";

/// Fires for six hours (told at once, and again after four), blips for two minutes, fires again.
const HISTORY: &str = "
select pg_temp.node('n1', '2026-01-01 00:00Z', '2026-01-01 02:00:30Z', false);
select pg_temp.node('n1', '2026-01-01 02:00:30Z', '2026-01-01 08:10:30Z', true);
select pg_temp.node('n1', '2026-01-01 08:10:30Z', '2026-01-02 03:00:10Z', false);
select pg_temp.node('n1', '2026-01-02 03:00:10Z', '2026-01-02 03:02:10Z', true);
select pg_temp.node('n1', '2026-01-02 03:02:10Z', '2026-01-02 05:00:10Z', false);
select pg_temp.node('n1', '2026-01-02 05:00:10Z', '2026-01-02 05:30:10Z', true);
select pg_temp.node('n1', '2026-01-02 05:30:10Z', '2026-01-08 00:00Z', false);
";

fn rule(name: &str) -> Arc<StoredQuery> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../queries/alerts")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    Arc::new(parse(&path, "alerts", &text).unwrap_or_else(|refusals| panic!("{refusals:?}")))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_week_of_history_pages_as_often_as_every_slot_by_itself_would() {
    let database = TestDatabase::start().await.unwrap();
    let connector = PostgresConnector::new(database.url().parse().unwrap(), None);
    let client = connector.connect("test").await.unwrap();
    client.batch_execute(SILENT_NODES).await.unwrap();
    client.batch_execute(HISTORY).await.unwrap();
    let stretch = BacktestRange {
        from: at("2026-01-01T00:00:00Z"),
        to: at("2026-01-08T00:00:00Z"),
        connections: 2,
    };
    let found = backtest(&connector, &rule("node-not-reporting.sql"), &stretch)
        .await
        .unwrap();

    assert_eq!(found.slots, 7 * 24 * 60);
    assert!(found.queried < found.slots / 3, "{} slots asked", found.queried);
    let episodes: Vec<(Timestamp, Option<Timestamp>)> = found
        .episodes
        .iter()
        .map(|episode| (episode.from, episode.to))
        .collect();
    let expected = [
        // The first slot that sees it is 02:01; five minutes later it fires.
        (at("2026-01-01T02:06:00Z"), Some(at("2026-01-01T08:11:00Z"))),
        (at("2026-01-02T05:06:00Z"), Some(at("2026-01-02T05:31:00Z"))),
    ];
    assert_eq!(episodes, expected);
    let counts = found.receivers.values().next().unwrap();
    assert_eq!((counts.new, counts.repeated, counts.resolved), (2, 1, 2));
}

#[tokio::test]
async fn a_rule_about_bookkeeping_without_history_is_refused_by_name() {
    let database = TestDatabase::start().await.unwrap();
    let connector = PostgresConnector::new(database.url().parse().unwrap(), None);
    let stretch = BacktestRange {
        from: at("2026-01-01T00:00:00Z"),
        to: at("2026-01-02T00:00:00Z"),
        connections: 1,
    };
    let refused = backtest(&connector, &rule("ingest-lagging.sql"), &stretch)
        .await
        .unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("ingest-lagging.sql") && refused.contains("ingest_partition"),
        "{refused}"
    );
}

const RANDOM_HISTORY: &str = include_str!("random_history.sql");

/// All that ships and can be asked about the past, over a history that nobody wrote by hand.
#[tokio::test]
async fn on_random_history_every_shipped_rule_pages_as_slot_by_slot() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../queries/alerts");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sql"))
        .collect();
    files.sort();
    let stretch = BacktestRange {
        from: at("2026-01-01T02:00:00Z"),
        to: at("2026-01-01T05:30:00Z"),
        connections: 2,
    };
    let (mut compared, mut fired) = (0, Vec::new());
    for seed in ["0.25", "-0.5"] {
        let database = TestDatabase::start().await.unwrap();
        let connector = PostgresConnector::new(database.url().parse().unwrap(), None);
        let client = connector.connect("test").await.unwrap();
        let history = format!("select setseed({seed}); {RANDOM_HISTORY}");
        client.batch_execute(&history).await.unwrap();
        for file in &files {
            let rule = rule(file);
            let plain = match slot_by_slot(&connector, &rule, &stretch).await {
                Err(BacktestError::Refused { .. }) => continue,
                plain => plain.unwrap(),
            };
            let quick = backtest(&connector, &rule, &stretch).await.unwrap();
            assert_eq!(plain.failure, None, "{file}, seed {seed}");
            assert_eq!(quick.episodes, plain.episodes, "{file}, seed {seed}");
            assert_eq!(quick.receivers, plain.receivers, "{file}, seed {seed}");
            compared += 1;
            if !plain.episodes.is_empty() {
                fired.push(file.clone());
            }
        }
    }
    fired.dedup();
    assert!(compared >= 60, "{compared} comparisons");
    assert!(fired.len() >= 20, "only {} fired: {fired:?}", fired.len());
}
