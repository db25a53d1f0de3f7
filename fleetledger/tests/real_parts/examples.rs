//! Example configurations, and what commands look like to whoever types them.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use axum::{Json, Router, routing::post};
use fleetledger_local::mock_kafka::MockKafka;

use crate::support::{self, BinaryFixture};

const ROLES: [&str; 5] = ["emit", "ingest", "evaluate", "console", "central"];

#[tokio::test]
async fn an_example_configuration_works_once_its_addresses_are_set_and_is_never_overwritten() {
    let server = support::postgres().await;
    support::migrated(&server, "fleetledger").await;
    let kafka = MockKafka::start().unwrap();
    let bare = BinaryFixture::new("");
    let folder = bare.folder.path();
    let queries = folder.join("queries");
    std::fs::create_dir(&queries).unwrap();
    for role in ROLES {
        let file = folder.join(format!("{role}.toml"));
        let arguments = ["config", "init", role, "--to", file.to_str().unwrap()];
        let (code, said) = bare.run_to_text(&arguments);
        assert!(
            code == 0 && said.contains("set the addresses in it"),
            "{role}: {code} {said}"
        );
        let text = std::fs::read_to_string(&file).unwrap();
        let (code, said) = bare.run_to_text(&arguments);
        assert!(
            code == 5 && said.contains("never overwritten"),
            "{role}: {code} {said}"
        );
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);

        let set = text
            .replace("kafka-1.example.com:9093", kafka.bootstrap_servers())
            .replace("ledger.example.com", "127.0.0.1")
            .replace(
                "# port = 5432",
                &format!("port = {}\ntls = \"off\"", server.port()),
            )
            .replace(
                "user = \"fleetledger\"",
                &format!("user = \"{}\"", fleetledger_local::postgres::SUPERUSER),
            )
            .replace("/etc/fleetledger/queries", queries.to_str().unwrap());
        let works = BinaryFixture::new(&set);
        let (code, said) = works.run_to_text(&["config", "check"]);
        assert!(
            code == 0 && said.contains("configuration can be used"),
            "{role}: {said}"
        );
        if role != "emit" {
            let checks = ["doctor", "--only", "postgres", "-o", "json"];
            let output = works.run(&checks);
            let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            let reach = found["findings"]
                .as_array()
                .unwrap()
                .iter()
                .find(|one| one["check"] == "postgres-reach");
            assert_eq!(reach.unwrap()["verdict"], "well", "{role}: {found:#}");
        }
        if set.contains("[kafka]\n") {
            let (code, said) = works.run_to_text(&["topics", "list"]);
            assert!(
                code == 0 && said.contains("fleetledger.pod"),
                "{role}: {code} {said}"
            );
        }
    }
    // Without a role all of them, which is the file that is installed.
    let (code, said) = bare.run_to_text(&["config", "init", "--to", "-"]);
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/config/fleetledger.toml");
    assert_eq!((code, said), (0, std::fs::read_to_string(installed).unwrap()));
}

#[tokio::test]
async fn status_is_watched_block_by_block_until_it_is_interrupted() {
    let server = support::postgres().await;
    let url = support::migrated(&server, "ledger").await;
    let setup = BinaryFixture::new(&format!("[postgres]\nurl = \"{url}\"\ntls = \"off\"\n"));
    let mut child = setup
        .command()
        .args(["status", "--watch", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut text = String::new();
    for line in lines {
        let line = line.unwrap();
        text.push_str(&format!("{line}\n"));
        if text.matches("nothing is red").count() == 3 {
            break;
        }
    }
    assert!(!text.contains('\x1b'), "{text}");
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0), "{text}");
    // On a terminal each answer stands where the one before it stood.
    let watched = on_terminal(&setup, "timeout -s INT 4", "status --watch 1");
    assert!(
        watched.contains("\x1b[2J") && watched.matches("\x1b[H").count() >= 3,
        "{watched}"
    );
    assert!(watched.contains("every 1 s; Ctrl-C ends it\x1b[K"), "{watched}");
    let away = BinaryFixture::new("[postgres]\nurl = \"postgres://u@127.0.0.1:1/x\"\ntls = \"off\"\n");
    let (code, said) = away.run_to_text(&["status", "--watch"]);
    assert!(
        code == 4 && said.contains("nothing listens there"),
        "{code} {said}"
    );
}

#[tokio::test]
async fn colours_are_used_where_they_are_wanted() {
    let server = support::postgres().await;
    let url = support::migrated(&server, "ledger").await;
    let client = support::client(&url).await;
    let cluster = "insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at) values ('dfw', 'a', 'u', '2026-01-01')";
    client.batch_execute(cluster).await.unwrap();
    let setup = BinaryFixture::new(&format!("[postgres]\nurl = \"{url}\"\ntls = \"off\"\n"));
    let said = |arguments: &[&str]| setup.run_to_text(arguments).1;
    let red_word = |word: &str| format!("\x1b[31m{word}\x1b[0m");
    assert!(said(&["clusters", "list", "--color", "always"]).contains(&red_word("stale")));
    assert!(said(&["status", "--color", "always"]).contains(&red_word("RED   ")));
    let doctor = said(&["doctor", "--only", "postgres", "--color", "always"]);
    assert!(
        doctor.contains("\x1b[32mok     \x1b[0m postgres-reach"),
        "{doctor}"
    );
    for arguments in [
        &["clusters", "list"][..],
        &["status", "--color", "never"],
        // Data is for programs.
        &["clusters", "list", "-o", "csv", "--color", "always"],
        &["status", "-o", "json", "--color", "always"],
    ] {
        let text = said(arguments);
        assert!(
            !text.contains('\x1b') && !text.is_empty(),
            "{arguments:?}: {text}"
        );
    }
    // On a terminal without being asked, unless NO_COLOR is set: `script` is one.
    let colored = on_terminal(&setup, "", "clusters list");
    assert!(colored.contains(&red_word("stale")), "{colored}");
    let plain = on_terminal(&setup, "NO_COLOR=1", "clusters list");
    assert!(plain.contains("stale") && !plain.contains("\x1b[31m"), "{plain}");
}

/// What a command writes on a terminal of its own, which `script` is; `before` are variables, or a program that runs it.
fn on_terminal(setup: &BinaryFixture, before: &str, arguments: &str) -> String {
    let binary = env!("CARGO_BIN_EXE_fleetledger");
    let command = format!(
        "{before} {binary} --config {} {arguments}",
        setup.file().display()
    );
    let output = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn long_work_says_in_place_how_far_it_is_and_when_it_will_be_done() {
    let slow = post(|| async {
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        Json(serde_json::json!({"hours": 1}))
    });
    let router = Router::new().route("/api/v1/cost/rerate", slow);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let setup = BinaryFixture::new("");
    let arguments =
        format!("cost rerate --from 2026-04-01T00:00:00Z --to 2026-04-01T06:00:00Z --server {server}");
    let seen = on_terminal(&setup, "", &arguments);
    assert!(
        seen.contains("\r\x1b[Krerate: ") && seen.contains(" of 6 hours, "),
        "{seen}"
    );
    assert!(
        seen.contains(" left") && seen.ends_with("6 hours rated again\r\n"),
        "{seen}"
    );
    // Nothing that is over within ten seconds is told of where nobody looks.
    let words: Vec<&str> = arguments.split(' ').collect();
    assert_eq!(setup.run_to_text(&words), (0, "6 hours rated again\n".to_owned()));
}
