//! Kafka or PostgreSQL is stopped for a minute and a half below every role that needs it: each says so in `/readyz`, with the
//! cause and for how long, and in few lines of its log.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use fleetledger_local::{
    kafka::LocalKafka, ports::free_port, postgres::LocalPostgres, skip::unless_available,
};
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    parts::{self, PARTITIONS, create_topics},
    program::{LedgerProcess, ingest_configuration},
};

use crate::fixture::LIMIT;

/// How long a part is away: long enough for one reminder.
const AWAY: Duration = Duration::from_secs(90);
/// From the stop of a part until every role that needs it is unready: its grace, and how often it looks.
const UNREADY_WITHIN: Duration = Duration::from_secs(20);
/// Lines about an outage of so long, at least: when it begins, once a minute, and when it is over.
const LINES: usize = 3;

/// A role that runs.
struct RunningRole {
    name: &'static str,
    port: u16,
    process: LedgerProcess,
    /// What it had logged when the part was stopped.
    logged: usize,
}

impl RunningRole {
    fn start(name: &'static str, arguments: &[&str], toml: &str) -> Self {
        let port = free_port().unwrap();
        let anywhere = "[http]\nlisten = \"127.0.0.1:0\"\n";
        let http = format!("[http]\nlisten = \"127.0.0.1:{port}\"\n");
        let toml = match toml.contains(anywhere) {
            true => toml.replace(anywhere, &http),
            false => format!("{http}{toml}"),
        };
        Self {
            name,
            port,
            process: LedgerProcess::start(arguments, &toml, &[("FLEETLEDGER__LOG__FILTER", "info")]),
            logged: 0,
        }
    }

