//! The way to PostgreSQL: the connector, and what a refused connection means.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use fleetledger_schema::postgres::{ConnectError, PostgresAccess, PostgresConnector};
use openssl::ssl::{SslConnector, SslFiletype, SslMethod};
use postgres_openssl::MakeTlsConnector;
use tokio_postgres::{Client, config::SslMode, error::SqlState};

use super::{
    HopError,
    hop::{authorities, chain},
};
use crate::config::{
    PostgresConfig, PostgresTls, SecretRef, SecretValue,
    rotation::{self, renewable},
};

/// What to do where the server wants another certificate of this end.
const OWN_PAIR: &str = "set postgres.certificate and postgres.key (in a URL sslcert and sslkey) to a pair signed by the authority the server trusts";

/// How the database of this configuration is reached. Opens nothing.
///
/// # Errors
/// A secret or certificate that cannot be read.
pub fn connector(postgres: &PostgresConfig) -> anyhow::Result<PostgresConnector> {
    let read = postgres.clone();
    let access = renewable("postgres", watched(postgres), move || access(&read))?;
    Ok(PostgresConnector::renewed(access))
}

/// The files whose change is taken up.
fn watched(postgres: &PostgresConfig) -> Vec<PathBuf> {
    let files = [&postgres.ca, &postgres.certificate, &postgres.key];
    rotation::files([postgres.password.as_ref()], files.map(Option::as_ref))
}

/// The same, for another user with a password of their own.
///
/// # Errors
/// A secret or certificate that cannot be read.
pub fn connector_of(
    postgres: &PostgresConfig,
    user: &str,
    key: &'static str,
    password: Option<&SecretRef>,
) -> anyhow::Result<PostgresConnector> {
    let mut files = watched(postgres);
    files.extend(rotation::files([password], []));
    let (postgres, user, password) = (postgres.clone(), user.to_owned(), password.cloned());
    let what = format!("postgres as {user}");
    let access = renewable(what, files, move || {
        let mut access = access(&postgres)?;
        access.config.user(&user);
        if let Some(password) = &password {
            access.config.password(read_secret(password, key)?.expose());
        }
        Ok(access)
    })?;
    Ok(PostgresConnector::renewed(access))
}

fn read_secret(secret: &SecretRef, key: &str) -> anyhow::Result<SecretValue> {
    secret
        .read(key)
        .map_err(|fault| anyhow::anyhow!("{}: {}", fault.key, fault.why))
}

fn access(postgres: &PostgresConfig) -> anyhow::Result<PostgresAccess> {
    let mut config = match &postgres.url {
        // The reader's words may quote the url; what is wrong with it was said when it was checked.
        Some(url) => url
            .parse()
            .map_err(|_| anyhow::anyhow!("postgres.url is not valid"))?,
        None => {
            let mut config = tokio_postgres::Config::new();
            config.host(&postgres.host).port(postgres.port);
            config.user(&postgres.user).dbname(&postgres.database);
            config
        }
    };
    if let Some(password) = &postgres.password {
        config.password(read_secret(password, "postgres.password")?.expose());
    }
    config.connect_timeout(Duration::from_secs(postgres.connect_timeout_seconds));
    config.keepalives_idle(Duration::from_secs(30));
    match postgres.tls {
        PostgresTls::Off => config.ssl_mode(SslMode::Disable),
        PostgresTls::VerifyFull | PostgresTls::VerifyCa => config.ssl_mode(SslMode::Require),
    };
    let tls = tls_connector(postgres).context("set up TLS to postgres")?;
    Ok(PostgresAccess { config, tls })
}

fn tls_connector(postgres: &PostgresConfig) -> anyhow::Result<Option<MakeTlsConnector>> {
    if postgres.tls == PostgresTls::Off {
        return Ok(None);
    }
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    if let Some(ca) = &postgres.ca {
        builder
            .set_ca_file(ca)
            .with_context(|| format!("read postgres.ca {}", ca.display()))?;
    }
    if let (Some(certificate), Some(key)) = (&postgres.certificate, &postgres.key) {
        let read = builder.set_certificate_chain_file(certificate);
        read.with_context(|| format!("read postgres.certificate {}", certificate.display()))?;
        let read = builder.set_private_key_file(key, SslFiletype::PEM);
        read.with_context(|| format!("read postgres.key {}", key.display()))?;
        builder
            .check_private_key()
            .context("postgres.key is not the key of postgres.certificate")?;
    }
    let mut connector = MakeTlsConnector::new(builder.build());
    if postgres.tls == PostgresTls::VerifyCa {
        connector.set_callback(|ssl, _| {
            ssl.set_verify_hostname(false);
            Ok(())
        });
    }
    Ok(Some(connector))
}

