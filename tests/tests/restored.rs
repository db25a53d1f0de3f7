//! What the central site makes of a control plane whose etcd was restored from a backup.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fleetledger_emit::EmitSettings;
use fleetledger_tests::{
    cluster::{ApiResourceKind, DesiredObject, TestCluster},
    comparison::{ViewComparison, ViewSelection, compare_rows},
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    delivered,
    emitter::{self, TestEmitter},
    expected,
    ingester::TestIngester,
    parts::{self, SharedServers},
};
use serde_json::{Value, json};

const CLUSTER: &str = "prod-1";
const LIMIT: Duration = Duration::from_secs(60);
const DEFAULT: Option<&str> = Some("default");

/// Everything from an API server, whose data is touched, to a database.
struct RestoredSite {
    parts: Arc<SharedServers>,
    cluster: TestCluster,
    database: LedgerDatabase,
    prefix: String,
    ingester: TestIngester,
}

impl RestoredSite {
    async fn start(test: &str) -> Option<Self> {
        let cluster = TestCluster::start(test).await?;
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

    /// Settings of an emitter that survives an API server that is away for half a minute as leader: whatever it does then, it
    /// does not because its Lease ran out.
    fn settings(&self) -> EmitSettings {
        let mut settings = emitter::settings(CLUSTER, &self.prefix);
        settings.leadership.duration_seconds = 60;
        settings
    }

    fn emitter(&self, settings: EmitSettings) -> TestEmitter {
        let kafka = self.parts.kafka.client_config();
        TestEmitter::start(settings, self.cluster.client.clone(), &kafka)
    }

    async fn create(&self, name: &str) {
        let spec = json!({"containers": [{"name": "main", "image": "app:1"}]});
        let pod = DesiredObject {
            resource: ApiResourceKind::Pod,
            namespace: DEFAULT.map(str::to_owned),
            name: name.to_owned(),
            owner: None,
            body: json!({"metadata": {"labels": {"app": "before"}}, "spec": spec}),
            status: None,
        };
        self.cluster.create(&pod).await;
    }

    async fn label(&self, name: &str, app: &str) {
        let patch = json!({"metadata": {"labels": {"app": app}}});
        self.cluster
            .patch(ApiResourceKind::Pod, DEFAULT, name, &patch)
            .await;
    }

    /// Awaits that the central site is what the API server is now.
    async fn await_equality(&self) -> ViewComparison {
        let rows = expected::rows(&self.cluster.list_all().await);
        eventually("central site = API server", LIMIT, || async {
            compare_rows(&rows, &self.database, CLUSTER, ViewSelection::Live)
                .await
                .equal()
        })
        .await
    }

    async fn await_rows(&self, what: &str, query: &str, wanted: &Value) {
        eventually(what, LIMIT, || async {
            let rows = json!(self.database.rows(query, &[]).await);
            ensure(rows == *wanted, || format!("{rows}, not {wanted}"))
        })
        .await;
    }

    /// Everything that was delivered landed, and no kind is out of balance.
    /// An object that came back has lived twice, with a hole between.
    async fn assert_sound(&self, came_back: &str) {
        let unbalanced = "select kind from fleet.balance where not balanced order by kind";
        self.await_rows("every kind is balanced", unbalanced, &json!([]))
            .await;
        let delivered = delivered::read_all(&self.parts.kafka.client_config(), &self.prefix);
        let fold = delivered::fold(&delivered, &Default::default());
        eventually("everything is ingested", LIMIT, || {
            fold.is_ingested(&self.database)
        })
        .await;
        let mut faults = delivered::judge(&fold, &self.database).await;
        faults.retain(|fault| !(fault.contains(came_back) && fault.contains("has holes")));
        assert!(faults.is_empty(), "{faults:#?}");
    }

    /// The newest resource version of the server.
    async fn resource_version(&self) -> u64 {
        let list = self.cluster.api(ApiResourceKind::Pod, None);
        let list = list.list(&kube::api::ListParams::default()).await.unwrap();
        list.metadata.resource_version.unwrap().parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_is_the_central_sites_state_within_a_minute() {
    let test = "a_restored_backup_is_the_central_sites_state_within_a_minute";
    let Some(mut site) = RestoredSite::start(test).await else {
        return;
    };
    let emitter = site.emitter(site.settings());
    for name in ["kept", "changed", "deleted"] {
        site.create(name).await;
    }
    site.await_equality().await;
    let uid = site.cluster.uid().await;
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    site.cluster.server.back_up(&backup).await.unwrap();
    let backed_up = site.resource_version().await;

    site.create("newer").await;
    site.label("changed", "after").await;
    site.cluster
        .delete(ApiResourceKind::Pod, DEFAULT, "deleted")
        .await;
    site.await_equality().await;
    let before = site.resource_version().await;
    site.cluster.server.restore(&backup).await.unwrap();
    let restored_at = Instant::now();
    let after = site.resource_version().await;
    assert!(after < before, "{after} is not below {before}");
    assert_eq!(site.cluster.uid().await, uid);
    // Something happens at a resource version that has been before.
    site.label("kept", "after").await;
    let comparison = site.await_equality().await;
    println!(
        "backup at {backed_up}, restored from {before} to {after}: {comparison}, {:.1?} after the server was ready",
        restored_at.elapsed()
    );
    let history = "select pod, labels ->> 'app' as app, replace(closed_reason, '_inferred', '') as closed_reason from fleet.pod_history
        where pod in ('newer', 'changed', 'deleted') order by pod, valid_from";
    let wanted = json!([
        {"pod": "changed", "app": "before", "closed_reason": "changed"},
        {"pod": "changed", "app": "after", "closed_reason": "changed"},
        {"pod": "changed", "app": "before", "closed_reason": null},
        {"pod": "deleted", "app": "before", "closed_reason": "deleted"},
        {"pod": "deleted", "app": "before", "closed_reason": null},
        {"pod": "newer", "app": "before", "closed_reason": "deleted"},
    ]);
    site.await_rows("the history says what was", history, &wanted)
        .await;
    let came_back = site
        .cluster
        .get(ApiResourceKind::Pod, DEFAULT, "deleted")
        .await
        .unwrap();
    let came_back = fleetledger_tests::cluster::text(&came_back, "/metadata/uid");
    // The watches follow the restored server.
    site.create("last").await;
    site.await_equality().await;
    emitter.stop().await;
    site.assert_sound(&came_back).await;
    site.ingester.stop().await;
}
