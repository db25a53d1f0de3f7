//! The evaluator against Debian's real Alertmanager: what that tells its own receiver is what people hear.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant as Moment},
};

use fleetledger_alerts::{AlertReceiver, ReceiverSet};
use fleetledger_local::{ArtifactCache, alertmanager::Alertmanager, skip::unless_available};
use fleetledger_paging::channel::{ChannelClient, ChannelSettings, ReceiverConnection, alertmanager};
use prometheus::Registry;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    endpoint::StubReceiver,
    harness::{AlertsHarness, TROUBLE},
};

const DEADLINE: Duration = Duration::from_secs(60);

/// An Alertmanager that tells a recording endpoint at once, and an evaluator that runs on.
struct EvaluatorFixture {
    harness: AlertsHarness,
    server: Alertmanager,
    endpoint: StubReceiver,
    _stop: DropGuard,
    _evaluator: JoinSet<()>,
}

impl EvaluatorFixture {
    /// `None` where no Alertmanager can be had.
    async fn set(test: &str) -> Option<Self> {
        let heard = StubReceiver::start().await;
        let config = format!(
            "route: {{receiver: hook, group_by: [alertname, cluster], group_wait: 0s, group_interval: 200ms, repeat_interval: 12h}}\n\
             receivers: [{{name: hook, webhook_configs: [{{url: '{}', send_resolved: true}}]}}]\n",
            heard.url
        );
        let started = Alertmanager::builder(&config)
            .start(&ArtifactCache::new(ArtifactCache::default_root()))
            .await;
        let server = unless_available(test, started).unwrap()?;
        let client = ChannelClient::new(ChannelSettings::Alertmanager(
            alertmanager::AlertmanagerSettings {
                urls: vec![server.url()],
                authorization: None,
                connection: ReceiverConnection::default(),
            },
        ));
        let receiver = AlertReceiver {
            client: client.unwrap().into(),
            secret_ref: None,
        };
        let place = AlertsHarness::new().await.change(|settings| {
            settings.receivers = ReceiverSet::new(BTreeMap::from([("am".to_owned(), receiver)]), |_| {
                Err("there is no secret".to_owned())
            });
            settings.resend = Duration::from_secs(1);
        });
        let rule = TROUBLE
            .replace(
                "interval: 1m\nfor: 2m\ncooldown: 30m",
                "interval: 1s\ntimeout: 1s\ncooldown: 0s",
            )
            .replace("receivers: [pager]", "receivers: [am]");
        let (evaluator, stop) = (
            place.evaluator("one", &[("trouble.sql", &rule)]),
            CancellationToken::new(),
        );
        let until = stop.clone();
        let mut task = JoinSet::new();
        task.spawn(async move { evaluator.run(&Registry::new(), until).await.unwrap() });
        Some(Self {
            harness: place,
            server,
            endpoint: heard,
            _stop: stop.drop_guard(),
            _evaluator: task,
        })
    }

    /// What it told its receiver of a cluster, in order: `firing` or `resolved`, with the wake label.
    fn notifications_of(&self, cluster: &str) -> Vec<String> {
        let mut notifications = Vec::new();
        for request in self.endpoint.requests() {
            for alert in request.body["alerts"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
                if alert["labels"]["cluster"] == cluster {
                    let wake = text(&alert["labels"]["wake"]);
                    notifications.push(format!("{} {wake}", text(&alert["status"])).trim().to_owned());
                }
            }
        }
        notifications
    }

