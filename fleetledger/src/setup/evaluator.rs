//! The evaluator of a configuration: its connections, its rules, and the tasks that run beside it.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use fleetledger_alerts::{
    BUILTIN_CONNECTIONS, DELIVERY_CONNECTIONS, Evaluator, EvaluatorHealth, EvaluatorSettings,
    ROLLUPS_AT_ONCE, RuleSet, await_logins, links::LinkTargets, pool, reload, runs,
};
use fleetledger_cost::{RatingSettings, rating::CostRater};
use fleetledger_paging::retry::RetryBackoff;
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

use super::receivers::receivers;
use crate::{
    config::{ConfigFault, FleetledgerConfig, LoadedConfig, SecretRef},
    connect::{self, HopError},
    reaper::SessionReaper,
    telemetry::RoleProbe,
};

/// How often the folder of the rules is looked at.
const FOLLOW: Duration = Duration::from_secs(5);

/// The two ways to the database: as the evaluator, and as the role that runs the rules' SQL.
pub(crate) struct EvaluatorConnectors {
    pub(crate) own: PostgresConnector,
    pub(crate) rules: PostgresConnector,
}

/// Everything of an evaluator that stands before it runs; the console works with the same.
pub(crate) struct EvaluatorParts {
    pub(crate) settings: EvaluatorSettings,
    pub(crate) pool: deadpool_postgres::Pool,
    outbox: deadpool_postgres::Pool,
    pub(crate) reader: ReaderPool,
    builtin: ReaderPool,
    pub(crate) rules: watch::Receiver<Arc<RuleSet>>,
    live_catalogue: watch::Receiver<CurrentQueries>,
    reader_limit: Duration,
    rating: (PostgresConnector, RatingSettings),
    pub(crate) health: EvaluatorHealth,
    following: JoinSet<()>,
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
        builtin: parts.builtin,
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
    let evaluate = &config.evaluate;
    let rules = as_user(
        loaded,
        &evaluate.rules_user,
        evaluate.rules_password.as_ref(),
        "evaluate.rules_password",
    )?;
    Ok(EvaluatorConnectors { own, rules })
}

/// The way that people ask by. Opens nothing.
pub(crate) fn reader_connector(loaded: &LoadedConfig) -> anyhow::Result<PostgresConnector> {
    let evaluate = &loaded.config.evaluate;
    as_user(
        loaded,
        &evaluate.reader_user,
        evaluate.reader_password.as_ref(),
        "evaluate.reader_password",
    )
}

/// The same way as another user; without a password of its own with that of `[postgres]`.
fn as_user(
    loaded: &LoadedConfig,
    user: &str,
    password: Option<&SecretRef>,
    key: &'static str,
) -> anyhow::Result<PostgresConnector> {
    // Read here for the sake of its error, which names the place of the key.
    if let Some(password) = password {
        password.read(key).map_err(|fault| loaded.explain(fault))?;
    }
    connect::postgres::connector_of(&loaded.config.postgres, user, key, password)
}

/// What stands before the database is asked: receivers with their secrets, so that a login that fails can be paged.
pub(crate) struct PreparedEvaluator {
    settings: EvaluatorSettings,
    own: ReaderPool,
    reader: ReaderPool,
    pub(crate) health: EvaluatorHealth,
}

impl PreparedEvaluator {
    /// Reads what the configuration points to. Opens nothing.
    pub(crate) fn new(loaded: &LoadedConfig, ways: &EvaluatorConnectors) -> anyhow::Result<Self> {
        let config = &loaded.config;
        Ok(Self {
            settings: settings(config).map_err(|fault| loaded.explain(fault))?,
            own: ReaderPool::new(&ways.own, BUILTIN_CONNECTIONS).context("create a connection pool")?,
            reader: ReaderPool::new(&ways.rules, config.evaluate.concurrency + 1)?,
            health: EvaluatorHealth::new(),
        })
    }

    /// Waits until the evaluator and its rules are let in; who cannot log in for long is paged for. False if `stop` came
    /// first.
    pub(crate) async fn await_logins(
        &self,
        loaded: &LoadedConfig,
        ways: &EvaluatorConnectors,
        stop: &CancellationToken,
    ) -> bool {
        let postgres = &loaded.config.postgres;
        for (login, way) in [("evaluator", &ways.own), ("rules", &ways.rules)] {
            let tried = connect::postgres::connect(postgres, way, "fleetledger-login-watch").await;
            if let Err(HopError { hop, why, fix, .. }) = tried {
                tracing::error!(
                    login,
                    hop,
                    why,
                    fix,
                    "the evaluator cannot log in; retrying, and paging its receivers if that continues"
                );
            }
        }
        await_logins(&self.own, &self.reader, &self.settings, &self.health, stop).await
    }

    /// Reads the rules and connects as the role that runs them; its connections name `role`. A broken file is told of and does not hold up the others.
    pub(crate) async fn connect(
        self,
        loaded: &LoadedConfig,
        ways: &EvaluatorConnectors,
        role: &str,
        registry: &Registry,
        stop: CancellationToken,
    ) -> anyhow::Result<EvaluatorParts> {
        let config = &loaded.config;
        // One for each turn to ask and to write; the rest renew claims, keep house and keep alive.
        let size = 2 * config.evaluate.concurrency + ROLLUPS_AT_ONCE + 6;
        let pool = |size, name: &str| pool::new(&ways.own, size, name).context("create a connection pool");
        let outbox = pool(DELIVERY_CONNECTIONS, "fleetledger-deliver")?;
        let pool = pool(size, &format!("fleetledger-{role}"))?;
        let Self {
            settings,
            own: builtin,
            reader,
            health,
        } = self;
        reader
            .check_role()
            .await
            .context("check the user that runs the rules' SQL")?;
        let metrics = QueryMetrics::new(registry).context("count the files of the rules")?;
        let mut live = LiveCatalogue::new(&config.evaluate.rules, Some(reader.clone()), Some(metrics));
        live.reload(fleetledger_schema::instant::Instant::now()).await;
        let mut following = JoinSet::new();
        let rules = reload::follow(live.subscribe(), &health, &mut following).context("take up the rules")?;
        let live_catalogue = live.subscribe();
        following.spawn(live.follow(FOLLOW, stop));
        let rating = (ways.own.clone(), config.cost.clone());
        Ok(EvaluatorParts {
            live_catalogue,
            reader_limit: Duration::from_secs(config.evaluate.reader_limit_seconds),
            rating,
            settings,
            pool,
            outbox,
            reader,
            builtin,
            rules,
            health,
            following,
        })
    }
}

impl EvaluatorParts {
    /// All at once, for those that do not wait for a login.
    pub(crate) async fn new(
        loaded: &LoadedConfig,
        ways: &EvaluatorConnectors,
        role: &str,
        registry: &Registry,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let prepared = PreparedEvaluator::new(loaded, ways)?;
        prepared.connect(loaded, ways, role, registry, stop).await
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
