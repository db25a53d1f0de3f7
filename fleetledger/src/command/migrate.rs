//! `fleetledger migrate`.

use anyhow::Context as _;
use fleetledger_schema::{instant::Instant, postgres::MigrateError};
use tokio_postgres::Client;

use crate::{
    config::{FleetledgerConfig, LoadedConfig},
    connect::{self, HopError},
    exit::ExitReason,
};

pub(super) async fn run(loaded: &LoadedConfig) -> anyhow::Result<ExitReason> {
    let postgres = &loaded.config.postgres;
    let connector = connect::postgres::connector(postgres)?;
    println!("migrating {}", connector.target());
    let migrated = fleetledger_schema::postgres::migrate(&connector, |step| println!("  {step}")).await;
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

/// Stores the settings that views and functions read; true if one changed. Owners follow at once.
///
/// # Errors
/// The database refused.
pub(crate) async fn store_settings(client: &Client, config: &FleetledgerConfig) -> anyhow::Result<bool> {
    let upsert = "insert into ledger.setting as s (name, value) values ('owners.namespace_label', $1)
        on conflict (name) do update set value = excluded.value, set_at = now() where s.value <> excluded.value";
    let changed = client.execute(upsert, &[&config.owners.namespace_label]).await;
    let changed = changed.context("store owners.namespace_label")? > 0;
    if changed {
        let apply = "select ledger.apply_owners(array(select cluster_id from ledger.cluster), $1)";
        client
            .query_one(apply, &[&Instant::now()])
            .await
            .context("apply owners to namespaces")?;
    }
    let labels = serde_json::json!(config.cost.rollup_labels).to_string();
    let upsert = "insert into ledger.setting as s (name, value) values ('cost.rollup_labels', $1)
        on conflict (name) do update set value = excluded.value, set_at = now() where s.value <> excluded.value";
    client
        .execute(upsert, &[&labels])
        .await
        .context("store cost.rollup_labels")?;
    Ok(changed)
}
