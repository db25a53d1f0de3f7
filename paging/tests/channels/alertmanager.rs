//! Debian's real Alertmanager, driven through states, decisions and the channel: what it tells its own receiver is what
//! people hear.

use std::sync::LazyLock;
use std::time::Duration;

use fleetledger_local::skip::unless_available;
use fleetledger_local::tls::Authority;
use fleetledger_local::{Cache, alertmanager as local};
use fleetledger_paging::channel::{Client, Settings, Tls, alertmanager};
use fleetledger_paging::notification::By;
use fleetledger_paging::retry::Disposition;
use fleetledger_paging::{
    Alert, Condition, Group, GroupBy, Grouping, Held, Instance, Notification, NotifyKind, Observation,
    Resolution, Secret, Surroundings, Timing, Told, decide, step,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::endpoint::{Endpoint, Reply, eventually};
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
struct Stage {
    server: local::Alertmanager,
    heard: Endpoint,
    client: Client,
}

impl Stage {
    /// `None` where no Alertmanager can be had.
    async fn set(test: &str) -> Option<Self> {
        let heard = Endpoint::start(Reply::Status(200, "")).await;
        let config = format!(
            "route: {{receiver: hook, group_by: [alertname, cluster, node], group_wait: 0s, group_interval: 200ms, repeat_interval: 12h}}\n\
             receivers: [{{name: hook, webhook_configs: [{{url: '{}', send_resolved: true}}]}}]\n",
            heard.url
        );
        let cache = Cache::new(Cache::default_root());
        let started = local::Alertmanager::builder(&config).start(&cache).await;
        let server = unless_available(test, started).unwrap()?;
        let client = Client::new(Settings::Alertmanager(alertmanager::Settings {
            urls: vec![server.url()],
            authorization: None,
            connection: connection(),
        }))
        .unwrap();
        Some(Self {
            server,
            heard,
            client,
        })
    }

    /// What it told its receiver of one node, in order: `firing` or `resolved`, with the wake label.
    fn told_of(&self, node: &str) -> Vec<(String, String)> {
        let mut told = Vec::new();
        for request in self.heard.requests() {
            for alert in request.json()["alerts"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
                if alert["labels"]["node"] == node {
                    told.push((text(&alert["status"]), text(&alert["labels"]["wake"])));
                }
            }
        }
        told
    }

    async fn hears(&self, node: &str, status: &str, wake: &str) {
        let wanted = (status.to_owned(), wake.to_owned());
        eventually(&format!("{node} {status} wake {wake:?}"), || async {
            self.told_of(node).contains(&wanted).then_some(())
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

    async fn keep_alive(&self, standing: &[alertmanager::Standing], now: Timestamp) {
        let Client::Alertmanager(client) = &self.client else {
            panic!("this is an Alertmanager");
        };
        let refused = client
            .keep_alive(&alertmanager::keep_alive(standing, now), now)
            .await;
        assert_eq!(refused, []);
    }
}

/// One instance, its receiver's memory, and the notifications they make.
struct Life {
    alert: Alert,
    instance: Instance,
    told: Told,
    group: Group,
    wake: alertmanager::Wake,
    superseded_at: Option<Timestamp>,
    slot: Timestamp,
    snooze: Option<By>,
}

impl Life {
    fn new(node: &str) -> Self {
        // Slots are a minute apart, however quickly the test runs through them.
        let slot = Timestamp::now() - SignedDuration::from_hours(1);
        Self {
            alert: Alert {
                starts_at: slot,
                ..sample::alert(node)
            },
            instance: Instance::default(),
            told: Told::default(),
            group: Group::default(),
            wake: alertmanager::Wake::default(),
            superseded_at: None,
            slot,
            snooze: None,
        }
    }

    fn snooze(&mut self) {
        self.snooze = Some(By {
            who: "alice".to_owned(),
            reason: "disk swap".to_owned(),
            until: Some(Timestamp::now() + SignedDuration::from_hours(1)),
        });
    }

    /// One slot: what is decided is delivered, as of `now`.
    async fn slot(&mut self, stage: &Stage, observation: Observation, now: Timestamp) {
        self.slot += SignedDuration::from_mins(1);
        step(&mut self.instance, &TIMING, self.slot, observation);
        let around = Surroundings {
            snooze: self.snooze.as_ref().map(|_| ("s", Timestamp::MAX)),
            inhibited: false,
        };
        let decision = decide(&mut self.instance, &mut self.told, &TIMING, self.slot, &around);
        let grouping = Grouping {
            by: GroupBy::INSTANCE,
            wait: Duration::ZERO,
            interval: Duration::ZERO,
        };
        self.alert.ends_at = (self.instance.condition == Condition::Resolved).then_some(now);
        for said in self
            .group
            .apply(&grouping, self.slot, [("i", decision.notify.as_slice())])
        {
            if said.reason == fleetledger_paging::NotifyReason::Superseded {
                self.superseded_at = Some(now);
            }
            let notification = Notification {
                kind: said.kind,
                reason: said.reason,
                decided_at: self.slot,
                alerts: vec![self.alert.clone()],
                by: self
                    .snooze
                    .clone()
                    .filter(|_| said.kind == NotifyKind::Acknowledge),
                wake: self.wake.count(said.kind, said.reason),
                ..sample::trigger()
            };
            let delivery = stage.client.deliver(&notification, None, now).await;
            assert_eq!(delivery.disposition, Disposition::Accepted, "{said:?}");
        }
    }

    fn standing(&self) -> alertmanager::Standing {
        alertmanager::Standing {
            alert: self.alert.clone(),
            interval: TIMING.interval,
            wake: self.wake.0,
            superseded_at: self.superseded_at,
        }
    }
}

const GONE: Observation = Observation::False(Resolution::Fixed);

#[tokio::test]
async fn held_alerts_are_kept_alive_until_they_are_resolved() {
    let Some(stage) = Stage::set("held_alerts_are_kept_alive_until_they_are_resolved").await else {
        return;
    };
    // Sent so that Alertmanager would let go of them in ten seconds.
    let earlier = Timestamp::now() - SignedDuration::from_secs(4 * 60 - 10);
    let (mut kept, mut forgotten) = (Life::new("kept"), Life::new("forgotten"));
    kept.slot(&stage, Observation::True, earlier).await;
    forgotten.slot(&stage, Observation::True, earlier).await;
    stage.hears("kept", "firing", "").await;
    stage.hears("forgotten", "firing", "").await;

    let held = Observation::Held(Held::QueryError("canceling statement".to_owned()));
    kept.slot(&stage, held, Timestamp::now()).await;
    stage.keep_alive(&[kept.standing()], Timestamp::now()).await;
    stage.hears("forgotten", "resolved", "").await;
    assert_eq!(stage.states("kept").await, ["active"]);
    assert_eq!(
        stage.told_of("kept").len(),
        1,
        "it neither resolves nor fires again"
    );

    kept.slot(&stage, GONE, Timestamp::now()).await;
    stage.hears("kept", "resolved", "").await;
    // Resolved is sent again for 15 minutes and is not heard twice.
    stage.keep_alive(&[kept.standing()], Timestamp::now()).await;
    assert_eq!(stage.told_of("kept").len(), 2);
}

#[tokio::test]
async fn a_snooze_is_mirrored_and_the_alert_is_heard_again_at_its_end() {
    let Some(stage) = Stage::set("a_snooze_is_mirrored_and_the_alert_is_heard_again_at_its_end").await else {
        return;
    };
    let mut life = Life::new("n1");
    let mut neighbour = Life::new("n2");
    life.slot(&stage, Observation::True, Timestamp::now()).await;
    neighbour.slot(&stage, Observation::True, Timestamp::now()).await;
    stage.hears("n1", "firing", "").await;
    stage.hears("n2", "firing", "").await;

    for wake in ["1", "2"] {
        life.snooze();
        life.slot(&stage, Observation::True, Timestamp::now()).await;
        stage
            .keep_alive(&[life.standing(), neighbour.standing()], Timestamp::now())
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
        life.slot(&stage, Observation::True, Timestamp::now()).await;
        stage.hears("n1", "firing", wake).await;
        assert_eq!(stage.active_silences().await, Vec::<Value>::new());
    }
    // The old label sets are over, and keeping alive does not bring them back.
    stage.hears("n1", "resolved", "").await;
    stage.hears("n1", "resolved", "1").await;
    stage.keep_alive(&[life.standing()], Timestamp::now()).await;
    life.slot(&stage, GONE, Timestamp::now()).await;
    stage.hears("n1", "resolved", "2").await;
    assert_eq!(stage.states("n1").await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_resolved_while_snoozed_is_heard_to_be_resolved() {
    let Some(stage) = Stage::set("what_is_resolved_while_snoozed_is_heard_to_be_resolved").await else {
        return;
    };
    let mut life = Life::new("n1");
    life.slot(&stage, Observation::True, Timestamp::now()).await;
    stage.hears("n1", "firing", "").await;
    life.snooze();
    life.slot(&stage, Observation::True, Timestamp::now()).await;
    assert_eq!(stage.active_silences().await.len(), 1);
    life.slot(&stage, GONE, Timestamp::now()).await;
    stage.hears("n1", "resolved", "").await;
    assert_eq!(stage.active_silences().await, Vec::<Value>::new());
}

#[tokio::test]
async fn one_invalid_alert_does_not_keep_the_others_out() {
    let Some(stage) = Stage::set("one_invalid_alert_does_not_keep_the_others_out").await else {
        return;
    };
    let Client::Alertmanager(client) = &stage.client else {
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
    stage.hears("n1", "firing", "").await;
    stage.hears("n2", "firing", "").await;
}

#[tokio::test]
async fn alerts_have_the_fingerprints_that_alertmanager_gives_them() {
    let Some(stage) = Stage::set("alerts_have_the_fingerprints_that_alertmanager_gives_them").await else {
        return;
    };
    let mut life = Life::new("ñ1 \"quoted\"");
    life.slot(&stage, Observation::True, Timestamp::now()).await;
    let theirs = stage.get("alerts").await[0]["fingerprint"].clone();
    assert_eq!(theirs, life.alert.fingerprint());
}

#[tokio::test]
async fn mutual_tls_reaches_it_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path(), "alertmanager").unwrap();
    let config = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";
    let builder = local::Alertmanager::builder(config).mutual_tls(authority.server("alertmanager").unwrap());
    let started = builder.start(&Cache::new(Cache::default_root())).await;
    let Some(server) = unless_available("mutual_tls_reaches_it_and_nothing_else_does", started).unwrap()
    else {
        return;
    };
    let files = authority.client("evaluator").unwrap();
    let read = |path: &std::path::Path| std::fs::read(path).unwrap();
    let key = Secret::new(String::from_utf8(read(&files.key)).unwrap());
    let client = |tls| {
        let mut connection = connection();
        connection.tls = tls;
        Client::new(Settings::Alertmanager(alertmanager::Settings {
            urls: vec![server.url()],
            authorization: None,
            connection,
        }))
        .unwrap()
    };
    let known = client(Tls {
        ca_pem: Some(read(&files.ca)),
        client_pem: Some((read(&files.certificate), key)),
    });
    let unknown = client(Tls {
        ca_pem: Some(read(&files.ca)),
        client_pem: None,
    });
    let untrusting = client(Tls::default());
    let now = Timestamp::now();
    let deliver = async |client: Client| client.deliver(&sample::trigger(), None, now).await.disposition;
    assert_eq!(deliver(known).await, Disposition::Accepted);
    assert!(matches!(deliver(unknown).await, Disposition::Retry { .. }));
    assert!(matches!(deliver(untrusting).await, Disposition::Retry { .. }));
}
