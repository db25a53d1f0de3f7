//! Cost from end to end, as processes: a simulated cluster, the ingester, an evaluator that rates, and the console that is
//! asked; what people are shown is what the books say.

use std::time::{Duration, Instant};

use fleetledger_local::{
    ArtifactCache, mock_kafka::MockKafka, ports, postgres::LocalPostgres, promtool::Promtool, skip,
};
use fleetledger_schema::kind::RecordKind;
use tokio_postgres::Client;

use crate::{
    process::{DEADLINE, RoleProcess, get, wait_for},
    support::{self, BinaryFixture},
};

const PRICES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/cost");
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../queries");

/// The four roles, each with a port for its health, and who asks.
struct CostFixture {
    server: LocalPostgres,
    broker: MockKafka,
    token: tempfile::TempDir,
    console: u16,
}

impl CostFixture {
    async fn new() -> Self {
        let server = support::postgres().await;
        support::migrated(&server, "ledger").await;
        let broker = MockKafka::start().unwrap();
        for kind in RecordKind::TOPICS {
            broker.create_topic(&kind.topic("fleetledger", None), 2).unwrap();
        }
        let token = tempfile::tempdir().unwrap();
        std::fs::write(token.path().join("token"), "secret").unwrap();
        let console = ports::free_port().unwrap();
        Self {
            server,
            broker,
            token,
            console,
        }
    }

    /// Starts a role and waits until it is ready; its metrics are on the port.
    fn start(&self, user: &str, role: &[&str]) -> (RoleProcess, u16) {
        let port = ports::free_port().unwrap();
        let token = self.token.path().display();
        let setup = BinaryFixture::new(&format!(
            "[kafka]\nbootstrap_servers = \"{}\"\n\
             [postgres]\nurl = \"postgres://{user}@127.0.0.1:{}/ledger\"\ntls = \"off\"\n\
             [http]\nlisten = \"127.0.0.1:{port}\"\n\
             [emit]\ndatacenter = \"dfw\"\ncluster = \"a\"\n[simulate]\nnodes = 5\npods = 40\n\
             [evaluate]\nrules = \"{RULES}\"\n[cost]\ninterval_seconds = 1\npartial_minutes = 60\n\
             [console]\nlisten = \"127.0.0.1:{}\"\n[console.tokens.ada]\nrole = \"admin\"\ntoken = \"file:{token}/token\"\n",
            self.broker.bootstrap_servers(),
            self.server.port(),
            self.console,
        ));
        let running = RoleProcess::start(&setup, role);
        wait_for(port, "/readyz", &format!("{}: ok", role[0]));
        (running, port)
    }

    /// What a command says to somebody with the token.
    fn run_command(&self, arguments: &[&str]) -> String {
        let token = format!("file:{}/token", self.token.path().display());
        let setup = BinaryFixture::new("")
            .variable(
                "FLEETLEDGER_SERVER",
                &format!("http://127.0.0.1:{}", self.console),
            )
            .variable("FLEETLEDGER_TOKEN", &token);
        let (code, text) = setup.run_to_text(arguments);
        assert_eq!(code, 0, "{arguments:?}: {text}");
        text
    }

    /// What `GET /api/allocation` answers for all that was rated: the total of every team, idle and system.
    fn query_total_cost(&self) -> f64 {
        let text = self.run_command(&["cost", "--window", "7d", "--by", "team", "--json"]);
        let answer: serde_json::Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let sets = answer["data"].as_array().unwrap();
        let teams = sets.iter().flat_map(|set| set.as_object().unwrap().values());
        teams.map(|team| team["totalCost"].as_f64().unwrap()).sum()
    }
}

