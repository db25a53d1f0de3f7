//! What an operator does to clusters.

use fleetledger_schema::{kind::RecordKind, postgres::PostgresConnector, row};
use serde::Serialize;
use tokio_postgres::Transaction;

use crate::{IngestError, stage};

/// Locks every fence row, in the order in which batches and claims do: running batches end first, others wait.
pub(crate) const NO_BATCH_BESIDE: &str =
    "select from ledger.ingest_partition order by topic, partition for update";

/// What retiring a cluster closed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RetireReport {
    /// Objects closed, by kind.
    pub closed: Vec<(String, u64)>,
}

/// Retires a cluster: closes everything it has, keeps its history. If it sends records again it is active again.
///
/// # Errors
/// [`IngestError::NotFound`] if there is no active cluster of that name.
pub async fn retire(
    connector: &PostgresConnector,
    datacenter: &str,
    cluster: &str,
) -> Result<RetireReport, IngestError> {
    let mut client = connector.connect("fleetledger-clusters").await?;
    let failed = |source| IngestError::Postgres {
        action: "retire a cluster",
        source,
    };
    let transaction = client.transaction().await.map_err(failed)?;
    transaction.execute(NO_BATCH_BESIDE, &[]).await.map_err(failed)?;
    let row = transaction
        .query_opt(RETIRE_CLUSTER, &[&datacenter, &cluster])
        .await
        .map_err(failed)?;
    let Some(row) = row else {
        return Err(IngestError::NotFound(format!(
            "active cluster {datacenter}/{cluster} not found"
        )));
    };
    let cluster_id: i32 = row.try_get(0).map_err(failed)?;
    let retired = close(&transaction, cluster_id).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(retired)
}

/// Closes everything that a cluster has.
async fn close(
    transaction: &Transaction<'_>,
    cluster_id: i32,
) -> Result<RetireReport, tokio_postgres::Error> {
    // Batches built on caches of this cluster become stale.
    for kind in RecordKind::ALL {
        transaction
            .execute(RAISE_GENERATION, &[&cluster_id, &kind.number()])
            .await?;
    }
    let mut retired = RetireReport::default();
    for stage in stage::all() {
        let closed = transaction
            .execute(&close_all(stage.table), &[&cluster_id])
            .await?;
        retired.closed.push((stage.table.name.to_owned(), closed));
    }
    for statement in [
        SUPERSEDE_DEAD_LETTERS,
        DELETE_DEAD_KEYS,
        DELETE_BALANCES,
        DELETE_TABLE_SUMS,
        VOID_SWEEPS,
        APPLY_OWNERS,
    ] {
        transaction.execute(statement, &[&cluster_id]).await?;
    }
    Ok(retired)
}

/// Admits a cluster: under this name and uid it may send whatever the limits, and nobody else may take the uid. A uid that
/// somebody took first who was never admitted is its own again with its next record.
///
/// # Errors
/// [`IngestError::NotFound`] if the names are none, or the uid is admitted under another name.
pub async fn admit(
    connector: &PostgresConnector,
    (datacenter, cluster): (&str, &str),
    cluster_uid: &str,
) -> Result<(), IngestError> {
    let client = connector.connect("fleetledger-clusters").await?;
    fleetledger_schema::key::RecordSource::new(datacenter, cluster, cluster_uid)
        .map_err(|error| IngestError::NotFound(error.to_string()))?;
    let admitted = client
        .execute(ADMIT_CLUSTER, &[&cluster_uid, &datacenter, &cluster])
        .await
        .map_err(|source| IngestError::Postgres {
            action: "admit a cluster",
            source,
        })?;
    if admitted == 0 {
        return Err(IngestError::NotFound(format!(
            "cluster uid {cluster_uid} is admitted under another name; to change that name, run fleetledger \
             clusters rename"
        )));
    }
    Ok(())
}

