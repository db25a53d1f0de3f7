//! Which cluster a record's source is, and whether it is in quarantine.

use std::{
    collections::HashMap,
    time::{Duration, Instant as Moment},
};

use fleetledger_schema::key::Source;
use tokio_postgres::Client;

use crate::reader::{Reader, Stopped, retried};

/// A source that is not simply accepted is looked up again after this long: someone may have helped it.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Who a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The cluster of that number.
    Accepted(i32),
    /// A name the cluster no longer has: its records change nothing.
    Former,
    /// Another name holds this cluster uid: all its records are put aside.
    Duplicate,
}

#[derive(Debug)]
struct Known {
    standing: Standing,
    /// Topics in quarantine; `None` stands for all.
    quarantined: Vec<Option<String>>,
    looked_up_at: Moment,
}

/// What a lane knows of sources.
#[derive(Debug, Default)]
pub(crate) struct SourceBook {
    known: HashMap<Source, Known>,
}

impl SourceBook {
    /// Who `source` is, and whether its records of `topic` are in quarantine. Registers a cluster never seen.
    pub(crate) async fn resolve(
        &mut self,
        reader: &mut Reader,
        source: &Source,
        topic: &str,
    ) -> Result<(Standing, bool), Stopped> {
        let fresh = self.known.get(source).is_some_and(|known| {
            let settled = matches!(known.standing, Standing::Accepted(_)) && known.quarantined.is_empty();
            settled || known.looked_up_at.elapsed() < LOOK_AGAIN
        });
        if !fresh {
            let (standing, quarantined) =
                retried!(*reader, "look up a source", client => look_up(client, source).await);
            let known = Known {
                standing,
                quarantined,
                looked_up_at: Moment::now(),
            };
            self.known.insert(source.clone(), known);
        }
        let Some(known) = self.known.get(source) else {
            return Ok((Standing::Duplicate, true));
        };
        let quarantined = known
            .quarantined
            .iter()
            .any(|of| of.as_deref().is_none_or(|of| of == topic));
        Ok((
            known.standing,
            quarantined || known.standing == Standing::Duplicate,
        ))
    }

    /// Forgets everything: names or quarantines have changed.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }

    /// Forgets one source.
    pub(crate) fn forget(&mut self, source: &Source) {
        self.known.remove(source);
    }
}

async fn look_up(
    client: &Client,
    source: &Source,
) -> Result<(Standing, Vec<Option<String>>), tokio_postgres::Error> {
    let standing = stand(client, source).await?;
    let rows = client
        .query(
            "select topic from ledger.quarantine
             where datacenter = $1 and cluster = $2 and cluster_uid = $3 and released_at is null",
            &[&source.datacenter, &source.cluster, &source.cluster_uid],
        )
        .await?;
    let quarantined = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok((standing, quarantined))
}

async fn stand(client: &Client, source: &Source) -> Result<Standing, tokio_postgres::Error> {
    let named = [&source.datacenter, &source.cluster, &source.cluster_uid];
    client
        .execute(
            "insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at)
             select $1, $2, $3, now() where not exists (select from ledger.cluster where cluster_uid = $3)
             on conflict (cluster_uid) do nothing",
            &[named[0], named[1], named[2]],
        )
        .await?;
    let row = client
        .query_one(
            "select c.cluster_id, c.datacenter = $1 and c.cluster = $2 as accepted, c.state = 'retired' as retired,
                 exists (select from ledger.cluster_former_name as f
                     where f.cluster_id = c.cluster_id and f.datacenter = $1 and f.cluster = $2) as former
             from ledger.cluster as c where c.cluster_uid = $3",
            &[named[0], named[1], named[2]],
        )
        .await?;
    let cluster_id: i32 = row.try_get("cluster_id")?;
    if row.try_get("accepted")? {
        if row.try_get("retired")? {
            // It speaks again: whoever retired it was mistaken, or it came back.
            tracing::warn!(%source, "a retired cluster sends records; it is active again");
            client
                .execute(
                    "update ledger.cluster set state = 'active', retired_at = null where cluster_id = $1",
                    &[&cluster_id],
                )
                .await?;
        }
        return Ok(Standing::Accepted(cluster_id));
    }
    if row.try_get("former")? {
        return Ok(Standing::Former);
    }
    let made = client
        .execute(
            "insert into ledger.quarantine (datacenter, cluster, cluster_uid, reason, detail)
             select $1, $2, $3, 'duplicate_cluster_uid',
                 'cluster uid belongs to ' || c.datacenter || '/' || c.cluster ||
                 '; if the cluster was renamed run `fleetledger clusters rename`, else one of the two emitters is misconfigured'
             from ledger.cluster as c where c.cluster_uid = $3
             on conflict do nothing",
            &[named[0], named[1], named[2]],
        )
        .await?;
    if made > 0 {
        tracing::error!(%source, "one cluster uid under two names: the newer source is in quarantine");
    }
    Ok(Standing::Duplicate)
}
