//! A real Kubernetes API server with a real etcd on loopback. Without [`KubeApiserver::start_controllers`] whoever creates
//! an object also writes its status.

mod backup;
mod build;
mod builder;
mod controller_manager;
mod launch;

pub use builder::KubeApiserverBuilder;
pub use controller_manager::ControllerManager;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cache::ArtifactCache;
use crate::error::{LocalError, LocalResult};
use crate::http::LoopbackRequest;
use crate::process::{ServerLaunch, SupervisedServer};
use crate::scratch::ScratchFolder;
use crate::tls::TlsFiles;

/// The user whose token [`KubeApiserver::token`] is: a member of `system:masters`.
pub const ADMINISTRATOR: &str = "administrator";

/// Builds the server of this workspace, unless it is in the cache.
pub async fn fetch(cache: &ArtifactCache) -> LocalResult<()> {
    build::binary(cache, &builder::workspace_source_dir())
        .await
        .map(|_| ())
}

const READY_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(90);

/// A server, running or stopped. Dropping it kills it; temporary data goes with it.
#[derive(Debug)]
pub struct KubeApiserver {
    // Declared before the scratch folder: the server ends before its data is removed.
    server: Option<SupervisedServer>,
    launch: ServerLaunch,
    binary: PathBuf,
    folder: PathBuf,
    port: u16,
    etcd_port: u16,
    ca: PathBuf,
    ca_pem: String,
    tokens: Vec<(String, String)>,
    client: Option<TlsFiles>,
    _scratch: Option<ScratchFolder>,
}

impl KubeApiserver {
    /// How to start one.
    #[must_use]
    pub fn builder<'a>() -> KubeApiserverBuilder<'a> {
        KubeApiserverBuilder::new()
    }

    /// `https://127.0.0.1:<port>`; it stays the same over restarts.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The certificate of the authority that signed the server's, PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The file of that certificate.
    #[must_use]
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// The administrator's bearer token.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token_of(ADMINISTRATOR).unwrap_or_default()
    }

    /// The bearer token of a user given to [`KubeApiserverBuilder::user`].
    #[must_use]
    pub fn token_of(&self, user: &str) -> Option<&str> {
        let mut tokens = self.tokens.iter();
        tokens
            .find(|(name, _)| name == user)
            .map(|(_, token)| token.as_str())
    }

    /// The administrator's certificate, when the server knows an authority for clients.
    #[must_use]
    pub fn client_certificate(&self) -> Option<&TlsFiles> {
        self.client.as_ref()
    }

    /// A kubeconfig for the administrator, by certificate where there is one, else by token.
    #[must_use]
    pub fn kubeconfig_yaml(&self) -> String {
        let user = match &self.client {
            Some(files) => json!({"client-certificate": files.certificate, "client-key": files.key}),
            None => json!({"token": self.token()}),
        };
        self.kubeconfig(ADMINISTRATOR, &user)
    }

    /// A kubeconfig for a user given to [`KubeApiserverBuilder::user`].
    pub fn kubeconfig_yaml_of(&self, user: &str) -> LocalResult<String> {
        let token = self.token_of(user);
        let token = token
            .ok_or_else(|| LocalError::Setup(format!("the API server was started without user {user}")))?;
        Ok(self.kubeconfig(user, &json!({"token": token})))
    }

    /// The server's log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.launch.log
    }

    /// The server's process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(SupervisedServer::pid)
    }

    /// Forgets all history before now: a list or watch at an older resource version that reaches etcd
    /// is answered with 410. Watches may still be served by the API server's own cache; start it
    /// with [`KubeApiserverBuilder::watch_cache`]`(false)`, or restart it, to leave them nothing.
    pub async fn compact(&self) -> LocalResult<()> {
        // A write of our own (key "!", outside of Kubernetes' keys) makes a revision after all others.
        let answer = self.etcd("/v3/kv/put", json!({"key": "IQ=="})).await?;
        let parsed: Option<Value> = serde_json::from_str(&answer).ok();
        let revision = parsed
            .as_ref()
            .and_then(|answer| answer.pointer("/header/revision")?.as_str());
        let revision = revision
            .ok_or_else(|| LocalError::Setup(format!("etcd answered without a revision: {answer}")))?;
        self.etcd(
            "/v3/kv/compaction",
            json!({"revision": revision, "physical": true}),
        )
        .await?;
        Ok(())
    }

    /// Stops the server in good order; its objects stay.
    pub async fn stop(&mut self) -> LocalResult<()> {
        self.end("TERM").await
    }

    /// Kills the server (SIGKILL): every watch breaks off.
    pub async fn kill(&mut self) -> LocalResult<()> {
        self.end("KILL").await
    }

    /// Starts a stopped or killed server again with its objects and ports, and waits for `/readyz`.
    pub async fn start(&mut self) -> LocalResult<()> {
        if self.server.is_some() {
            return Ok(());
        }
        let mut ready = LoopbackRequest::get(self.port, "/readyz");
        ready.ca = Some(self.ca.clone());
        ready.bearer_token = Some(self.token().to_owned());
        let mut server = SupervisedServer::start(&self.launch)?;
        server
            .wait_ready(READY_TIMEOUT, |_| {
                let request = ready.clone();
                async move {
                    let answer = request.send().await;
                    answer.map(|_| ()).map_err(|error| error.to_string())
                }
            })
            .await?;
        self.server = Some(server);
        Ok(())
    }

    /// Kills the server and starts it again: watches break off, its watch cache starts empty.
    pub async fn restart(&mut self) -> LocalResult<()> {
        self.kill().await?;
        self.start().await
    }

    async fn end(&mut self, signal: &str) -> LocalResult<()> {
        if let Some(server) = &mut self.server {
            server.stop(signal, STOP_TIMEOUT).await?;
        }
        self.server = None;
        Ok(())
    }

    async fn etcd(&self, path: &str, request: Value) -> LocalResult<String> {
        LoopbackRequest::post(self.etcd_port, path, request).send().await
    }

    /// JSON is YAML.
    fn kubeconfig(&self, name: &str, user: &Value) -> String {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": {"server": self.url(), "certificate-authority": self.ca}}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": name}}],
            "current-context": "local",
        });
        format!("{config:#}\n")
    }
}
