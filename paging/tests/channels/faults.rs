//! Receivers that answer, answer badly, or do not answer.

use std::time::{Duration, Instant};

use fleetledger_paging::channel::{
    ChannelClient, ChannelSettings, DeliveryOutcome, ReceiverConnection, alertmanager, pagerduty, slack,
    webhook,
};
use fleetledger_paging::retry::DeliveryDisposition;
use fleetledger_paging::{NotifyKind, NotifyReason, ReceiverSecret};
use tokio::net::TcpListener;

use super::endpoint::{ReceiverEndpoint, ReceiverReply};
use super::sample::{at, notification, resolve, trigger};

pub fn connection() -> ReceiverConnection {
    ReceiverConnection {
        timeout: Duration::from_secs(10),
        ..ReceiverConnection::default()
    }
}

fn pagerduty(base_url: &str, connection: ReceiverConnection) -> ChannelClient {
    ChannelClient::new(ChannelSettings::PagerDuty(pagerduty::PagerDutySettings {
        base_url: base_url.to_owned(),
        routing_key: ReceiverSecret::new("R0UT1NGKEY"),
        connection,
    }))
    .unwrap()
}

fn slack(url: &str) -> ChannelClient {
    ChannelClient::new(ChannelSettings::Slack(slack::SlackSettings {
        url: ReceiverSecret::new(url),
        connection: connection(),
    }))
    .unwrap()
}

fn webhook(url: &str) -> ChannelClient {
    ChannelClient::new(ChannelSettings::Webhook(webhook::WebhookSettings {
        url: ReceiverSecret::new(url),
        signing_secret: Some(ReceiverSecret::new("signing")),
        authorization: Some(ReceiverSecret::new("Bearer t0ken")),
        external_url: "https://console.example.com".to_owned(),
        connection: connection(),
    }))
    .unwrap()
}

fn reason(delivery: &DeliveryOutcome) -> &str {
    match &delivery.disposition {
        DeliveryDisposition::Accepted => "accepted",
        DeliveryDisposition::Retry { reason, .. } | DeliveryDisposition::Reject { reason } => reason,
    }
}

fn is_retry(delivery: &DeliveryOutcome) -> bool {
    matches!(delivery.disposition, DeliveryDisposition::Retry { .. })
}

fn is_reject(delivery: &DeliveryOutcome) -> bool {
    matches!(delivery.disposition, DeliveryDisposition::Reject { .. })
}

#[tokio::test]
async fn pagerduty_gets_the_event_with_its_routing_key() {
    let endpoint = ReceiverEndpoint::start(ReceiverReply::Status(202, "{\"status\":\"success\"}")).await;
    let client = pagerduty(&endpoint.url, connection());
    let delivery = client.deliver(&trigger(), None, at(5)).await;
    assert_eq!(
        (delivery.disposition, delivery.status),
        (DeliveryDisposition::Accepted, Some(202))
    );
    let request = endpoint.last();
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/v2/enqueue")
    );
    let mut event = request.json();
    let key = event.as_object_mut().unwrap().remove("routing_key");
    assert_eq!(key.unwrap(), "R0UT1NGKEY");
    assert_eq!(event, pagerduty::event(&trigger()));

    // An incident that was opened with another key is closed with that one.
    let old = ReceiverSecret::new("OLDKEY");
    client.deliver(&resolve(), Some(&old), at(6)).await;
    assert_eq!(endpoint.last().json()["routing_key"], "OLDKEY");
}

#[tokio::test]
async fn too_many_requests_waits_as_long_as_the_receiver_wants() {
    let endpoint = ReceiverEndpoint::start(ReceiverReply::Status(202, "")).await;
    let client = pagerduty(&endpoint.url, connection());
    for (header, seconds) in [("17", 17), ("Thu, 01 Jan 2026 00:06:00 GMT", 60)] {
        endpoint.answer(ReceiverReply::RetryAfter(429, header));
        let delivery = client.deliver(&trigger(), None, at(5)).await;
        let DeliveryDisposition::Retry { after, .. } = delivery.disposition else {
            panic!("429 is tried again");
        };
        assert_eq!(after, Some(Duration::from_secs(seconds)));
    }
}

