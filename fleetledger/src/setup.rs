//! From configuration to connected parts: what commands and the demo begin with. Knows no command.
//!
//! * here: the database at this version, the settings it stores, Kafka's client configuration;
//! * [`evaluator`], [`receivers`]: what evaluates and who is notified; [`console`]: the server of API and pages.

pub(crate) mod console;
pub(crate) mod evaluator;
pub(crate) mod receivers;

use anyhow::Context as _;
use fleetledger_ingest::IngestError;
use fleetledger_schema::{
    instant::Instant,
    postgres::{MigrationStatus, PostgresConnector, are_sessions_shared},
    renewable::Renewable,
};
use tokio_postgres::{Client, error::SqlState};

use crate::{
    config::{ConfigError, FleetledgerConfig, LoadedConfig, rotation},
    connect::{self, HopError, HopErrorKind},
};

/// The database of this configuration, connected.
pub(crate) async fn database(
    loaded: &LoadedConfig,
    application_name: &str,
) -> anyhow::Result<(PostgresConnector, Client)> {
    let postgres = &loaded.config.postgres;
    let connector = connect::postgres::connector(postgres)?;
    let client = connect::postgres::connect(postgres, &connector, application_name).await?;
    require_current(&connector, &client).await?;
    Ok((connector, client))
}

/// Refuses a database that is not at this version, and says what to do.
pub(crate) async fn require_current(connector: &PostgresConnector, client: &Client) -> anyhow::Result<()> {
    let hop = format!("postgres {}", connector.target());
    let read = fleetledger_schema::postgres::migration_status(client).await;
    let migration_status = match read {
        // A reader sees views, not the list of migrations: what a view lacks is said by the query that asks for it.
        Err(error) if is_denied(&error) => return Ok(()),
        read => read.context("read the database's version")?,
    };
    let (why, fix) = match migration_status {
        MigrationStatus::Current => return Ok(()),
        MigrationStatus::Empty => ("it contains no ledger".to_owned(), "run: fleetledger migrate"),
        MigrationStatus::Behind { missing } => (
            format!("it lacks {}", missing.join(", ")),
            "run: fleetledger migrate",
        ),
        MigrationStatus::Edited(name) => (
            format!("migration {name} was edited after it had been applied"),
            "use the release that applied it, or restore the migration's text",
        ),
        MigrationStatus::Ahead(name) => (
            format!("it has migration {name}, which this version does not know"),
            "run the newer fleetledger that migrated it",
        ),
    };
    Err(HopError::setup(hop, why, fix).into())
}

/// Whether an error is that of a user who lacks a right.
pub(crate) fn is_denied(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let denied = SqlState::INSUFFICIENT_PRIVILEGE;
        let of_statement = error
            .downcast_ref::<tokio_postgres::Error>()
            .is_some_and(|error| error.code() == Some(&denied));
        let of_session = matches!(
            error.downcast_ref::<IngestError>(),
            Some(IngestError::Session { code, .. }) if code == denied.code()
        );
        if of_statement || of_session {
            return true;
        }
        next = error.source();
    }
    false
}

/// Refuses a way to the database on which sessions change hands between transactions, and says what to do. `role` needs
/// sessions of its own. Where nobody answers, that is told by what follows.
pub(crate) async fn require_sessions(connector: &PostgresConnector, role: &str) -> Result<(), HopError> {
    if are_sessions_shared(connector).await.unwrap_or(false) {
        let hop = format!("postgres {}", connector.target());
        let why =
            format!("a pooler in transaction mode is in front of it, but {role} needs sessions of its own");
        return Err(HopError::setup(hop, why, OWN_SESSIONS));
    }
    Ok(())
}

/// What to do where a pooler lends sessions for a transaction.
pub(crate) const OWN_SESSIONS: &str = "point postgres.host and postgres.port (or postgres.url) at PostgreSQL \
     itself or at a pool with pool_mode = session; see Connection poolers in docs/operating.md";

/// Refuses a configuration whose secrets cannot be read.
pub(crate) fn client_config(loaded: &LoadedConfig) -> Result<rdkafka::ClientConfig, ConfigError> {
    connect::kafka::client_config(&loaded.config.kafka).map_err(|fault| loaded.explain(fault))
}

/// The same, read anew when secrets or certificates change. The client reads certificates by itself when it is made.
pub(crate) fn renewed_client_config(
    loaded: &LoadedConfig,
) -> anyhow::Result<Renewable<rdkafka::ClientConfig>> {
    client_config(loaded)?;
    let kafka = loaded.config.kafka.clone();
    let sasl = kafka.sasl.as_ref().and_then(|sasl| sasl.password.as_ref());
    let tls = kafka
        .tls
        .iter()
        .flat_map(|tls| [&tls.ca, &tls.certificate, &tls.key]);
    let files = rotation::files([sasl, kafka.tls_key_password.as_ref()], tls.map(Option::as_ref));
    rotation::renewable("kafka", files, move || {
        connect::kafka::check_key_pair(&kafka)?;
        connect::kafka::client_config(&kafka).map_err(|fault| anyhow::anyhow!("{}: {}", fault.key, fault.why))
    })
}

/// A hop that is set up wrongly ends the role at once; one that is away is waited for, as it would be later.
pub(crate) fn wait_or_refuse<T>(probed: Result<T, HopError>) -> Result<(), HopError> {
    match probed {
        Ok(_) => Ok(()),
        Err(error) if error.kind == HopErrorKind::Away => {
            tracing::warn!(
                hop = error.hop,
                why = error.why,
                fix = error.fix,
                "unavailable; continuing, and retrying"
            );
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Stores the label that names a namespace's team; no row where it is that already.
const STORE_NAMESPACE_LABEL: &str = "insert into ledger.setting as s (name, value) values ('owners.namespace_label', $1)
        on conflict (name) do update set value = excluded.value, set_at = now() where s.value <> excluded.value";

/// Names the owners of all namespaces anew.
const APPLY_OWNERS: &str = "select ledger.apply_owners(array(select cluster_id from ledger.cluster), $1)";

/// Stores the labels that cost is kept by; no row where they are that already.
const STORE_ROLLUP_LABELS: &str = "insert into ledger.setting as s (name, value) values ('cost.rollup_labels', $1)
        on conflict (name) do update set value = excluded.value, set_at = now() where s.value <> excluded.value";

/// Stores the settings that views and functions read; true if one changed. Owners follow at once.
///
/// # Errors
/// The database refused.
pub(crate) async fn store_settings(client: &Client, config: &FleetledgerConfig) -> anyhow::Result<bool> {
    let changed = client
        .execute(STORE_NAMESPACE_LABEL, &[&config.owners.namespace_label])
        .await;
    let changed = changed.context("store owners.namespace_label")? > 0;
    if changed {
        client
            .query_one(APPLY_OWNERS, &[&Instant::now()])
            .await
            .context("apply owners to namespaces")?;
    }
    let labels = serde_json::json!(config.cost.rollup_labels).to_string();
    client
        .execute(STORE_ROLLUP_LABELS, &[&labels])
        .await
        .context("store cost.rollup_labels")?;
    Ok(changed)
}
