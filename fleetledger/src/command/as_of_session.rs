//! Whether a session about the past is one, before anybody asks it anything: an answer about now that looks like one about
//! an instant is worse than none.

use fleetledger_schema::postgres::{ConnectError, PostgresAccess, PostgresConnector, are_sessions_shared};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::sql::options;
use crate::{
    config::PostgresConfig,
    connect::{HopError, postgres::explain},
};

/// What to do where the instant is lost on the way.
const FIX: &str = "let sql --as-of reach PostgreSQL itself (postgres.host and postgres.port, or FLEETLEDGER__POSTGRES__PORT in its \
    environment), or ask about the instant in the query: select * from fleet.pod_at('2026-11-17 14:00+00'); see Connection \
    poolers in docs/operating.md";

/// What a session says it is about.
const READ_SESSION_INSTANT: &str =
    "select current_setting('fleet.as_of', true), current_setting('search_path'), fleet_asof.as_of()";

/// Refuses a way to the database on which a session does not keep the instant it begins with.
pub(super) async fn require(
    postgres: &PostgresConfig,
    reader: &PostgresConnector,
    instant: &str,
) -> Result<(), HopError> {
    let refused = |why: String| {
        let why = format!("sql --as-of would answer about now: {why}");
        HopError::setup(format!("postgres {}", reader.target()), why, FIX)
    };
    let client = match connect(reader, &options(Some(instant))).await {
        Ok(client) => client,
        Err(error) => {
            return Err(match startup_refusal(&error) {
                Some(said) => refused(format!(
                    "a pooler does not take the instant that the session begins with ({said})"
                )),
                None => explain(postgres, reader, &error),
            });
        }
    };
    let said = client.simple_query(READ_SESSION_INSTANT).await;
    let said = said.map_err(|error| match error.as_db_error() {
        Some(refusal) => HopError::setup(
            format!("postgres {}", reader.target()),
            format!("it cannot answer as of {instant}: {}", refusal.message()),
            "write an instant such as 2026-11-17 14:00+00; where fleet_asof is missing run: fleetledger migrate",
        ),
        None => refused(format!("the session ended ({error})")),
    })?;
    let row = said.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((row.get(0), row.get(1))),
        _ => None,
    });
    if row != Some((Some(instant), Some("fleet_asof"))) {
        return Err(refused(
            "the instant was lost on the way, as poolers do that ignore options of a session".to_owned(),
        ));
    }
    match are_sessions_shared(reader).await {
        Ok(false) => Ok(()),
        Ok(true) => Err(refused(
            "a pooler in transaction mode gives each statement another session".to_owned(),
        )),
        Err(error) => Err(refused(format!(
            "whether a pooler shares sessions cannot be seen ({error})"
        ))),
    }
}

/// Whether a session may begin with these settings; true where anything else keeps it from beginning, which psql tells.
pub(super) async fn accepts(reader: &PostgresConnector, options: &str) -> bool {
    match connect(reader, options).await {
        Ok(_) => true,
        Err(error) => startup_refusal(&error).is_none(),
    }
}

async fn connect(reader: &PostgresConnector, options: &str) -> Result<Client, ConnectError> {
    let PostgresAccess { mut config, tls } = reader.access();
    config.options(options);
    PostgresConnector::new(config, tls)
        .connect("fleetledger-sql")
        .await
}

/// What a pooler says that does not take settings of a session as it begins.
fn startup_refusal(error: &ConnectError) -> Option<&str> {
    let refusal = error.source.as_db_error()?;
    refusal
        .message()
        .contains("unsupported startup parameter")
        .then(|| refusal.message())
}
