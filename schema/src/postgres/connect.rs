//! Connections to PostgreSQL, with or without TLS.

use postgres_openssl::MakeTlsConnector;
use thiserror::Error;
use tokio_postgres::{Client, Config, NoTls};

use crate::renewable::Renewable;

/// How to reach one database; cheap to clone, holds no connection.
#[derive(Clone)]
pub struct PostgresConnector {
    config: Config,
    tls: Option<MakeTlsConnector>,
    access: Renewable<PostgresAccess>,
}

/// What a connection is made with: the driver's configuration, its password among it, and the certificates.
#[derive(Clone)]
pub struct PostgresAccess {
    /// The driver's configuration.
    pub config: Config,
    /// The TLS side, if any.
    pub tls: Option<MakeTlsConnector>,
}

/// A connection could not be made.
#[derive(Debug, Error)]
#[error("connect to postgres at {target}")]
pub struct ConnectError {
    /// Host, port and database, without user or password.
    pub target: String,
    /// What the driver said.
    #[source]
    pub source: tokio_postgres::Error,
}

impl PostgresConnector {
    /// A connector for `config`; with `tls` the server's certificate is checked as that connector says.
    #[must_use]
    pub fn new(config: Config, tls: Option<MakeTlsConnector>) -> Self {
        Self::renewed(PostgresAccess { config, tls }.into())
    }

    /// A connector whose password and certificates may be replaced while it is used: every connection is made with the
    /// newest.
    #[must_use]
    pub fn renewed(access: Renewable<PostgresAccess>) -> Self {
        let PostgresAccess { config, tls } = access.newest();
        Self { config, tls, access }
    }

    /// What the next connection is to be made with.
    #[must_use]
    pub fn access(&self) -> PostgresAccess {
        self.access.newest()
    }

    /// Host, port and database, for messages.
    #[must_use]
    pub fn target(&self) -> String {
        let hosts: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(index, host)| {
                let host = match host {
                    tokio_postgres::config::Host::Tcp(name) => name.clone(),
                    #[cfg(unix)]
                    tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
                };
                let ports = self.config.get_ports();
                let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
                format!("{host}:{port}")
            })
            .collect();
        format!(
            "{}/{}",
            hosts.join(","),
            self.config.get_dbname().unwrap_or("postgres")
        )
    }

    /// The driver's configuration, with the password of when this connector was made.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The TLS side of when this connector was made, if any.
    #[must_use]
    pub fn tls(&self) -> Option<&MakeTlsConnector> {
        self.tls.as_ref()
    }

    /// Opens a connection named `application_name` and drives it in the background until the client is dropped.
    ///
    /// # Errors
    /// [`ConnectError`]; transient if the server is away, fatal if it refuses the user or the database is missing.
    pub async fn connect(&self, application_name: &str) -> Result<Client, ConnectError> {
        let PostgresAccess { mut config, tls } = self.access();
        config.application_name(application_name);
        let failed = |source| ConnectError {
            target: self.target(),
            source,
        };
        match tls {
            Some(tls) => {
                let (client, connection) = config.connect(tls).await.map_err(failed)?;
                drive(connection);
                Ok(client)
            }
            None => {
                let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
                drive(connection);
                Ok(client)
            }
        }
    }
}

impl std::fmt::Debug for PostgresConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connector({}, tls: {})", self.target(), self.tls.is_some())
    }
}

/// Its end is no failure of ours: whoever holds the client sees it at the next statement.
#[expect(
    clippy::disallowed_methods,
    reason = "ends with its client, so there is nothing to wait for"
)]
fn drive<C>(connection: C)
where
    C: Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = %error, "postgres connection ended");
        }
    });
}
