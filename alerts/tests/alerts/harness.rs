//! A place: a database of its own, rules over `quarantine`, and evaluators that come and go.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant as Moment},
};

use deadpool_postgres::Pool;
use fleetledger_alerts::{
    AlertReceiver, Evaluator, EvaluatorHealth, EvaluatorSettings, ReceiverSet, RuleSet, pool,
};
use fleetledger_local::postgres::PostgresTemplate;
use fleetledger_paging::{
    ReceiverSecret,
    channel::{ChannelClient as Channel, ChannelSettings, ReceiverConnection, pagerduty, slack, webhook},
    retry::RetryBackoff,
};
use fleetledger_queries::{Catalogue, ReaderPool};
use fleetledger_schema::{
    instant::Instant,
    postgres::{PostgresConnector, migrate},
};
use tokio::sync::watch;
use tokio_postgres::{Client, types::FromSqlOwned};

const DEADLINE: Duration = Duration::from_secs(60);

/// Every open quarantine is trouble; one whose detail is `boom` breaks the query.
pub const TROUBLE: &str = "\
/*---
alert: Trouble
interval: 1m
for: 2m
cooldown: 30m
repeat_interval: 4h
limit: 5
columns: {labels: [datacenter, cluster]}
labels: {severity: page, team: red}
annotations: {summary: \"trouble in {{ labels.cluster }}\", runbook: trouble}
freshness: none
receivers: [pager]
---*/
select datacenter, cluster from quarantine
where released_at is null and 1 / case when detail = 'boom' then 0 else 1 end = 1";

/// A migrated database of its own, on the server that all tests of this binary share.
async fn database() -> String {
    let template = PostgresTemplate::of_process(|url| async move {
        let connector = PostgresConnector::new(url.parse().unwrap(), None);
        let migrated = migrate(&connector, |_| {}).await;
        migrated.map(drop).map_err(|error| error.to_string())
    });
    template.await.unwrap().database().await.unwrap()
}

/// Minute `n` of a made-up day.
pub fn minute(n: i64) -> Instant {
    Instant::parse("2026-01-01T00:00:00Z")
        .unwrap()
        .plus_micros(n * 60_000_000)
}

pub struct AlertsHarness {
    /// The owner's.
    pub sql: Client,
    pub url: String,
    settings: EvaluatorSettings,
}

impl AlertsHarness {
    pub async fn new() -> Self {
        Self::at(database().await).await
    }

    /// The database of that address.
    pub async fn at(url: String) -> Self {
        let connector = PostgresConnector::new(url.parse().unwrap(), None);
        let sql = connector.connect("test").await.unwrap();
        Self {
            sql,
            url,
            settings: EvaluatorSettings {
                backoff: RetryBackoff {
                    base: Duration::from_millis(20),
                    cap: Duration::from_millis(100),
                    ..RetryBackoff::default()
                },
                lease: Duration::from_secs(2),
                ..EvaluatorSettings::default()
            },
        }
    }

    /// The same place, with receivers of these kinds at an endpoint.
    pub fn with_receivers(mut self, base_url: &str, timeout: Duration) -> Self {
        self.settings.receivers = receivers(base_url, timeout);
        self
    }

    pub fn change(mut self, change: impl FnOnce(&mut EvaluatorSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    fn connector(&self, user: &str) -> PostgresConnector {
        let mut config: tokio_postgres::Config = self.url.parse().unwrap();
        config.user(user);
        PostgresConnector::new(config, None)
    }

    pub fn pool(&self) -> Pool {
        pool::new(&self.connector("fleetledger_evaluate"), 8, "test").unwrap()
    }

    /// An evaluator that has just started, with these rules beside those about fleetledger itself.
    pub fn evaluator(&self, name: &str, rules: &[(&str, &str)]) -> Evaluator {
        let (send, rules) = watch::channel(Arc::new(rule_set(rules)));
        // Nobody changes the files.
        drop(send);
        Evaluator {
            settings: Arc::new(EvaluatorSettings {
                evaluator: name.to_owned(),
                ..self.settings.clone()
            }),
            rules,
            pool: self.pool(),
            outbox: self.pool(),
            reader: ReaderPool::new(&self.connector("fleetledger_rules"), 4).unwrap(),
            builtin: ReaderPool::new(&self.connector("fleetledger_evaluate"), 2).unwrap(),
            health: EvaluatorHealth::new(),
        }
    }

    /// A fresh evaluator at each of these minutes: whatever it has to remember stands in the database.
    pub async fn minutes(&self, rules: &[(&str, &str)], minutes: impl IntoIterator<Item = i64>) {
        for n in minutes {
            let evaluator = self.evaluator("one", rules);
            assert!(evaluator.evaluate(minute(n)).await.unwrap(), "minute {n}");
        }
    }

    /// Trouble in cluster `cluster` of datacenter `dc1`.
    pub async fn trouble(&self, cluster: &str) {
        self.run(&format!(
            "insert into ledger.quarantine (datacenter, cluster, cluster_uid, reason, detail)
             values ('dc1', '{cluster}', 'uid-{cluster}', 'poisoned', 'x')"
        ))
        .await;
    }

    /// No trouble any more.
    pub async fn peace(&self, cluster: &str) {
        self.run(&format!(
            "delete from ledger.quarantine where cluster = '{cluster}'"
        ))
        .await;
    }

    /// From now on (or no longer) the query breaks.
    pub async fn broken(&self, is_broken: bool) {
        self.peace("boom").await;
        if is_broken {
            self.trouble("boom").await;
            self.run("update ledger.quarantine set detail = 'boom' where cluster = 'boom'")
                .await;
        }
    }

    /// A source that is known up to that minute.
    pub async fn source(&self, datacenter: &str, cluster: &str, until: i64) {
        self.run(&format!(
            "insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at)
                 values ('{datacenter}', '{cluster}', 'uid-{datacenter}-{cluster}', '2025-12-01') on conflict do nothing;
             insert into ledger.freshness (cluster_id, kind, observed_at, landed_at)
                 select cluster_id, 1, '{0}', '{0}' from ledger.cluster
                 where datacenter = '{datacenter}' and cluster = '{cluster}'
             on conflict (cluster_id, kind) do update set observed_at = excluded.observed_at",
            minute(until)
        ))
        .await;
    }

    /// A snooze from one minute to another; its number.
    pub async fn snooze(&self, matcher: &str, from: i64, until: i64) -> i64 {
        let make = "
            insert into ledger.snooze (kind, matchers, from_at, until_at, created_by, reason, created_at)
            values ('snooze', jsonb_build_array($1::text), $2, $3, 'alice', 'disk swap', $2) returning snooze_id";
        self.sql
            .query_one(make, &[&matcher, &minute(from), &minute(until)])
            .await
            .unwrap()
            .get(0)
    }

    pub async fn run(&self, sql: &str) {
        self.sql
            .batch_execute(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    pub async fn one<T: FromSqlOwned>(&self, sql: &str) -> T {
        match self.sql.query_one(sql, &[]).await {
            Ok(row) => row.get(0),
            Err(error) => panic!("{sql}: {error:?}"),
        }
    }

    pub async fn all(&self, sql: &str) -> Vec<String> {
        let rows = self
            .sql
            .query(sql, &[])
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Condition of the instance of a cluster, with `held` and `snoozed` where they hold.
    pub async fn state(&self, cluster: &str) -> String {
        let states = self
            .all(&format!(
                "select condition || case when held_since is not null then ' held' else '' end
                 from ledger.alert_instance where alertname = 'Trouble' and cluster = '{cluster}'"
            ))
            .await;
        states.first().cloned().unwrap_or_else(|| "none".to_owned())
    }

    /// What was queued for a receiver, in order: minute, kind, reason, incarnation, state.
    pub async fn queued(&self, receiver: &str) -> Vec<String> {
        self.all(&format!(
            "select (extract(epoch from slot - '{}') / 60)::integer || ' ' || kind || ' ' || reason || ' ' || incarnation
                || case when state = 'cancelled' then ' cancelled' else '' end
             from ledger.outbox where receiver = '{receiver}' order by outbox_id",
            minute(0)
        ))
        .await
    }

    /// Waits until `sql` says so.
    pub async fn until(&self, sql: &str) {
        let begun = Moment::now();
        while !self.one::<bool>(sql).await {
            assert!(begun.elapsed() < DEADLINE, "never: {sql}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub fn rule_set(rules: &[(&str, &str)]) -> RuleSet {
    let parse = |(file, text): &(&str, &str)| {
        let parsed = fleetledger_queries::parse(Path::new(file), "alerts", text);
        Arc::new(parsed.unwrap_or_else(|refusals| panic!("{file}: {refusals:?}")))
    };
    RuleSet::new(Catalogue::of(rules.iter().map(parse).collect())).unwrap()
}

/// `pager` is PagerDuty, `chat` Slack, `hook` a webhook, all at one address.
pub fn receivers(base_url: &str, timeout: Duration) -> ReceiverSet {
    let connection = || ReceiverConnection {
        timeout,
        ..ReceiverConnection::default()
    };
    let receiver = |settings, secret_ref: Option<&str>| AlertReceiver {
        client: Channel::new(settings).unwrap().into(),
        secret_ref: secret_ref.map(str::to_owned),
    };
    let pager = ChannelSettings::PagerDuty(pagerduty::PagerDutySettings {
        base_url: base_url.to_owned(),
        routing_key: ReceiverSecret::new("new-key"),
        connection: connection(),
    });
    let chat = ChannelSettings::Slack(slack::SlackSettings {
        url: ReceiverSecret::new(format!("{base_url}/slack")),
        connection: connection(),
    });
    let hook = ChannelSettings::Webhook(webhook::WebhookSettings {
        url: ReceiverSecret::new(format!("{base_url}/hook")),
        signing_secret: Some(ReceiverSecret::new("signing")),
        authorization: None,
        external_url: String::new(),
        connection: connection(),
    });
    let by_name: BTreeMap<String, AlertReceiver> = [
        ("pager".to_owned(), receiver(pager, Some("file:/new"))),
        ("chat".to_owned(), receiver(chat, None)),
        ("hook".to_owned(), receiver(hook, None)),
    ]
    .into();
    ReceiverSet::new(by_name, |reference| match reference {
        "file:/old" => Ok(ReceiverSecret::new("old-key")),
        other => Err(format!("{other} cannot be read")),
    })
}
