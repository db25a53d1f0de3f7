//! One evaluation of a group of queries: files → rows, all as of one slot and of one snapshot.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use deadpool_postgres::Object;
use fleetledger_schema::instant::Instant;

use crate::{
    alert::AlertRule,
    connection::ReaderPool,
    query::StoredQuery,
    rows::{self, AlertResultSet, InstanceLabels},
    run::{QueryInvocation, ResultTable, RunError, SessionAttempts, SnapshotSession},
    sources::{self, SourceSnapshot},
};

/// What one query of a group gave.
#[derive(Debug)]
pub struct QueryRun<T> {
    /// The query.
    pub query: Arc<StoredQuery>,
    /// The instant it was asked as of: the slot less its `query_offset`.
    pub as_of: Instant,
    /// How fresh the sources were in the same snapshot; `None` if that could not be read, and then `outcome` is an error.
    pub sources: Option<Arc<SourceSnapshot>>,
    /// Its rows, or why there is no answer.
    pub outcome: Result<T, RunError>,
    /// How long the database took for it.
    pub took: Duration,
}

/// Instances that are known already, by query: where a query exceeds its limit, they are looked for one by one.
pub trait KnownInstances: Sync {
    /// Labels (as [`rows::Row::labels`]) of the instances of this query; `None` if that was not looked up.
    fn instances(&self, query: &StoredQuery) -> Option<Vec<InstanceLabels>>;
}

/// Nothing was looked up: a query that exceeds its limit says so, and gives no rows.
impl KnownInstances for () {
    fn instances(&self, _: &StoredQuery) -> Option<Vec<InstanceLabels>> {
        None
    }
}

impl<T> QueryRun<T> {
    /// The same, with what `read` makes of its rows.
    fn read<U>(self, read: impl FnOnce(&StoredQuery, T) -> Result<U, RunError>) -> QueryRun<U> {
        QueryRun {
            outcome: self.outcome.and_then(|answer| read(&self.query, answer)),
            query: self.query,
            as_of: self.as_of,
            sources: self.sources,
            took: self.took,
        }
    }
}

/// Evaluates the alerts of one group at one slot, in the order given. Each has its outcome: what fails for one
/// changes nothing for the others.
pub async fn run_alerts(
    reader: &ReaderPool,
    queries: &[Arc<StoredQuery>],
    slot: Instant,
    known: &dyn KnownInstances,
) -> Vec<QueryRun<AlertResultSet>> {
    let runs = run_group(reader, queries, slot, known).await;
    let read = |run: QueryRun<ResultTable>| {
        run.read(|query, table| match query.alert() {
            Some(rule) => rows::read(query, rule, &table),
            None => Err(RunError::Refused(query.refusal("", "it is not an alert"))),
        })
    };
    runs.into_iter().map(read).collect()
}

/// Evaluates a group at one slot.
pub(crate) async fn run_group(
    reader: &ReaderPool,
    queries: &[Arc<StoredQuery>],
    slot: Instant,
    known: &dyn KnownInstances,
) -> Vec<QueryRun<ResultTable>> {
    let failed = |error: RunError| {
        let failed = |query: &Arc<StoredQuery>| QueryRun {
            query: Arc::clone(query),
            as_of: question(query, slot).as_of,
            sources: None,
            outcome: Err(error.clone()),
            took: Duration::ZERO,
        };
        queries.iter().map(failed).collect()
    };
    let mut attempts = SessionAttempts::new();
    loop {
        let runs = run_in_session(reader, queries, slot, known, attempts.is_again()).await;
        let runs = runs.unwrap_or_else(failed);
        let is_lost = |run: &QueryRun<ResultTable>| matches!(run.outcome, Err(RunError::SessionLost(_)));
        if !runs.iter().any(is_lost) || !attempts.may_try_again() {
            return runs;
        }
    }
}

