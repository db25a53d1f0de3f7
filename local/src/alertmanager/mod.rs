//! A real Prometheus Alertmanager on loopback: Debian's.

mod package;

use std::time::Duration;

use crate::cache::ArtifactCache;
use crate::error::LocalResult;
use crate::http::LoopbackRequest;
use crate::ports::free_port;
use crate::process::{ServerLaunch, SupervisedServer, write_file};
use crate::scratch::ScratchFolder;
use crate::tls::TlsFiles;
use package::AlertmanagerProgram;

const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// Fetches it, unless it is installed or in the cache.
pub async fn fetch(cache: &ArtifactCache) -> LocalResult<()> {
    package::find(cache).await.map(|_| ())
}

/// How an Alertmanager is asked for.
#[derive(Debug, Clone)]
pub struct AlertmanagerBuilder {
    config_yaml: String,
    tls: Option<TlsFiles>,
}

/// A running Alertmanager. Dropping it kills it; its data goes with it.
#[derive(Debug)]
pub struct Alertmanager {
    // Declared before the scratch folder: the server ends before its data is removed.
    server: Option<SupervisedServer>,
    launch: ServerLaunch,
    port: u16,
    tls: Option<TlsFiles>,
    _scratch: ScratchFolder,
}

impl Alertmanager {
    /// How to start one with this configuration file's text.
    #[must_use]
    pub fn builder(config_yaml: &str) -> AlertmanagerBuilder {
        AlertmanagerBuilder {
            config_yaml: config_yaml.to_owned(),
            tls: None,
        }
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// What it has logged since it was started.
    #[must_use]
    pub fn logged(&self) -> String {
        self.server
            .as_ref()
            .map(SupervisedServer::logged)
            .unwrap_or_default()
    }

    /// Kills it (SIGKILL); its port refuses connections from then on.
    pub async fn kill(&mut self) -> LocalResult<()> {
        match self.server.take() {
            Some(mut server) => server.stop("KILL", READY_TIMEOUT).await,
            None => Ok(()),
        }
    }

    /// Starts a killed one on the same port, with what it had saved.
    pub async fn start(&mut self) -> LocalResult<()> {
        let mut server = SupervisedServer::start(&self.launch)?;
        let ready = || LoopbackRequest {
            ca: self.tls.as_ref().map(|files| files.ca.clone()),
            client: self.tls.clone(),
            ..LoopbackRequest::get(self.port, "/-/ready")
        };
        server
            .wait_ready(READY_TIMEOUT, |_| async {
                ready().send().await.map(drop).map_err(|error| error.to_string())
            })
            .await?;
        self.server = Some(server);
        Ok(())
    }
}

impl AlertmanagerBuilder {
    /// Speaks TLS and accepts only clients whose certificate the authority in `files` signed; such files come from
    /// [`crate::tls::Authority::server`].
    #[must_use]
    pub fn mutual_tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Starts it, and returns once it is ready.
    pub async fn start(self, cache: &ArtifactCache) -> LocalResult<Alertmanager> {
        let program = package::find(cache).await?;
        let scratch = ScratchFolder::create(&cache.data_root().join("scratch"), "alertmanager").await?;
        let port = free_port()?;
        let folder = scratch.path();
        write_file(&folder.join("alertmanager.yml"), &self.config_yaml)?;
        let mut command = command(&program, &scratch, port);
        if let Some(files) = &self.tls {
            let path = folder.join("web.yml");
            write_file(&path, web_config(files))?;
            command.push(format!("--web.config.file={}", path.display()));
        }
        let mut alertmanager = Alertmanager {
            server: None,
            launch: ServerLaunch {
                part: "Alertmanager".to_owned(),
                command,
                environment: Vec::new(),
                log: folder.join("log"),
                last_signal: "KILL",
            },
            port,
            tls: self.tls,
            _scratch: scratch,
        };
        alertmanager.start().await?;
        Ok(alertmanager)
    }
}

fn command(program: &AlertmanagerProgram, scratch: &ScratchFolder, port: u16) -> Vec<String> {
    let in_scratch = |name: &str| scratch.path().join(name).display().to_string();
    vec![
        "env".to_owned(),
        "-C".to_owned(),
        program.folder.display().to_string(),
        program.path.display().to_string(),
        format!("--config.file={}", in_scratch("alertmanager.yml")),
        format!("--storage.path={}", in_scratch("data")),
        format!("--web.listen-address=127.0.0.1:{port}"),
        // Alone: it listens for no peers.
        "--cluster.listen-address=".to_owned(),
        "--log.level=debug".to_owned(),
    ]
}

fn web_config(files: &TlsFiles) -> String {
    format!(
        "tls_server_config:\n  cert_file: {}\n  key_file: {}\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: {}\n",
        files.certificate.display(),
        files.key.display(),
        files.ca.display()
    )
}
