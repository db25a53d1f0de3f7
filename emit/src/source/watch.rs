//! A live API server: one watch a resource, each with its own backoff, so that one that fails stops no other.

use std::{fmt::Debug, sync::Arc, time::Duration};

use fleetledger_schema::backoff::DoublingBackoff;
use futures::TryStreamExt;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    batch::v1::{CronJob, Job},
    coordination::v1::Lease,
    core::v1::{Namespace, Node, Pod},
};
use kube::{
    Api, Client, Resource as KubeResource,
    api::{DynamicObject, ListParams},
    core::GroupVersionKind,
    runtime::watcher::{self, Event as WatchEvent, watcher},
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{Semaphore, mpsc::Sender},
    task::JoinSet,
};

use super::{identity::WatchedIdentity, readable::ReadableObject};
use crate::{
    owner::{KnownOwner, OwnerRef},
    resource::{KubeObject, ResourceChange, SourceEvent, WatchedResource},
    settings::EmitSettings,
    watchdog_resource::Watchdog,
};

/// Namespace of the kubelets' Leases.
const NODE_LEASES: &str = "kube-node-lease";
/// First pause after an error; doubled each time, with jitter.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// Longest pause after an error.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// Pause before a resource that the API server does not have is looked for again.
const ABSENT_RETRY_DELAY: Duration = Duration::from_secs(60);
/// A streaming list without a word for this long comes from a server that does not know them.
const STREAMING_PATIENCE: Duration = Duration::from_secs(15);
/// Questions about owners that are under way at once.
const QUESTIONS_AT_ONCE: usize = 4;

/// Watches one API server.
pub(crate) struct ClusterWatcher {
    client: Client,
    identity: WatchedIdentity,
    page_size: u32,
    streaming_lists: bool,
    questions: Arc<Semaphore>,
}

/// Calls `$body` for each resource with its Api as `$api`.
macro_rules! with_api {
    ($resource:expr, $client:expr, $api:ident => $body:expr) => {{
        let client = $client;
        match $resource {
            WatchedResource::Namespaces => {
                let $api: Api<ReadableObject<Namespace>> = Api::all(client);
                $body
            }
            WatchedResource::Leases => {
                let $api: Api<ReadableObject<Lease>> = Api::namespaced(client, NODE_LEASES);
                $body
            }
            WatchedResource::Nodes => {
                let $api: Api<ReadableObject<Node>> = Api::all(client);
                $body
            }
            WatchedResource::Deployments => {
                let $api: Api<ReadableObject<Deployment>> = Api::all(client);
                $body
            }
            WatchedResource::StatefulSets => {
                let $api: Api<ReadableObject<StatefulSet>> = Api::all(client);
                $body
            }
            WatchedResource::DaemonSets => {
                let $api: Api<ReadableObject<DaemonSet>> = Api::all(client);
                $body
            }
            WatchedResource::ReplicaSets => {
                let $api: Api<ReadableObject<ReplicaSet>> = Api::all(client);
                $body
            }
            WatchedResource::CronJobs => {
                let $api: Api<ReadableObject<CronJob>> = Api::all(client);
                $body
            }
            WatchedResource::Jobs => {
                let $api: Api<ReadableObject<Job>> = Api::all(client);
                $body
            }
            WatchedResource::Pods => {
                let $api: Api<ReadableObject<Pod>> = Api::all(client);
                $body
            }
            WatchedResource::Watchdogs => {
                let $api: Api<ReadableObject<Watchdog>> = Api::all(client);
                $body
            }
        }
    }};
}

impl ClusterWatcher {
    pub(crate) fn new(client: Client, settings: &EmitSettings) -> Self {
        Self {
            identity: WatchedIdentity::new(client.clone()),
            client,
            page_size: settings.page_size,
            streaming_lists: settings.streaming_lists,
            questions: Arc::new(Semaphore::new(QUESTIONS_AT_ONCE)),
        }
    }

    pub(crate) async fn cluster_uid(&self) -> Result<String, String> {
        match self.identity.read().await {
            Ok(uid) if uid.is_empty() => Err("namespace kube-system has no uid".to_owned()),
            Ok(uid) => Ok(uid),
            Err(error) => Err(format!("namespace kube-system: {error}")),
        }
    }

    pub(crate) fn start(&self, tasks: &mut JoinSet<()>, cluster_uid: &str, events: &Sender<SourceEvent>) {
        self.identity.expect(cluster_uid);
        for resource in WatchedResource::ALL {
            let (events, page_size, streaming) = (events.clone(), self.page_size, self.streaming_lists);
            let identity = self.identity.clone();
            with_api!(resource, self.client.clone(), api => {
                tasks.spawn(watch(api, resource, page_size, streaming, identity, events));
            });
        }
    }

    pub(crate) fn relist(
        &self,
        tasks: &mut JoinSet<()>,
        resources: Vec<WatchedResource>,
        events: Sender<SourceEvent>,
    ) {
        let (client, page_size, identity) = (self.client.clone(), self.page_size, self.identity.clone());
        // One resource after the other: a sweep is no reason to press the API server.
        tasks.spawn(async move {
            for resource in resources {
                with_api!(resource, client.clone(), api => relist(api, resource, page_size, &identity, &events).await);
            }
        });
    }

