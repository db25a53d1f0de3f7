//! An emitter in this process.

use fleetledger_emit::{
    EmitError, EmitSettings, EmitterHealth, EmitterSummary, LeadershipSettings, ObjectSource,
};
use kube::Client;
use rdkafka::ClientConfig;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A running emitter. Dropping it ends it as a crash would: the Lease stays taken.
pub struct TestEmitter {
    /// What it says of itself.
    pub health: EmitterHealth,
    /// Its metrics.
    pub registry: prometheus::Registry,
    shutdown: CancellationToken,
    task: JoinSet<Result<EmitterSummary, EmitError>>,
}

/// Settings of an emitter of cluster `name`: quick marks, sweeps only on demand, a Lease in namespace `default`.
#[must_use]
pub fn settings(name: &str, prefix: &str) -> EmitSettings {
    EmitSettings {
        datacenter: "dfw".to_owned(),
        cluster: name.to_owned(),
        topic_prefix: prefix.to_owned(),
        labels: crate::expected::LABELS.map(str::to_owned).to_vec(),
        annotations: crate::expected::ANNOTATIONS.map(str::to_owned).to_vec(),
        mark_interval_seconds: 1,
        settle_ms: 500,
        leadership: LeadershipSettings {
            namespace: "default".to_owned(),
            duration_seconds: 3,
            ..LeadershipSettings::default()
        },
        ..EmitSettings::default()
    }
}

impl TestEmitter {
    /// Starts one that watches the API server of `client`.
    #[must_use]
    pub fn start(settings: EmitSettings, client: Client, kafka: &ClientConfig) -> Self {
        Self::start_from(ObjectSource::Watch { client }, settings, kafka)
    }

    /// Starts one that takes its objects from `source`.
    #[must_use]
    pub fn start_from(source: ObjectSource, settings: EmitSettings, kafka: &ClientConfig) -> Self {
        let (health, registry, shutdown) = (
            EmitterHealth::new(),
            prometheus::Registry::new(),
            CancellationToken::new(),
        );
        let mut task = JoinSet::new();
        let (kafka, reported_health, metrics, stop) =
            (kafka.clone(), health.clone(), registry.clone(), shutdown.clone());
        task.spawn(async move {
            let outcome =
                fleetledger_emit::run(settings, source, kafka, &metrics, reported_health, stop).await;
            outcome.inspect_err(|error| tracing::error!(?error, "emitter ended"))
        });
        Self {
            health,
            registry,
            shutdown,
            task,
        }
    }

    /// Awaits the end of one that ends by itself.
    pub async fn finish(mut self) -> EmitterSummary {
        self.task.join_next().await.unwrap().unwrap().unwrap()
    }

    /// Ends it in good order.
    pub async fn stop(mut self) -> EmitterSummary {
        self.shutdown.cancel();
        self.task.join_next().await.unwrap().unwrap().unwrap()
    }

    /// The sum over all labels of one of its counters or gauges.
    #[must_use]
    pub fn metric(&self, name: &str) -> f64 {
        metric(&self.registry, name)
    }
}

/// The sum over all labels of a counter or gauge; 0 where nothing was counted yet.
#[must_use]
pub fn metric(registry: &prometheus::Registry, name: &str) -> f64 {
    let families = registry.gather();
    let of_name = families.iter().filter(|family| family.name() == name);
    let values = of_name.flat_map(|family| family.get_metric());
    values
        .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
        .sum()
}
