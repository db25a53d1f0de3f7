//! Everything from a real API server to a database.

use std::{sync::Arc, time::Duration};

use fleetledger_emit::EmitSettings;

use crate::{
    cluster::TestCluster,
    comparison::{ViewComparison, ViewSelection, compare_rows},
    database::LedgerDatabase,
    deadline::eventually,
    emitter::{self, TestEmitter},
    expected,
    ingester::TestIngester,
    parts::{self, SharedServers},
};

/// Name of the cluster.
pub const CLUSTER: &str = "prod-1";
/// How long the central site may take to be what the API server is.
pub const LIMIT: Duration = Duration::from_secs(60);

/// An API server, servers that tests share, a database, and an ingester that runs.
pub struct ClusterPipeline {
    /// Kafka and PostgreSQL.
    pub parts: Arc<SharedServers>,
    /// The API server.
    pub cluster: TestCluster,
    /// The central database.
    pub database: LedgerDatabase,
    /// Of the topics.
    pub prefix: String,
    /// The ingester.
    pub ingester: TestIngester,
}

impl ClusterPipeline {
    /// With an API server of its own; `None` where parts cannot be had.
    pub async fn start(test: &str) -> Option<Self> {
        Self::start_with(test, TestCluster::start(test).await).await
    }

    /// With this API server.
    pub async fn start_with(test: &str, cluster: Option<TestCluster>) -> Option<Self> {
        let cluster = cluster?;
        let parts = parts::shared(test).await?;
        let (database, prefix) = (parts.database().await, parts.topics().await);
        let ingester = TestIngester::start(&prefix, &parts.kafka.client_config(), &database);
        Some(Self {
            parts,
            cluster,
            database,
            prefix,
            ingester,
        })
    }

    /// An emitter as the cluster's administrator.
    #[must_use]
    pub fn emitter(&self) -> TestEmitter {
        self.emitter_through(self.cluster.client.clone())
    }

    /// An emitter that reaches the API server by another way.
    #[must_use]
    pub fn emitter_through(&self, client: kube::Client) -> TestEmitter {
        self.emitter_with(emitter::settings(CLUSTER, &self.prefix), client)
    }

    /// An emitter of other settings.
    #[must_use]
    pub fn emitter_with(&self, settings: EmitSettings, client: kube::Client) -> TestEmitter {
        TestEmitter::start(settings, client, &self.parts.kafka.client_config())
    }

    /// Awaits that the central site is what the API server is now.
    pub async fn await_equality(&self) -> ViewComparison {
        let rows = expected::rows(&self.cluster.list_all().await);
        eventually("central site = API server", LIMIT, || async {
            compare_rows(&rows, &self.database, CLUSTER, ViewSelection::Live)
                .await
                .equal()
        })
        .await
    }

    /// Stops an emitter, then the ingester.
    pub async fn end(self, emitter: TestEmitter) {
        emitter.stop().await;
        self.ingester.stop().await;
    }
}
