//! `fleetledger evaluate` over a folder: metrics and rollups on schedule, and what becomes of them when files change.

use std::{path::Path, time::Instant};

use fleetledger_local::{ports, postgres::LocalPostgres};
use tokio_postgres::Client;

use crate::{
    process::{DEADLINE, RoleProcess, get, wait_for, wait_until},
    support::{self, BinaryFixture},
};

const RECORD: &str = "/*---
record: fleet_quarantines
help: Records put aside.
type: gauge
interval: 1s
timeout: 1s
columns: {value: count, labels: [datacenter]}
---*/
select datacenter, count(*) as count from quarantine group by datacenter
";
const ROLLUP: &str = "/*---
rollup: quarantines
interval: 1s
timeout: 1s
window: 1h
history: 30h
columns: {dimensions: [datacenter], values: [count]}
---*/
select datacenter, count(*) as count from quarantine
where window_from() < window_to() group by datacenter
";

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(folder.join("queries")).unwrap();
    std::fs::write(folder.join("queries").join(name), text).unwrap();
}

/// A database with one record put aside, and the configuration of an evaluator on it.
async fn place() -> (LocalPostgres, Client, String) {
    let server = support::postgres().await;
    support::migrated(&server, "ledger").await;
    let client = support::client(&server.url_of("ledger")).await;
    client
        .batch_execute(
            "insert into ledger.quarantine (datacenter, cluster, cluster_uid, reason, detail)
             values ('dfw', 'a', 'ua', 'poisoned', 'x')",
        )
        .await
        .unwrap();
    let toml = format!(
        "[postgres]\nurl = \"postgres://fleetledger_evaluate@127.0.0.1:{}/ledger\"\ntls = \"off\"\n[evaluate]\nlease_seconds = 5\n",
        server.port()
    );
    (server, client, toml)
}

fn setup(toml: &str, port: u16, folder: &Path) -> BinaryFixture {
    let rules = folder.join("queries");
    let toml = toml.replace(
        "[evaluate]\n",
        &format!(
            "[http]\nlisten = \"127.0.0.1:{port}\"\n[evaluate]\nrules = \"{}\"\n",
            rules.display()
        ),
    );
    BinaryFixture::new(&toml)
}

