//! Whether an API server is still the cluster that it was when its lists began.
//!
//! A cluster that is built anew at the same address answers the same client. What is not in its lists is not gone: it belongs to
//! another cluster. So the first object of a list and its end pass only where the uid of kube-system is the one that leads.

use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};

/// The cluster that is watched.
#[derive(Clone)]
pub(crate) struct WatchedIdentity {
    client: Client,
    /// Uid of its namespace kube-system; empty until an emitter leads.
    expected: Arc<Mutex<String>>,
}

impl WatchedIdentity {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            expected: Arc::default(),
        }
    }

    /// From now on lists are of the cluster with this uid.
    pub(crate) fn expect(&self, cluster_uid: &str) {
        cluster_uid.clone_into(&mut self.expected.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Uid of the namespace kube-system.
    pub(crate) async fn read(&self) -> Result<String, kube::Error> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let namespace = api.get_metadata("kube-system").await?;
        // Every object that an API server stores has one.
        Ok(namespace.metadata.uid.unwrap_or_default())
    }

    /// True if the server is still that cluster.
    pub(crate) async fn is_expected(&self) -> Result<bool, kube::Error> {
        let uid = self.read().await?;
        let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(*expected == uid)
    }
}
