//! The way to the API server: the client, and what its refusals mean.

use std::path::Path;

use anyhow::Context as _;
use futures::FutureExt as _;
use hyper::Request;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;

use super::{
    HopError,
    hop::{authorities, chain},
    kubernetes_files,
};
use crate::config::{KubernetesConfig, rotation::renewable_by};

/// A client and the address it speaks to.
#[derive(Clone)]
pub struct ApiServer {
    /// The client.
    pub client: Client,
    /// `https://host:port`.
    pub url: String,
}

/// A client of this configuration; it takes up files that are replaced with its next request. Opens nothing.
///
/// # Errors
/// A file or secret that cannot be read.
pub fn client(kubernetes: &KubernetesConfig) -> anyhow::Result<ApiServer> {
    let config = client_config(kubernetes)?;
    let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let (of, listed) = (kubernetes.clone(), kubernetes.clone());
    let newest = renewable_by(
        "kubernetes",
        move || kubernetes_files::of(&listed),
        move || Client::try_from(client_config(&of)?).context("set up the API server's client"),
    )?;
    // Watches that are open go on by the connection they were begun with, until they end within minutes.
    let by_newest = tower::service_fn(move |request: Request<Body>| {
        let client = newest.newest();
        async move { client.send(request).await }
    });
    let client = Client::new(by_newest, config.default_namespace);
    Ok(ApiServer { client, url })
}

/// What the files and secrets say now.
fn client_config(kubernetes: &KubernetesConfig) -> anyhow::Result<kube::Config> {
    let options = KubeConfigOptions {
        context: kubernetes.context.clone(),
        ..KubeConfigOptions::default()
    };
    // Nothing of it waits.
    let of_kubeconfig = |kubeconfig| {
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).now_or_never();
        config
            .context("a kubeconfig took time to read")?
            .map_err(anyhow::Error::new)
    };
    if let Some(file) = &kubernetes.kubeconfig {
        let read = Kubeconfig::read_from(file);
        let kubeconfig = read.with_context(|| format!("read kubernetes.kubeconfig {}", file.display()))?;
        return of_kubeconfig(kubeconfig)
            .with_context(|| format!("use kubernetes.kubeconfig {}", file.display()));
    }
    if let Some(url) = &kubernetes.url {
        return of_kubeconfig(kubeconfig_of(kubernetes, url)?)
            .context("use the section [kubernetes] of the configuration");
    }
    kube::Config::incluster().context(
        "find the pod's service account; outside a cluster set kubernetes.kubeconfig or kubernetes.url",
    )
}

/// URL and credentials as a kubeconfig, so that there is one way to read them.
fn kubeconfig_of(kubernetes: &KubernetesConfig, url: &str) -> anyhow::Result<Kubeconfig> {
    let text =
        |file: &Option<std::path::PathBuf>| file.as_deref().map(Path::to_string_lossy).map(String::from);
    let mut user = serde_json::Map::new();
    let mut set = |key: &str, value: String| user.insert(key.to_owned(), json!(value));
    if let Some(token) = &kubernetes.token {
        match token.file() {
            Some(file) => set("tokenFile", file.display().to_string()),
            None => {
                let secret = token.read("kubernetes.token");
                let secret = secret.map_err(|fault| anyhow::anyhow!("{}: {}", fault.key, fault.why))?;
                set("token", secret.expose().to_owned())
            }
        };
    }
    if let (Some(certificate), Some(key)) = (text(&kubernetes.certificate), text(&kubernetes.key)) {
        set("client-certificate", certificate);
        set("client-key", key);
    }
    let mut cluster = serde_json::Map::from_iter([("server".to_owned(), json!(url))]);
    if let Some(ca) = text(&kubernetes.ca) {
        cluster.insert("certificate-authority".to_owned(), json!(ca));
    }
    let document = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "fleetledger",
        "clusters": [{ "name": "fleetledger", "cluster": cluster }],
        "users": [{ "name": "fleetledger", "user": user }],
        "contexts": [{ "name": "fleetledger", "context": { "cluster": "fleetledger", "user": "fleetledger" } }],
    });
    // The reader's words may quote the document, and with it a token.
    serde_json::from_value(document).map_err(|_| anyhow::anyhow!("the section [kubernetes] cannot be used"))
}

/// Asks the API server for the kube-system namespace, whose uid is the cluster's.
///
/// # Errors
/// What is wrong with the way to it, naming it.
pub async fn probe(kubernetes: &KubernetesConfig, server: &ApiServer) -> Result<String, HopError> {
    let namespaces: Api<Namespace> = Api::all(server.client.clone());
    let found = namespaces.get("kube-system").await;
    let namespace =
        found.map_err(|error| explain(kubernetes, server, "get namespace kube-system", &error))?;
    Ok(namespace.metadata.uid.unwrap_or_default())
}

/// What a refusal means.
#[must_use]
pub fn explain(
    kubernetes: &KubernetesConfig,
    server: &ApiServer,
    what: &str,
    error: &kube::Error,
) -> HopError {
    let hop = format!("kubernetes API server {}", server.url);
    if let kube::Error::Api(status) = error {
        return match status.code {
            401 => HopError::setup(
                hop,
                "it does not accept this client's credentials (401)",
                "renew the token or certificate of [kubernetes]",
            ),
            403 => HopError::setup(
                hop,
                format!("it does not allow this client to {what}: {}", status.message),
                "apply deploy/kubernetes/emit-rbac.yaml and bind it to the emitter's service account",
            ),
            404 => HopError::setup(
                hop,
                format!("cannot {what}: not found"),
                "check that this is the right cluster",
            ),
            code => HopError::away(
                hop,
                format!("cannot {what}: {} ({code})", status.message),
                "retry; see the API server's log",
            ),
        };
    }
    let text = chain(error);
    if text.contains("UnknownIssuer")
        || text.contains("BadSignature")
        || text.contains("invalid peer certificate")
    {
        let ca = kubernetes.ca.as_deref().or(kubernetes.kubeconfig.as_deref());
        let why = format!(
            "its certificate is not signed by {}, or is not valid for this host",
            authorities(ca)
        );
        let fix = "set kubernetes.ca (or certificate-authority of the kubeconfig) to the file of the authority that signed the API server's certificate";
        return HopError::setup(hop, why, fix);
    }
    if text.contains("Connection refused") {
        return HopError::away(
            hop,
            "nothing listens there (connection refused)",
            "start it, or correct kubernetes.url",
        );
    }
    HopError::away(
        hop,
        format!("cannot {what}: {text}"),
        "allow network access to it, or correct [kubernetes]",
    )
}
