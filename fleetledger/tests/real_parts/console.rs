//! Console, evaluator and all three roles in one, as processes, and the commands people type against them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, extract::State, http::Uri, routing::post};
use fleetledger_local::{mock_kafka::MockKafka, ports, postgres::LocalPostgres};
use fleetledger_schema::kind::RecordKind;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    process::{DEADLINE, RoleProcess, get, get_with, wait_for},
    support::{self, BinaryFixture},
};

pub(crate) const TROUBLE: &str = "/*---
alert: Trouble
interval: 1s
timeout: 1s
for: 0s
cooldown: 0s
columns: {labels: [datacenter, cluster]}
labels: {severity: page, team: red}
annotations: {summary: \"trouble in {{ labels.cluster }}\", runbook: trouble}
freshness: none
receivers: [hook]
---*/
select datacenter, cluster from quarantine
";
const REPORT: &str = "/*---
report: What was put aside
parameters:
- {name: datacenter, type: text, default: '', help: Only this datacenter; empty = all.}
- {name: rows, type: integer, default: '10', help: How many.}
---*/
select cluster, count(*) as count from quarantine
where :'datacenter' in ('', datacenter) group by cluster order by cluster limit :'rows'
";

/// What a webhook got, by its path.
#[derive(Clone, Default)]
struct ReceivedWebhooks(Arc<Mutex<Vec<Value>>>);

impl ReceivedWebhooks {
    async fn start() -> (Self, String, JoinSet<()>) {
        let hook = Self::default();
        let take = |State(hook): State<Self>, uri: Uri, mut body: axum::Json<Value>| async move {
            body.0["path"] = Value::from(uri.path());
            hook.0.lock().unwrap().push(body.0);
        };
        let router = Router::new()
            .route("/", post(take))
            .route("/rotated", post(take))
            .with_state(hook.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        (hook, url, server)
    }

    /// Waits until so many messages say this.
    async fn until(&self, words: &str, count: usize) {
        let begun = std::time::Instant::now();
        let received = |bodies: &[Value]| {
            bodies
                .iter()
                .filter(|body| body.to_string().contains(words))
                .count()
        };
        while received(&self.0.lock().unwrap()) < count {
            assert!(
                begun.elapsed() < DEADLINE,
                "never got {words}: {:?}",
                self.0.lock().unwrap()
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

/// A database with trouble in clusters a and b, and rules about it.
pub(crate) struct ConsoleFixture {
    pub(crate) server: LocalPostgres,
    pub(crate) folder: tempfile::TempDir,
    hook: ReceivedWebhooks,
    hook_url: String,
    pub(crate) console: u16,
    _hook: JoinSet<()>,
}

impl ConsoleFixture {
    pub(crate) async fn new() -> Self {
        let server = support::postgres().await;
        let url = support::migrated(&server, "ledger").await;
        let client = support::client(&url).await;
        client
            .batch_execute(
                "insert into ledger.quarantine (datacenter, cluster, cluster_uid, reason, detail)
                 values ('dfw', 'a', 'ua', 'poisoned', 'x'), ('iad', 'b', 'ub', 'poisoned', 'x')",
            )
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("queries/alerts/trouble.sql", TROUBLE);
        write("queries/reports/put-aside.sql", REPORT);
        for name in ["viewer", "operator"] {
            write(&format!("token-{name}"), &format!("{name}-secret"));
        }
        let (hook, hook_url, task) = ReceivedWebhooks::start().await;
        write("hook", &hook_url);
        let console = ports::free_port().unwrap();
        Self {
            server,
            folder,
            hook,
            hook_url,
            console,
            _hook: task,
        }
    }

    /// A configuration whose metrics are on that port.
    pub(crate) fn setup(&self, port: u16, more: &str) -> BinaryFixture {
        let folder = self.folder.path().display();
        BinaryFixture::new(&format!(
            "[postgres]\nurl = \"postgres://fleetledger_evaluate@127.0.0.1:{}/ledger\"\ntls = \"off\"\n\
             [http]\nlisten = \"127.0.0.1:{port}\"\n\
             [evaluate]\nrules = \"{folder}/queries\"\n\
             [receivers.hook]\nkind = \"webhook\"\nsecret_url = \"file:{folder}/hook\"\n\
             [console]\nlisten = \"127.0.0.1:{}\"\n\
             [console.tokens.vera]\nrole = \"viewer\"\ntoken = \"file:{folder}/token-viewer\"\n\
             [console.tokens.olga]\nrole = \"operator\"\ntoken = \"file:{folder}/token-operator\"\n{more}",
            self.server.port(),
            self.console
        ))
    }

    /// What a command says to somebody with that token.
    pub(crate) fn run_command(&self, token: &str, arguments: &[&str]) -> (i32, String) {
        let server = format!("http://127.0.0.1:{}", self.console);
        let token = format!("file:{}/token-{token}", self.folder.path().display());
        let setup = BinaryFixture::new("")
            .variable("FLEETLEDGER_SERVER", &server)
            .variable("FLEETLEDGER_TOKEN", &token);
        setup.run_to_text(arguments)
    }

    /// Says it until the answer holds these words.
    fn await_output(&self, arguments: &[&str], words: &str) -> String {
        let begun = std::time::Instant::now();
        loop {
            let (code, text) = self.run_command("operator", arguments);
            if code == 0 && text.contains(words) {
                return text;
            }
            assert!(
                begun.elapsed() < DEADLINE,
                "{arguments:?} never said {words:?}: {code} {text}"
            );
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_work_with_alerts_through_console_and_evaluator() {
    let place = ConsoleFixture::new().await;
    let (of_console, of_evaluate) = (ports::free_port().unwrap(), ports::free_port().unwrap());
    let (for_console, for_evaluate) = (place.setup(of_console, ""), place.setup(of_evaluate, ""));
    let console = RoleProcess::start(&for_console, &["console"]);
    let evaluator = RoleProcess::start(&for_evaluate, &["evaluate"]);
    wait_for(of_evaluate, "/readyz", "evaluate: ok");
    wait_for(of_console, "/readyz", "console: ok");

    let list = place.await_output(&["alerts", "list", "cluster=a"], "Trouble");
    let lines: Vec<&str> = list.lines().map(str::trim).collect();
    assert!(
        lines[0].starts_with("alert    condition  severity  age  labels") && lines.len() == 3,
        "{list}"
    );
    for words in [
        "Trouble  firing",
        "page",
        "cluster=a datacenter=dfw",
        "trouble in a",
    ] {
        assert!(lines[1].contains(words), "{words}: {list}");
    }
    assert_eq!(lines[2], "1 alert: 1 firing");
    place.hook.until("\"cluster\":\"b\"", 1).await;

    // A snooze has an owner, is shown, and is over when it is ended.
    let snooze = [
        "alerts",
        "snooze",
        "Trouble",
        "cluster=a",
        "--for",
        "2h",
        "--reason",
        "disk swap",
    ];
    let (code, said) = place.run_command("operator", &snooze);
    assert!(
        code == 0 && said.contains("of alertname=\"Trouble\", cluster=\"a\" until "),
        "{said}"
    );
    let number = said.split(' ').nth(1).unwrap().to_owned();
    place.await_output(&["alerts", "list", "cluster=a"], "firing, snoozed");
    let (_, snoozes) = place.run_command("viewer", &["alerts", "snoozes"]);
    assert!(
        snoozes.contains("olga") && snoozes.contains("disk swap"),
        "{snoozes}"
    );
    for command in [&["alerts", "list"][..], &["alerts", "snoozes"]] {
        let run = |format: &str| {
            place
                .run_command("viewer", &[command, &["-o", format]].concat())
                .1
        };
        crate::output::assert_same_in_every_format(run, &[]);
    }
    let (code, said) = place.run_command("operator", &["alerts", "unsnooze", &number]);
    assert!(
        code == 0 && said.contains(&format!("snooze {number} has ended")),
        "{said}"
    );
    place.hook.until("\"cluster\":\"a\"", 2).await;

    let ack = ["alerts", "ack", "Trouble", "cluster=b", "--reason", "on it"];
    assert_eq!(
        place.run_command("operator", &ack),
        (0, "1 alert acknowledged from the next slot on\n".to_owned())
    );
    place.await_output(&["alerts", "list", "cluster=b"], "acked by olga");
    let show = place.await_output(&["alerts", "show", "Trouble", "cluster=b"], "acked");
    for words in [
        "Trouble: firing, acked by olga",
        "trouble in b",
        "hook",
        "on it",
        "select datacenter, cluster from quarantine",
    ] {
        assert!(show.contains(words), "{words}: {show}");
    }
    let (code, said) = place.run_command("operator", &["alerts", "show", "Trouble"]);
    assert!(
        code == 5 && said.contains("2 alerts have these labels"),
        "{code} {said}"
    );
    let (_, document) = place.run_command("viewer", &["alerts", "list", "--json"]);
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(
        document.as_array().unwrap().len(),
        2 + builtin(&document),
        "{document}"
    );

    let (code, said) = place.run_command("operator", &["alerts", "drill", "hook"]);
    assert!(code == 0 && said.starts_with("1 drill queued"), "{said}");
    place.hook.until("drill", 1).await;

    // What a token may not, and who has none.
    let (code, said) = place.run_command("viewer", &snooze);
    assert!(
        code == 5 && said.contains("this requires a token of role operator"),
        "{code} {said}"
    );
    let server = format!("http://127.0.0.1:{}", place.console);
    let (code, said) = BinaryFixture::new("").run_to_text(&["alerts", "list", "--server", &server]);
    assert!(
        code != 0 && said.contains("give a reference to the token with --token"),
        "{code} {said}"
    );
    assert!(get(place.console, "/api/openapi.json").contains("/api/v1/reports/{report}"));

    for (name, role) in [("console", console), ("evaluate", evaluator)] {
        let (code, log) = role.stop();
        assert_eq!(code, Some(0), "{name}: {log}");
        assert!(!log.contains("secret"), "a secret is in the log of {name}: {log}");
    }
    let (code, said) = place.run_command("operator", &["alerts", "list"]);
    assert!(
        code != 0 && said.contains("start it (fleetledger console)"),
        "{code} {said}"
    );
    drop(place.hook_url);
}

/// Alerts about fleetledger itself: the heartbeat, and what an empty ledger makes of ingestion.
fn builtin(document: &Value) -> usize {
    let alerts = document.as_array().unwrap();
    alerts
        .iter()
        .filter(|alert| alert["alertname"] != "Trouble")
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_and_queries_are_asked_of_all_roles_in_one_process() {
    let place = ConsoleFixture::new().await;
    let broker = MockKafka::start().unwrap();
    for kind in RecordKind::TOPICS {
        broker.create_topic(&kind.topic("fleetledger", None), 1).unwrap();
    }
    let port = ports::free_port().unwrap();
    let kafka = format!(
        "[kafka]\nbootstrap_servers = \"{}\"\n",
        broker.bootstrap_servers()
    );
    // All roles of one process are one user, who may what ingester and evaluator may.
    let client = support::client(&place.server.url_of("ledger")).await;
    client
        .batch_execute(
            "create role fleetledger_central login inherit in role fleetledger_ingest, fleetledger_evaluate;
             alter role fleetledger_central in database ledger set search_path = fleet",
        )
        .await
        .unwrap();
    let setup = place.setup(port, &kafka);
    let text = std::fs::read_to_string(setup.file()).unwrap();
    std::fs::write(
        setup.file(),
        text.replace("fleetledger_evaluate@", "fleetledger_central@"),
    )
    .unwrap();
    let central = RoleProcess::start(&setup, &["central"]);
    wait_for(port, "/readyz", "central: ok");
    let metrics = wait_for(
        port,
        "/metrics",
        "fleetledger_alerts_runs_total{outcome=\"ok\",rule=\"trouble\"}",
    );
    assert!(metrics.contains("fleetledger_ingest_"), "{metrics}");
    place.await_output(&["alerts", "list"], "Trouble");

    assert_eq!(
        place.run_command("viewer", &["report"]),
        (
            0,
            "  report     parameters           title\n  put-aside  datacenter= rows=10  What was put aside\n1 report\n"
                .to_owned()
        )
    );
    let two = (
        0,
        "  cluster  count\n  a        1\n  b        1\n2 rows\n".to_owned(),
    );
    assert_eq!(place.run_command("viewer", &["report", "put-aside"]), two);
    let one = place.run_command(
        "viewer",
        &["report", "put-aside", "--param", "datacenter=iad", "--json"],
    );
    let document: Value = serde_json::from_str(&one.1).unwrap();
    assert_eq!(
        document["rows"],
        serde_json::json!([{"cluster": "b", "count": 1}])
    );
    for (command, at) in [(&["report"][..], &[][..]), (&["report", "put-aside"], &["rows"])] {
        let run = |format: &str| {
            place
                .run_command("viewer", &[command, &["-o", format]].concat())
                .1
        };
        crate::output::assert_same_in_every_format(run, at);
    }
    let (code, said) = place.run_command("viewer", &["report", "put-away"]);
    assert!(
        code == 5 && said.contains("report `put-away` not found; there are put-aside"),
        "{said}"
    );
    let (code, said) = place.run_command("viewer", &["report", "put-aside", "--param", "rows=all"]);
    assert!(
        code == 5 && said.contains("`all` is not a whole number"),
        "{said}"
    );

    let file = place.folder.path().join("queries/reports/put-aside.sql");
    let run = ["rules", "run", file.to_str().unwrap()];
    assert_eq!(place.run_command("operator", &run), two);
    let (code, said) = place.run_command("viewer", &run);
    assert!(
        code == 5 && said.contains("this requires a token of role operator"),
        "{said}"
    );
    std::fs::write(&file, REPORT.replace("select cluster", "select clustre")).unwrap();
    let (code, said) = place.run_command("operator", &run);
    assert!(
        code == 5 && said.contains("put-aside.sql:7:8: column \"clustre\" does not exist"),
        "{said}"
    );

    // Without the console, as the reader.
    std::fs::write(&file, REPORT).unwrap();
    let (code, log) = central.stop();
    assert_eq!(code, Some(0), "{log}");
    let reader = format!(
        "postgres://fleetledger_reader@127.0.0.1:{}/ledger",
        place.server.port()
    );
    let run = [&run[..], &["--postgres", &reader]].concat();
    assert_eq!(place.run_command("operator", &run), two);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_addresses_are_rotated_under_load_without_a_request_that_fails() {
    let place = ConsoleFixture::new().await;
    let (of_console, of_evaluate) = (ports::free_port().unwrap(), ports::free_port().unwrap());
    let (for_console, for_evaluate) = (place.setup(of_console, ""), place.setup(of_evaluate, ""));
    let console = RoleProcess::start(&for_console, &["console"]);
    let evaluator = RoleProcess::start(&for_evaluate, &["evaluate"]);
    wait_for(of_evaluate, "/readyz", "evaluate: ok");
    wait_for(of_console, "/readyz", "console: ok");
    let file = place.folder.path().join("token-operator");
    let ended = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let (file, ended, port) = (file.clone(), ended.clone(), place.console);
            std::thread::spawn(move || {
                let mut answers = 0;
                while !ended.load(Ordering::Relaxed) {
                    let token = std::fs::read_to_string(&file).unwrap();
                    let answer = get_with(
                        port,
                        "/api/v1/rules",
                        &format!("Authorization: Bearer {token}\r\n"),
                    );
                    assert!(answer.starts_with("HTTP/1.1 200"), "{token}: {answer}");
                    answers += 1;
                }
                answers
            })
        })
        .collect();
    for rotation in 0..20 {
        let newer = place.folder.path().join("token-newer");
        std::fs::write(&newer, format!("operator-secret-{rotation}")).unwrap();
        std::fs::rename(&newer, &file).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    ended.store(true, Ordering::Relaxed);
    let answers: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    println!("{answers} answers over 20 rotations, none failed");
    assert!(answers > 50, "{answers}");

    std::fs::write(
        place.folder.path().join("hook"),
        format!("{}rotated", place.hook_url),
    )
    .unwrap();
    let (code, said) = place.run_command("operator", &["alerts", "drill", "hook"]);
    assert_eq!(code, 0, "{said}");
    place.hook.until("\"path\":\"/rotated\"", 1).await;
    for (name, role) in [("console", console), ("evaluate", evaluator)] {
        let (code, log) = role.stop();
        assert_eq!(code, Some(0), "{name}: {log}");
        assert!(
            !log.contains("-secret"),
            "a secret is in the log of {name}: {log}"
        );
    }
}