#[tokio::test]
async fn server_errors_are_tried_again_and_bad_requests_are_not() {
    let endpoint = ReceiverEndpoint::start(ReceiverReply::Status(202, "")).await;
    let client = pagerduty(&endpoint.url, connection());
    for code in [500, 502, 503, 504] {
        endpoint.answer(ReceiverReply::Status(code, "upstream is away"));
        let delivery = client.deliver(&trigger(), None, at(5)).await;
        assert!(is_retry(&delivery), "{delivery:?}");
        assert_eq!(delivery.status, Some(code));
    }
    endpoint.answer(ReceiverReply::Status(
        400,
        "{\"message\":\"Event object is invalid\"}",
    ));
    let delivery = client.deliver(&trigger(), None, at(5)).await;
    assert!(is_reject(&delivery));
    assert!(
        reason(&delivery).contains("Event object is invalid"),
        "{delivery:?}"
    );
}

#[tokio::test]
async fn a_receiver_that_refuses_connections_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let delivery = pagerduty(&url, connection())
        .deliver(&trigger(), None, at(5))
        .await;
    assert!(is_retry(&delivery));
    assert_eq!(delivery.status, None);
    assert!(reason(&delivery).contains("refused"), "{delivery:?}");
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_in_time_is_tried_again() {
    let endpoint = ReceiverEndpoint::start(ReceiverReply::Silence).await;
    let quick = ReceiverConnection {
        timeout: Duration::from_millis(300),
        ..connection()
    };
    let started = Instant::now();
    let delivery = pagerduty(&endpoint.url, quick)
        .deliver(&trigger(), None, at(5))
        .await;
    assert!(is_retry(&delivery));
    assert_eq!(reason(&delivery), "no answer in time");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(endpoint.requests().len(), 1);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = ReceiverEndpoint::start(ReceiverReply::Status(202, "")).await;
    let endpoint = ReceiverEndpoint::start(ReceiverReply::Redirect(elsewhere.url.clone())).await;
    let delivery = pagerduty(&endpoint.url, connection())
        .deliver(&trigger(), None, at(5))
        .await;
    assert!(is_reject(&delivery));
    assert_eq!(elsewhere.requests().len(), 0);
}

#[tokio::test]
async fn slack_must_say_ok() {
    let endpoint = ReceiverEndpoint::start(ReceiverReply::Status(200, "ok")).await;
    let client = slack(&format!("{}/services/T0/B0/s3cr3t", endpoint.url));
    let delivery = client.deliver(&trigger(), None, at(5)).await;
    assert_eq!(delivery.disposition, DeliveryDisposition::Accepted);
    assert_eq!(endpoint.last().json(), slack::message(&trigger()));
    for (code, body, retried) in [
        (200, "<html>log in</html>", true),
        (404, "no_service", false),
        (429, "", true),
    ] {
        endpoint.answer(ReceiverReply::Status(code, body));
        let delivery = client.deliver(&trigger(), None, at(5)).await;
        assert_eq!(is_retry(&delivery), retried, "{delivery:?}");
    }
}

#[tokio::test]
async fn webhook_is_signed_and_named_the_same_at_every_attempt() {
    let endpoint = ReceiverEndpoint::start(ReceiverReply::Status(204, "")).await;
    endpoint.answer(ReceiverReply::Status(500, ""));
    let client = webhook(&endpoint.url);
    assert!(is_retry(&client.deliver(&trigger(), None, at(5)).await));
    let again = client.deliver(&trigger(), None, at(6)).await;
    assert_eq!(again.disposition, DeliveryDisposition::Accepted);
    let requests = endpoint.requests();
    for (request, minute) in requests.iter().zip([5, 6]) {
        assert_eq!(request.header("idempotency-key"), "3f6c:7:trigger");
        assert_eq!(request.header("authorization"), "Bearer t0ken");
        assert_eq!(request.header("content-type"), "application/json");
        let expected = webhook::signature(&ReceiverSecret::new("signing"), at(minute), &request.text);
        assert_eq!(request.header("fleetledger-signature"), expected);
    }
    let body = webhook::body(&trigger(), "https://console.example.com");
    assert_eq!(requests[1].json(), body);
}

#[tokio::test]
async fn secrets_are_in_no_error_and_no_debug_text() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/services/s3cr3t", listener.local_addr().unwrap());
    drop(listener);
    let proxied = ReceiverConnection {
        proxy: Some(ReceiverSecret::new("http://user:passw0rd@127.0.0.1:9")),
        ..connection()
    };
    assert!(!format!("{proxied:?}").contains("passw0rd"));
    for client in [slack(&url), webhook(&url), pagerduty(&url, proxied)] {
        let delivery = client.deliver(&trigger(), None, at(5)).await;
        let debug_text = format!("{delivery:?} {client:?}");
        for secret in ["R0UT1NGKEY", "signing", "t0ken", "passw0rd"] {
            assert!(!debug_text.contains(secret), "{debug_text}");
        }
        if !matches!(client, ChannelClient::PagerDuty(_)) {
            assert!(!debug_text.contains("s3cr3t"), "{debug_text}");
        }
    }
    let settings = slack::SlackSettings {
        url: ReceiverSecret::new("not a url s3cr3t"),
        connection: connection(),
    };
    assert!(!format!("{settings:?}").contains("s3cr3t"));
    let error = ChannelClient::new(ChannelSettings::Slack(settings)).unwrap_err();
    assert_eq!(error.to_string(), "url is not a URL such as https://host/path");
}

