//! A real PgBouncer on loopback, before a PostgreSQL of this machine: Debian's.

mod package;

use std::time::Duration;

use crate::account;
use crate::cache::ArtifactCache;
use crate::error::LocalResult;
use crate::ports::free_port;
use crate::process::{ServerLaunch, SupervisedServer, write_file};
use crate::scratch::ScratchFolder;

pub use package::PgbouncerProgram;

const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// Fetches it, unless it is installed or in the cache.
pub async fn fetch(cache: &ArtifactCache) -> LocalResult<()> {
    package::find(cache).await.map(|_| ())
}

/// To whom a server connection belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// To one client until it disconnects.
    Session,
    /// To one client until its transaction ends.
    Transaction,
}

impl PoolMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
        }
    }
}

/// A running PgBouncer. Dropping it kills it.
#[derive(Debug)]
pub struct Pgbouncer {
    // Declared before the scratch folder: the server ends before its files are removed.
    server: Option<SupervisedServer>,
    launch: ServerLaunch,
    port: u16,
    server_port: u16,
    mode: PoolMode,
    settings: Vec<(String, String)>,
    scratch: ScratchFolder,
}

impl Pgbouncer {
    /// Starts one before the server on `server_port`, for every database of it and for `users`, whom it asks for no password.
    /// `settings` are lines of its section `[pgbouncer]`.
    ///
    /// # Errors
    /// [`crate::LocalError::Unavailable`] where it is not installed and its package cannot be fetched.
    pub async fn start(
        cache: &ArtifactCache,
        server_port: u16,
        mode: PoolMode,
        users: &[&str],
        settings: &[(&str, &str)],
    ) -> LocalResult<Self> {
        let program = package::find(cache).await?;
        let account = account::for_servers().await?;
        let scratch = ScratchFolder::create(&cache.data_root().join("scratch"), "pgbouncer").await?;
        let port = free_port()?;
        let folder = scratch.path();
        let users: String = users.iter().map(|user| format!("\"{user}\" \"\"\n")).collect();
        write_file(&folder.join("users"), users)?;
        account::hand_over(account.as_ref(), folder)?;
        let mut command = account::command_line(account.as_ref(), &program.path);
        command.push(folder.join("pgbouncer.ini").display().to_string());
        let settings = settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut pgbouncer = Self {
            server: None,
            launch: ServerLaunch {
                part: "PgBouncer".to_owned(),
                command,
                environment: program.environment(),
                log: folder.join("log"),
                last_signal: "KILL",
            },
            port,
            server_port,
            mode,
            settings: settings.collect(),
            scratch,
        };
        pgbouncer.start_again().await?;
        Ok(pgbouncer)
    }

    /// Its port on 127.0.0.1; it stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends every connection and goes on in another mode, on the same port.
    pub async fn restart_as(&mut self, mode: PoolMode) -> LocalResult<()> {
        if let Some(mut server) = self.server.take() {
            server.stop("KILL", READY_TIMEOUT).await?;
        }
        self.mode = mode;
        self.start_again().await
    }

    /// What it has logged since it was started.
    #[must_use]
    pub fn logged(&self) -> String {
        self.server
            .as_ref()
            .map(SupervisedServer::logged)
            .unwrap_or_default()
    }

    async fn start_again(&mut self) -> LocalResult<()> {
        write_file(&self.scratch.path().join("pgbouncer.ini"), self.ini())?;
        let mut server = SupervisedServer::start(&self.launch)?;
        let port = self.port;
        server
            .wait_ready(READY_TIMEOUT, |_| async move {
                let connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
                connected.map(drop).map_err(|error| error.to_string())
            })
            .await?;
        self.server = Some(server);
        Ok(())
    }

    fn ini(&self) -> String {
        let mut ini = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = {}\n",
            self.server_port,
            self.port,
            self.scratch.path().join("users").display(),
            self.mode.as_str()
        );
        for (key, value) in &self.settings {
            ini.push_str(&format!("{key} = {value}\n"));
        }
        ini
    }
}
