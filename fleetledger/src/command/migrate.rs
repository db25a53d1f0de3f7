//! `fleetledger migrate`.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use fleetledger_schema::postgres::MigrateError;

use crate::{
    config::LoadedConfig,
    connect::{self, HopError},
    exit::ExitReason,
    progress::{self, ProgressName, ProgressReading},
    setup::{is_denied, require_sessions, store_settings},
};

pub(super) async fn run(loaded: &LoadedConfig) -> anyhow::Result<ExitReason> {
    let postgres = &loaded.config.postgres;
    let connector = connect::postgres::connector(postgres)?;
    require_sessions(&connector, "migrate").await?;
    println!("migrating {}", connector.target());
    let steps = AtomicUsize::new(0);
    let migrating = fleetledger_schema::postgres::migrate(&connector, |step| {
        progress::clear();
        println!("  {step}");
        steps.fetch_add(1, Ordering::Relaxed);
    });
    let name = ProgressName {
        what: "migrate",
        unit: "steps",
    };
    let reading = || ProgressReading::of(steps.load(Ordering::Relaxed), None);
    let migrated = progress::show(name, reading, migrating).await;
    let report = match migrated {
        Err(MigrateError::Connect(error)) => {
            return Err(connect::postgres::explain(postgres, &connector, &error).into());
        }
        Err(MigrateError::TooOld(version)) => {
            let why = format!("it is version {version}");
            return Err(HopError::setup(
                format!("postgres {}", connector.target()),
                why,
                "upgrade it to 15 or later",
            )
            .into());
        }
        Err(error) if is_denied(&error) => {
            let user = connector.config().get_user().unwrap_or_default();
            let who = format!(
                "migrate the database as {user}, who must be its owner and may make roles (alter role {user} createrole)"
            );
            return Err(error).context(who);
        }
        other => other.context("migrate the database")?,
    };
    let client = connect::postgres::connect(postgres, &connector, "fleetledger-migrate").await?;
    let changed = store_settings(&client, &loaded.config).await?;
    match (report.applied.len(), report.repeatables_replaced) {
        (0, false) => println!("nothing to do: the database is at this version"),
        (applied, replaced) => {
            let replaced = if replaced {
                ", functions and views replaced"
            } else {
                ""
            };
            println!("{applied} migrations applied{replaced}");
        }
    }
    if changed {
        println!(
            "owners.namespace_label is now {}",
            loaded.config.owners.namespace_label
        );
    }
    Ok(ExitReason::Done)
}