async fn until(client: &Client, claim: &str) {
    let begun = Instant::now();
    while !client.query_one(claim, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(begun.elapsed() < DEADLINE, "never: {claim}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Windows that this process says it has filled.
fn filled(port: u16) -> u64 {
    let metrics = get(port, "/metrics");
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("fleetledger_queries_rollup_windows_total{outcome=\"ok\""));
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

#[tokio::test]
async fn metrics_and_rollups_of_a_folder_are_evaluated_and_follow_it() {
    let (_server, client, toml) = place().await;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "quarantines-now.sql", RECORD);
    write(folder.path(), "quarantines-hourly.sql", ROLLUP);
    let port = ports::free_port().unwrap();
    let setup = setup(&toml, port, folder.path());
    let evaluator = RoleProcess::start(&setup, &["evaluate"]);

    let metrics = wait_for(port, "/metrics", "fleet_quarantines{datacenter=\"dfw\"} 1");
    assert!(
        metrics.contains("# HELP fleet_quarantines Records put aside.\n# TYPE fleet_quarantines gauge\n"),
        "{metrics}"
    );
    until(
        &client,
        "select count(*) = 30 and bool_and(complete) and max(fillings) = 1 and max(window_end_at) <= now()
         from fleet.rollup_window where rollup = 'quarantines'",
    )
    .await;
    until(
        &client,
        "select count(*) = 30 and bool_and(dimensions = '{\"datacenter\": \"dfw\"}' and \"values\" = '{\"count\": 1}')
         from fleet.user_rollup where rollup = 'quarantines'",
    )
    .await;
    let metrics = get(port, "/metrics");
    for line in [
        "fleetledger_queries_rollup_windows_total{outcome=\"ok\",rollup=\"quarantines\"} 30",
        "fleetledger_queries_loaded_files{kind=\"record\"} 1",
        "fleetledger_queries_loaded_files{kind=\"rollup\"} 1",
        "fleetledger_queries_record_runs_total{outcome=\"ok\",query=\"quarantines-now\"}",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }

    // Evaluated on schedule: a scrape shows what the last slot gave, and the next slot the new number.
    client
        .batch_execute("update ledger.quarantine set datacenter = 'iad'")
        .await
        .unwrap();
    wait_until(port, "/metrics", "the series has moved", |metrics| {
        metrics.contains("fleet_quarantines{datacenter=\"iad\"} 1")
            && !metrics.contains("fleet_quarantines{datacenter=\"dfw\"}")
    });

    // The files change while it runs.
    let renamed = RECORD.replace("fleet_quarantines", "fleet_put_aside");
    write(folder.path(), "quarantines-now.sql", &renamed);
    write(
        folder.path(),
        "quarantines-daily.sql",
        &ROLLUP
            .replace("rollup: quarantines", "rollup: quarantines_daily")
            .replace("window: 1h\nhistory: 30h", "window: 1d\nhistory: 3d"),
    );
    wait_until(port, "/metrics", "the series has its new name", |metrics| {
        metrics.contains("fleet_put_aside{datacenter=\"iad\"} 1") && !metrics.contains("fleet_quarantines")
    });
    until(
        &client,
        "select count(*) = 3 from fleet.rollup_window where rollup = 'quarantines_daily'",
    )
    .await;
    let (code, log) = evaluator.stop();
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test]
async fn two_evaluators_fill_each_window_once_and_both_show_metrics() {
    let (_server, client, toml) = place().await;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "quarantines-now.sql", RECORD);
    for name in ["a", "b", "c", "d"] {
        let text = ROLLUP.replace("rollup: quarantines", &format!("rollup: quarantines_{name}"));
        write(folder.path(), &format!("quarantines-{name}.sql"), &text);
    }
    let ports = [ports::free_port().unwrap(), ports::free_port().unwrap()];
    // Fillings are idempotent and not fenced: where a busy machine lets a lease end, both fill what is left. Here none ends.
    let toml = toml.replace("lease_seconds = 5", "lease_seconds = 120");
    let setups = ports.map(|port| setup(&toml, port, folder.path()));
    let mut evaluators: Vec<RoleProcess> = setups
        .iter()
        .map(|setup| RoleProcess::start(setup, &["evaluate"]))
        .collect();
    for port in ports {
        wait_for(port, "/metrics", "fleet_quarantines{datacenter=\"dfw\"} 1");
    }
    until(&client, "select count(*) = 120 from fleet.rollup_window").await;
    until(
        &client,
        "select count(distinct owner) = 2 from ledger.rule_group where rule_group like 'rollup/%'",
    )
    .await;
    let fillings: i64 = client
        .query_one("select sum(fillings) from fleet.rollup_window", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(fillings, 120, "no window was filled twice");
    // Each says how many of them were its own.
    wait_until(ports[0], "/metrics", "all windows are somebody's", |_| {
        ports.iter().map(|port| filled(*port)).sum::<u64>() == 120
    });

    // One goes: the other has all of them, and what becomes due is filled once.
    let (code, log) = evaluators.remove(0).stop();
    assert_eq!(code, Some(0), "{log}");
    until(
        &client,
        "select count(distinct owner) = 1 and count(*) = count(owner) from ledger.rule_group where rule_group like 'rollup/%'",
    )
    .await;
    client
        .batch_execute("delete from ledger.rollup_window where window_end_at > now() - interval '3 hours'")
        .await
        .unwrap();
    until(
        &client,
        "select count(*) = 120 and max(fillings) = 1 from fleet.rollup_window",
    )
    .await;
}

#[tokio::test]
async fn a_range_of_a_rollup_is_rebuilt_from_the_command_line() {
    let (_server, client, toml) = place().await;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "quarantines-hourly.sql", ROLLUP);
    let setup = setup(&toml, 1, folder.path());
    let file = folder.path().join("queries/quarantines-hourly.sql");
    let file = file.to_str().unwrap();
    let range = ["--from", "2026-01-01T00:30:00Z", "--to", "2026-01-01T03:00:00Z"];
    let rebuild = |file: &str| setup.run_to_text(&[&["rules", "rebuild", file][..], &range[..]].concat());
    let (code, output) = rebuild(file);
    assert!(
        code == 0 && output.contains("3 windows of 1h of rollup quarantines were filled"),
        "{code} {output}"
    );
    client
        .batch_execute("update ledger.quarantine set datacenter = 'iad'")
        .await
        .unwrap();
    let (code, said) = rebuild(file);
    assert_eq!(code, 0, "{said}");
    let row = client
        .query_one(
            "select count(*), count(distinct dimensions), min(dimensions ->> 'datacenter'), min(fillings)
             from fleet.user_rollup join fleet.rollup_window using (rollup, window_at)",
            &[],
        )
        .await
        .unwrap();
    let found: (i64, i64, &str, i32) = (row.get(0), row.get(1), row.get(2), row.get(3));
    assert_eq!(found, (3, 1, "iad", 2));
    write(folder.path(), "other.sql", RECORD);
    let (code, said) = rebuild(folder.path().join("queries/other.sql").to_str().unwrap());
    assert!(code != 0 && said.contains("holds no rollup"), "{code} {said}");
}
