//! A real PostgreSQL server on loopback.

mod binaries;
mod builder;
mod data;
mod download;
mod standby;
mod template;
mod tls;

pub use builder::PostgresBuilder;
pub use template::PostgresTemplate;

use std::future::ready;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Config;

use crate::cache::ArtifactCache;
use crate::error::{LocalError, LocalResult};
use crate::process::{ServerLaunch, SupervisedServer};
use crate::scratch::ScratchFolder;
use crate::tls::TlsFiles;

/// The superuser that owns everything in a server of ours.
pub const SUPERUSER: &str = "fleetledger";

/// Finds a server on this machine, or fetches one into the cache.
pub async fn fetch(cache: &ArtifactCache) -> LocalResult<()> {
    binaries::find(cache, None).await.map(|_| ())
}

const READY_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// What a server says whose data directory another one uses, and how long that may last.
const LOCKED_MESSAGE: &str = "lock file \"postmaster.pid\" already exists";
const UNLOCK_TIMEOUT: Duration = Duration::from_secs(15);

/// A server, running or stopped. Dropping it stops it at once; temporary data goes with it.
#[derive(Debug)]
pub struct LocalPostgres {
    // Declared before the scratch folder: the server ends before its data is removed.
    server: Option<SupervisedServer>,
    launch: ServerLaunch,
    data_dir: PathBuf,
    port: u16,
    client: Option<TlsFiles>,
    version: String,
    programs: PathBuf,
    _scratch: Option<ScratchFolder>,
}

impl LocalPostgres {
    /// How to start one.
    #[must_use]
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::new()
    }

    /// The superuser's URL of database `postgres`; loopback needs no password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The superuser's URL of one database.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1; it stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's version, such as `15.18`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// A program that stands beside the server, such as `pg_dump`; some packages hold the server alone.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        Some(self.programs.join(name)).filter(|path| path.exists())
    }

    /// The process that accepts connections, while the server runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(SupervisedServer::pid)
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The server's log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.launch.log
    }

    /// Creates an empty database.
    pub async fn create_database(&self, name: &str) -> LocalResult<()> {
        let quoted = name.replace('"', "\"\"");
        self.execute("create a database", &format!("create database \"{quoted}\""))
            .await
    }

    /// Runs SQL as the superuser in database `postgres`.
    pub async fn execute(&self, action: &'static str, sql: &str) -> LocalResult<()> {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user(SUPERUSER);
        config.dbname("postgres").connect_timeout(Duration::from_secs(10));
        let refused = |source| LocalError::Postgres { action, source };
        let connector = tls::connector(self.client.as_ref())?;
        let (client, connection) = config.connect(connector).await.map_err(refused)?;
        tokio::select! {
            result = client.batch_execute(sql) => result.map_err(refused),
            Err(source) = connection => Err(refused(source)),
        }
    }

    /// Stops after rolling back what is open (SIGINT).
    pub async fn stop_fast(&mut self) -> LocalResult<()> {
        self.stop("INT").await
    }

    /// Stops at once, as a crash would: the next start recovers from the log (SIGQUIT).
    pub async fn stop_immediate(&mut self) -> LocalResult<()> {
        self.stop("QUIT").await
    }

    /// Starts a stopped server on the same port; nothing happens if it runs.
    pub async fn start(&mut self) -> LocalResult<()> {
        if self.server.is_some() {
            return Ok(());
        }
        let started = Instant::now();
        loop {
            match self.start_once().await {
                // The server of a killed run needs a moment to notice.
                Err(LocalError::Stopped { tail, .. })
                    if tail.contains(LOCKED_MESSAGE) && started.elapsed() < UNLOCK_TIMEOUT =>
                {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                result => return result,
            }
        }
    }

    async fn start_once(&mut self) -> LocalResult<()> {
        let mut server = SupervisedServer::start(&self.launch)?;
        let pid_file = self.data_dir.join("postmaster.pid");
        server
            .wait_ready(READY_TIMEOUT, |server| {
                let is_ready = is_ready(&pid_file, server.pid());
                ready(
                    is_ready
                        .then_some(())
                        .ok_or_else(|| "postmaster.pid does not say ready".to_owned()),
                )
            })
            .await?;
        self.server = Some(server);
        Ok(())
    }

    /// A fast stop and a start.
    pub async fn restart(&mut self) -> LocalResult<()> {
        self.stop_fast().await?;
        self.start().await
    }

    async fn stop(&mut self, signal: &str) -> LocalResult<()> {
        if let Some(server) = &mut self.server {
            server.stop(signal, STOP_TIMEOUT).await?;
        }
        self.server = None;
        Ok(())
    }
}

/// PostgreSQL writes its state on the eighth line of `postmaster.pid`, its process on the first
/// (a crashed server leaves the file of its own). A standby answers questions when it says so.
fn is_ready(pid_file: &Path, pid: u32) -> bool {
    let text = std::fs::read_to_string(pid_file).unwrap_or_default();
    let mut lines = text.lines();
    lines.next() == Some(pid.to_string().as_str())
        && lines
            .nth(6)
            .is_some_and(|state| ["ready", "standby"].contains(&state.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_ready_server_is_ready() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("postmaster.pid");
        assert!(!is_ready(&file, 42));
        let text = |state| format!("42\n/data\n1700000000\n20001\n\n127.0.0.1\n 1 2\n{state}\n");
        std::fs::write(&file, text("starting")).unwrap();
        assert!(!is_ready(&file, 42));
        std::fs::write(&file, text("ready   ")).unwrap();
        assert!(is_ready(&file, 42));
        assert!(!is_ready(&file, 43));
    }
}