/// Forgets a cluster that was taken in by mistake: closes everything it has, hides it, and refuses it until it is admitted.
///
/// # Errors
/// [`IngestError::NotFound`] if there is no such cluster.
pub async fn forget(connector: &PostgresConnector, cluster_uid: &str) -> Result<RetireReport, IngestError> {
    let mut client = connector.connect("fleetledger-clusters").await?;
    let transaction = client.transaction().await.map_err(forgetting)?;
    transaction
        .execute(NO_BATCH_BESIDE, &[])
        .await
        .map_err(forgetting)?;
    let row = transaction
        .query_opt(FORGET_CLUSTER, &[&cluster_uid])
        .await
        .map_err(forgetting)?;
    let Some(row) = row else {
        return Err(IngestError::NotFound(format!(
            "cluster uid {cluster_uid} not found"
        )));
    };
    let cluster_id: i32 = row.try_get(0).map_err(forgetting)?;
    let closed = close(&transaction, cluster_id).await.map_err(forgetting)?;
    transaction
        .execute(DELETE_ADMISSION, &[&cluster_uid])
        .await
        .map_err(forgetting)?;
    transaction.commit().await.map_err(forgetting)?;
    Ok(closed)
}

fn forgetting(source: tokio_postgres::Error) -> IngestError {
    IngestError::Postgres {
        action: "forget a cluster",
        source,
    }
}

/// Forgets the epoch of a cluster's emitter: its next record is taken, whatever its epoch. Returns of how many logs.
///
/// # Errors
/// [`IngestError::NotFound`] if there is no cluster of that uid.
pub async fn reset_epoch(connector: &PostgresConnector, cluster_uid: &str) -> Result<i64, IngestError> {
    let client = connector.connect("fleetledger-clusters").await?;
    let failed = |source| IngestError::Postgres {
        action: "reset the epoch of a cluster",
        source,
    };
    let row = client
        .query_opt(RESET_EPOCH, &[&cluster_uid])
        .await
        .map_err(failed)?;
    match row {
        Some(row) => row.try_get(0).map_err(failed),
        None => Err(IngestError::NotFound(format!(
            "cluster uid {cluster_uid} not found"
        ))),
    }
}

fn close_all(table: &row::LedgerTable) -> String {
    let own = table.columns.iter().map(|column| column.name);
    let names: Vec<String> = ["cluster_id"]
        .into_iter()
        .chain(own)
        .chain(table.meta.iter().copied())
        .map(|name| format!("\"{name}\""))
        .collect();
    let columns = names.join(", ");
    CLOSE_OBJECTS_TEMPLATE
        .replace("{table}", table.name)
        .replace("{columns}", &columns)
}

/// Records a new name of a cluster. Its former name's records change nothing from now on; quarantines of the new name
/// are released.
///
/// # Errors
/// [`IngestError::NotFound`] if there is no cluster of the old name, or the new name is taken.
pub async fn rename(
    connector: &PostgresConnector,
    from: (&str, &str),
    to: (&str, &str),
) -> Result<(), IngestError> {
    let mut client = connector.connect("fleetledger-clusters").await?;
    let failed = |source| IngestError::Postgres {
        action: "rename a cluster",
        source,
    };
    fleetledger_schema::key::RecordSource::new(to.0, to.1, "x")
        .map_err(|error| IngestError::NotFound(error.to_string()))?;
    let transaction = client.transaction().await.map_err(failed)?;
    transaction.execute(NO_BATCH_BESIDE, &[]).await.map_err(failed)?;
    let renamed = transaction
        .query(RENAME_CLUSTER, &[&from.0, &from.1, &to.0, &to.1])
        .await
        .map_err(failed)?;
    if renamed.is_empty() {
        return Err(IngestError::NotFound(format!(
            "cluster {}/{} not found",
            from.0, from.1
        )));
    }
    transaction.commit().await.map_err(failed)
}

