//! A real PgBouncer between the roles and PostgreSQL, in both of its modes.

use std::time::Duration;

use fleetledger_local::{
    mock_kafka::MockKafka,
    pgbouncer::{Pgbouncer, PoolMode},
    ports,
    postgres::LocalPostgres,
    skip::unless_available,
};
use fleetledger_schema::kind::RecordKind;

use crate::{
    process::{RoleProcess, get, wait_for},
    support::{self, BinaryFixture, assert_broken, assert_well, finding},
};

const USERS: [&str; 5] = [
    "fleetledger",
    "fleetledger_ingest",
    "fleetledger_evaluate",
    "fleetledger_rules",
    "fleetledger_reader",
];

/// A migrated database, and a pooler before it; `None` where that is not available.
async fn pooled(test: &str, mode: PoolMode, settings: &[(&str, &str)]) -> Option<(LocalPostgres, Pgbouncer)> {
    let server = support::postgres().await;
    support::migrated(&server, "ledger").await;
    let started = Pgbouncer::start(&support::cache(), server.port(), mode, &USERS, settings).await;
    let pgbouncer = unless_available(test, started).unwrap()?;
    Some((server, pgbouncer))
}

fn postgres_section(user: &str, port: u16) -> String {
    format!("[postgres]\nurl = \"postgres://{user}@127.0.0.1:{port}/ledger\"\ntls = \"off\"\n")
}

#[tokio::test]
async fn doctor_finds_a_pooler_and_says_who_may_go_through_it() {
    let test = "doctor_finds_a_pooler_and_says_who_may_go_through_it";
    let Some((server, mut pgbouncer)) = pooled(test, PoolMode::Session, &[]).await else {
        return;
    };
    let setup = |port: u16| BinaryFixture::new(&postgres_section("fleetledger_ingest", port));
    let (direct, through) = (setup(server.port()), setup(pgbouncer.port()));
    assert_well(&direct, "postgres", "postgres-pooler");
    assert_well(&through, "postgres", "postgres-pooler");
    let details = |setup: &BinaryFixture| setup.run_to_text(&["doctor", "--only", "postgres"]).1;
    assert!(details(&direct).contains("no pooler"), "{}", details(&direct));
    assert!(
        details(&through).contains("a pooler in session mode"),
        "{}",
        details(&through)
    );
    pgbouncer.restart_as(PoolMode::Transaction).await.unwrap();
    for round in 0..3 {
        assert_broken(
            &through,
            "postgres",
            "postgres-pooler",
            "ingest, evaluate, console, central, migrate",
            "pool_mode = session",
        );
        let found = finding(&through, "postgres-pooler", "postgres");
        println!("round {round}: {found:?}");
    }
}

#[tokio::test]
async fn sql_as_of_refuses_a_way_on_which_the_instant_is_lost() {
    let test = "sql_as_of_refuses_a_way_on_which_the_instant_is_lost";
    let ignoring = [("ignore_startup_parameters", "options,extra_float_digits")];
    let Some((server, mut pgbouncer)) = pooled(test, PoolMode::Session, &ignoring).await else {
        return;
    };
    if std::process::Command::new("psql")
        .arg("--version")
        .output()
        .is_err()
    {
        return;
    }
    let ask = "select current_schema(), as_of() < '2026-01-02', count(*) from pod";
    let sql = |port: u16, as_of: &[&str]| {
        let setup = BinaryFixture::new(&postgres_section("fleetledger", port));
        let psql = ["--", "-X", "-A", "-t", "-c", ask];
        setup.run_to_text(&[&["sql"], as_of, &psql].concat())
    };
    let instant = ["--as-of", "2026-01-01 14:00+00"];
    let (code, said) = sql(server.port(), &instant);
    assert!(code == 0 && said.contains("fleet_asof|t|0"), "{code} {said}");
    let (code, said) = sql(server.port(), &["--as-of", "yesteryear"]);
    assert!(
        code == 4 && said.contains("as of yesteryear") && said.contains("write an instant"),
        "{code} {said}"
    );
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        pgbouncer.restart_as(mode).await.unwrap();
        let (code, said) = sql(pgbouncer.port(), &instant);
        println!("{mode:?}, options ignored: {said}");
        assert!(
            code == 4 && said.contains("the instant was lost on the way") && said.contains("fleet.pod_at("),
            "{mode:?}: {code} {said}"
        );
        let (code, said) = sql(pgbouncer.port(), &[]);
        assert!(code == 0 && said.contains("fleet|f|0"), "{mode:?}: {code} {said}");
    }
    // As PgBouncer is set up by itself: it refuses settings that a session begins with.
    let refusing = Pgbouncer::start(
        &support::cache(),
        server.port(),
        PoolMode::Transaction,
        &USERS,
        &[],
    )
    .await
    .unwrap();
    let (code, said) = sql(refusing.port(), &instant);
    println!("options refused: {said}");
    assert!(
        code == 4
            && said.contains("does not take the instant")
            && said.contains("unsupported startup parameter"),
        "{code} {said}"
    );
    let (code, said) = sql(refusing.port(), &[]);
    assert!(code == 0 && said.contains("fleet|f|0"), "{code} {said}");
}