/// A connection, or the hop's error.
///
/// # Errors
/// What is wrong with the way to the database, naming it.
pub async fn connect(
    postgres: &PostgresConfig,
    connector: &PostgresConnector,
    role: &str,
) -> Result<Client, HopError> {
    connector
        .connect(role)
        .await
        .map_err(|error| explain(postgres, connector, &error))
}

/// True if a url names this machine alone, where TLS is not needed.
#[must_use]
pub fn is_loopback_url(url: &str) -> bool {
    use tokio_postgres::config::Host;
    url.parse::<tokio_postgres::Config>().is_ok_and(|config| {
        config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => matches!(name.as_str(), "127.0.0.1" | "localhost" | "::1"),
            Host::Unix(_) => true,
        })
    })
}

/// What a refused connection means.
#[must_use]
pub fn explain(postgres: &PostgresConfig, connector: &PostgresConnector, error: &ConnectError) -> HopError {
    let hop = format!("postgres {}", error.target);
    let user = connector.config().get_user().unwrap_or_default();
    if let Some(refusal) = error.source.as_db_error() {
        return refused(&hop, user, refusal.code(), refusal.message());
    }
    let text = chain(&error.source);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["certificate verify failed"]) {
        let host = if text.contains("mismatch") {
            "its certificate is for another host"
        } else {
            "its certificate is not signed by"
        };
        let why = match text.contains("mismatch") {
            true => host.to_owned(),
            false => format!("{host} {}", authorities(postgres.ca.as_deref())),
        };
        let fix = "set postgres.ca (in a URL sslrootcert) to the file of the authority that signed the server's certificate, and postgres.host as the certificate names it";
        return HopError::setup(hop, why, fix);
    }
    if has(&["server does not support TLS"]) {
        let fix = "turn ssl on in postgresql.conf; for a loopback address, set postgres.tls = \"off\" (in a URL sslmode=disable)";
        return HopError::setup(hop, "it does not support TLS", fix);
    }
    if has(&[
        "certificate required",
        "bad certificate",
        "unknown ca",
        "handshake failure",
    ]) {
        return HopError::setup(hop, "it does not accept this client's certificate", OWN_PAIR);
    }
    if has(&["password missing", "invalid configuration: password"]) {
        return HopError::setup(
            hop,
            format!("it requires a password for user {user}"),
            "set postgres.password to file:/path or env:NAME (for a URL, set PGPASSWORD)",
        );
    }
    if has(&["failed to lookup address", "Name or service not known"]) {
        return HopError::setup(hop, "host not found", "correct postgres.host or postgres.url");
    }
    let fix = "start the server, allow network access to it, or correct postgres.host and postgres.port";
    if has(&["Connection refused"]) {
        return HopError::away(hop, "nothing listens there (connection refused)", fix);
    }
    HopError::away(hop, text, fix)
}

fn refused(hop: &str, user: &str, code: &SqlState, message: &str) -> HopError {
    if *code == SqlState::INVALID_PASSWORD {
        let fix = "correct the password that postgres.password points to, or: alter role … password '…'";
        return HopError::setup(hop, format!("it refuses the password of user {user}"), fix);
    }
    if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION && message.contains("client certificate") {
        return HopError::setup(hop, message.to_owned(), OWN_PAIR);
    }
    if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        let fix = format!(
            "create role {user} with login, or let it in by a line of pg_hba.conf (hostssl … {user} …), or correct postgres.user"
        );
        return HopError::setup(hop, message.to_owned(), fix);
    }
    if *code == SqlState::INVALID_CATALOG_NAME {
        let fix =
            "create database … owner fleetledger, then fleetledger migrate; or correct postgres.database";
        return HopError::setup(hop, message.to_owned(), fix);
    }
    HopError::away(
        hop,
        format!("{message} ({})", code.code()),
        "see the server's log",
    )
}
