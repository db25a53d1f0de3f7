//! `fleetledger sql`: psql as the reader, by the way the configuration names; or one statement, without psql.

use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::Context as _;
use fleetledger_schema::postgres::{PostgresAccess, PostgresConnector};

use super::as_of_session;
use crate::{
    cli::{OutputFormat, SqlArgs},
    config::{LoadedConfig, PostgresConfig, PostgresTls},
    connect,
    exit::ExitReason,
    output::{OutputColumn, OutputTable, print_rows, table},
    setup::evaluator::reader_connector,
};

/// Becomes psql, and comes back only where that fails; or runs one statement.
pub(super) async fn run(loaded: &LoadedConfig, args: &SqlArgs) -> anyhow::Result<ExitReason> {
    let reader = reader_connector(loaded)?;
    let options = match args.as_of.as_deref() {
        Some(instant) => {
            as_of_session::require(&loaded.config.postgres, &reader, instant).await?;
            Some(options(Some(instant)))
        }
        None => as_of_session::accepts(&reader, &options(None))
            .await
            .then(|| options(None)),
    };
    if let Some(statement) = &args.command {
        return one_statement(
            loaded,
            &reader,
            options.as_deref(),
            statement,
            args.output.format(),
        )
        .await;
    }
    anyhow::ensure!(
        !args.output.is_given(),
        "-o and --json are for -c; psql has formats of its own: fleetledger sql -- --csv"
    );
    let mut psql = psql(loaded, &reader, options.as_deref(), args);
    let error = psql.exec();
    Err(error).context("run psql; install it with: apt-get install postgresql-client")
}

/// Runs one statement and prints its rows.
async fn one_statement(
    loaded: &LoadedConfig,
    reader: &PostgresConnector,
    options: Option<&str>,
    statement: &str,
    format: OutputFormat,
) -> anyhow::Result<ExitReason> {
    let PostgresAccess { mut config, tls } = reader.access();
    if let Some(options) = options {
        config.options(options);
    }
    let session = PostgresConnector::new(config, tls);
    let client = connect::postgres::connect(&loaded.config.postgres, &session, "fleetledger-sql").await?;
    let prepared = client.prepare(statement).await.context("read the statement")?;
    let rows = client.query(&prepared, &[]).await.context("run the statement")?;
    let names = table::column_names(prepared.columns());
    let columns = names.into_iter().map(OutputColumn::new).collect();
    let table = OutputTable::of_query(columns, &rows)?;
    let after = format!("{} rows", rows.len());
    print_rows(format, &table, &after, &after)?;
    Ok(ExitReason::Done)
}

/// The command: who and where by libpq's environment, so that no password stands among the arguments.
fn psql(loaded: &LoadedConfig, reader: &PostgresConnector, options: Option<&str>, args: &SqlArgs) -> Command {
    let target = reader.config();
    let mut psql = Command::new("psql");
    let hosts: Vec<String> = target.get_hosts().iter().map(host).collect();
    let ports: Vec<String> = target.get_ports().iter().map(u16::to_string).collect();
    psql.env("PGHOST", hosts.join(","))
        .env("PGPORT", ports.join(","))
        .env("PGUSER", target.get_user().unwrap_or_default())
        .env("PGDATABASE", target.get_dbname().unwrap_or_default())
        .env("PGAPPNAME", "fleetledger-sql");
    match options {
        Some(options) => psql.env("PGOPTIONS", options),
        None => psql.env_remove("PGOPTIONS"),
    };
    if let Some(password) = target.get_password() {
        psql.env("PGPASSWORD", String::from_utf8_lossy(password).as_ref());
    }
    for (name, value) in tls(&loaded.config.postgres) {
        psql.env(name, value);
    }
    psql.args(&args.psql);
    psql
}

fn host(host: &tokio_postgres::config::Host) -> String {
    match host {
        tokio_postgres::config::Host::Tcp(name) => name.clone(),
        tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
    }
}

/// Settings that the session begins with: names resolve in `fleet`, or as of an instant in `fleet_asof`. Spaces of a value are escaped.
pub(super) fn options(as_of: Option<&str>) -> String {
    let escape = |value: &str| value.replace('\\', "\\\\").replace(' ', "\\ ");
    match as_of {
        None => "-c search_path=fleet".to_owned(),
        Some(instant) => format!("-c search_path=fleet_asof -c fleet.as_of={}", escape(instant)),
    }
}

fn tls(postgres: &PostgresConfig) -> Vec<(&'static str, String)> {
    let mode = match postgres.tls {
        PostgresTls::VerifyFull => "verify-full",
        PostgresTls::VerifyCa => "verify-ca",
        PostgresTls::Off => "disable",
    };
    let file = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let authority = match postgres.tls {
        PostgresTls::Off => None,
        // psql 16 and later know the system's authorities by this name.
        _ => Some(file(&postgres.ca).unwrap_or_else(|| "system".to_owned())),
    };
    let settings = [
        ("PGSSLMODE", Some(mode.to_owned())),
        ("PGSSLROOTCERT", authority),
        ("PGSSLCERT", file(&postgres.certificate)),
        ("PGSSLKEY", file(&postgres.key)),
    ];
    settings
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_resolve_in_fleet_or_as_of_an_instant() {
        assert_eq!(options(None), "-c search_path=fleet");
        assert_eq!(
            options(Some("2026-11-17 14:00+00")),
            "-c search_path=fleet_asof -c fleet.as_of=2026-11-17\\ 14:00+00"
        );
    }

    #[test]
    fn certificates_are_checked_as_configured() {
        let verified = PostgresConfig {
            ca: Some("/etc/ca.crt".into()),
            ..PostgresConfig::default()
        };
        assert_eq!(
            tls(&verified),
            [
                ("PGSSLMODE", "verify-full".to_owned()),
                ("PGSSLROOTCERT", "/etc/ca.crt".to_owned())
            ]
        );
        let off = PostgresConfig {
            tls: PostgresTls::Off,
            ..PostgresConfig::default()
        };
        assert_eq!(tls(&off), [("PGSSLMODE", "disable".to_owned())]);
    }
}