#[tokio::test]
async fn roles_that_need_sessions_refuse_a_pooler_in_transaction_mode() {
    let test = "roles_that_need_sessions_refuse_a_pooler_in_transaction_mode";
    let Some((_server, pgbouncer)) = pooled(test, PoolMode::Transaction, &[]).await else {
        return;
    };
    let broker = MockKafka::start().unwrap();
    let kafka = format!(
        "[kafka]\nbootstrap_servers = \"{}\"\n",
        broker.bootstrap_servers()
    );
    for (role, user) in [
        ("ingest", "fleetledger_ingest"),
        ("evaluate", "fleetledger_evaluate"),
        ("console", "fleetledger_evaluate"),
        ("central", "fleetledger"),
        ("migrate", "fleetledger"),
    ] {
        let http = format!("[http]\nlisten = \"127.0.0.1:{}\"\n", ports::free_port().unwrap());
        let setup = BinaryFixture::new(&format!(
            "{kafka}{http}{}",
            postgres_section(user, pgbouncer.port())
        ));
        let (code, said) = setup.run_to_text(&[role]);
        assert!(
            code == 4
                && said.contains(&format!(
                    "a pooler in transaction mode is in front of it, but {role} needs sessions of its own"
                ))
                && said.contains("pool_mode = session"),
            "{role}: {code} {said}"
        );
    }
}

const REPORT: &str = "/*---
report: clusters
timeout: 5s
---*/
select datacenter, count(*) as clusters from cluster group by datacenter
";

const RECORD: &str = "/*---
record: fleet_quarantines
help: Records put aside.
type: gauge
interval: 1s
timeout: 1s
columns: {value: count}
---*/
select count(*) as count from quarantine
";

const ALERT: &str = "/*---
alert: ClusterSilent
interval: 1s
timeout: 1s
mode: shadow
columns: {labels: [datacenter, cluster]}
labels: {severity: ticket}
annotations: {summary: silent, runbook: node-not-reporting}
freshness: none
---*/
select datacenter, cluster from cluster where state = 'stale'
";

fn rules(folder: &std::path::Path) -> String {
    for (name, text) in [
        ("clusters.sql", REPORT),
        ("quarantines.sql", RECORD),
        ("silent.sql", ALERT),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    format!(
        "[evaluate]\nlease_seconds = 5\nrules = \"{}\"\n",
        folder.display()
    )
}

#[tokio::test]
async fn reports_go_through_a_pooler_in_either_mode() {
    let test = "reports_go_through_a_pooler_in_either_mode";
    let Some((_server, mut pgbouncer)) = pooled(test, PoolMode::Session, &[]).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let rules = rules(folder.path());
    let setup = BinaryFixture::new(&rules);
    let url = format!(
        "postgres://fleetledger_reader@127.0.0.1:{}/ledger",
        pgbouncer.port()
    );
    let report = folder.path().join("clusters.sql");
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        pgbouncer.restart_as(mode).await.unwrap();
        // Each leaves names in the pooler's sessions that the next one chooses too.
        for round in 0..5 {
            let (code, said) =
                setup.run_to_text(&["rules", "run", &report.display().to_string(), "--postgres", &url]);
            assert!(
                code == 0 && said.contains("0 rows"),
                "{mode:?} {round}: {code} {said}"
            );
        }
    }
}

