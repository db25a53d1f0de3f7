//! Roles as processes: started, asked, told to stop.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fleetledger_local::{mock_kafka::MockKafka, ports};
use fleetledger_schema::kind::Kind;

use crate::support::{self, Setup};

const DEADLINE: Duration = Duration::from_secs(60);

fn start(setup: &Setup, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetledger"));
    command
        .arg("--config")
        .arg(setup.file())
        .args(arguments)
        .args(["--log-format", "json"]);
    command.stderr(Stdio::piped()).spawn().unwrap()
}

fn get(port: u16, path: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        let _ = write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        );
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

/// Asks until the answer holds `words`.
fn wait_for(port: u16, path: &str, words: &str) -> String {
    let begun = Instant::now();
    loop {
        let answer = get(port, path);
        if answer.contains(words) {
            return answer;
        }
        assert!(
            begun.elapsed() < DEADLINE,
            "{path} never held {words:?}: {answer}"
        );
        std::thread::yield_now();
    }
}

/// SIGTERM; exit code and log.
fn stop(child: Child) -> (Option<i32>, String) {
    Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[tokio::test]
async fn emitter_and_ingester_land_a_fleet_and_stop_when_told() {
    let server = support::postgres().await;
    let url = support::migrated(&server, "ledger").await;
    let broker = MockKafka::start().unwrap();
    for kind in Kind::ALL {
        broker.create_topic(&kind.topic("fleetledger", None), 2).unwrap();
    }
    let (emit_port, ingest_port) = (ports::free_port().unwrap(), ports::free_port().unwrap());
    let setup = |port: u16| {
        Setup::new(&format!(
            "[kafka]\nbootstrap_servers = \"{}\"\n[postgres]\nurl = \"{url}\"\ntls = \"off\"\n[http]\nlisten = \"127.0.0.1:{port}\"\n\
             [emit]\ndatacenter = \"dfw\"\ncluster = \"a\"\n[simulate]\nnodes = 5\npods = 40\n",
            broker.bootstrap_servers()
        ))
    };
    let (for_ingest, for_emit) = (setup(ingest_port), setup(emit_port));
    let ingester = start(&for_ingest, &["ingest"]);
    let emitter = start(&for_emit, &["emit", "--source", "simulate"]);
    wait_for(emit_port, "/readyz", "emit: ok");
    wait_for(ingest_port, "/readyz", "ingest: ok");
    assert!(get(emit_port, "/livez").starts_with("HTTP/1.1 200"));
    wait_for(emit_port, "/metrics", "fleetledger_emit_objects");
    wait_for(ingest_port, "/metrics", "fleetledger_ingest_");
    let client = support::client(&url).await;
    let begun = Instant::now();
    while client
        .query_one("select count(*) from fleet.node", &[])
        .await
        .unwrap()
        .get::<_, i64>(0)
        < 5
    {
        assert!(begun.elapsed() < DEADLINE, "nodes did not land");
    }
    for child in [emitter, ingester] {
        let (code, log) = stop(child);
        assert_eq!(code, Some(0), "{log}");
        let lines: Vec<serde_json::Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect();
        assert!(lines.iter().any(|line| line["message"] == "stopped"), "{log}");
    }
}

#[tokio::test]
async fn ingester_refuses_a_database_that_is_not_migrated() {
    let server = support::postgres().await;
    let broker = MockKafka::start().unwrap();
    let setup = Setup::new(&format!(
        "[kafka]\nbootstrap_servers = \"{}\"\n[postgres]\nurl = \"{}\"\ntls = \"off\"\n",
        broker.bootstrap_servers(),
        server.url()
    ));
    let (code, said) = setup.said(&["ingest"]);
    assert!(
        code == 4 && said.contains("holds no ledger") && said.contains("fleetledger migrate"),
        "{code} {said}"
    );
    let (code, said) = setup.said(&["migrate"]);
    assert!(code == 0 && said.contains("migrations applied"), "{code} {said}");
    let (code, said) = setup.said(&["ingest", "resume", "fleetledger.pod", "0"]);
    assert!(code == 1 && said.contains("halted"), "{code} {said}");
}
