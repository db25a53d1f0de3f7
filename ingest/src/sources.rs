//! Which cluster a record's source is, and whether it is in quarantine.

use std::{
    collections::HashMap,
    time::{Duration, Instant as Moment},
};

use fleetledger_schema::key::RecordSource;
use tokio_postgres::Client;

use crate::reader::{LaneReader, StopRequested, retried};

/// A source that is not simply accepted is looked up again after this long: someone may have helped it.
const REFRESH_AFTER: Duration = Duration::from_secs(5);

/// Who a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceRegistration {
    /// The cluster of that number.
    Accepted(i32),
    /// A name the cluster no longer has: its records change nothing.
    Former,
    /// Another name holds this cluster uid: all its records are put aside.
    Duplicate,
}

#[derive(Debug)]
struct KnownSource {
    registration: SourceRegistration,
    /// Topics in quarantine; `None` stands for all.
    quarantined: Vec<Option<String>>,
    refreshed_at: Moment,
}

/// What a lane knows of sources.
#[derive(Debug, Default)]
pub(crate) struct SourceCache {
    known: HashMap<RecordSource, KnownSource>,
}

impl SourceCache {
    /// Who `source` is, and whether its records of `topic` are in quarantine. Registers a cluster never seen.
    pub(crate) async fn resolve(
        &mut self,
        reader: &mut LaneReader,
        source: &RecordSource,
        topic: &str,
    ) -> Result<(SourceRegistration, bool), StopRequested> {
        let fresh = self.known.get(source).is_some_and(|known| {
            let settled =
                matches!(known.registration, SourceRegistration::Accepted(_)) && known.quarantined.is_empty();
            settled || known.refreshed_at.elapsed() < REFRESH_AFTER
        });
        if !fresh {
            let (registration, quarantined) =
                retried!(*reader, "look up a source", client => look_up_source(client, source).await);
            let known = KnownSource {
                registration,
                quarantined,
                refreshed_at: Moment::now(),
            };
            self.known.insert(source.clone(), known);
        }
        let Some(known) = self.known.get(source) else {
            return Ok((SourceRegistration::Duplicate, true));
        };
        let quarantined = known
            .quarantined
            .iter()
            .any(|of| of.as_deref().is_none_or(|of| of == topic));
        Ok((
            known.registration,
            quarantined || known.registration == SourceRegistration::Duplicate,
        ))
    }

    /// Forgets everything: names or quarantines have changed.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }

    /// Forgets one source.
    pub(crate) fn forget(&mut self, source: &RecordSource) {
        self.known.remove(source);
    }
}

async fn look_up_source(
    client: &Client,
    source: &RecordSource,
) -> Result<(SourceRegistration, Vec<Option<String>>), tokio_postgres::Error> {
    let registration = register_source(client, source).await?;
    let rows = client
        .query(
            READ_QUARANTINE,
            &[&source.datacenter, &source.cluster, &source.cluster_uid],
        )
        .await?;
    let quarantined = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok((registration, quarantined))
}

async fn register_source(
    client: &Client,
    source: &RecordSource,
) -> Result<SourceRegistration, tokio_postgres::Error> {
    let named = [&source.datacenter, &source.cluster, &source.cluster_uid];
    client
        .execute(INSERT_CLUSTER, &[named[0], named[1], named[2]])
        .await?;
    let row = client
        .query_one(READ_CLUSTER, &[named[0], named[1], named[2]])
        .await?;
    let cluster_id: i32 = row.try_get("cluster_id")?;
    if row.try_get("accepted")? {
        if row.try_get("retired")? {
            // It speaks again: whoever retired it was mistaken, or it came back.
            tracing::warn!(%source, "a retired cluster sends records; it is active again");
            client.execute(REVIVE_CLUSTER, &[&cluster_id]).await?;
        }
        return Ok(SourceRegistration::Accepted(cluster_id));
    }
    if row.try_get("former")? {
        return Ok(SourceRegistration::Former);
    }
    let made = client
        .execute(INSERT_DUPLICATE_QUARANTINE, &[named[0], named[1], named[2]])
        .await?;
    if made > 0 {
        tracing::error!(%source, "one cluster uid under two names: the newer source is in quarantine");
    }
    Ok(SourceRegistration::Duplicate)
}

const READ_QUARANTINE: &str = "
    select topic from ledger.quarantine
    where datacenter = $1 and cluster = $2 and cluster_uid = $3 and released_at is null";

const INSERT_CLUSTER: &str = "
    insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at)
    select $1, $2, $3, now() where not exists (select from ledger.cluster where cluster_uid = $3)
    on conflict (cluster_uid) do nothing";

const READ_CLUSTER: &str = "
    select c.cluster_id, c.datacenter = $1 and c.cluster = $2 as accepted, c.state = 'retired' as retired,
        exists (select from ledger.cluster_former_name as f
            where f.cluster_id = c.cluster_id and f.datacenter = $1 and f.cluster = $2) as former
    from ledger.cluster as c where c.cluster_uid = $3";

const REVIVE_CLUSTER: &str =
    "update ledger.cluster set state = 'active', retired_at = null where cluster_id = $1";

const INSERT_DUPLICATE_QUARANTINE: &str = "
    insert into ledger.quarantine (datacenter, cluster, cluster_uid, reason, detail)
    select $1, $2, $3, 'duplicate_cluster_uid',
        'cluster uid belongs to ' || c.datacenter || '/' || c.cluster ||
        '; if the cluster was renamed run `fleetledger clusters rename`, else one of the two emitters is misconfigured'
    from ledger.cluster as c where c.cluster_uid = $3
    on conflict do nothing";
