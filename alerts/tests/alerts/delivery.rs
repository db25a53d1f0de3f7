//! From the outbox to receivers that are slow, refuse, ask to wait or are away: in order, and nothing lost.

use std::time::Duration;

use prometheus::Registry;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    endpoint::{StubReceiver, StubResponse},
    harness::{AlertsHarness, TROUBLE},
};

const TIMEOUT: Duration = Duration::from_millis(500);
const ALL_SETTLED: &str = "select not exists (select from ledger.outbox where state = 'queued')";

fn to(receivers: &str) -> String {
    TROUBLE.replace("receivers: [pager]", &format!("receivers: [{receivers}]"))
}

/// Delivers until it is dropped.
struct DeliveryTask {
    _stop: DropGuard,
    _task: JoinSet<()>,
}

fn deliver(place: &AlertsHarness) -> DeliveryTask {
    let (stop, evaluator) = (CancellationToken::new(), place.evaluator("one", &[]));
    let until = stop.clone();
    let mut task = JoinSet::new();
    task.spawn(async move { evaluator.deliver(&Registry::new(), until).await.unwrap() });
    DeliveryTask {
        _stop: stop.drop_guard(),
        _task: task,
    }
}

/// One alert that fired, was snoozed, woke and ended, all of it while nobody delivered: what is queued for `pager`.
async fn a_life(place: &AlertsHarness, rules: &[(&str, &str)]) {
    place.trouble("a").await;
    place.minutes(rules, 0..3).await;
    // Somebody tried and does not know what became of it: nothing may be cancelled any more.
    place
        .run("update ledger.outbox set attempts = 1, first_attempt_at = now()")
        .await;
    place.snooze("cluster=\"a\"", 3, 5).await;
    for minutes in [3..5, 5..6] {
        place.minutes(rules, minutes).await;
        place
            .run("update ledger.outbox set attempts = 1, first_attempt_at = now()")
            .await;
    }
    place.peace("a").await;
    place.minutes(rules, 6..7).await;
}

#[tokio::test]
async fn pagerduty_hears_of_an_alerts_life_in_order() {
    let endpoint = StubReceiver::start().await;
    let place = AlertsHarness::new().await.with_receivers(&endpoint.url, TIMEOUT);
    a_life(&place, &[("trouble.sql", TROUBLE)]).await;
    let _delivering = deliver(&place);
    place.until(ALL_SETTLED).await;
    let key = |incarnation: u32| {
        format!(
            "{}:{incarnation}",
            endpoint.events()[0]
                .split(' ')
                .nth(1)
                .unwrap()
                .rsplit_once(':')
                .unwrap()
                .0
        )
    };
    let (first, second) = (key(1), key(2));
    assert_eq!(
        endpoint.events(),
        [
            format!("trigger {first}"),
            format!("acknowledge {first}"),
            format!("resolve {first}"),
            format!("trigger {second}"),
            format!("resolve {second}"),
        ]
    );
    let got = endpoint.requests();
    assert_eq!(got[0].body["routing_key"], "new-key");
    assert_eq!(got[0].body["payload"]["severity"], "critical");
    assert!(
        got[0].body["payload"]["summary"]
            .as_str()
            .unwrap()
            .contains("trouble in a")
    );
}

#[tokio::test]
async fn receivers_that_fail_are_tried_again_and_order_is_kept() {
    let endpoint = StubReceiver::start().await;
    let place = AlertsHarness::new().await.with_receivers(&endpoint.url, TIMEOUT);
    a_life(&place, &[("trouble.sql", TROUBLE)]).await;
    endpoint.script([
        StubResponse::Status(500),
        StubResponse::Status(503),
        StubResponse::Slow(TIMEOUT * 3),
        StubResponse::Status(502),
    ]);
    let _delivering = deliver(&place);
    place.until(ALL_SETTLED).await;
    let actions: Vec<String> = endpoint
        .events()
        .iter()
        .map(|event| event.split(' ').next().unwrap().to_owned())
        .collect();
    // The slow one was taken though its answer came too late: one double, of the same key, in its place.
    assert_eq!(
        actions,
        [
            "trigger",
            "trigger",
            "acknowledge",
            "resolve",
            "trigger",
            "resolve"
        ]
    );
    let attempts = "select outcome || ' ' || coalesce(status::text, '-') from ledger.delivery order by delivery_id limit 5";
    assert_eq!(
        place.all(attempts).await,
        ["retry 500", "retry 503", "retry -", "retry 502", "sent 202"]
    );
}

#[tokio::test]
async fn receiver_that_asks_to_wait_is_left_alone_for_so_long() {
    let endpoint = StubReceiver::start().await;
    let place = AlertsHarness::new().await.with_receivers(&endpoint.url, TIMEOUT);
    place.trouble("a").await;
    place.trouble("b").await;
    place.minutes(&[("trouble.sql", TROUBLE)], 0..3).await;
    endpoint.script([StubResponse::Later(2), StubResponse::Later(2)]);
    let _delivering = deliver(&place);
    place.until(ALL_SETTLED).await;
    let got = endpoint.requests();
    assert_eq!(got.len(), 4, "{got:?}");
    for again in &got[2..] {
        let waited = again.at.duration_since(got[0].at);
        assert!(waited >= Duration::from_secs(2), "{waited:?}");
    }
}