async fn run_in_session(
    reader: &ReaderPool,
    queries: &[Arc<StoredQuery>],
    slot: Instant,
    known: &dyn KnownInstances,
    is_again: bool,
) -> Result<Vec<QueryRun<ResultTable>>, RunError> {
    let mut client = reader.get().await?;
    let mut session = SnapshotSession::begin(reader, &mut client, is_again).await?;
    let mut cache = SnapshotCache::new();
    let mut runs = Vec::with_capacity(queries.len());
    for query in queries {
        runs.push(run_one(&mut session, query, slot, &mut cache, known).await);
    }
    if !session.end().await {
        drop(Object::take(client));
    }
    Ok(runs)
}

/// Sources as they stood in the snapshot, by instant and schema.
type SnapshotCache = BTreeMap<(Instant, bool), Arc<SourceSnapshot>>;

async fn run_one(
    session: &mut SnapshotSession<'_>,
    query: &Arc<StoredQuery>,
    slot: Instant,
    cache: &mut SnapshotCache,
    known: &dyn KnownInstances,
) -> QueryRun<ResultTable> {
    let question = question(query, slot);
    let sources = read_sources(session, query, &question, cache).await;
    let mut run = QueryRun {
        query: Arc::clone(query),
        as_of: question.as_of,
        sources: sources.as_ref().ok().map(Arc::clone),
        outcome: Err(RunError::Unavailable(String::new())),
        took: Duration::ZERO,
    };
    run.outcome = match sources {
        Ok(_) => session.ask(query, &question).await,
        Err(error) => Err(error),
    };
    if let Ok(table) = &run.outcome {
        run.took = table.took;
        if let Some(rule) = query.alert().filter(|_| table.exceeded) {
            run.outcome = within_limit(session, query, rule, &question, known, table.clone()).await;
        }
    }
    run
}

/// More rows than the limit: known instances go on, and what room they leave is the first new ones', by their labels.
async fn within_limit(
    session: &mut SnapshotSession<'_>,
    query: &StoredQuery,
    rule: &AlertRule,
    question: &QueryInvocation,
    known: &dyn KnownInstances,
    all: ResultTable,
) -> Result<ResultTable, RunError> {
    let instances = known.instances(query).filter(|_| !rule.columns.labels.is_empty());
    let Some(instances) = instances else {
        return Ok(ResultTable {
            rows: Vec::new(),
            ..all
        });
    };
    // What its columns are was not looked at yet: the restricted queries name them.
    let has_status = rows::read(query, rule, &all)?.has_status;
    let mut table = ResultTable {
        rows: Vec::new(),
        ..all
    };
    let (among, others) = rows::restricted(query, rule, &instances, has_status);
    if !instances.is_empty() {
        let question = QueryInvocation {
            limit: u32::try_from(instances.len()).ok(),
            ..among.of(question)
        };
        table = table.with(session.ask(query, &question).await?);
    }
    let taken = u32::try_from(table.rows.len()).unwrap_or(u32::MAX);
    if taken < query.limit {
        let question = QueryInvocation {
            limit: Some(query.limit - taken),
            ..others.of(question)
        };
        table = table.with(session.ask(query, &question).await?);
    }
    table.exceeded = true;
    Ok(table)
}

/// Which instant a query is about at a slot.
pub(crate) fn question(query: &StoredQuery, slot: Instant) -> QueryInvocation {
    let offset = query
        .schedule()
        .map_or(0, |schedule| schedule.query_offset.micros());
    QueryInvocation {
        as_of: slot.plus_micros(-offset),
        is_past: offset != 0,
        ..QueryInvocation::default()
    }
}

async fn read_sources(
    session: &mut SnapshotSession<'_>,
    query: &StoredQuery,
    question: &QueryInvocation,
    cache: &mut SnapshotCache,
) -> Result<Arc<SourceSnapshot>, RunError> {
    let key = (question.as_of, question.is_past);
    if let Some(sources) = cache.get(&key) {
        return Ok(Arc::clone(sources));
    }
    let question = QueryInvocation {
        sql: Some(sources::READ_FRESHNESS.to_owned()),
        limit: Some(1_000_000),
        ..question.clone()
    };
    let table = session.ask(query, &question).await?;
    let sources = Arc::new(SourceSnapshot::read(question.as_of, &table));
    cache.insert(key, Arc::clone(&sources));
    Ok(sources)
}
