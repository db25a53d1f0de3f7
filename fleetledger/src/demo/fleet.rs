//! The running roles of the demo: three emitters and the ingester.

use anyhow::{Context as _, anyhow};
use fleetledger_emit::{EmitSettings, EmitterSummary, ObjectSource};
use fleetledger_schema::postgres::PostgresConnector;
use prometheus::Registry;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::broker::DemoBroker;
use crate::config::FleetledgerConfig;

/// Emitters and ingester, as tasks.
pub(super) struct DemoFleet {
    emitters: JoinSet<anyhow::Result<EmitterSummary>>,
    ingester: JoinSet<anyhow::Result<()>>,
    stop_emitters: CancellationToken,
    stop_ingester: CancellationToken,
    health: DemoHealth,
}

/// Their health together.
#[derive(Clone)]
pub(super) struct DemoHealth {
    emitters: Vec<fleetledger_emit::EmitterHealth>,
    ingester: fleetledger_ingest::IngestHealth,
}

impl DemoHealth {
    pub(super) fn live(&self) -> Result<(), String> {
        self.emitters
            .iter()
            .try_for_each(fleetledger_emit::EmitterHealth::live)
            .and_then(|()| self.ingester.live())
    }

    pub(super) fn ready(&self) -> Result<(), String> {
        self.emitters
            .iter()
            .try_for_each(fleetledger_emit::EmitterHealth::ready)
            .and_then(|()| self.ingester.ready())
    }
}

impl DemoFleet {
    /// Starts the ingester; no emitter yet.
    pub(super) fn start(
        config: &FleetledgerConfig,
        broker: &DemoBroker,
        database: PostgresConnector,
        registry: &Registry,
    ) -> anyhow::Result<Self> {
        let kafka = broker.client_config()?;
        let (stop_emitters, stop_ingester) = (CancellationToken::new(), CancellationToken::new());
        let health = DemoHealth {
            emitters: Vec::new(),
            ingester: fleetledger_ingest::IngestHealth::new(),
        };
        let mut ingester = JoinSet::new();
        let (settings, own) = (config.ingest.clone(), health.ingester.clone());
        let (registry, stop) = (registry.clone(), stop_ingester.clone());
        ingester.spawn(async move {
            let ended = fleetledger_ingest::run(settings, kafka, database, &registry, own, stop).await;
            ended.context("ingest")
        });
        Ok(Self {
            emitters: JoinSet::new(),
            ingester,
            stop_emitters,
            stop_ingester,
            health,
        })
    }

    /// Starts an emitter for each cluster.
    pub(super) fn emit(
        &mut self,
        clusters: Vec<(EmitSettings, ObjectSource)>,
        broker: &DemoBroker,
        registry: &Registry,
    ) -> anyhow::Result<()> {
        let kafka = broker.client_config()?;
        for (settings, source) in clusters {
            let (kafka, registry, stop) = (kafka.clone(), registry.clone(), self.stop_emitters.clone());
            let own = fleetledger_emit::EmitterHealth::new();
            self.health.emitters.push(own.clone());
            self.emitters.spawn(async move {
                let datacenter = settings.datacenter.clone();
                let emitted = fleetledger_emit::run(settings, source, kafka, &registry, own, stop).await;
                emitted.with_context(|| format!("emit {datacenter}"))
            });
        }
        Ok(())
    }

    pub(super) fn health(&self) -> DemoHealth {
        self.health.clone()
    }

    /// What each emitter has sent so far.
    pub(super) fn sources(&self) -> Vec<EmitterSummary> {
        self.health
            .emitters
            .iter()
            .map(fleetledger_emit::EmitterHealth::summary)
            .collect()
    }

    /// Waits for a role that ends although nobody told it to: an error in any case.
    pub(super) async fn ended_early(&mut self) -> anyhow::Error {
        tokio::select! {
            Some(ended) = self.emitters.join_next() => early("an emitter", ended.map(|ended| ended.map(drop))),
            Some(ended) = self.ingester.join_next() => early("the ingester", ended),
            else => anyhow!("all roles have stopped"),
        }
    }

    /// Tells the emitters to stop, and returns what each has sent once Kafka has acknowledged all of it.
    pub(super) async fn stop_emitters(&mut self) -> anyhow::Result<Vec<EmitterSummary>> {
        self.stop_emitters.cancel();
        let mut sent = Vec::new();
        while let Some(ended) = self.emitters.join_next().await {
            sent.push(ended.context("join an emitter")??);
        }
        sent.sort_by(|one, other| one.datacenter.cmp(&other.datacenter));
        Ok(sent)
    }

    pub(super) async fn stop_ingester(&mut self) -> anyhow::Result<()> {
        self.stop_ingester.cancel();
        while let Some(ended) = self.ingester.join_next().await {
            ended.context("join the ingester")??;
        }
        Ok(())
    }

    /// Ends what still runs, after an error.
    pub(super) async fn abort(&mut self) {
        self.stop_emitters.cancel();
        self.stop_ingester.cancel();
        self.emitters.shutdown().await;
        self.ingester.shutdown().await;
    }
}

fn early(who: &str, ended: Result<anyhow::Result<()>, JoinError>) -> anyhow::Error {
    match ended {
        Ok(Ok(())) => anyhow!("{who} stopped unexpectedly"),
        Ok(Err(error)) => error,
        Err(error) => anyhow::Error::new(error).context(format!("join {who}")),
    }
}