    pub(crate) fn ask(&self, tasks: &mut JoinSet<()>, reference: OwnerRef, events: Sender<SourceEvent>) {
        let (client, questions) = (self.client.clone(), self.questions.clone());
        tasks.spawn(async move {
            let permit = questions.acquire().await;
            let owner = get_owner(client, &reference).await.inspect_err(|error| {
                tracing::debug!(
                    kind = reference.kind, owner = reference.name, %error,
                    "an owner cannot be read"
                );
            });
            drop(permit);
            events
                .send(SourceEvent::Owner(
                    Box::new(reference),
                    owner.ok().flatten().map(Box::new),
                ))
                .await
                .ok();
        });
    }
}

/// Reads an owner's metadata alone. `None` if it is gone, or another object has its name by now.
async fn get_owner(client: Client, reference: &OwnerRef) -> Result<Option<KnownOwner>, kube::Error> {
    let (group, version) = reference
        .api_version
        .split_once('/')
        .unwrap_or(("", &reference.api_version));
    let kind = GroupVersionKind::gvk(group, version, &reference.kind);
    let (resource, capabilities) = kube::discovery::pinned_kind(&client, &kind).await?;
    let api: Api<DynamicObject> = match &reference.namespace {
        Some(namespace) if capabilities.scope == kube::discovery::Scope::Namespaced => {
            Api::namespaced_with(client, namespace, &resource)
        }
        _ => Api::all_with(client, &resource),
    };
    let found = api.get_metadata_opt(&reference.name).await?;
    let found = found.filter(|found| found.metadata.uid.as_deref() == Some(reference.uid.as_str()));
    Ok(found.map(|found| KnownOwner {
        kind: reference.kind.clone(),
        name: reference.name.clone(),
        controller: OwnerRef::of(&found.metadata),
    }))
}