#[tokio::test]
async fn receiver_that_is_away_gets_everything_when_it_is_back() {
    let address = {
        // A port that nobody listens on.
        let taken = StubReceiver::start().await;
        taken.url.trim_start_matches("http://").to_owned()
    };
    let place = AlertsHarness::new()
        .await
        .with_receivers(&format!("http://{address}"), TIMEOUT);
    a_life(&place, &[("trouble.sql", TROUBLE)]).await;
    let _delivering = deliver(&place);
    place
        .until("select count(*) >= 3 from ledger.delivery where outcome = 'retry'")
        .await;
    let endpoint = StubReceiver::start_at(&address).await;
    place.until(ALL_SETTLED).await;
    assert_eq!(endpoint.events().len(), 5);
}

#[tokio::test]
async fn notification_that_is_refused_is_a_dead_letter_that_people_see() {
    let endpoint = StubReceiver::start().await;
    let place = AlertsHarness::new().await.with_receivers(&endpoint.url, TIMEOUT);
    let rule = to("pager, nobody");
    let rules: &[(&str, &str)] = &[("trouble.sql", &rule)];
    place.trouble("a").await;
    place.minutes(rules, 0..3).await;
    endpoint.script([StubResponse::Status(400)]);
    let _delivering = deliver(&place);
    place.until(ALL_SETTLED).await;
    let dead = "select receiver || ' ' || attempts from fleet.notification where state = 'dead' order by 1";
    assert_eq!(place.all(dead).await, ["nobody 1", "pager 1"]);
    let why: String = place
        .one("select last_error from fleet.notification where receiver = 'nobody'")
        .await;
    assert!(why.contains("receiver nobody not found"), "{why}");
    assert_eq!(endpoint.requests().len(), 1);
    // The alert about it looks an hour back from its slot.
    place.run("update ledger.outbox set settled_at = slot").await;
    place.minutes(rules, 3..5).await;
    let notified = "select labels ->> 'receiver' from fleet.alert where alertname = 'NotificationFailing' and condition = 'firing' order by 1";
    assert_eq!(place.all(notified).await, ["nobody", "pager"]);
}

#[tokio::test]
async fn slack_and_webhooks_get_their_own_payloads() {
    let endpoint = StubReceiver::start().await;
    let place = AlertsHarness::new().await.with_receivers(&endpoint.url, TIMEOUT);
    let rule = to("chat, hook");
    place.trouble("a").await;
    place.minutes(&[("trouble.sql", &rule)], 0..3).await;
    let _delivering = deliver(&place);
    place.until(ALL_SETTLED).await;
    let got = endpoint.requests();
    let of = |path: &str| got.iter().find(|got| got.path == path).unwrap();
    assert!(of("/slack").body.to_string().contains("trouble in a"));
    let hook = of("/hook");
    assert_eq!(hook.body["version"], "4");
    assert_eq!(hook.body["alerts"][0]["labels"]["alertname"], "Trouble");
    let key: String = place
        .one("select idempotency_key from ledger.outbox where receiver = 'hook'")
        .await;
    assert_eq!(hook.idempotency_key.as_deref(), Some(key.as_str()));
}

#[tokio::test]
async fn incident_ends_with_the_secret_it_was_opened_with() {
    let endpoint = StubReceiver::start().await;
    let place = AlertsHarness::new().await.with_receivers(&endpoint.url, TIMEOUT);
    place.trouble("a").await;
    place.minutes(&[("trouble.sql", TROUBLE)], 0..3).await;
    // The routing key has been changed since.
    place
        .run("update ledger.outbox set secret_ref = 'file:/old', attempts = 1; update ledger.page_group set secret_ref = 'file:/old'")
        .await;
    place.peace("a").await;
    place.minutes(&[("trouble.sql", TROUBLE)], 3..4).await;
    let _delivering = deliver(&place);
    place.until(ALL_SETTLED).await;
    let keys: Vec<String> = endpoint
        .requests()
        .iter()
        .map(|got| got.body["routing_key"].to_string())
        .collect();
    assert_eq!(keys, ["\"old-key\"", "\"old-key\""]);
}

#[tokio::test]
async fn tickets_of_one_cluster_are_one_incident_that_ends_with_the_last() {
    let endpoint = StubReceiver::start().await;
    let place = AlertsHarness::new().await.with_receivers(&endpoint.url, TIMEOUT);
    let rule = "\
/*---
alert: Trouble
interval: 1m
columns: {labels: [cluster, topic]}
labels: {severity: ticket, team: red}
annotations: {summary: \"trouble with {{ labels.topic }}\", runbook: trouble}
freshness: none
receivers: [pager]
---*/
select cluster, coalesce(topic, '') as topic from quarantine where released_at is null";
    let rules: &[(&str, &str)] = &[("trouble.sql", rule)];
    for topic in ["t1", "t2", "t3"] {
        place
            .run(&format!(
                "insert into ledger.quarantine (datacenter, cluster, cluster_uid, topic, reason, detail)
                 values ('dc1', 'a', 'u', '{topic}', 'poisoned', 'x')"
            ))
            .await;
    }
    place.minutes(rules, 0..2).await;
    let delivering = deliver(&place);
    place.until(ALL_SETTLED).await;
    let got = endpoint.requests();
    assert_eq!(got.len(), 1, "{got:?}");
    assert!(
        got[0].body["payload"]["summary"]
            .as_str()
            .unwrap()
            .starts_with("3 × Trouble"),
        "{got:?}"
    );
    place
        .run("delete from ledger.quarantine where topic <> 't2'")
        .await;
    place.minutes(rules, 2..3).await;
    assert_eq!(place.queued("pager").await.len(), 1);
    place.peace("a").await;
    place.minutes(rules, 3..4).await;
    place.until(ALL_SETTLED).await;
    drop(delivering);
    assert_eq!(
        place.queued("pager").await,
        ["0 trigger new 1", "3 resolve resolved 1"]
    );
}
