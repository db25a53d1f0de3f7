//! A real API server keeps objects, forgets history when told to, and lets in whom it should.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::time::{Duration, Instant};

use fleetledger_local::ArtifactCache;
use fleetledger_local::kube_apiserver::KubeApiserver;
use fleetledger_local::skip::unless_available;
use fleetledger_local::tls::CertificateAuthority;
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

fn cache() -> ArtifactCache {
    ArtifactCache::new(ArtifactCache::default_root())
}

async fn client(kubeconfig: &str) -> Client {
    let kubeconfig: Kubeconfig = serde_yaml_ng::from_str(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

fn config_map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: kube::api::ObjectMeta {
            name: Some(name.to_owned()),
            ..Default::default()
        },
        ..Default::default()
    }
}

/// The code with which a watch from `version` is refused, or 0 if it is served.
async fn watch_refusal(maps: &Api<ConfigMap>, version: &str) -> u16 {
    let params = WatchParams::default().timeout(2);
    let mut events = match maps.watch(&params, version).await {
        Ok(events) => events.boxed(),
        Err(kube::Error::Api(status)) => return status.code,
        Err(error) => panic!("{error}"),
    };
    match tokio::time::timeout(Duration::from_secs(10), events.next()).await {
        Ok(Some(Ok(WatchEvent::Error(status)))) => status.code,
        _ => 0,
    }
}

#[tokio::test]
async fn objects_survive_a_restart_and_history_does_not_survive_compaction() {
    let started = Instant::now();
    let server = KubeApiserver::builder().user("reader", &[]).start(&cache()).await;
    let test = "objects_survive_a_restart_and_history_does_not_survive_compaction";
    let Some(mut server) = unless_available(test, server).unwrap() else {
        return;
    };
    eprintln!("kube-apiserver ready in {:?}", started.elapsed());
    let administrator = client(&server.kubeconfig_yaml()).await;
    let version = administrator.apiserver_version().await.unwrap();
    assert_eq!(version.git_version, "v1.35.4");

    let maps: Api<ConfigMap> = Api::namespaced(administrator, "default");
    let first = maps
        .create(&PostParams::default(), &config_map("kept"))
        .await
        .unwrap();
    let old = first.metadata.resource_version.unwrap();
    maps.create(&PostParams::default(), &config_map("gone"))
        .await
        .unwrap();
    maps.delete("gone", &DeleteParams::default()).await.unwrap();
    assert_eq!(watch_refusal(&maps, &old).await, 0);

    server.compact().await.unwrap();
    server.restart().await.unwrap();
    assert_eq!(
        maps.list(&ListParams::default()).await.unwrap().items[0]
            .metadata
            .name
            .as_deref(),
        Some("kept")
    );
    assert_eq!(watch_refusal(&maps, &old).await, 410);

    let reader = client(&server.kubeconfig_yaml_of("reader").unwrap()).await;
    let forbidden = Api::<ConfigMap>::namespaced(reader, "default")
        .list(&ListParams::default())
        .await;
    assert!(matches!(forbidden, Err(kube::Error::Api(status)) if status.code == 403));
}

#[tokio::test]
async fn certificate_of_the_authority_is_the_administrator_and_compaction_shows_at_once_without_watch_cache()
{
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::create(folder.path(), "test").unwrap();
    let builder = KubeApiserver::builder().mutual_tls(&authority).watch_cache(false);
    let server = builder.feature_gate("WatchList=false").start(&cache()).await;
    let test =
        "certificate_of_the_authority_is_the_administrator_and_compaction_shows_at_once_without_watch_cache";
    let Some(server) = unless_available(test, server).unwrap() else {
        return;
    };
    assert!(!server.kubeconfig_yaml().contains("token"));
    let administrator = client(&server.kubeconfig_yaml()).await;
    let maps: Api<ConfigMap> = Api::namespaced(administrator, "default");
    let first = maps
        .create(&PostParams::default(), &config_map("kept"))
        .await
        .unwrap();
    maps.create(&PostParams::default(), &config_map("more"))
        .await
        .unwrap();
    let old = first.metadata.resource_version.unwrap();
    assert_eq!(watch_refusal(&maps, &old).await, 0);
    server.compact().await.unwrap();
    assert_eq!(watch_refusal(&maps, &old).await, 410);

    let streaming = WatchParams::default().initial_events().timeout(2);
    let refused = maps.watch(&streaming, "0").await.map(|_| ()).unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 422));
}
