//! Debian's real Alertmanager, driven through states, decisions and the channel: what it tells its own receiver is what
//! people hear.

use std::sync::LazyLock;
use std::time::Duration;

use fleetledger_local::skip::unless_available;
use fleetledger_local::tls::CertificateAuthority;
use fleetledger_local::{ArtifactCache, alertmanager as local};
use fleetledger_paging::channel::{ChannelClient, ChannelSettings, ReceiverTls, alertmanager};
use fleetledger_paging::notification::QuietedBy;
use fleetledger_paging::retry::DeliveryDisposition;
use fleetledger_paging::{
    Alert, AlertCondition, AlertGroup, AlertInstance, AlertResolution, ConditionObservation, GroupBy,
    Grouping, HeldReason, Notification, NotifiedState, NotifyKind, ReceiverSecret, SlotContext, Timing,
    decide, step,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::endpoint::{ReceiverEndpoint, ReceiverReply, eventually};
use super::faults::connection;
use super::sample;

const MINUTE: Duration = Duration::from_secs(60);
static TIMING: LazyLock<Timing> = LazyLock::new(|| Timing {
    interval: MINUTE,
    for_: Duration::ZERO,
    keep_firing_for: Duration::ZERO,
    cooldown: Duration::ZERO,
    repeat_interval: Duration::ZERO,
});

/// An Alertmanager that tells a recording endpoint at once.
struct ChannelFixture {
    server: local::Alertmanager,
    receiver: ReceiverEndpoint,
    client: ChannelClient,
}

impl ChannelFixture {
    /// `None` where no Alertmanager can be had.
    async fn set(test: &str) -> Option<Self> {
        let heard = ReceiverEndpoint::start(ReceiverReply::Status(200, "")).await;
        let config = format!(
            "route: {{receiver: hook, group_by: [alertname, cluster, node], group_wait: 0s, group_interval: 200ms, repeat_interval: 12h}}\n\
             receivers: [{{name: hook, webhook_configs: [{{url: '{}', send_resolved: true}}]}}]\n",
            heard.url
        );
        let cache = ArtifactCache::new(ArtifactCache::default_root());
        let started = local::Alertmanager::builder(&config).start(&cache).await;
        let server = unless_available(test, started).unwrap()?;
        let client = ChannelClient::new(ChannelSettings::Alertmanager(
            alertmanager::AlertmanagerSettings {
                urls: vec![server.url()],
                authorization: None,
                connection: connection(),
            },
        ))
        .unwrap();
        Some(Self {
            server,
            receiver: heard,
            client,
        })
    }

    /// What it told its receiver of one node, in order: `firing` or `resolved`, with the wake label.
    fn notifications_of(&self, node: &str) -> Vec<(String, String)> {
        let mut notifications = Vec::new();
        for request in self.receiver.requests() {
            for alert in request.json()["alerts"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
                if alert["labels"]["node"] == node {
                    notifications.push((text(&alert["status"]), text(&alert["labels"]["wake"])));
                }
            }
        }
        notifications
    }

    async fn await_notification(&self, node: &str, status: &str, wake: &str) {
        let wanted = (status.to_owned(), wake.to_owned());
        eventually(&format!("{node} {status} wake {wake:?}"), || async {
            self.notifications_of(node).contains(&wanted).then_some(())
        })
        .await;
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("{}/api/v2/{path}", self.server.url());
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }

    /// `active` or `suppressed` for the alerts of a node that it holds.
    async fn states(&self, node: &str) -> Vec<String> {
        let alerts = self.get("alerts").await;
        let of_node = alerts
            .as_array()
            .unwrap()
            .iter()
            .filter(|alert| alert["labels"]["node"] == node);
        of_node
            .map(|alert| alert["status"]["state"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn active_silences(&self) -> Vec<Value> {
        let silences = self.get("silences").await;
        let all = silences.as_array().unwrap().iter();
        all.filter(|silence| silence["status"]["state"] == "active")
            .cloned()
            .collect()
    }

    async fn keep_alive(&self, posted: &[alertmanager::PostedAlert], now: Timestamp) {
        let ChannelClient::Alertmanager(client) = &self.client else {
            panic!("this is an Alertmanager");
        };
        let refused = client
            .keep_alive(&alertmanager::keep_alive(posted, now), now)
            .await;
        assert_eq!(refused, []);
    }
}

/// One instance, its receiver's memory, and the notifications they make.
struct ScriptedInstance {
    alert: Alert,
    instance: AlertInstance,
    notified: NotifiedState,
    group: AlertGroup,
    wake: alertmanager::WakeCount,
    superseded_at: Option<Timestamp>,
    slot: Timestamp,
    snooze: Option<QuietedBy>,
}

impl ScriptedInstance {
    fn new(node: &str) -> Self {
        // Slots are a minute apart, however quickly the test runs through them.
        let slot = Timestamp::now() - SignedDuration::from_hours(1);
        Self {
            alert: Alert {
                starts_at: slot,
                ..sample::alert(node)
            },
            instance: AlertInstance::default(),
            notified: NotifiedState::default(),
            group: AlertGroup::default(),
            wake: alertmanager::WakeCount::default(),
            superseded_at: None,
            slot,
            snooze: None,
        }
    }

    fn snooze(&mut self) {
        self.snooze = Some(QuietedBy {
            who: "alice".to_owned(),
            reason: "disk swap".to_owned(),
            until: Some(Timestamp::now() + SignedDuration::from_hours(1)),
        });
    }

    /// One slot: what is decided is delivered, as of `now`.
    async fn slot(&mut self, stage: &ChannelFixture, observation: ConditionObservation, now: Timestamp) {
        self.slot += SignedDuration::from_mins(1);
        step(&mut self.instance, &TIMING, self.slot, observation);
        let around = SlotContext {
            snooze: self.snooze.as_ref().map(|_| ("s", Timestamp::MAX)),
            inhibited: false,
        };
        let decision = decide(
            &mut self.instance,
            &mut self.notified,
            &TIMING,
            self.slot,
            &around,
        );
        let grouping = Grouping {
            by: GroupBy::INSTANCE,
            wait: Duration::ZERO,
            interval: Duration::ZERO,
        };
        self.alert.ends_at = (self.instance.condition == AlertCondition::Resolved).then_some(now);
        for notify in self
            .group
            .apply(&grouping, self.slot, [("i", decision.notify.as_slice())])
        {
            if notify.reason == fleetledger_paging::NotifyReason::Superseded {
                self.superseded_at = Some(now);
            }
            let notification = Notification {
                kind: notify.kind,
                reason: notify.reason,
                decided_at: self.slot,
                alerts: vec![self.alert.clone()],
                by: self
                    .snooze
                    .clone()
                    .filter(|_| notify.kind == NotifyKind::Acknowledge),
                wake: self.wake.count(notify.kind, notify.reason),
                ..sample::trigger()
            };
            let delivery = stage.client.deliver(&notification, None, now).await;
            assert_eq!(delivery.disposition, DeliveryDisposition::Accepted, "{notify:?}");
        }
    }

    fn posted_alert(&self) -> alertmanager::PostedAlert {
        alertmanager::PostedAlert {
            alert: self.alert.clone(),
            interval: TIMING.interval,
            wake: self.wake.0,
            superseded_at: self.superseded_at,
        }
    }
}

const GONE: ConditionObservation = ConditionObservation::False(AlertResolution::Fixed);

#[tokio::test]
async fn held_alerts_are_kept_alive_until_they_are_resolved() {
    let Some(stage) = ChannelFixture::set("held_alerts_are_kept_alive_until_they_are_resolved").await else {
        return;
    };
    // Sent so that Alertmanager would let go of them in ten seconds.
    let earlier = Timestamp::now() - SignedDuration::from_secs(4 * 60 - 10);
    let (mut kept, mut forgotten) = (ScriptedInstance::new("kept"), ScriptedInstance::new("forgotten"));
    kept.slot(&stage, ConditionObservation::True, earlier).await;
    forgotten.slot(&stage, ConditionObservation::True, earlier).await;
    stage.await_notification("kept", "firing", "").await;
    stage.await_notification("forgotten", "firing", "").await;

    let held = ConditionObservation::Held(HeldReason::QueryError("canceling statement".to_owned()));
    kept.slot(&stage, held, Timestamp::now()).await;
    stage.keep_alive(&[kept.posted_alert()], Timestamp::now()).await;
    stage.await_notification("forgotten", "resolved", "").await;
    assert_eq!(stage.states("kept").await, ["active"]);
    assert_eq!(
        stage.notifications_of("kept").len(),
        1,
        "it neither resolves nor fires again"
    );

    kept.slot(&stage, GONE, Timestamp::now()).await;
    stage.await_notification("kept", "resolved", "").await;
    // Resolved is sent again for 15 minutes and is not heard twice.
    stage.keep_alive(&[kept.posted_alert()], Timestamp::now()).await;
    assert_eq!(stage.notifications_of("kept").len(), 2);
}

#[tokio::test]
async fn a_snooze_is_mirrored_and_the_alert_is_heard_again_at_its_end() {
    let Some(stage) =
        ChannelFixture::set("a_snooze_is_mirrored_and_the_alert_is_heard_again_at_its_end").await
    else {
        return;
    };
    let mut life = ScriptedInstance::new("n1");
    let mut neighbour = ScriptedInstance::new("n2");
    life.slot(&stage, ConditionObservation::True, Timestamp::now())
        .await;
    neighbour
        .slot(&stage, ConditionObservation::True, Timestamp::now())
        .await;
    stage.await_notification("n1", "firing", "").await;
    stage.await_notification("n2", "firing", "").await;

    for wake in ["1", "2"] {
        life.snooze();
        life.slot(&stage, ConditionObservation::True, Timestamp::now())
            .await;
        stage
            .keep_alive(&[life.posted_alert(), neighbour.posted_alert()], Timestamp::now())
            .await;
        let silences = stage.active_silences().await;
        assert_eq!(silences.len(), 1);
        assert_eq!(silences[0]["comment"], "snoozed by alice: disk swap");
        assert!(stage.states("n1").await.contains(&"suppressed".to_owned()));
        assert_eq!(
            stage.states("n2").await,
            ["active"],
            "it covers this instance alone"
        );

        life.snooze = None;
        life.slot(&stage, ConditionObservation::True, Timestamp::now())
            .await;
        stage.await_notification("n1", "firing", wake).await;
        assert_eq!(stage.active_silences().await, Vec::<Value>::new());
    }
    // The old label sets are over, and keeping alive does not bring them back.
    stage.await_notification("n1", "resolved", "").await;
    stage.await_notification("n1", "resolved", "1").await;
    stage.keep_alive(&[life.posted_alert()], Timestamp::now()).await;
    life.slot(&stage, GONE, Timestamp::now()).await;
    stage.await_notification("n1", "resolved", "2").await;
    assert_eq!(stage.states("n1").await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_resolved_while_snoozed_is_heard_to_be_resolved() {
    let Some(stage) = ChannelFixture::set("what_is_resolved_while_snoozed_is_heard_to_be_resolved").await
    else {
        return;
    };
    let mut life = ScriptedInstance::new("n1");
    life.slot(&stage, ConditionObservation::True, Timestamp::now())
        .await;
    stage.await_notification("n1", "firing", "").await;
    life.snooze();
    life.slot(&stage, ConditionObservation::True, Timestamp::now())
        .await;
    assert_eq!(stage.active_silences().await.len(), 1);
    life.slot(&stage, GONE, Timestamp::now()).await;
    stage.await_notification("n1", "resolved", "").await;
    assert_eq!(stage.active_silences().await, Vec::<Value>::new());
}

#[tokio::test]
async fn one_invalid_alert_does_not_keep_the_others_out() {
    let Some(stage) = ChannelFixture::set("one_invalid_alert_does_not_keep_the_others_out").await else {
        return;
    };
    let ChannelClient::Alertmanager(client) = &stage.client else {
        panic!("this is an Alertmanager");
    };
    let now = Timestamp::now();
    let alert =
        |labels: Value| json!({"labels": labels, "endsAt": alertmanager::ends_at(MINUTE, now).to_string()});
    let alerts = [
        alert(json!({"alertname": "A", "node": "n1"})),
        alert(json!({"not a label": "x"})),
        alert(json!({"alertname": "A", "node": "n2"})),
    ];
    let refused = client.keep_alive(&alerts, now).await;
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].0, alerts[1]);
    assert_eq!(refused[0].1.status, Some(400));
    stage.await_notification("n1", "firing", "").await;
    stage.await_notification("n2", "firing", "").await;
}

#[tokio::test]
async fn alerts_have_the_fingerprints_that_alertmanager_gives_them() {
    let Some(stage) = ChannelFixture::set("alerts_have_the_fingerprints_that_alertmanager_gives_them").await
    else {
        return;
    };
    let mut life = ScriptedInstance::new("ñ1 \"quoted\"");
    life.slot(&stage, ConditionObservation::True, Timestamp::now())
        .await;
    let theirs = stage.get("alerts").await[0]["fingerprint"].clone();
    assert_eq!(theirs, life.alert.fingerprint());
}

#[tokio::test]
async fn mutual_tls_reaches_it_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::create(folder.path(), "alertmanager").unwrap();
    let config = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";
    let builder = local::Alertmanager::builder(config).mutual_tls(authority.server("alertmanager").unwrap());
    let started = builder
        .start(&ArtifactCache::new(ArtifactCache::default_root()))
        .await;
    let Some(server) = unless_available("mutual_tls_reaches_it_and_nothing_else_does", started).unwrap()
    else {
        return;
    };
    let files = authority.client("evaluator").unwrap();
    let read = |path: &std::path::Path| std::fs::read(path).unwrap();
    let key = ReceiverSecret::new(String::from_utf8(read(&files.key)).unwrap());
    let client = |tls| {
        let mut connection = connection();
        connection.tls = tls;
        ChannelClient::new(ChannelSettings::Alertmanager(
            alertmanager::AlertmanagerSettings {
                urls: vec![server.url()],
                authorization: None,
                connection,
            },
        ))
        .unwrap()
    };
    let known = client(ReceiverTls {
        ca_pem: Some(read(&files.ca)),
        client_pem: Some((read(&files.certificate), key)),
    });
    let unknown = client(ReceiverTls {
        ca_pem: Some(read(&files.ca)),
        client_pem: None,
    });
    let untrusting = client(ReceiverTls::default());
    let now = Timestamp::now();
    let deliver =
        async |client: ChannelClient| client.deliver(&sample::trigger(), None, now).await.disposition;
    assert_eq!(deliver(known).await, DeliveryDisposition::Accepted);
    assert!(matches!(
        deliver(unknown).await,
        DeliveryDisposition::Retry { .. }
    ));
    assert!(matches!(
        deliver(untrusting).await,
        DeliveryDisposition::Retry { .. }
    ));
}