#[tokio::test]
async fn alertmanager_is_content_with_one_replica_that_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let living = ReceiverEndpoint::start(ReceiverReply::Status(200, "{}")).await;
    let client = |urls| {
        ChannelClient::new(ChannelSettings::Alertmanager(
            alertmanager::AlertmanagerSettings {
                urls,
                authorization: Some(ReceiverSecret::new("Basic abc")),
                connection: connection(),
            },
        ))
        .unwrap()
    };
    let both = client(vec![dead.clone(), format!("{}/prefix/", living.url)]);
    let delivery = both.deliver(&trigger(), None, at(5)).await;
    assert_eq!(delivery.disposition, DeliveryDisposition::Accepted);
    let request = living.last();
    assert_eq!(request.path, "/prefix/api/v2/alerts");
    assert_eq!(request.header("authorization"), "Basic abc");
    let none = client(vec![dead]);
    assert!(is_retry(&none.deliver(&trigger(), None, at(5)).await));
    let settings = alertmanager::AlertmanagerSettings {
        urls: Vec::new(),
        authorization: None,
        connection: connection(),
    };
    assert!(ChannelClient::new(ChannelSettings::Alertmanager(settings)).is_err());
}

#[tokio::test]
async fn a_replica_that_does_not_answer_keeps_no_other_waiting() {
    let silent = ReceiverEndpoint::start(ReceiverReply::Silence).await;
    let living = ReceiverEndpoint::start(ReceiverReply::Status(200, "{}")).await;
    let quick = ReceiverConnection {
        timeout: Duration::from_secs(3),
        ..connection()
    };
    let client = ChannelClient::new(ChannelSettings::Alertmanager(
        alertmanager::AlertmanagerSettings {
            urls: vec![silent.url.clone(), living.url.clone()],
            authorization: None,
            connection: quick,
        },
    ));
    let ChannelClient::Alertmanager(client) = client.unwrap() else {
        panic!("this is an Alertmanager");
    };
    // Three requests' worth.
    let alerts: Vec<_> = (0..1200)
        .map(|number| serde_json::json!({"labels": {"node": format!("n{number}")}}))
        .collect();
    assert_eq!(client.keep_alive(&alerts, at(5)).await, []);
    assert_eq!((silent.requests().len(), living.requests().len()), (1, 3));

    // With nobody left everything comes back, and is tried again by who sent it.
    living.answer(ReceiverReply::Status(503, ""));
    let left = client.keep_alive(&alerts, at(6)).await;
    assert_eq!(left.len(), 500);
    assert!(left.iter().all(|(_, delivery)| is_retry(delivery)));
}

#[tokio::test]
async fn each_channel_takes_the_notifications_it_can_send() {
    use NotifyKind::{Acknowledge, Resolve, Trigger};
    use NotifyReason::{Acked, New, Snoozed, Superseded};
    let url = "http://127.0.0.1:9";
    let alertmanager = ChannelClient::new(ChannelSettings::Alertmanager(
        alertmanager::AlertmanagerSettings {
            urls: vec![url.to_owned()],
            authorization: None,
            connection: connection(),
        },
    ))
    .unwrap();
    let clients = [
        pagerduty(url, connection()),
        alertmanager,
        slack(url),
        webhook(url),
    ];
    for (kind, reason, expected) in [
        (Trigger, New, [true, true, true, true]),
        (Acknowledge, Snoozed, [true, true, false, false]),
        (Acknowledge, Acked, [true, false, false, false]),
        (Resolve, Superseded, [true, true, false, false]),
        (Resolve, NotifyReason::Resolved, [true, true, true, true]),
    ] {
        let tells: Vec<bool> = clients
            .iter()
            .map(|client| client.wants_notification(kind, reason))
            .collect();
        assert_eq!(tells, expected, "{kind:?} {reason:?}");
    }
    let unknown = notification(Acknowledge, Acked);
    assert_eq!(
        clients[1].deliver(&unknown, None, at(5)).await.disposition,
        DeliveryDisposition::Accepted
    );
}