/// Watches one resource for ever, or until the receiver is gone.
async fn watch<K>(
    api: Api<K>,
    resource: WatchedResource,
    page_size: u32,
    mut streaming: bool,
    identity: WatchedIdentity,
    events: Sender<SourceEvent>,
) where
    K: KubeResource + Clone + Debug + DeserializeOwned + Send + 'static,
    KubeObject: From<K>,
{
    let mut backoff = DoublingBackoff::new(FIRST_BACKOFF, LONGEST_BACKOFF);
    loop {
        let mut config = watcher::Config::default().page_size(page_size);
        if streaming {
            config = config.streaming_lists();
        }
        let ended = follow(
            watcher(api.clone(), config),
            resource,
            streaming,
            &identity,
            &events,
            &mut backoff,
        )
        .await;
        let wait = match ended {
            WatchEnd::Closed => return,
            WatchEnd::OtherCluster => {
                events.send(SourceEvent::OtherCluster).await.ok();
                return;
            }
            WatchEnd::NoStreaming => {
                tracing::info!(
                    %resource,
                    "the API server does not support streaming lists; using paged lists"
                );
                streaming = false;
                Duration::ZERO
            }
            WatchEnd::Absent => {
                if events
                    .send(SourceEvent::Watch(resource, ResourceChange::Absent))
                    .await
                    .is_err()
                {
                    return;
                }
                ABSENT_RETRY_DELAY
            }
            WatchEnd::Failed(why) => {
                tracing::warn!(%resource, why, "a watch failed; retrying");
                if events
                    .send(SourceEvent::Watch(resource, ResourceChange::Failed(why)))
                    .await
                    .is_err()
                {
                    return;
                }
                backoff.failed(rand::random())
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Why a watch must begin anew.
enum WatchEnd {
    /// Nobody listens any more.
    Closed,
    /// The server is another cluster by now.
    OtherCluster,
    NoStreaming,
    Absent,
    Failed(String),
}

/// Passes events on until an error that the stream does not survive by itself.
async fn follow<K>(
    stream: impl futures::Stream<Item = watcher::Result<WatchEvent<K>>>,
    resource: WatchedResource,
    streaming: bool,
    identity: &WatchedIdentity,
    events: &Sender<SourceEvent>,
    backoff: &mut DoublingBackoff,
) -> WatchEnd
where
    K: KubeResource,
    KubeObject: From<K>,
{
    let mut stream = std::pin::pin!(stream);
    let (mut listing, mut listed_any) = (true, false);
    loop {
        let next = stream.try_next();
        let next = if streaming && listing {
            match tokio::time::timeout(STREAMING_PATIENCE, next).await {
                Ok(next) => next,
                Err(_) => return WatchEnd::NoStreaming,
            }
        } else {
            next.await
        };
        let change = match next {
            Ok(None) => return WatchEnd::Failed("watch ended".to_owned()),
            Ok(Some(event)) => {
                listing = matches!(event, WatchEvent::Init | WatchEvent::InitApply(_));
                let is_first = matches!(event, WatchEvent::InitApply(_)) && !listed_any;
                listed_any = matches!(event, WatchEvent::InitApply(_));
                if is_first || matches!(event, WatchEvent::InitDone) {
                    match identity.is_expected().await {
                        Ok(true) => {}
                        Ok(false) => return WatchEnd::OtherCluster,
                        Err(error) => return WatchEnd::Failed(format!("namespace kube-system: {error}")),
                    }
                }
                change_of(event)
            }
            Err(error) if listing => return ended_by(&error, streaming),
            // The watch goes on from where it was, or lists again by itself after 410.
            Err(error) => {
                tracing::debug!(%resource, %error, "watch interrupted");
                if matches!(&error, watcher::Error::WatchStartFailed(_)) {
                    return ended_by(&error, false);
                }
                tokio::time::sleep(backoff.pause().mul_f64(rand::random_range(0.2..1.0))).await;
                continue;
            }
        };
        if !listing {
            backoff.reset();
        }
        if events.send(SourceEvent::Watch(resource, change)).await.is_err() {
            return WatchEnd::Closed;
        }
    }
}

fn ended_by(error: &watcher::Error, streaming: bool) -> WatchEnd {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status.code,
        watcher::Error::WatchError(status) => status.code,
        _ => 0,
    };
    match code {
        404 => WatchEnd::Absent,
        // What servers say that do not know sendInitialEvents or resourceVersionMatch on a watch.
        400 | 405 | 406 | 422 | 501 if streaming => WatchEnd::NoStreaming,
        403 => WatchEnd::Failed(format!(
            "forbidden: {error}; grant get, list and watch (deploy/kubernetes/emit-rbac.yaml)"
        )),
        _ => WatchEnd::Failed(error.to_string()),
    }
}

fn change_of<K>(event: WatchEvent<K>) -> ResourceChange
where
    K: KubeResource,
    KubeObject: From<K>,
{
    match event {
        WatchEvent::Init => ResourceChange::Begin,
        WatchEvent::InitApply(object) => ResourceChange::Listed(trim(object)),
        WatchEvent::InitDone => ResourceChange::End,
        WatchEvent::Apply(object) => ResourceChange::Applied(trim(object)),
        WatchEvent::Delete(object) => ResourceChange::Deleted(trim(object)),
    }
}

/// Drops what no record holds, before the object waits in a channel.
fn trim<K>(mut object: K) -> KubeObject
where
    K: KubeResource,
    KubeObject: From<K>,
{
    object.meta_mut().managed_fields = None;
    let mut object = KubeObject::from(object);
    match &mut object {
        KubeObject::ReplicaSet(set) if crate::object::controller(&set.metadata).is_some() => {
            // Only its owner matters.
            let set = Arc::make_mut(set);
            set.spec = None;
            set.status = None;
            set.metadata.annotations = None;
        }
        KubeObject::Node(node) => {
            if let Some(status) = &mut Arc::make_mut(node).status {
                status.images = None;
                status.volumes_attached = None;
                status.volumes_in_use = None;
            }
        }
        _ => {}
    }
    object
}

/// Lists one resource page by page, from the begin again if the list expires on the way.
async fn relist<K>(
    api: Api<K>,
    resource: WatchedResource,
    page_size: u32,
    identity: &WatchedIdentity,
    events: &Sender<SourceEvent>,
) where
    K: KubeResource + Clone + Debug + DeserializeOwned + Send + 'static,
    KubeObject: From<K>,
{
    let mut attempts = 0;
    let last = loop {
        match relist_once(&api, resource, page_size, identity, events).await {
            Ok(true) => break ResourceChange::End,
            Ok(false) => {
                events.send(SourceEvent::OtherCluster).await.ok();
                return;
            }
            Err(kube::Error::Api(status)) if status.code == 404 => break ResourceChange::Absent,
            Err(error) if attempts >= 3 => break ResourceChange::Failed(error.to_string()),
            Err(_) => {
                attempts += 1;
                tokio::time::sleep(FIRST_BACKOFF * attempts).await;
            }
        }
    };
    events.send(SourceEvent::Relist(resource, last)).await.ok();
}

/// False if the server is another cluster by now.
async fn relist_once<K>(
    api: &Api<K>,
    resource: WatchedResource,
    page_size: u32,
    identity: &WatchedIdentity,
    events: &Sender<SourceEvent>,
) -> Result<bool, kube::Error>
where
    K: KubeResource + Clone + Debug + DeserializeOwned + Send + 'static,
    KubeObject: From<K>,
{
    let mut params = ListParams::default().limit(page_size);
    loop {
        let page = api.list(&params).await?;
        let next = page.metadata.continue_.clone().filter(|token| !token.is_empty());
        if !identity.is_expected().await? {
            return Ok(false);
        }
        for object in page.items {
            if events
                .send(SourceEvent::Relist(
                    resource,
                    ResourceChange::Listed(trim(object)),
                ))
                .await
                .is_err()
            {
                return Ok(true);
            }
        }
        match next {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(true),
        }
    }
}