/// What the nodes cost by the books, read back, and how many hours of them do not add up.
async fn read_cost_balance(client: &Client) -> (f64, i64) {
    let balance =
        "select coalesce(sum(cost), 0)::float8, count(*) filter (where not balanced or difference <> 0)
        from fleet.cost_balance where period = 'hour'";
    let row = client.query_one(balance, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_is_rated_and_what_people_are_shown_is_what_the_ledger_says() {
    let place = CostFixture::new().await;
    let client = support::client(&place.server.url_of("ledger")).await;
    let roles = [
        place.start("fleetledger_ingest", &["ingest"]),
        place.start("fleetledger_ingest", &["emit", "--source", "simulate"]),
        place.start("fleetledger_evaluate", &["evaluate"]),
        place.start("fleetledger_evaluate", &["console"]),
    ];
    assert!(place.run_command(&["cost"]).contains("no price sheet stands"));
    let applied = place.run_command(&["cost", "apply", PRICES]);
    assert!(applied.contains("price sheet cloud stands"), "{applied}");

    // The evaluator rates by itself. An hour may be rated again between two questions: they are asked until nothing was.
    let begun = Instant::now();
    let window = "2026-01-01T00:00:00Z,2026-01-02T00:00:00Z";
    let nothing = |format: &str| place.run_command(&["cost", "--window", window, "-o", format]);
    crate::output::assert_same_in_every_format(nothing, &["data", "*"]);
    let table = loop {
        let (cost, wrong) = read_cost_balance(&client).await;
        assert_eq!(wrong, 0, "hours that do not add up");
        let asked = place.query_total_cost();
        let table = place.run_command(&["cost", "--window", "7d", "--by", "team"]);
        let total = format!("total {cost:.2} USD; compute only");
        if cost > 0.0 && (asked - cost).abs() < 1e-6 && table.contains(&total) {
            break table;
        }
        assert!(
            begun.elapsed() < DEADLINE,
            "the API says {asked}, the books {cost}, people are shown {table}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    // Rated again between two questions, an amount may differ in its last digits; the fields are the same.
    let csv = place.run_command(&["cost", "--window", "7d", "--by", "team", "-o", "csv"]);
    assert!(
        csv.starts_with("name,") && csv.lines().count() > 2 && csv.contains(",USD\r\n"),
        "{csv}"
    );
    for team in ["__idle__", "__system__"] {
        assert!(table.contains(team), "{team}: {table}");
    }
    let evaluator = roles[2].1;
    wait_for(evaluator, "/metrics", "fleetledger_cost_ratings_total");
    wait_for(evaluator, "/metrics", "\nfleet_nodes{");
    assert_metrics_are_clean(&roles.each_ref().map(|(_, port)| *port)).await;

    // What nothing can match is named, by the console where it answers, and by doctor.
    let sheets = place.token.path().join("sheets.toml");
    let sheet = "[[sheet]]\nsheet = \"cloud\"\nvalid_from = 2026-01-01\ncurrency = \"USD\"\n\
        [[sheet.class]]\nclass = \"spot\"\nlabels = { \"example.com/spot\" = \"true\" }\nprice_per_node_month = 1\n";
    std::fs::write(&sheets, sheet).unwrap();
    let sheets = sheets.display().to_string();
    let warning =
        "warning: class spot of price sheet cloud: no node in the ledger has the label example.com/spot";
    let checked = place.run_command(&["cost", "check", &sheets]);
    assert!(checked.contains(warning), "{checked}");
    let applied = place.run_command(&["cost", "apply", &sheets]);
    assert!(applied.contains(warning), "{applied}");
    let away = BinaryFixture::new("[console]\nlisten = \"127.0.0.1:1\"\n");
    let (code, text) = away.run_to_text(&["cost", "check", &sheets]);
    assert!(
        code == 0 && text.contains("not compared with the ledger"),
        "{code} {text}"
    );
    let doctor = BinaryFixture::new(&format!(
        "[postgres]\nurl = \"postgres://fleetledger_evaluate@127.0.0.1:{}/ledger\"\ntls = \"off\"\n",
        place.server.port()
    ));
    support::assert_broken(
        &doctor,
        "evaluate",
        "cost-matched",
        "class spot of price sheet cloud",
        "emit.labels",
    );

    // Whoever has the console's configuration need not name its address.
    let token = format!("file:{}/token", place.token.path().display());
    let setup = BinaryFixture::new(&format!("[console]\nlisten = \"127.0.0.1:{}\"\n", place.console));
    let (code, text) = setup.run_to_text(&["cost", "--window", "7d", "--token", &token]);
    assert_eq!(code, 0, "{text}");
    let other = BinaryFixture::new("[console]\nlisten = \"127.0.0.1:1\"\n");
    let (code, text) = other.run_to_text(&["cost", "--token", &token]);
    assert!(
        code != 0 && text.contains("console http://127.0.0.1:1"),
        "{code} {text}"
    );
}

/// Prometheus' own tool has nothing to say about what the roles show.
async fn assert_metrics_are_clean(ports: &[u16]) {
    let test = "an_hour_is_rated_and_what_people_are_shown_is_what_the_ledger_says: promtool";
    let cache = ArtifactCache::new(ArtifactCache::default_root());
    let Some(promtool) = skip::unless_available(test, Promtool::find(&cache).await).unwrap() else {
        return;
    };
    for port in ports {
        let answer = get(*port, "/metrics");
        let (_, text) = answer.split_once("\r\n\r\n").unwrap();
        assert!(text.contains("# HELP fleet"), "{answer}");
        let wrong = promtool.check_metrics(text).await.unwrap();
        assert_eq!(wrong, "", "{text}");
    }
}