    /// Waits until it has told its receiver so.
    async fn wait_for_notification(&self, cluster: &str, what: &str) {
        let begun = Moment::now();
        while !self
            .notifications_of(cluster)
            .iter()
            .any(|notifications| notifications == what)
        {
            assert!(
                begun.elapsed() < DEADLINE,
                "{cluster} {what}: {:?}",
                self.notifications_of(cluster)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn get(&self, path: &str) -> Vec<Value> {
        let url = format!("{}/api/v2/{path}", self.server.url());
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }

    /// The alerts of a cluster that it holds, as (state, end).
    async fn holds(&self, cluster: &str) -> Vec<(String, String)> {
        let alerts = self.get("alerts").await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        alerts
            .iter()
            .filter(|alert| alert["labels"]["cluster"] == cluster)
            .map(|alert| (text(&alert["status"]["state"]), text(&alert["endsAt"])))
            .collect()
    }

    async fn silences(&self) -> Vec<Value> {
        let mut silences = self.get("silences").await;
        silences.retain(|silence| silence["status"]["state"] == "active");
        silences
    }

    /// Waits until that many silences are active.
    async fn wait_for_silences(&self, count: usize) -> Vec<Value> {
        let begun = Moment::now();
        loop {
            let silences = self.silences().await;
            if silences.len() == count {
                return silences;
            }
            assert!(begun.elapsed() < DEADLINE, "not {count}: {silences:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until what it holds of a cluster has been sent to it again, twice.
    async fn wait_for_resend(&self, cluster: &str) {
        for _ in 0..2 {
            let (begun, before) = (Moment::now(), self.holds(cluster).await);
            assert!(!before.is_empty(), "{cluster} is not there");
            while self.holds(cluster).await[0].1 <= before[0].1 {
                assert!(
                    begun.elapsed() < DEADLINE,
                    "{cluster} is not sent again: {before:?}"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn snooze(&self, cluster: &str, seconds: u32) {
        let snooze = format!(
            "insert into ledger.snooze (kind, matchers, from_at, until_at, created_by, reason, created_at)
             values ('snooze', '[\"cluster=\\\"{cluster}\\\"\"]', now(), now() + interval '{seconds} s', 'alice', 'disk swap', now())"
        );
        self.harness.run(&snooze).await;
    }

    async fn wait_for_condition(&self, cluster: &str, condition: &str) {
        let claim = format!(
            "select coalesce((select condition || case when held_since is not null then ' held' else '' end
             from ledger.alert_instance where alertname = 'Trouble' and cluster = '{cluster}'), 'none') = '{condition}'"
        );
        self.harness.until(&claim).await;
    }
}

#[tokio::test]
async fn an_alert_lives_in_an_alertmanager_as_it_does_here() {
    let Some(stage) = EvaluatorFixture::set("an_alert_lives_in_an_alertmanager_as_it_does_here").await else {
        return;
    };
    for cluster in ["a", "b", "c"] {
        stage.harness.trouble(cluster).await;
        stage.wait_for_notification(cluster, "firing").await;
    }

    // Held, because the query fails: it neither resolves nor is forgotten, and nobody hears of it again.
    stage.harness.broken(true).await;
    stage.wait_for_condition("a", "firing held").await;
    stage.wait_for_resend("a").await;
    assert_eq!(stage.holds("a").await[0].0, "active");
    stage.harness.broken(false).await;
    stage.wait_for_condition("a", "firing").await;
    assert_eq!(stage.notifications_of("a"), ["firing"]);

    // A snooze is a silence of this instance alone; at its end the alert is heard again, as a new one.
    stage.snooze("a", 8).await;
    let silences = stage.wait_for_silences(1).await;
    assert_eq!(silences[0]["comment"], "snoozed by alice: disk swap");
    stage.wait_for_resend("a").await;
    assert_eq!(stage.holds("a").await[0].0, "suppressed");
    assert_eq!(stage.holds("b").await[0].0, "active");
    assert_eq!(stage.notifications_of("a"), ["firing"]);
    stage.wait_for_notification("a", "firing 1").await;
    stage.wait_for_silences(0).await;
    stage.wait_for_notification("a", "resolved").await;

    // What resolves while it is snoozed is heard to be resolved.
    stage.snooze("b", 3600).await;
    stage.wait_for_silences(1).await;
    stage.harness.peace("b").await;
    stage.wait_for_notification("b", "resolved").await;
    stage.wait_for_silences(0).await;

    stage.harness.peace("a").await;
    stage.wait_for_notification("a", "resolved 1").await;
    stage.wait_for_condition("a", "resolved").await;
    assert!(stage.holds("a").await.is_empty() && stage.holds("b").await.is_empty());
    assert_eq!(stage.notifications_of("b"), ["firing", "resolved"]);
    assert_eq!(
        stage.notifications_of("c"),
        ["firing"],
        "nobody else is concerned"
    );
    stage.wait_for_resend("c").await;
}
