//! Roles as processes: started, asked, told to stop.

use std::time::Instant;

use fleetledger_local::{mock_kafka::MockKafka, ports};
use fleetledger_schema::kind::RecordKind;

use crate::{
    process::{DEADLINE, RoleProcess, get, wait_for},
    support::{self, BinaryFixture},
};

#[tokio::test]
async fn emitter_and_ingester_land_a_fleet_and_stop_when_signalled() {
    let server = support::postgres().await;
    let url = support::migrated(&server, "ledger").await;
    let broker = MockKafka::start().unwrap();
    for kind in RecordKind::TOPICS {
        broker.create_topic(&kind.topic("fleetledger", None), 2).unwrap();
    }
    let (emit_port, ingest_port) = (ports::free_port().unwrap(), ports::free_port().unwrap());
    let setup = |port: u16| {
        BinaryFixture::new(&format!(
            "[kafka]\nbootstrap_servers = \"{}\"\n[postgres]\nurl = \"{url}\"\ntls = \"off\"\n[http]\nlisten = \"127.0.0.1:{port}\"\n\
             [emit]\ndatacenter = \"dfw\"\ncluster = \"a\"\n[simulate]\nnodes = 5\npods = 40\n",
            broker.bootstrap_servers()
        ))
    };
    let (for_ingest, for_emit) = (setup(ingest_port), setup(emit_port));
    let ingester = RoleProcess::start(&for_ingest, &["ingest"]);
    let emitter = RoleProcess::start(&for_emit, &["emit", "--source", "simulate"]);
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
        let (code, log) = child.stop();
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
    let setup = BinaryFixture::new(&format!(
        "[kafka]\nbootstrap_servers = \"{}\"\n[postgres]\nurl = \"{}\"\ntls = \"off\"\n",
        broker.bootstrap_servers(),
        server.url()
    ));
    let (code, output) = setup.run_to_text(&["ingest"]);
    assert!(
        code == 4 && output.contains("contains no ledger") && output.contains("fleetledger migrate"),
        "{code} {output}"
    );
    let (code, said) = setup.run_to_text(&["migrate"]);
    assert!(code == 0 && said.contains("migrations applied"), "{code} {said}");
    let (code, said) = setup.run_to_text(&["ingest", "resume", "fleetledger.pod", "0"]);
    assert!(code == 1 && said.contains("halted"), "{code} {said}");
}
