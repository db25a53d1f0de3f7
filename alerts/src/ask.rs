//! Stage 4: the query of a rule runs as the reader, as of its slot, and its sources are read in the same snapshot.

use std::sync::Arc;

use deadpool_postgres::Pool;
use fleetledger_paging::LabelSet;
use fleetledger_queries::{
    ReaderPool, RunError, StoredQuery,
    cycle::{KnownInstances, run_alerts},
    freshness::{FreshnessRequirement, SOURCE_COLUMNS, SourceScope},
    sources::SourceState,
};
use fleetledger_schema::instant::Instant;

use crate::{
    errors::{AlertsError, while_},
    observation::StaleSource,
    observe::{QueryOutcome, SilentSources},
    rules::ScheduledRule,
    store::texts,
};

/// What a rule's query answered at a slot.
#[derive(Debug)]
pub(crate) struct SlotQueryResult {
    /// Its rows, or why there are none to be had.
    pub(crate) outcome: QueryOutcome,
    /// Which of the rule's sources said nothing.
    pub(crate) silent_sources: SilentSources,
    /// The instant it asked about.
    pub(crate) as_of: Instant,
    /// How long the database took, in seconds.
    pub(crate) seconds: f64,
    /// How many rows there were.
    pub(crate) rows: i64,
}

impl SlotQueryResult {
    /// Why it failed, if it did.
    pub(crate) fn error(&self) -> Option<&str> {
        match &self.outcome {
            QueryOutcome::Error(error) => Some(error),
            QueryOutcome::Rows(_) => None,
        }
    }
}

/// Labels of the instances that are known, as rows have them.
struct KnownLabels(Vec<LabelSet>);

impl KnownInstances for KnownLabels {
    fn instances(&self, _: &StoredQuery) -> Option<Vec<LabelSet>> {
        Some(self.0.clone())
    }
}

/// Asks. A query that fails is an answer too; one whose sessions were lost is asked again while its slot lasts.
pub(crate) async fn run_rule_query(
    pool: &Pool,
    reader: &ReaderPool,
    rule: &ScheduledRule,
    slot: Instant,
) -> Result<SlotQueryResult, AlertsError> {
    let asked = run_query_once(reader, rule, slot, &()).await?;
    let exceeded = matches!(&asked.outcome, QueryOutcome::Rows(rows) if rows.exceeded);
    if !exceeded {
        return Ok(asked);
    }
    // Seldom enough to ask twice: known instances are looked for one by one, so that those that are over resolve.
    let known = KnownLabels(load_known_labels(pool, rule).await?);
    run_query_once(reader, rule, slot, &known).await
}

async fn run_query_once(
    reader: &ReaderPool,
    rule: &ScheduledRule,
    slot: Instant,
    known: &dyn KnownInstances,
) -> Result<SlotQueryResult, AlertsError> {
    let runs = run_alerts(reader, &[Arc::clone(&rule.query)], slot, known).await;
    let Some(run) = runs.into_iter().next() else {
        return Err(AlertsError::Rules("the query was not run".to_owned()));
    };
    let alert = rule.query.alert();
    let freshness = alert.and_then(|alert| Some((alert, alert.freshness.as_ref()?)));
    let silent = freshness
        .zip(run.sources.as_ref())
        .map(|((alert, freshness), sources)| {
            let each = FreshnessRequirement {
                by: SOURCE_COLUMNS.map(str::to_owned).to_vec(),
                ..freshness.clone()
            };
            // An instance that knows its source is held by that one alone.
            let scope = if alert.knows_its_source() {
                SourceScope::default()
            } else {
                alert.scope.clone()
            };
            silent_sources(&sources.states(&each, &scope))
        });
    let rows = run.outcome.as_ref().map_or(0, |rows| rows.rows.len());
    Ok(SlotQueryResult {
        outcome: match run.outcome {
            Ok(rows) => QueryOutcome::Rows(rows),
            Err(error @ RunError::SessionLost(_)) => return Err(AlertsError::SessionLost(error.to_string())),
            Err(error) => QueryOutcome::Error(error.to_string()),
        },
        silent_sources: silent.unwrap_or_default(),
        as_of: run.as_of,
        seconds: run.took.as_secs_f64(),
        rows: i64::try_from(rows).unwrap_or(i64::MAX),
    })
}

fn silent_sources(states: &[SourceState]) -> SilentSources {
    let name = |state: &SourceState| {
        let column = |name: &str| state.labels.get(name).cloned().unwrap_or_default();
        (column("datacenter"), column("cluster"))
    };
    let stale = states.iter().filter(|state| state.is_stale).map(name);
    SilentSources {
        stale: stale
            .map(|(datacenter, cluster)| StaleSource { datacenter, cluster })
            .collect(),
        retired: states.iter().filter(|state| state.is_retired).map(name).collect(),
    }
}

async fn load_known_labels(pool: &Pool, rule: &ScheduledRule) -> Result<Vec<LabelSet>, AlertsError> {
    let step = "load the labels of known instances";
    let client = pool
        .get()
        .await
        .map_err(|source| AlertsError::Pool { step, source })?;
    let rows = client
        .query(READ_OPEN_LABELS, &[&rule.id()])
        .await
        .map_err(while_(step))?;
    let columns = rule
        .query
        .alert()
        .map_or(&[][..], |alert| &alert.columns.labels[..]);
    let own = |labels: LabelSet| -> LabelSet {
        labels
            .into_iter()
            .filter(|(name, _)| columns.contains(name))
            .collect()
    };
    Ok(rows.iter().map(|row| own(texts(row.get(0)))).collect())
}

const READ_OPEN_LABELS: &str =
    "select labels from ledger.alert_instance where rule = $1 and condition <> 'inactive'";
