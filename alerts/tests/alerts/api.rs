//! The HTTP API over real instances.

use axum::{Extension, Router};
use fleetledger_alerts::{
    http::{AlertsApi, AlertsCaller, CallerRole, SnoozeRow, router},
    links::LinkTargets,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use crate::harness::{AlertsHarness, TROUBLE};

const REPORT: &str = "\
/*---
report: What was put aside
description: \"Open quarantines, by cluster.\"
timeout: 2s
parameters:
- {name: datacenter, type: text, help: Datacenter.}
- {name: rows, type: integer, default: '1', help: How many.}
---*/
select cluster, count(*) as count, 'a,b' as note, null::text as nothing from quarantine
where datacenter = :'datacenter' group by cluster order by cluster limit :'rows'";

pub struct AlertsApiServer {
    pub url: String,
    pub http: reqwest::Client,
    _task: JoinSet<()>,
}

impl AlertsApiServer {
    pub async fn start(place: &AlertsHarness, role: CallerRole) -> Self {
        let evaluator = place.evaluator("api", &[("trouble.sql", TROUBLE), ("put-aside.sql", REPORT)]);
        let api = AlertsApi {
            pool: evaluator.pool.clone(),
            reader: evaluator.reader.clone(),
            rules: evaluator.rules.clone(),
            receivers: evaluator.settings.receivers.clone(),
            link_targets: LinkTargets::default(),
            runbooks: concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/runbooks").into(),
        };
        let pages = fleetledger_console::router(api.clone());
        let (routes, document) = router(api).split_for_parts();
        for path in ["/api/v1/snoozes", "/api/v1/reports/{report}", "/api/v1/rules/run"] {
            assert!(document.paths.paths.contains_key(path), "{path}");
        }
        let caller = AlertsCaller {
            name: "alice".to_owned(),
            role,
        };
        let routes: Router = routes.merge(pages).layer(Extension(caller));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            url,
            http: reqwest::Client::new(),
            _task: task,
        }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        send(self.http.get(format!("{}{path}", self.url))).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        send(self.http.post(format!("{}{path}", self.url)).json(&body)).await
    }
}

