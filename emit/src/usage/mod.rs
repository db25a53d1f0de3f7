//! What containers use: read from the nodes at intervals, integrated into aligned windows (`integrate`), and handed to
//! the pipeline, which sends them. Only the emitter that leads reads.
//!
//! A node that does not answer is asked less often and never holds up the others; what it did is then not known, which is
//! not 0.

mod api;
mod exposition;
mod integrate;
mod kubelet;
mod past;
mod reading;
mod roster;
mod settings;
mod window;

use std::{collections::HashMap, sync::Arc, time::Duration};

use fleetledger_schema::{instant::Instant, record::Usage};
use futures::StreamExt as _;
use tokio::{
    sync::mpsc::Sender,
    time::{Instant as Tick, MissedTickBehavior},
};

pub use settings::{GpuSettings, UsageSettings, UsageSource};

pub(crate) use past::PastUsage;
pub(crate) use reading::{ContainerSample, CpuMeasure, GpuSample};
pub(crate) use roster::Roster;

use self::{
    integrate::Integrator,
    kubelet::{NodeHttpClient, gpus, samples, url_of},
    reading::{NodeReading, UsageTarget},
};
use crate::{error::EmitError, metrics::EmitMetrics};

const SECOND_MICROS: i64 = 1_000_000;
/// A node that fails again and again is asked every so many rounds at least.
const MOST_ROUNDS_SKIPPED: u32 = 15;

/// Samples of every node, by its name.
pub(crate) type SamplesByNode<S> = HashMap<String, Vec<S>>;

/// What a simulated cluster is asked for its usage through: this module knows no simulation.
pub(crate) trait ClusterUsageReader: Send + Sync {
    /// Usage of every container that runs; a node that is down has no entry.
    fn read_usage(&self, now: Instant) -> (SamplesByNode<ContainerSample>, SamplesByNode<GpuSample>);
}

/// Where usage is read.
pub(crate) enum UsageBackend {
    Kubelet,
    Proxy(kube::Client),
    MetricsApi(kube::Client),
    Simulated(Box<dyn ClusterUsageReader>),
}

impl UsageBackend {
    /// As records have it.
    fn as_str(&self) -> &'static str {
        match self {
            UsageBackend::Kubelet => "kubelet",
            UsageBackend::Proxy(_) => "proxy",
            UsageBackend::MetricsApi(_) => "metrics-api",
            UsageBackend::Simulated(_) => "simulate",
        }
    }

    /// Where usage of a live cluster is read; `None` if it is not.
    pub(crate) fn of_cluster(source: UsageSource, client: &kube::Client) -> Option<Self> {
        match source {
            UsageSource::None => None,
            UsageSource::Kubelet => Some(UsageBackend::Kubelet),
            UsageSource::Proxy => Some(UsageBackend::Proxy(client.clone())),
            UsageSource::MetricsApi => Some(UsageBackend::MetricsApi(client.clone())),
        }
    }
}

/// Reads the usage of one cluster.
pub(crate) struct UsageCollector {
    settings: UsageSettings,
    backend: UsageBackend,
    http: NodeHttpClient,
    pub(crate) roster: Roster,
    metrics: EmitMetrics,
}

/// How a node has answered. It counts rounds instead of time, for nodes are asked at each round and at no other moment.
#[derive(Debug, Default)]
struct NodeBackoff {
    failures: u32,
    skip: u32,
}

impl UsageCollector {
    pub(crate) fn new(
        settings: &UsageSettings,
        backend: UsageBackend,
        metrics: EmitMetrics,
    ) -> Result<Self, EmitError> {
        let http =
            NodeHttpClient::new(settings).map_err(|why| EmitError::settings("usage.kubelet_ca_file", why))?;
        Ok(Self {
            settings: settings.clone(),
            backend,
            http,
            roster: Roster::default(),
            metrics,
        })
    }

