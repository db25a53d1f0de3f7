//! The log: text or JSON, one line an event, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// What drivers say about themselves. Errors of Kafka and PostgreSQL come to the roles as values; lines of the client and of
/// the pool repeat them.
const DRIVERS: &str = "tokio_postgres=warn,deadpool=off,rdkafka=off,librdkafka=off,kube_client=warn,kube_runtime=warn,hyper_util=warn";

/// Starts logging. A second call changes nothing.
///
/// # Errors
/// A filter that cannot be read.
pub fn start(log: &LogConfig, format: Option<LogFormat>) -> anyhow::Result<()> {
    // What the configuration says about a driver wins, because it stands later.
    let filter = EnvFilter::try_new(format!("{DRIVERS},{}", log.filter))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match format.unwrap_or(log.format) {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging was already started");
    }
    Ok(())
}