    /// Status and body of `/readyz`.
    async fn readiness(&self) -> String {
        let address = format!("127.0.0.1:{}", self.port);
        let answer = tokio::task::spawn_blocking(move || {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect(&address)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            write!(
                stream,
                "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )?;
            let mut text = String::new();
            stream.read_to_string(&mut text).map(|_| text)
        });
        answer.await.unwrap().unwrap_or_else(|error| error.to_string())
    }

    async fn until(&self, what: &str, within: Duration, words: &[&str]) {
        eventually(&format!("{} {what}", self.name), within, || async {
            let answer = self.readiness().await;
            ensure(words.iter().all(|word| answer.contains(word)), || {
                format!("{answer}\n{}", self.process.log_text())
            })
        })
        .await;
    }

    /// Of the outage, and whatever else is worth a warning; what a role was about to say of its start is not counted.
    fn lines_since_the_stop(&self) -> Vec<String> {
        let log = self.process.log_text();
        let is_meant = |line: &&str| !line.contains(" INFO ") || line.contains("part_watch");
        log.lines()
            .skip(self.logged)
            .filter(is_meant)
            .map(str::to_owned)
            .collect()
    }
}

async fn all_ready(roles: &[RunningRole]) {
    for role in roles {
        role.until("is ready", LIMIT, &["HTTP/1.1 200", "ok"]).await;
    }
}

/// Each is unready soon and says why; then the rest of the time passes.
async fn await_outage(roles: &[RunningRole], part: &str, begun: Instant) {
    for role in roles {
        let sentence = format!("{part} has not answered for ");
        let left = UNREADY_WITHIN.saturating_sub(begun.elapsed());
        role.until("is unready", left, &["HTTP/1.1 503", &sentence, " s: "])
            .await;
        println!(
            "{} after {:.1} s: {}",
            role.name,
            begun.elapsed().as_secs_f64(),
            role.readiness().await.lines().last().unwrap_or_default()
        );
    }
    tokio::time::sleep(AWAY.saturating_sub(begun.elapsed())).await;
}

async fn judge_lines(roles: &[RunningRole], part: &str) {
    for role in roles {
        role.until("is ready again", LIMIT, &["HTTP/1.1 200"]).await;
        // Readiness comes back together with the last line.
        let over = |lines: &[String]| lines.iter().any(|line| line.contains("answers again"));
        eventually("the end is told of", LIMIT, || async {
            let lines = role.lines_since_the_stop();
            ensure(over(&lines), || lines.join("\n"))
        })
        .await;
        let lines = role.lines_since_the_stop();
        println!(
            "{}: {} lines in {} s without {part}",
            role.name,
            lines.len(),
            AWAY.as_secs()
        );
        lines.iter().for_each(|line| println!("    {line}"));
        let (Some(last), Some(first)) = (lines.last(), lines.first()) else {
            panic!("{}: nothing was said", role.name)
        };
        let seconds = last
            .split_once("seconds=")
            .and_then(|(_, rest)| rest.split(' ').next());
        let seconds: usize = seconds.unwrap().parse().unwrap();
        let cause = |line: &String| line.split_once("why=").map(|(_, why)| why.to_owned());
        let is_other_cause = lines.get(1).is_some_and(|line| cause(line) != cause(first));
        // When it begins, once more if another cause shows by the time the role is not ready, once a minute, and when it is
        // over; how long a part takes to start is the machine's.
        assert!(
            lines.len() >= LINES && lines.len() <= 2 + seconds / 60 + usize::from(is_other_cause),
            "{}: {lines:#?}",
            role.name
        );
        assert!(first.contains("does not answer") && last.contains("answers again"));
        assert!(
            lines.iter().all(|line| line.contains(part)),
            "{}: {lines:#?}",
            role.name
        );
        let reminders = lines.get(1..lines.len() - 1).unwrap();
        assert!(
            reminders
                .iter()
                .all(|line| line.contains("still does not answer"))
        );
    }
}

fn simulated(kafka: &str, prefix: &str) -> String {
    format!(
        "[kafka]\nbootstrap_servers = \"{kafka}\"\n[emit]\ndatacenter = \"dfw\"\ncluster = \"a\"\n\
         topic_prefix = \"{prefix}\"\n[simulate]\nnodes = 3\npods = 20\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_without_kafka_are_unready_and_say_so_once_a_minute() {
    let test = "roles_without_kafka_are_unready_and_say_so_once_a_minute";
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let started = LocalKafka::builder().start(&parts::cache()).await;
    let Some(mut kafka) = unless_available(test, started).unwrap() else {
        return;
    };
    create_topics(&kafka, "dark", PARTITIONS).await;
    let database = parts.database().await;
    let servers = kafka.bootstrap_servers();
    let ingest = ingest_configuration(&servers, "dark", &database.ingester_url, "");
    let mut roles = [
        RunningRole::start("ingest", &["ingest"], &ingest),
        RunningRole::start(
            "emit",
            &["emit", "--source", "simulate"],
            &simulated(&servers, "dark"),
        ),
    ];
    all_ready(&roles).await;
    // Each topic once, for the consumer of pods and that of the rest.
    let log = roles[0].process.log_text();
    assert_eq!(log.matches("partitions claimed").count(), 6, "{log}");
    for role in &mut roles {
        role.logged = role.process.log_text().lines().count();
    }
    kafka.stop().await.unwrap();
    let begun = Instant::now();
    await_outage(&roles, "Kafka", begun).await;
    kafka.start_all().await.unwrap();
    judge_lines(&roles, "Kafka").await;
    for role in &mut roles {
        role.process.stop().await;
    }
}

/// An evaluator's rules: one that asks each second, and a metric.
fn write_rules(folder: &Path) {
    let alert = "/*---\nalert: ClusterSilent\ninterval: 1s\ntimeout: 1s\nmode: shadow\n\
        columns: {labels: [datacenter, cluster]}\nlabels: {severity: ticket}\n\
        annotations: {summary: silent, runbook: node-not-reporting}\nfreshness: none\n---*/\n\
        select datacenter, cluster from cluster where state = 'stale'\n";
    let record = "/*---\nrecord: fleet_quarantines\nhelp: Records put aside.\ntype: gauge\ninterval: 1s\ntimeout: 1s\n\
        columns: {value: count}\n---*/\nselect count(*) as count from quarantine\n";
    std::fs::write(folder.join("silent.sql"), alert).unwrap();
    std::fs::write(folder.join("quarantines.sql"), record).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_without_postgresql_are_unready_and_say_so_once_a_minute() {
    let test = "roles_without_postgresql_are_unready_and_say_so_once_a_minute";
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let started = LocalPostgres::builder()
        .temporary()
        .fast()
        .start(&parts::cache())
        .await;
    let Some(mut postgres) = unless_available(test, started).unwrap() else {
        return;
    };
    let database = LedgerDatabase::create(&postgres, "dark").await;
    let prefix = parts.topics().await;
    let servers = parts.kafka.bootstrap_servers();
    let folder = tempfile::tempdir().unwrap();
    write_rules(folder.path());
    let evaluate = format!(
        "[postgres]\nurl = \"{}\"\ntls = \"off\"\n[console]\nlisten = \"127.0.0.1:0\"\n\
         [evaluate]\nlease_seconds = 5\nrules = \"{}\"\n",
        database
            .owner_url
            .replacen("fleetledger@", "fleetledger_evaluate@", 1),
        folder.path().display()
    );
    let ingest = ingest_configuration(&servers, &prefix, &database.ingester_url, "");
    let mut roles = [
        RunningRole::start("ingest", &["ingest"], &ingest),
        RunningRole::start("evaluate", &["evaluate"], &evaluate),
        RunningRole::start("console", &["console"], &evaluate),
    ];
    // Something must be to land while the database is away, or an ingester has no need of it.
    let emitter = LedgerProcess::start(
        &["emit", "--source", "simulate"],
        &format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n{}",
            simulated(&servers, &prefix)
        ),
        &[],
    );
    all_ready(&roles).await;
    for role in &mut roles {
        role.logged = role.process.log_text().lines().count();
    }
    postgres.stop_fast().await.unwrap();
    let begun = Instant::now();
    await_outage(&roles, "PostgreSQL", begun).await;
    postgres.start().await.unwrap();
    judge_lines(&roles, "PostgreSQL").await;
    for role in &mut roles {
        role.process.stop().await;
    }
    drop(emitter);
}
