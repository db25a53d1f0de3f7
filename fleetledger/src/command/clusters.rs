//! `fleetledger clusters list|rename|retire`.

use std::fmt;

use anyhow::{Context as _, bail};
use fleetledger_ingest::clusters;
use serde_json::json;
use tokio_postgres::Client;

use crate::{
    cli::ClustersCommand,
    config::LoadedConfig,
    exit::ExitReason,
    output::{age, print_json, text},
    setup::database,
};

pub(super) async fn run(loaded: &LoadedConfig, command: ClustersCommand) -> anyhow::Result<ExitReason> {
    let (connector, client) = database(loaded, "fleetledger-clusters").await?;
    match command {
        ClustersCommand::List(args) => list(&client, args.json).await?,
        ClustersCommand::Rename { cluster, new_name } => {
            let known = find(&client, &cluster).await?;
            let Some((datacenter, name)) = new_name.split_once('/') else {
                bail!("new name {new_name:?} must be datacenter/cluster");
            };
            let old = (known.datacenter.as_str(), known.cluster.as_str());
            clusters::rename(&connector, old, (datacenter, name))
                .await
                .context("rename the cluster")?;
            println!(
                "{known} is {new_name} from now on; set emit.datacenter and emit.cluster of its emitter to that"
            );
        }
        ClustersCommand::Retire { cluster } => {
            let known = find(&client, &cluster).await?;
            let retired = clusters::retire(&connector, &known.datacenter, &known.cluster).await;
            let closed = retired.context("retire the cluster")?.closed;
            let closed: Vec<String> = closed
                .iter()
                .map(|(kind, number)| format!("{number} {kind}"))
                .collect();
            let closed = if closed.is_empty() {
                "nothing stood any more".to_owned()
            } else {
                format!("closed {}", closed.join(", "))
            };
            println!("{known} is retired: {closed}; its history stays");
        }
    }
    Ok(ExitReason::Done)
}

/// A cluster that the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LedgerCluster {
    pub(crate) datacenter: String,
    pub(crate) cluster: String,
    pub(crate) uid: String,
}

impl fmt::Display for LedgerCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cluster {}/{} (uid {})",
            self.datacenter, self.cluster, self.uid
        )
    }
}

/// The clusters that a name (uid, or datacenter/cluster) means.
const FIND_CLUSTER: &str = "
        select datacenter, cluster, cluster_uid from fleet.cluster
        where cluster_uid = $1 or (datacenter || '/' || cluster = $1) order by 3";

/// The cluster that `name` (uid, or datacenter/cluster) means.
///
/// # Errors
/// None, or more than one.
pub(crate) async fn find(client: &Client, name: &str) -> anyhow::Result<LedgerCluster> {
    let rows = client
        .query(FIND_CLUSTER, &[&name])
        .await
        .context("read fleet.cluster")?;
    match rows.as_slice() {
        [row] => Ok(LedgerCluster {
            datacenter: row.get(0),
            cluster: row.get(1),
            uid: row.get(2),
        }),
        [] => bail!("no cluster is called {name}; fleetledger clusters list shows them all"),
        several => {
            let uids: Vec<String> = several.iter().map(|row| row.get(2)).collect();
            bail!(
                "{name} means several clusters; name one by its uid: {}",
                uids.join(", ")
            )
        }
    }
}

/// Every cluster with its freshness.
const LIST_CLUSTERS: &str = "
        select datacenter || '/' || cluster as name, cluster_uid, state, age_seconds, first_seen_at::text as first_seen
        from fleet.cluster order by 1, 2";

async fn list(client: &Client, as_json: bool) -> anyhow::Result<()> {
    let rows = client
        .query(LIST_CLUSTERS, &[])
        .await
        .context("read fleet.cluster")?;
    if as_json {
        let document = |row: &tokio_postgres::Row| {
            json!({
                "cluster": row.get::<_, String>("name"),
                "cluster_uid": row.get::<_, String>("cluster_uid"),
                "state": row.get::<_, String>("state"),
                "age_seconds": row.get::<_, Option<f64>>("age_seconds"),
                "first_seen_at": row.get::<_, String>("first_seen"),
            })
        };
        print_json(&rows.iter().map(document).collect());
        return Ok(());
    }
    let row = |row: &tokio_postgres::Row| {
        vec![
            row.get("name"),
            row.get("cluster_uid"),
            row.get("state"),
            row.get::<_, Option<f64>>("age_seconds")
                .map_or("–".to_owned(), age),
            row.get("first_seen"),
        ]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(row).collect();
    print!(
        "{}",
        text(&["cluster", "uid", "state", "age", "first seen"], &rows)
    );
    Ok(())
}