/// How many slots of the alert stand.
async fn slots(client: &tokio_postgres::Client) -> i64 {
    let count = "select count(*) from ledger.rule_run where rule like '%silent%' and outcome = 'ok'";
    client.query_one(count, &[]).await.unwrap().get(0)
}

async fn more_slots(client: &tokio_postgres::Client, more: i64, port: u16) {
    let (begun, before) = (std::time::Instant::now(), slots(client).await);
    while slots(client).await < before + more {
        assert!(
            begun.elapsed() < crate::process::DEADLINE,
            "{}",
            get(port, "/readyz")
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn evaluator_goes_through_session_mode_and_outlives_transaction_mode() {
    let test = "evaluator_goes_through_session_mode_and_outlives_transaction_mode";
    let Some((server, mut pgbouncer)) = pooled(test, PoolMode::Session, &[]).await else {
        return;
    };
    let client = support::client(&server.url_of("ledger")).await;
    let folder = tempfile::tempdir().unwrap();
    let port = ports::free_port().unwrap();
    let setup = BinaryFixture::new(&format!(
        "{}[http]\nlisten = \"127.0.0.1:{port}\"\n{}",
        postgres_section("fleetledger_evaluate", pgbouncer.port()),
        rules(folder.path())
    ));
    let evaluator = RoleProcess::start(&setup, &["evaluate"]);
    wait_for(port, "/readyz", "evaluate: ok");
    more_slots(&client, 3, port).await;
    pgbouncer.restart_as(PoolMode::Transaction).await.unwrap();
    more_slots(&client, 5, port).await;
    pgbouncer.restart_as(PoolMode::Session).await.unwrap();
    more_slots(&client, 3, port).await;
    wait_for(port, "/readyz", "evaluate: ok");
    let failed: i64 = client
        .query_one("select count(*) from ledger.rule_run where outcome <> 'ok'", &[])
        .await
        .unwrap()
        .get(0);
    let (code, log) = evaluator.stop();
    println!("{log}");
    assert_eq!((code, failed), (Some(0), 0), "{log}");
}

#[tokio::test]
async fn a_fleet_lands_through_a_pooler_in_session_mode() {
    let test = "a_fleet_lands_through_a_pooler_in_session_mode";
    let Some((server, pgbouncer)) = pooled(test, PoolMode::Session, &[]).await else {
        return;
    };
    let broker = MockKafka::start().unwrap();
    for kind in RecordKind::TOPICS {
        broker.create_topic(&kind.topic("fleetledger", None), 2).unwrap();
    }
    let setup = |port: u16| {
        BinaryFixture::new(&format!(
            "[kafka]\nbootstrap_servers = \"{}\"\n{}[http]\nlisten = \"127.0.0.1:{port}\"\n\
             [emit]\ndatacenter = \"dfw\"\ncluster = \"a\"\n[simulate]\nnodes = 5\npods = 40\n",
            broker.bootstrap_servers(),
            postgres_section("fleetledger_ingest", pgbouncer.port())
        ))
    };
    let (emit_port, ingest_port) = (ports::free_port().unwrap(), ports::free_port().unwrap());
    let (for_ingest, for_emit) = (setup(ingest_port), setup(emit_port));
    let ingester = RoleProcess::start(&for_ingest, &["ingest"]);
    let emitter = RoleProcess::start(&for_emit, &["emit", "--source", "simulate"]);
    wait_for(ingest_port, "/readyz", "ingest: ok");
    let client = support::client(&server.url_of("ledger")).await;
    let begun = std::time::Instant::now();
    let landed = "select (select count(*) from fleet.node) = 5 and (select count(*) from fleet.pod) >= 40";
    while !client.query_one(landed, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(
            begun.elapsed() < crate::process::DEADLINE,
            "the fleet did not land"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for child in [emitter, ingester] {
        let (code, log) = child.stop();
        assert_eq!(code, Some(0), "{log}");
    }
}