const RETIRE_CLUSTER: &str = "
    update ledger.cluster set state = 'retired', retired_at = now()
    where datacenter = $1 and cluster = $2 and state = 'active' returning cluster_id";

const ADMIT_CLUSTER: &str = "
    with admitted as (
        insert into ledger.cluster_admission as a (cluster_uid, datacenter, cluster, admitted_by)
        values ($1, $2, $3, 'operator')
        on conflict (cluster_uid) do update set admitted_by = 'operator'
        where (a.datacenter, a.cluster) = (excluded.datacenter, excluded.cluster)
        returning cluster_uid
    ), released as (
        update ledger.quarantine as q set released_at = now() from admitted
        where (q.datacenter, q.cluster, q.cluster_uid) = ($2, $3, $1) and q.released_at is null
          and q.reason in ('not_admitted', 'duplicate_cluster_uid')
    )
    select from admitted";

const FORGET_CLUSTER: &str = "
    update ledger.cluster set state = 'forgotten', retired_at = now() where cluster_uid = $1 returning cluster_id";

const DELETE_ADMISSION: &str = "delete from ledger.cluster_admission where cluster_uid = $1";

const RESET_EPOCH: &str =
    "select ledger.reset_epoch(cluster_id, 'epoch reset') from ledger.cluster where cluster_uid = $1";

const RAISE_GENERATION: &str = "
    insert into ledger.kind_state as k (cluster_id, kind, generation, raised_at, raised_reason)
    values ($1, $2, 1, now(), 'retired') on conflict (cluster_id, kind) do update
    set generation = k.generation + 1, raised_at = now(), raised_reason = 'retired'";

const SUPERSEDE_DEAD_LETTERS: &str = "
    update ledger.dead_letter as l set state = 'superseded', settled_at = now() from ledger.dead_key as k
    where k.cluster_id = $1 and l.dead_letter_id = k.dead_letter_id and l.state = 'open'";

const DELETE_DEAD_KEYS: &str = "delete from ledger.dead_key where cluster_id = $1";

const DELETE_BALANCES: &str = "delete from ledger.balance where cluster_id = $1";

const DELETE_TABLE_SUMS: &str = "delete from ledger.table_sum where cluster_id = $1";

const VOID_SWEEPS: &str = "
    update ledger.sweep
    set state = 'void', void_reason = 'cluster retired'
    where cluster_id = $1 and state = 'running'";

const APPLY_OWNERS: &str = "select ledger.apply_owners(array[$1::integer], now())";

const RENAME_CLUSTER: &str = "
    with old as (
        select cluster_id, cluster_uid from ledger.cluster where datacenter = $1 and cluster = $2
        order by state, cluster_id limit 1 for update
    ), kept as (
        insert into ledger.cluster_former_name (cluster_id, datacenter, cluster, renamed_at)
        select cluster_id, $1, $2, now() from old on conflict do nothing
    ), dropped as (
        delete from ledger.cluster_former_name as f using old as o
        where f.cluster_id = o.cluster_id and f.datacenter = $3 and f.cluster = $4
    ), released as (
        update ledger.quarantine as q set released_at = now() from old as o
        where q.cluster_uid = o.cluster_uid and q.datacenter = $3 and q.cluster = $4 and q.released_at is null
    ), admitted as (
        update ledger.cluster_admission as a set datacenter = $3, cluster = $4 from old as o
        where a.cluster_uid = o.cluster_uid
    )
    update ledger.cluster as c set datacenter = $3, cluster = $4 from old as o where c.cluster_id = o.cluster_id
    returning c.cluster_id";

const CLOSE_OBJECTS_TEMPLATE: &str = "
    with gone as (delete from ledger.{table} where cluster_id = $1 returning *)
    insert into ledger.{table}_history ({columns}, valid_to, closed_reason)
    select {columns}, greatest(now(), valid_from + interval '1 microsecond'), 'cluster_retired' from gone";
