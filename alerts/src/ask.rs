//! Stage 4: the query of a rule runs as the reader, as of its slot, and its sources are read in the same snapshot.

use std::sync::Arc;

use deadpool_postgres::Pool;
use fleetledger_paging::Labels;
use fleetledger_queries::{
    Query, Reader,
    cycle::{Known, run_alerts},
    freshness::{Freshness, SOURCE_COLUMNS, Scope},
    sources::SourceState,
};
use fleetledger_schema::instant::Instant;

use crate::{
    errors::{AlertsError, while_},
    observation::StaleSource,
    observe::{Answer, Silent},
    rules::Rule,
    store::texts,
};

/// What a rule's query answered at a slot.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Its rows, or why there are none to be had.
    pub(crate) answer: Answer,
    /// Which of the rule's sources said nothing.
    pub(crate) silent: Silent,
    /// The instant it asked about.
    pub(crate) as_of: Instant,
    /// How long the database took, in seconds.
    pub(crate) seconds: f64,
    /// How many rows there were.
    pub(crate) rows: i64,
}

impl Asked {
    /// Why it failed, if it did.
    pub(crate) fn error(&self) -> Option<&str> {
        match &self.answer {
            Answer::Error(error) => Some(error),
            Answer::Rows(_) => None,
        }
    }
}

/// Labels of the instances that are known, as rows have them.
struct KnownLabels(Vec<Labels>);

impl Known for KnownLabels {
    fn instances(&self, _: &Query) -> Vec<Labels> {
        self.0.clone()
    }
}

/// Asks. A query that fails is an answer too.
pub(crate) async fn ask(
    pool: &Pool,
    reader: &Reader,
    rule: &Rule,
    slot: Instant,
) -> Result<Asked, AlertsError> {
    let asked = ask_once(reader, rule, slot, &()).await;
    let exceeded = matches!(&asked.answer, Answer::Rows(rows) if rows.exceeded);
    if !exceeded {
        return Ok(asked);
    }
    // Seldom enough to ask twice: known instances are looked for one by one, so that those that are over resolve.
    let known = KnownLabels(known(pool, rule).await?);
    Ok(ask_once(reader, rule, slot, &known).await)
}

async fn ask_once(reader: &Reader, rule: &Rule, slot: Instant, known: &dyn Known) -> Asked {
    let runs = run_alerts(reader, &[Arc::clone(&rule.query)], slot, known).await;
    let Some(run) = runs.into_iter().next() else {
        return Asked {
            answer: Answer::Error("the query was not run".to_owned()),
            silent: Silent::default(),
            as_of: slot,
            seconds: 0.0,
            rows: 0,
        };
    };
    let alert = rule.query.alert();
    let freshness = alert.and_then(|alert| Some((alert, alert.freshness.as_ref()?)));
    let silent = freshness
        .zip(run.sources.as_ref())
        .map(|((alert, freshness), sources)| {
            let each = Freshness {
                by: SOURCE_COLUMNS.map(str::to_owned).to_vec(),
                ..freshness.clone()
            };
            // An instance that knows its source is held by that one alone.
            let scope = if alert.knows_its_source() {
                Scope::default()
            } else {
                alert.scope.clone()
            };
            silent(&sources.states(&each, &scope))
        });
    let rows = run.outcome.as_ref().map_or(0, |rows| rows.rows.len());
    Asked {
        answer: match run.outcome {
            Ok(rows) => Answer::Rows(rows),
            Err(error) => Answer::Error(error.to_string()),
        },
        silent: silent.unwrap_or_default(),
        as_of: run.as_of,
        seconds: run.took.as_secs_f64(),
        rows: i64::try_from(rows).unwrap_or(i64::MAX),
    }
}

fn silent(states: &[SourceState]) -> Silent {
    let name = |state: &SourceState| {
        let column = |name: &str| state.labels.get(name).cloned().unwrap_or_default();
        (column("datacenter"), column("cluster"))
    };
    let stale = states.iter().filter(|state| state.is_stale).map(name);
    Silent {
        stale: stale
            .map(|(datacenter, cluster)| StaleSource { datacenter, cluster })
            .collect(),
        retired: states.iter().filter(|state| state.is_retired).map(name).collect(),
    }
}

async fn known(pool: &Pool, rule: &Rule) -> Result<Vec<Labels>, AlertsError> {
    let step = "load the labels of known instances";
    let client = pool
        .get()
        .await
        .map_err(|source| AlertsError::Pool { step, source })?;
    let load = "select labels from ledger.alert_instance where rule = $1 and condition <> 'inactive'";
    let rows = client.query(load, &[&rule.id()]).await.map_err(while_(step))?;
    let columns = rule
        .query
        .alert()
        .map_or(&[][..], |alert| &alert.columns.labels[..]);
    let own = |labels: Labels| -> Labels {
        labels
            .into_iter()
            .filter(|(name, _)| columns.contains(name))
            .collect()
    };
    Ok(rows.iter().map(|row| own(texts(row.get(0)))).collect())
}
