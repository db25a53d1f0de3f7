//! The HTTP API over real instances.

use axum::{Extension, Router};
use fleetledger_alerts::http::{Api, Caller, Role, SnoozeRow, router};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use crate::harness::{Place, TROUBLE};

struct Server {
    url: String,
    http: reqwest::Client,
    _task: JoinSet<()>,
}

impl Server {
    async fn start(place: &Place, role: Role) -> Self {
        let evaluator = place.evaluator("api", &[("trouble.sql", TROUBLE)]);
        let api = Api {
            pool: evaluator.pool.clone(),
            reader: evaluator.reader.clone(),
            rules: evaluator.rules.clone(),
            receivers: evaluator.settings.receivers.clone(),
        };
        let (routes, document) = router(api).split_for_parts();
        assert!(document.paths.paths.contains_key("/api/v1/snoozes"));
        let caller = Caller {
            name: "alice".to_owned(),
            role,
        };
        let routes: Router = routes.layer(Extension(caller));
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
        answer(self.http.get(format!("{}{path}", self.url))).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.http.post(format!("{}{path}", self.url)).json(&body)).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn alerts_are_listed_snoozed_acknowledged_and_shown_with_their_history() {
    let rules: &[(&str, &str)] = &[("trouble.sql", TROUBLE)];
    let place = Place::new().await;
    place.trouble("a").await;
    place.trouble("b").await;
    place.minutes(rules, 0..3).await;
    let server = Server::start(&place, Role::Operator).await;
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
    let (status, ended) = answer(
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
    let place = Place::new().await;
    let server = Server::start(&place, Role::Operator).await;
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
            "no matcher",
        ),
        (
            json!({"matchers": ["node=n1"], "for_seconds": 60, "reason": "x", "from": "soon"}),
            "no instant",
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
    let viewer = Server::start(&place, Role::Viewer).await;
    assert_eq!(viewer.get("/api/v1/alerts").await.0, 200);
    let snooze = json!({"matchers": ["node=n1"], "for_seconds": 60, "reason": "x"});
    assert_eq!(viewer.post("/api/v1/snoozes", snooze).await.0, 403);
}