async fn send(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn alerts_are_listed_snoozed_acknowledged_and_shown_with_their_history() {
    let rules: &[(&str, &str)] = &[("trouble.sql", TROUBLE)];
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    place.trouble("b").await;
    place.minutes(rules, 0..3).await;
    let server = AlertsApiServer::start(&place, CallerRole::Operator).await;
    let (status, alerts) = server
        .get("/api/v1/alerts?matchers=alertname%3DTrouble,cluster%3Da")
        .await;
    assert_eq!((status, alerts.as_array().unwrap().len()), (200, 1), "{alerts}");
    assert_eq!(alerts[0]["condition"], "firing");
    assert_eq!(alerts[0]["summary"], "trouble in a");

    let snooze =
        json!({"matchers": ["alertname=Trouble", "cluster=a"], "for_seconds": 7200, "reason": "disk swap"});
    let (status, made) = server.post("/api/v1/snoozes", snooze).await;
    assert_eq!((status, &made["owner"]), (201, &json!("alice")), "{made}");
    let made: SnoozeRow = serde_json::from_value(made).unwrap();
    assert_eq!(
        place.one::<String>("select state from fleet.snooze").await,
        "active"
    );
    let (status, ended) = send(
        server
            .http
            .delete(format!("{}/api/v1/snoozes/{}", server.url, made.id)),
    )
    .await;
    assert_eq!(status, 200, "{ended}");
    assert_eq!(server.get("/api/v1/snoozes").await.1, json!([]));

    let ack = json!({"matchers": ["cluster=b"], "reason": "on it"});
    assert_eq!(
        server.post("/api/v1/alerts/ack", ack).await,
        (200, json!({"count": 1}))
    );
    place.minutes(rules, 3..4).await;
    let (_, alerts) = server.get("/api/v1/alerts?matchers=cluster%3Db").await;
    assert_eq!(alerts[0]["acked_by"], "alice");
    let path = format!(
        "/api/v1/alerts/trouble/{}",
        alerts[0]["fingerprint"].as_str().unwrap()
    );
    let (_, detail) = server.get(&path).await;
    let events: Vec<&str> = detail["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        events,
        ["notified", "acked", "notified", "firing", "pending"],
        "{detail}"
    );
    let (_, rules) = server.get("/api/v1/rules/trouble").await;
    assert_eq!(rules["rule"]["state"], "ok");
    assert_eq!(rules["runs"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn what_is_wrong_or_not_allowed_is_refused_with_a_reason() {
    let place = AlertsHarness::new().await;
    let server = AlertsApiServer::start(&place, CallerRole::Operator).await;
    for (body, why) in [
        (
            json!({"matchers": [], "for_seconds": 60, "reason": "x"}),
            "at least one matcher",
        ),
        (
            json!({"matchers": ["node=n1"], "for_seconds": 60, "reason": " "}),
            "a reason",
        ),
        (
            json!({"matchers": ["node=n1"], "for_seconds": 2_678_401, "reason": "x"}),
            "30 days",
        ),
        (
            json!({"matchers": ["node"], "for_seconds": 60, "reason": "x"}),
            "invalid matcher",
        ),
        (
            json!({"matchers": ["node=n1"], "for_seconds": 60, "reason": "x", "from": "soon"}),
            "not an instant",
        ),
    ] {
        let (status, problem) = server.post("/api/v1/snoozes", body).await;
        assert!(
            status == 400 && problem["error"].as_str().unwrap().contains(why),
            "{status} {problem}"
        );
    }
    assert_eq!(
        server
            .post("/api/v1/alerts/drill", json!({"receiver": "nobody"}))
            .await
            .0,
        404
    );
    assert_eq!(server.get("/api/v1/alerts/none/none").await.0, 404);
    let viewer = AlertsApiServer::start(&place, CallerRole::Viewer).await;
    assert_eq!(viewer.get("/api/v1/alerts").await.0, 200);
    let snooze = json!({"matchers": ["node=n1"], "for_seconds": 60, "reason": "x"});
    assert_eq!(viewer.post("/api/v1/snoozes", snooze).await.0, 403);
}

#[tokio::test]
async fn reports_are_listed_and_asked_as_json_and_as_csv() {
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    place.trouble("b").await;
    let server = AlertsApiServer::start(&place, CallerRole::Viewer).await;
    let (status, reports) = server.get("/api/v1/reports").await;
    assert_eq!(status, 200);
    assert_eq!(
        reports,
        json!([{
            "name": "put-aside", "title": "What was put aside", "description": "Open quarantines, by cluster.",
            "parameters": [
                {"name": "datacenter", "type": "text", "default": null, "help": "Datacenter."},
                {"name": "rows", "type": "integer", "default": "1", "help": "How many."},
            ],
        }])
    );
    let (status, report) = server
        .get("/api/v1/reports/put-aside?datacenter=dc1&rows=10")
        .await;
    assert_eq!(status, 200, "{report}");
    assert_eq!(
        report["rows"],
        json!([
            {"cluster": "a", "count": 1, "note": "a,b", "nothing": null},
            {"cluster": "b", "count": 1, "note": "a,b", "nothing": null},
        ])
    );
    assert_eq!(report["columns"][1], json!({"name": "count", "type": "int8"}));
    assert_eq!(report["exceeded"], false);
    // A parameter is a value and never SQL.
    let (_, none) = server
        .get("/api/v1/reports/put-aside?datacenter=dc1'%20or%20true--")
        .await;
    assert_eq!(none["rows"], json!([]));
    let (_, past) = server
        .get("/api/v1/reports/put-aside?datacenter=dc1&as_of=2020-01-01T00:00:00Z")
        .await;
    assert_eq!(past["rows"], json!([]));

    let csv = server
        .http
        .get(format!(
            "{}/api/v1/reports/put-aside?datacenter=dc1&format=csv",
            server.url
        ))
        .send()
        .await
        .unwrap();
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
    assert_eq!(
        csv.text().await.unwrap(),
        "cluster,count,note,nothing\r\na,1,\"a,b\",\r\n"
    );

    for (path, status, why) in [
        (
            "/api/v1/reports/put-aside",
            400,
            "parameter `datacenter` must be given",
        ),
        (
            "/api/v1/reports/put-aside?datacenter=x&rows=many",
            400,
            "not a whole number",
        ),
        (
            "/api/v1/reports/put-aside?datacenter=x&x=1",
            400,
            "parameter `x` not found",
        ),
        (
            "/api/v1/reports/put-aside?datacenter=x&format=xml",
            400,
            "neither json nor csv",
        ),
        (
            "/api/v1/reports/put-aside?datacenter=x&as_of=noon",
            400,
            "is not an instant",
        ),
        (
            "/api/v1/reports/trouble",
            404,
            "report `trouble` not found; there are put-aside",
        ),
    ] {
        let (found, problem) = server.get(path).await;
        assert_eq!(found, status, "{path}: {problem}");
        assert!(problem["error"].as_str().unwrap().contains(why), "{problem}");
    }
}

#[tokio::test]
async fn a_query_is_run_once_by_an_operator_as_the_reader() {
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    let server = AlertsApiServer::start(&place, CallerRole::Operator).await;
    let run = |text: &str| json!({"file": "mine.sql", "text": text});
    let (status, answer) = server.post("/api/v1/rules/run", run(TROUBLE)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["rows"], json!([{"datacenter": "dc1", "cluster": "a"}]));
    let mut asked = run(REPORT);
    asked["parameters"] = json!({"datacenter": "dc1"});
    assert_eq!(
        server.post("/api/v1/rules/run", asked).await.1["rows"][0]["cluster"],
        "a"
    );

    for (text, status, why) in [
        (
            TROUBLE.replace("for: 2m", "fro: 2m"),
            400,
            "mine.sql:4: unknown key `fro`",
        ),
        (
            TROUBLE.replace("from quarantine", "from ledger.quarantine"),
            400,
            "mine.sql:14:33: `ledger.quarantine`: schema ledger is private",
        ),
        (
            TROUBLE.replace("select datacenter", "select site"),
            422,
            "mine.sql:14:8: column \"site\" does not exist",
        ),
        (
            TROUBLE.replace("select datacenter", "select U&\"pg\\005fsleep\"(600)::text as slept, datacenter"),
            422,
            "it calls `pg_sleep(double precision)`, which is not allowed",
        ),
        (REPORT.to_owned(), 400, "must be given"),
        (
            "/*---\nreport: Slow\ntimeout: 1s\n---*/\nselect count(*) as n from generate_series(1, 1000000000000) as g"
                .to_owned(),
            504,
            "cancelled after its timeout of 1s",
        ),
    ] {
        let (found, problem) = server.post("/api/v1/rules/run", run(&text)).await;
        assert_eq!(found, status, "{problem}");
        assert!(problem["error"].as_str().unwrap().contains(why), "{problem}");
    }
    let viewer = AlertsApiServer::start(&place, CallerRole::Viewer).await;
    let (status, problem) = viewer.post("/api/v1/rules/run", run(TROUBLE)).await;
    assert_eq!(
        (status, problem),
        (403, json!({"error": "this requires a token of role operator"}))
    );
}