    /// Reads round after round; windows go to `windows` once they are complete.
    pub(crate) async fn run(self: Arc<Self>, windows: Sender<Usage>) {
        let seconds = |seconds: u64| {
            i64::try_from(seconds)
                .unwrap_or(i64::MAX)
                .saturating_mul(SECOND_MICROS)
        };
        let patience = seconds(2 * self.settings.interval_seconds + self.settings.timeout_seconds);
        let mut integrator = Integrator::new(
            i64::from(self.settings.window_minutes) * 60 * SECOND_MICROS,
            seconds(self.settings.gap_seconds),
            patience,
            self.backend.as_str(),
        );
        let mut answers = HashMap::new();
        let mut round = tokio::time::interval(Duration::from_secs(self.settings.interval_seconds));
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            round.tick().await;
            let begun = Tick::now();
            let failing = match &self.backend {
                UsageBackend::Kubelet | UsageBackend::Proxy(_) => {
                    self.read_nodes(&mut integrator, &mut answers).await
                }
                UsageBackend::MetricsApi(_) | UsageBackend::Simulated(_) => {
                    self.read_cluster(&mut integrator).await
                }
            };
            self.metrics
                .usage_failing_nodes
                .set(i64::try_from(failing).unwrap_or(i64::MAX));
            self.metrics
                .usage_round_seconds
                .set(i64::try_from(begun.elapsed().as_secs()).unwrap_or(i64::MAX));
            for window in integrator.close(Instant::now()) {
                if windows.send(window).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Asks each node by itself; returns how many do not answer.
    async fn read_nodes(
        &self,
        integrator: &mut Integrator,
        answers: &mut HashMap<Arc<str>, NodeBackoff>,
    ) -> usize {
        let token = self.token().await;
        let targets = self.roster.nodes();
        answers.retain(|uid, _| targets.iter().any(|target| target.uid == *uid));
        let due = targets.into_iter().filter(|target| {
            let of_node = answers.entry(target.uid.clone()).or_default();
            let skipped = of_node.skip > 0;
            of_node.skip = of_node.skip.saturating_sub(1);
            !skipped
        });
        let due: Vec<UsageTarget> = due.collect();
        let asked = due.into_iter().map(|target| self.ask(target, token.as_deref()));
        let mut readings = futures::stream::iter(asked).buffer_unordered(self.settings.concurrency);
        let mut newly_failed: Option<(Arc<str>, String)> = None;
        while let Some((target, reading, failure)) = readings.next().await {
            self.take(integrator, &target, &reading);
            let of_node = answers.entry(target.uid.clone()).or_default();
            match failure {
                None => *of_node = NodeBackoff::default(),
                Some(why) => {
                    tracing::debug!(node = %target.node, why, "the usage of a node cannot be read");
                    if of_node.failures == 0 {
                        newly_failed = Some((target.node.clone(), why));
                    }
                    of_node.failures = of_node.failures.saturating_add(1);
                    of_node.skip = (1_u32 << of_node.failures.min(5)).min(MOST_ROUNDS_SKIPPED + 1) - 2;
                }
            }
        }
        let failing = answers.values().filter(|of_node| of_node.failures > 0).count();
        if let Some((node, why)) = newly_failed {
            tracing::warn!(
                failing, %node, why,
                "the usage of some nodes cannot be read; one of them is named"
            );
        }
        failing
    }

    async fn ask(
        &self,
        target: UsageTarget,
        token: Option<&str>,
    ) -> (UsageTarget, NodeReading, Option<String>) {
        let text = match &self.backend {
            UsageBackend::Proxy(client) => {
                let within = Duration::from_secs(self.settings.timeout_seconds);
                api::proxied(client, &target, within).await
            }
            UsageBackend::Kubelet | UsageBackend::MetricsApi(_) | UsageBackend::Simulated(_) => {
                self.http
                    .text(&url_of(&self.settings.kubelet_url, &target), token)
                    .await
            }
        };
        let at = Instant::now();
        let (text, failure) = match text {
            Ok(text) => (Some(text), None),
            Err(why) => (None, Some(why)),
        };
        let reading = NodeReading {
            at,
            samples: text.map(|text| samples(&text, at)),
            gpus: self.ask_gpus(&target).await,
        };
        (target, reading, failure)
    }

    /// Cards of a node; none where it has no exporter, as most nodes have none.
    async fn ask_gpus(&self, target: &UsageTarget) -> Option<Vec<GpuSample>> {
        let gpu = &self.settings.gpu;
        if gpu.url.is_empty() {
            return None;
        }
        match self.http.text(&url_of(&gpu.url, target), None).await {
            Ok(text) => Some(gpus(&text, gpu)),
            Err(why) => {
                tracing::debug!(node = %target.node, why, "the GPU usage of a node cannot be read");
                None
            }
        }
    }

    /// Asks once for all nodes; returns how many are not told of.
    async fn read_cluster(&self, integrator: &mut Integrator) -> usize {
        let targets = self.roster.nodes();
        let (mut by_node, mut gpus) = match &self.backend {
            UsageBackend::Simulated(simulation) => simulation.read_usage(Instant::now()),
            UsageBackend::MetricsApi(client) => {
                let within = Duration::from_secs(self.settings.timeout_seconds);
                match api::pod_metrics(client, &self.roster, within).await {
                    Ok((by_node, unknown)) => {
                        self.metrics.usage_unknown.inc_by(unknown as u64);
                        (by_node, HashMap::new())
                    }
                    Err(why) => {
                        tracing::warn!(why, "metrics.k8s.io cannot be read");
                        self.metrics.usage_reads.with_label_values(&["failed"]).inc();
                        return targets.len();
                    }
                }
            }
            UsageBackend::Kubelet | UsageBackend::Proxy(_) => return 0,
        };
        let at = Instant::now();
        for target in &targets {
            // A node that does not exist for the source is not idle but unknown.
            let samples = by_node.remove(&*target.node);
            let cards = match &self.backend {
                UsageBackend::MetricsApi(_) => self.ask_gpus(target).await,
                _ => gpus.remove(&*target.node),
            };
            let reading = NodeReading {
                at,
                samples,
                gpus: cards,
            };
            self.take(integrator, target, &reading);
        }
        0
    }

    fn take(&self, integrator: &mut Integrator, target: &UsageTarget, reading: &NodeReading) {
        let result = if reading.samples.is_some() {
            "read"
        } else {
            "failed"
        };
        self.metrics.usage_reads.with_label_values(&[result]).inc();
        let unknown = integrator.take(target, reading, &self.roster);
        self.metrics.usage_unknown.inc_by(unknown as u64);
    }

    async fn token(&self) -> Option<String> {
        let file = &self.settings.token_file;
        if file.is_empty() {
            return None;
        }
        match tokio::fs::read_to_string(file).await {
            Ok(token) => Some(token.trim().to_owned()),
            Err(error) => {
                tracing::warn!(
                    file, %error,
                    "the token for kubelets cannot be read; kubelets are asked without one"
                );
                None
            }
        }
    }
}
