//! `fleetledger clusters list|rename|retire|admit|forget|reset-epoch`.

use std::fmt;

use anyhow::{Context as _, bail};
use fleetledger_ingest::clusters;
use tokio_postgres::Client;

use crate::{
    cli::{ClustersCommand, OutputFormat},
    config::LoadedConfig,
    exit::ExitReason,
    output::{self, OutputColumn, OutputTable, counted, print_rows},
    setup::database,
};

pub(super) async fn run(loaded: &LoadedConfig, command: ClustersCommand) -> anyhow::Result<ExitReason> {
    let (connector, client) = database(loaded, "fleetledger-clusters").await?;
    match command {
        ClustersCommand::List(args) => list(&client, args.format()).await?,
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
            let closed = describe_closed(&retired.context("retire the cluster")?);
            println!("{known} is retired: {closed}; its history stays");
        }
        ClustersCommand::Admit { cluster, cluster_uid } => {
            let Some((datacenter, name)) = cluster.split_once('/') else {
                bail!("name {cluster:?} must be datacenter/cluster");
            };
            let uid = match cluster_uid {
                Some(uid) => uid,
                None => uid_of(&client, &cluster).await?,
            };
            let admitted = clusters::admit(&connector, (datacenter, name), &uid).await;
            admitted.context("admit the cluster")?;
            println!(
                "cluster {cluster} (uid {uid}) is admitted; an ingester that refused it takes it within seconds"
            );
        }
        ClustersCommand::Forget { clusters: names } => {
            for name in &names {
                let known = find(&client, name).await?;
                let forgotten = clusters::forget(&connector, &known.uid).await;
                let closed = describe_closed(&forgotten.context("forget the cluster")?);
                println!("{known} is forgotten: {closed}; it is refused until it is admitted");
            }
        }
        ClustersCommand::ResetEpoch { cluster } => {
            let known = find(&client, &cluster).await?;
            let logs = clusters::reset_epoch(&connector, &known.uid).await;
            let logs = logs.context("reset the epoch")?;
            println!(
                "{known}: the epoch of {} is forgotten; the next record of each is taken, whatever its epoch",
                counted(logs, "log")
            );
        }
    }
    Ok(ExitReason::Done)
}

fn describe_closed(report: &clusters::RetireReport) -> String {
    let closed = report.closed.iter();
    let closed: Vec<String> = closed.map(|(kind, number)| counted(*number, kind)).collect();
    if closed.is_empty() {
        "nothing stood any more".to_owned()
    } else {
        format!("closed {}", closed.join(", "))
    }
}

/// Uids under which a name is known or was refused.
const FIND_UID: &str = "
        select cluster_uid from fleet.cluster where datacenter || '/' || cluster = $1
        union
        select cluster_uid from fleet.quarantine
        where datacenter || '/' || cluster = $1 and released_at is null and reason <> 'poisoned'";

/// The only uid that a name may mean.
async fn uid_of(client: &Client, name: &str) -> anyhow::Result<String> {
    let rows = client
        .query(FIND_UID, &[&name])
        .await
        .context("read fleet.cluster and fleet.quarantine")?;
    match rows.as_slice() {
        [row] => Ok(row.get(0)),
        [] => bail!(
            "nothing was heard of {name} yet; give its uid: kubectl get namespace kube-system -o jsonpath='{{.metadata.uid}}'"
        ),
        several => {
            let uids: Vec<String> = several.iter().map(|row| row.get(0)).collect();
            bail!(
                "{name} was heard of under several uids; give the true one: {}",
                uids.join(", ")
            )
        }
    }
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
        select datacenter, cluster, cluster_uid, state, observed_at, age_seconds, source, first_seen_at, retired_at
        from fleet.cluster order by 1, 2, 3";

async fn list(client: &Client, format: OutputFormat) -> anyhow::Result<()> {
    let rows = client
        .query(LIST_CLUSTERS, &[])
        .await
        .context("read fleet.cluster")?;
    let columns = vec![
        OutputColumn::new("datacenter").data(),
        OutputColumn::new("cluster").data(),
        OutputColumn::words("cluster", output::cluster_name),
        OutputColumn::new("cluster_uid").titled("uid"),
        OutputColumn::new("state"),
        OutputColumn::new("observed_at")
            .instant()
            .titled("known until")
            .wide(),
        OutputColumn::new("age_seconds")
            .titled("age")
            .shown_as(|row| output::age_field(row, "age_seconds")),
        OutputColumn::new("source").wide(),
        OutputColumn::new("first_seen_at").instant().titled("first seen"),
        OutputColumn::new("retired_at").instant().titled("retired").wide(),
    ];
    let table = OutputTable::of_query(columns, &rows)?;
    print_rows(
        format,
        &table,
        "no cluster is known yet: no record has landed",
        &table.tally("cluster", "state"),
    )?;
    Ok(())
}
