//! `fleetledger evaluate`: stored SQL to alerts, and alerts to their receivers.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use fleetledger_alerts::{
    AlertReceiver, DELIVERY_CONNECTIONS, Evaluator, EvaluatorHealth, EvaluatorSettings, ROLLUPS_AT_ONCE,
    ReceiverSet, RuleSet, links::LinkTargets, pool, reload, runs,
};
use fleetledger_cost::rating::CostRater;
use fleetledger_paging::{
    ReceiverSecret,
    channel::{
        ChannelClient, ChannelSettings as Channel, ReceiverConnection, ReceiverTls as ChannelTls,
        alertmanager, pagerduty, slack, webhook,
    },
    retry::RetryBackoff,
};
use fleetledger_queries::{
    CurrentQueries, MetricRecorder, QueryMetrics, ReaderPool, live::LiveCatalogue, recorder,
};
use fleetledger_schema::postgres::PostgresConnector;
use prometheus::Registry;
use tokio::{
    sync::{mpsc::unbounded_channel, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::role;
use crate::{
    config::{self, ConfigFault, FleetledgerConfig, LoadedConfig, ReceiverKind, SecretRef},
    connect,
    exit::ExitReason,
    reaper::SessionReaper,
    telemetry::RoleProbe,
};

/// How often the folder of the rules is looked at.
const FOLLOW: Duration = Duration::from_secs(5);

/// The two ways to the database: as the evaluator, and as the reader who runs the rules' SQL.
pub(crate) struct EvaluatorConnectors {
    pub(crate) own: PostgresConnector,
    pub(crate) reader: PostgresConnector,
}

/// Everything of an evaluator that stands before it runs; the console works with the same.
pub(crate) struct EvaluatorParts {
    pub(crate) settings: EvaluatorSettings,
    pub(crate) pool: deadpool_postgres::Pool,
    outbox: deadpool_postgres::Pool,
    pub(crate) reader: ReaderPool,
    pub(crate) rules: watch::Receiver<Arc<RuleSet>>,
    live_catalogue: watch::Receiver<CurrentQueries>,
    reader_limit: Duration,
    rating: (PostgresConnector, fleetledger_cost::rating::RatingSettings),
    pub(crate) health: EvaluatorHealth,
    following: JoinSet<()>,
}

pub(super) async fn run(loaded: &LoadedConfig) -> anyhow::Result<ExitReason> {
    #[cfg(feature = "fail-points")]
    super::ingest::prepare_fault()?;
    let ways = connectors(loaded)?;
    let client =
        connect::postgres::connect(&loaded.config.postgres, &ways.own, "fleetledger-evaluate").await?;
    super::require_current(&ways.own, &client).await?;
    drop(client);
    let (registry, stop_following) = (Registry::new(), CancellationToken::new());
    let parts = EvaluatorParts::new(loaded, &ways, &registry, stop_following.clone()).await?;
    let probe = probe(&parts.health);
    let done = role::run(loaded, registry.clone(), probe, |stop| {
        Box::pin(evaluate(parts, registry, stop))
    })
    .await;
    stop_following.cancel();
    done
}

/// Whether it lives and works.
pub(crate) fn probe(health: &EvaluatorHealth) -> RoleProbe {
    let (live, ready) = (health.clone(), health.clone());
    RoleProbe::new("evaluate", move || live.live(), move || ready.ready())
}

/// Evaluates, records, fills rollups and delivers until `stop`.
pub(crate) async fn evaluate(
    parts: EvaluatorParts,
    registry: Registry,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut following = parts.following;
    // Connections of its own: no alert waits for a metric.
    let (tell, evaluated) = unbounded_channel();
    let recorder = MetricRecorder::new(parts.reader.beside(recorder::AT_ONCE)?)
        .context("count metrics")?
        .with_listener(tell);
    following.spawn(runs::record_runs(
        parts.pool.clone(),
        parts.settings.evaluator.clone(),
        evaluated,
        stop.clone(),
    ));
    registry
        .register(Box::new(recorder.clone()))
        .context("show metrics")?;
    following.spawn(recorder.follow(parts.live_catalogue, stop.clone()));
    following.spawn(SessionReaper::new(parts.pool.clone(), parts.reader_limit).run(stop.clone()));
    let (connector, settings) = parts.rating;
    let rating = CostRater::new(connector, settings, &registry).context("count hours that are rated")?;
    following.spawn(rating.follow(stop.clone()));
    let evaluator = Evaluator {
        settings: Arc::new(parts.settings),
        rules: parts.rules,
        pool: parts.pool,
        outbox: parts.outbox,
        reader: parts.reader,
        health: parts.health,
    };
    let done = evaluator.run(&registry, stop).await.context("evaluate");
    following.abort_all();
    done
}

/// The ways of this configuration. Opens nothing.
pub(crate) fn connectors(loaded: &LoadedConfig) -> anyhow::Result<EvaluatorConnectors> {
    let config = &loaded.config;
    let own = connect::postgres::connector(&config.postgres)?;
    let mut reader = own.config().clone();
    reader.user(&config.evaluate.reader_user);
    if let Some(password) = &config.evaluate.reader_password {
        let secret = password
            .read("evaluate.reader_password")
            .map_err(|fault| loaded.explain(fault))?;
        reader.password(secret.expose());
    }
    Ok(EvaluatorConnectors {
        reader: PostgresConnector::new(reader, own.tls().cloned()),
        own,
    })
}

impl EvaluatorParts {
    /// Reads the rules and connects as the reader. A broken file is told of and does not hold up the others.
    pub(crate) async fn new(
        loaded: &LoadedConfig,
        ways: &EvaluatorConnectors,
        registry: &Registry,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let config = &loaded.config;
        let settings = settings(config).map_err(|fault| loaded.explain(fault))?;
        // One for each turn to ask and to write; the rest renew claims, keep house and keep alive.
        let size = 2 * config.evaluate.concurrency + ROLLUPS_AT_ONCE + 6;
        let pool = |size, name| pool::new(&ways.own, size, name).context("make a pool of connections");
        let outbox = pool(DELIVERY_CONNECTIONS, "fleetledger-deliver")?;
        let pool = pool(size, "fleetledger-evaluate")?;
        let reader = ReaderPool::new(&ways.reader, config.evaluate.concurrency + 1)?;
        reader
            .check_role()
            .await
            .context("check the user that runs the rules' SQL")?;
        let metrics = QueryMetrics::new(registry).context("count the files of the rules")?;
        let mut live = LiveCatalogue::new(&config.evaluate.rules, Some(reader.clone()), Some(metrics));
        live.reload(fleetledger_schema::instant::Instant::now()).await;
        let health = EvaluatorHealth::new();
        let mut following = JoinSet::new();
        let rules = reload::follow(live.subscribe(), &health, &mut following).context("take up the rules")?;
        let live_catalogue = live.subscribe();
        following.spawn(live.follow(FOLLOW, stop));
        let rating = (ways.own.clone(), rating(&config.cost));
        Ok(Self {
            live_catalogue,
            reader_limit: Duration::from_secs(config.evaluate.reader_limit_seconds),
            rating,
            settings,
            pool,
            outbox,
            reader,
            rules,
            health,
            following,
        })
    }
}

/// When hours are rated.
fn rating(cost: &config::CostConfig) -> fleetledger_cost::rating::RatingSettings {
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    fleetledger_cost::rating::RatingSettings {
        interval: Duration::from_secs(cost.interval_seconds),
        partial: (cost.partial_minutes > 0).then(|| Duration::from_secs(cost.partial_minutes * 60)),
        history: hours(cost.history_hours),
        lateness: hours(cost.lateness_days * 24),
    }
}

fn settings(config: &FleetledgerConfig) -> Result<EvaluatorSettings, ConfigFault> {
    let evaluate = &config.evaluate;
    let name = evaluate.name.clone().unwrap_or_else(|| {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        format!("{}-{}", host.trim(), std::process::id())
    });
    Ok(EvaluatorSettings {
        evaluator: name,
        lease: Duration::from_secs(evaluate.lease_seconds),
        concurrency: evaluate.concurrency,
        routes: config.routes.tree()?,
        inhibitions: Vec::new(),
        link_targets: LinkTargets {
            console_url: evaluate.console_url.clone(),
            runbook_base_url: evaluate.runbook_base_url.clone(),
        },
        receivers: receivers(config)?,
        heartbeat_receivers: evaluate.heartbeat_receivers.clone(),
        backoff: RetryBackoff::default(),
        deliveries: evaluate.deliveries,
        ..EvaluatorSettings::default()
    })
}

/// The receivers of this configuration, with their secrets read.
pub(crate) fn receivers(config: &FleetledgerConfig) -> Result<ReceiverSet, ConfigFault> {
    let mut by_name = BTreeMap::new();
    for (name, receiver) in &config.receivers {
        let client = ChannelClient::new(channel(config, name, receiver)?)
            .map_err(|error| ConfigFault::new(format!("receivers.{name}"), connect::hop::chain(&error)))?;
        let secret_ref = receiver.routing_key.as_ref().map(SecretRef::reference);
        by_name.insert(name.clone(), AlertReceiver { client, secret_ref });
    }
    Ok(ReceiverSet::new(by_name, |reference| {
        let secret = SecretRef::new(reference).read("the incident's secret");
        secret
            .map(|secret| ReceiverSecret::new(secret.expose()))
            .map_err(|fault| fault.why)
    }))
}

fn channel(
    config: &FleetledgerConfig,
    name: &str,
    receiver: &config::ReceiverConfig,
) -> Result<Channel, ConfigFault> {
    let section = format!("receivers.{name}");
    let read = |key: &str, secret: &Option<SecretRef>| match secret {
        None => Ok(None),
        Some(secret) => {
            let read = secret.read(&format!("{section}.{key}"))?;
            Ok(Some(ReceiverSecret::new(read.expose())))
        }
    };
    let needed = |key: &str, secret: Option<ReceiverSecret>| {
        secret.ok_or_else(|| ConfigFault::new(format!("{section}.{key}"), "is missing"))
    };
    let connection = ReceiverConnection {
        timeout: Duration::from_secs(receiver.timeout_seconds),
        ..ReceiverConnection::default()
    };
    let connection = ReceiverConnection {
        tls: tls(&section, receiver.tls.as_ref())?,
        proxy: receiver.proxy.as_deref().map(ReceiverSecret::new),
        ..connection
    };
    let authorization = read("authorization", &receiver.authorization)?;
    Ok(match receiver.kind {
        ReceiverKind::Pagerduty => Channel::PagerDuty(pagerduty::PagerDutySettings {
            base_url: receiver
                .url
                .clone()
                .unwrap_or_else(|| pagerduty::BASE_URL.to_owned()),
            routing_key: needed("routing_key", read("routing_key", &receiver.routing_key)?)?,
            connection,
        }),
        ReceiverKind::Alertmanager => Channel::Alertmanager(alertmanager::AlertmanagerSettings {
            urls: receiver.urls.clone(),
            authorization,
            connection,
        }),
        ReceiverKind::Slack => Channel::Slack(slack::SlackSettings {
            url: needed("secret_url", read("secret_url", &receiver.secret_url)?)?,
            connection,
        }),
        ReceiverKind::Webhook => Channel::Webhook(webhook::WebhookSettings {
            url: needed("secret_url", read("secret_url", &receiver.secret_url)?)?,
            signing_secret: read("signing_secret", &receiver.signing_secret)?,
            authorization,
            external_url: config.evaluate.console_url.clone(),
            connection,
        }),
    })
}

fn tls(section: &str, tls: Option<&config::TlsConfig>) -> Result<ChannelTls, ConfigFault> {
    let Some(tls) = tls else {
        return Ok(ChannelTls::default());
    };
    let read = |key: &str, file: &Path| {
        std::fs::read(file).map_err(|error| {
            ConfigFault::new(
                format!("{section}.tls.{key}"),
                format!("cannot read {}: {error}", file.display()),
            )
        })
    };
    let client_pem = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let key = String::from_utf8_lossy(&read("key", key)?).into_owned();
            Some((read("certificate", certificate)?, ReceiverSecret::new(key)))
        }
        _ => None,
    };
    Ok(ChannelTls {
        ca_pem: tls.ca.as_deref().map(|file| read("ca", file)).transpose()?,
        client_pem,
    })
}
