//! What the central site makes of a control plane whose etcd was restored from a backup.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::time::Instant;

use fleetledger_emit::EmitSettings;
use fleetledger_tests::{
    cluster::{ApiResourceKind, DesiredObject},
    cluster_pipeline::{CLUSTER, ClusterPipeline, LIMIT},
    deadline::{ensure, eventually},
    delivered,
    emitter::{self, TestEmitter},
};
use serde_json::{Value, json};

const DEFAULT: Option<&str> = Some("default");

/// A pipeline whose API server's data is touched.
struct RestoredSite(ClusterPipeline);

impl std::ops::Deref for RestoredSite {
    type Target = ClusterPipeline;

    fn deref(&self) -> &ClusterPipeline {
        &self.0
    }
}

impl RestoredSite {
    async fn start(test: &str) -> Option<Self> {
        ClusterPipeline::start(test).await.map(Self)
    }

    /// Settings of an emitter that survives an API server that is away for half a minute as leader: whatever it does then, it
    /// does not because its Lease ran out.
    fn settings(&self) -> EmitSettings {
        let mut settings = emitter::settings(CLUSTER, &self.prefix);
        settings.leadership.duration_seconds = 60;
        settings
    }

    fn emitter(&self, settings: EmitSettings) -> TestEmitter {
        self.emitter_with(settings, self.cluster.client.clone())
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
    site.0.cluster.server.back_up(&backup).await.unwrap();
    let backed_up = site.resource_version().await;

    site.create("newer").await;
    site.label("changed", "after").await;
    site.cluster
        .delete(ApiResourceKind::Pod, DEFAULT, "deleted")
        .await;
    site.await_equality().await;
    let before = site.resource_version().await;
    site.0.cluster.server.restore(&backup).await.unwrap();
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
    site.0.ingester.stop().await;
}

/// The same address, the same names, an empty etcd: another cluster, whose uid differs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_built_anew_closes_nothing_of_the_old_one_and_lands_whole_once_that_is_retired() {
    let test =
        "a_cluster_that_is_built_anew_closes_nothing_of_the_old_one_and_lands_whole_once_that_is_retired";
    let Some(mut site) = RestoredSite::start(test).await else {
        return;
    };
    let mut settings = site.settings();
    settings.sweep_interval_seconds = 5;
    let emitter = site.emitter(settings);
    for name in ["old-1", "old-2"] {
        site.create(name).await;
    }
    site.await_equality().await;
    let old_uid = site.cluster.uid().await;
    let empty = tempfile::tempdir().unwrap();
    site.0.cluster.server.restore(empty.path()).await.unwrap();
    let rebuilt_at = Instant::now();
    eventually("the new cluster has its namespaces", LIMIT, || async {
        let namespaces = site.cluster.api(ApiResourceKind::Namespace, None);
        let found = namespaces
            .get_opt("kube-system")
            .await
            .map_err(|error| error.to_string())?;
        ensure(found.is_some(), || "no kube-system".to_owned())
    })
    .await;
    let new_uid = site.cluster.uid().await;
    assert_ne!(new_uid, old_uid);
    site.create("new-1").await;

    let refused =
        "select cluster_uid, reason, strpos(detail, $1) > 0 as names_the_old_one from fleet.quarantine
        where released_at is null group by 1, 2, 3";
    let wanted = json!([{"cluster_uid": new_uid, "reason": "name_taken", "names_the_old_one": true}]);
    eventually("the new uid is refused, and nothing else", LIMIT, || async {
        let rows = json!(site.database.rows(refused, &[&old_uid]).await);
        ensure(rows == wanted, || format!("{rows}, not {wanted}"))
    })
    .await;
    println!(
        "the new uid was refused {:.1?} after the server was ready",
        rebuilt_at.elapsed()
    );
    let old = json!([{"pod": "old-1"}, {"pod": "old-2"}]);
    let pods = "select pod from fleet.pod where namespace = 'default' order by pod";
    assert_eq!(
        json!(site.database.rows(pods, &[]).await),
        old,
        "nothing of the old one was closed"
    );

    fleetledger_ingest::clusters::retire(&site.database.owner, "dfw", CLUSTER)
        .await
        .unwrap();
    let retired_at = Instant::now();
    let comparison = site.await_equality().await;
    println!(
        "{comparison}, {:.1?} after the old one was retired",
        retired_at.elapsed()
    );
    let history = "select pod, closed_reason from fleet.pod_history where pod like 'old-%' order by pod";
    let kept = json!([{"pod": "old-1", "closed_reason": "cluster_retired"}, {"pod": "old-2", "closed_reason": "cluster_retired"}]);
    assert_eq!(json!(site.database.rows(history, &[]).await), kept);
    emitter.stop().await;
    site.0.ingester.stop().await;
}
