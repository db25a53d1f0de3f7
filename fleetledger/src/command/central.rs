//! `fleetledger central`: ingester, evaluator and console in one process.

use std::time::Duration;

use anyhow::Context as _;
use fleetledger_schema::postgres::PostgresConnector;
use prometheus::Registry;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::role;
use crate::{
    config::LoadedConfig,
    connect,
    exit::ExitReason,
    setup::{
        console, database,
        evaluator::{self, PreparedEvaluator, connectors},
        renewed_client_config, require_current, require_sessions,
    },
    telemetry::RoleProbe,
};

/// How often a database is tried that lets nobody in.
const RETRY: Duration = Duration::from_secs(5);

pub(super) async fn run(loaded: &LoadedConfig) -> anyhow::Result<ExitReason> {
    let config = &loaded.config;
    config
        .ingest
        .check()
        .map_err(|error| super::ingest::refused(loaded, &error))?;
    let kafka = renewed_client_config(loaded)?;
    let ways = connectors(loaded)?;
    let prepared = PreparedEvaluator::new(loaded, &ways)?;
    let (registry, following) = (Registry::new(), CancellationToken::new());
    let _stop_following = following.clone().drop_guard();
    let ingest = fleetledger_ingest::IngestHealth::new();
    let probe = {
        let (live, ready) = (evaluator::probe(&prepared.health), ingest.clone());
        let (evaluate_live, evaluate_ready, ingest_live) = (live.live, live.ready, ingest.clone());
        RoleProbe::new(
            "central",
            move || ingest_live.live().and_then(|()| evaluate_live()),
            move || ready.ready().and_then(|()| evaluate_ready()),
        )
    };
    let (settings, own, metrics) = (config.ingest.clone(), ways.own.clone(), registry.clone());
    role::run(loaded, registry, probe, |stop| async move {
        let mut roles: JoinSet<anyhow::Result<()>> = JoinSet::new();
        let (of_ingest, of_evaluate) = (stop.clone(), stop.clone());
        let (registry, loaded_for_ingest) = (metrics.clone(), loaded.clone());
        roles.spawn(async move {
            if !await_database(&loaded_for_ingest, &own, &of_ingest).await? {
                return Ok(());
            }
            let ended = fleetledger_ingest::run(settings, kafka, own, &registry, ingest, of_ingest).await;
            ended.context("ingest")
        });
        let loaded = loaded.clone();
        // Apart from the ingester: nothing that lands waits for the login of rules.
        roles.spawn(async move {
            if !prepared.await_logins(&loaded, &ways, &of_evaluate).await {
                return Ok(());
            }
            require_sessions(&ways.own, "central").await?;
            drop(database(&loaded, "fleetledger-central").await?);
            let parts = prepared
                .connect(&loaded, &ways, "central", &metrics, following)
                .await?;
            let server = console::bind(&loaded, &loaded.config.console, &parts, &metrics).await?;
            tracing::info!(listen = %server.address()?, "console");
            let serving = server.run(of_evaluate.clone());
            tokio::try_join!(evaluator::evaluate(parts, metrics, of_evaluate), serving).map(|_| ())
        });
        let mut result = Ok(());
        while let Some(ended) = roles.join_next().await {
            // One that ends takes the others with it: the supervisor starts all anew.
            stop.cancel();
            let ended = ended
                .context("a role of this process was lost")
                .and_then(|ended| ended);
            result = result.and(ended);
        }
        result
    })
    .await
}

/// Waits for a database that is away or lets nobody in; one at another version is refused. False if `stop` came first.
async fn await_database(
    loaded: &LoadedConfig,
    connector: &PostgresConnector,
    stop: &CancellationToken,
) -> anyhow::Result<bool> {
    loop {
        // What is wrong the evaluator says, which logs in as the same user.
        if let Ok(client) =
            connect::postgres::connect(&loaded.config.postgres, connector, "fleetledger-central").await
        {
            require_sessions(connector, "central").await?;
            require_current(connector, &client).await?;
            return Ok(true);
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(false),
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}
