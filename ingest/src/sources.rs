//! Which cluster a record's source is, and whether it is in quarantine.

use std::{
    collections::HashMap,
    time::{Duration, Instant as Moment},
};

use fleetledger_schema::key::RecordSource;
use tokio_postgres::Client;

use crate::{
    IngestSettings,
    origin::InternedSource,
    reader::{LaneReader, StopRequested, retried},
    settings::AdmissionPolicy,
};

/// A source that is not simply accepted is looked up again after this long: someone may have helped it.
const REFRESH_AFTER: Duration = Duration::from_secs(5);

/// Sources that are remembered at most; names are cheap to invent.
const REMEMBERED: usize = 10_000;

/// Who a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceRegistration {
    /// The cluster of that number.
    Accepted(i32),
    /// A name the cluster no longer has: its records change nothing.
    Former,
    /// Another name holds this cluster uid: all its records are put aside.
    Duplicate,
    /// A cluster that may not send yet, or under the name of another: all its records are put aside.
    NotAdmitted,
}

#[derive(Debug)]
struct KnownSource {
    registration: SourceRegistration,
    /// It was admitted, or has been known for a day: it is hardly invented.
    is_established: bool,
    /// Topics in quarantine; `None` stands for all.
    quarantined: Vec<Option<String>>,
    refreshed_at: Moment,
}

/// Which new clusters are taken in.
#[derive(Debug, Clone, Copy)]
struct AdmissionRule {
    is_listed: bool,
    hourly_limit: i32,
}

/// What a lane knows of sources.
#[derive(Debug)]
pub(crate) struct SourceCache {
    admission: AdmissionRule,
    known: HashMap<RecordSource, KnownSource>,
}

impl SourceCache {
    pub(crate) fn new(settings: &IngestSettings) -> Self {
        Self {
            admission: AdmissionRule {
                is_listed: settings.admission == AdmissionPolicy::Listed,
                hourly_limit: i32::try_from(settings.admission_per_hour).unwrap_or(i32::MAX),
            },
            known: HashMap::new(),
        }
    }

    /// Who `source` is, and whether its records of `topic` are in quarantine. Registers a cluster never seen.
    pub(crate) async fn resolve(
        &mut self,
        reader: &mut LaneReader,
        source: &InternedSource,
        topic: &str,
    ) -> Result<(SourceRegistration, bool), StopRequested> {
        let fresh = self.known.get(&**source).is_some_and(|known| {
            let settled =
                matches!(known.registration, SourceRegistration::Accepted(_)) && known.quarantined.is_empty();
            settled || known.refreshed_at.elapsed() < REFRESH_AFTER
        });
        if !fresh {
            let admission = self.admission;
            let known = retried!(*reader, "look up a source", client => look_up_source(client, source, admission).await);
            if matches!(known.registration, SourceRegistration::Accepted(_)) {
                // Whoever had the uid until now has it no more.
                self.known
                    .retain(|other, _| other.cluster_uid != source.cluster_uid);
            }
            if self.known.len() >= REMEMBERED {
                self.known.clear();
            }
            self.known.insert((**source).clone(), known);
        }
        let Some(known) = self.known.get(&**source) else {
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

    /// True if a source is hardly invented.
    pub(crate) fn is_established(&self, source: &RecordSource) -> bool {
        self.known.get(source).is_some_and(|known| known.is_established)
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
    source: &InternedSource,
    admission: AdmissionRule,
) -> Result<KnownSource, tokio_postgres::Error> {
    let (registration, is_established) = register_source(client, source, admission).await?;
    let rows = client
        .query(
            READ_QUARANTINE,
            &[&source.datacenter, &source.cluster, &source.cluster_uid],
        )
        .await?;
    let quarantined = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(KnownSource {
        registration,
        is_established,
        quarantined,
        refreshed_at: Moment::now(),
    })
}

async fn register_source(
    client: &Client,
    source: &InternedSource,
    admission: AdmissionRule,
) -> Result<(SourceRegistration, bool), tokio_postgres::Error> {
    let row = client
        .query_one(
            REGISTER_SOURCE,
            &[
                &source.datacenter,
                &source.cluster,
                &source.cluster_uid,
                &source.is_signed(),
                &admission.is_listed,
                &admission.hourly_limit,
            ],
        )
        .await?;
    let registration = match row.try_get("registration")? {
        "accepted" => SourceRegistration::Accepted(row.try_get("own_id")?),
        "former" => SourceRegistration::Former,
        "duplicate" => SourceRegistration::Duplicate,
        _ => SourceRegistration::NotAdmitted,
    };
    if matches!(
        registration,
        SourceRegistration::Duplicate | SourceRegistration::NotAdmitted
    ) {
        tracing::warn!(%source, ?registration, "a source may not send; its records become dead letters");
    }
    Ok((registration, row.try_get("is_established")?))
}

const REGISTER_SOURCE: &str = "
    select registration, own_id, is_established from ledger.register_source($1, $2, $3, $4, $5, $6)";

const READ_QUARANTINE: &str = "
    select topic from ledger.quarantine
    where datacenter = $1 and cluster = $2 and cluster_uid = $3 and reason = 'poisoned' and released_at is null";
