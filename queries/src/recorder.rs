//! `record:` queries on their schedule, and the Prometheus series they give between two evaluations.
//!
//! A scrape runs no query: it shows what the last evaluation of each metric gave, for as long as `staleness` says.
//! A query that fails leaves its series as they are until then.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fleetledger_schema::instant::Instant;
use prometheus::{
    IntCounterVec, Opts,
    core::{Collector, Desc},
    proto::{Gauge, LabelPair, Metric, MetricFamily, MetricType as ProtoType},
};
use tokio::{
    sync::{mpsc::UnboundedSender, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    catalogue::QueryGroup,
    connection::ReaderPool,
    cycle::{self, QueryRun},
    live::CurrentQueries,
    query::{QueryId, StoredQuery},
    record::{MetricType, RecordRule, RecordValues},
    rows::{self, InstanceLabels},
    run::{ResultTable, RunError},
    sources::SourceSnapshot,
};

/// How often the schedule is looked at.
const TICK: Duration = Duration::from_millis(500);
/// Groups that are evaluated at a time; each takes a connection.
pub const AT_ONCE: usize = 2;

/// Evaluates metrics and shows them; clones share their series. Register one with a Prometheus registry.
#[derive(Debug, Clone)]
pub struct MetricRecorder {
    reader: ReaderPool,
    runs: IntCounterVec,
    recorded: Arc<Mutex<BTreeMap<QueryId, RecordedSeries>>>,
    listener: Option<UnboundedSender<EvaluationReport>>,
}

/// One evaluation of one metric, for whoever keeps a book of them.
#[derive(Debug, Clone)]
pub struct EvaluationReport {
    /// The metric.
    pub query: Arc<StoredQuery>,
    /// The slot.
    pub slot: Instant,
    /// The instant it asked about.
    pub as_of: Instant,
    /// How long the database took, in seconds.
    pub seconds: f64,
    /// How many samples there were, or why there are none to be had.
    pub outcome: Result<usize, String>,
}

/// What the last evaluation of a metric gave.
#[derive(Debug)]
struct RecordedSeries {
    rule: Arc<RecordRule>,
    samples: Vec<MetricSample>,
    /// When the series are shown no longer.
    until: Instant,
}

/// One row: labels, and a number for each value column.
#[derive(Debug, Clone, PartialEq)]
struct MetricSample {
    labels: InstanceLabels,
    values: Vec<Option<f64>>,
}

impl MetricRecorder {
    /// A recorder that has evaluated nothing yet.
    ///
    /// # Errors
    /// Its own counter cannot be made.
    pub fn new(reader: ReaderPool) -> Result<Self, prometheus::Error> {
        let help = "Evaluations of metrics, by query and outcome (ok or error).";
        let opts = Opts::new("fleetledger_queries_record_runs_total", help);
        Ok(Self {
            reader,
            runs: IntCounterVec::new(opts, &["query", "outcome"])?,
            recorded: Arc::default(),
            listener: None,
        })
    }

    /// The same, telling of every evaluation.
    #[must_use]
    pub fn with_listener(mut self, listener: UnboundedSender<EvaluationReport>) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Evaluates every group of metrics at its slots until it is told to stop. A slot that is over while its group
    /// still runs, or waits for others, is left out.
    pub async fn follow(self, current: watch::Receiver<CurrentQueries>, stop: CancellationToken) {
        let mut slots: BTreeMap<String, Instant> = BTreeMap::new();
        let mut running: JoinSet<String> = JoinSet::new();
        let mut busy: Vec<String> = Vec::new();
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(ended) = running.join_next() => {
                    if let Ok(name) = ended {
                        busy.retain(|group| *group != name);
                    }
                }
                _ = ticks.tick() => {
                    let catalogue = Arc::clone(&current.borrow().catalogue);
                    self.forget(&catalogue.records().map(|(query, _)| query.id.clone()).collect::<Vec<_>>());
                    for group in catalogue.record_groups() {
                        let slot = slot_of(&group, Instant::now());
                        let is_done = slots.get(&group.name) == Some(&slot);
                        if is_done || busy.len() >= AT_ONCE || busy.contains(&group.name) {
                            continue;
                        }
                        slots.insert(group.name.clone(), slot);
                        busy.push(group.name.clone());
                        let recorder = self.clone();
                        running.spawn(async move {
                            recorder.evaluate(&group, slot).await;
                            group.name
                        });
                    }
                }
            }
        }
    }

    /// Evaluates one group at one slot.
    pub async fn evaluate(&self, group: &QueryGroup, slot: Instant) {
        for run in cycle::run_group(&self.reader, &group.queries, slot, &()).await {
            let Some(rule) = run.query.record().map(Arc::clone) else {
                continue;
            };
            let query = Arc::clone(&run.query);
            let (id, as_of, seconds) = (query.id.clone(), run.as_of, run.took.as_secs_f64());
            let samples = samples(&rule, run);
            self.send_to_listener(EvaluationReport {
                query,
                slot,
                as_of,
                seconds,
                outcome: samples.as_ref().map(Vec::len).map_err(ToString::to_string),
            });
            match samples {
                Ok(samples) => {
                    self.count(&id, "ok");
                    let until = slot.plus_micros(rule.staleness.micros());
                    self.lock().insert(id, RecordedSeries { rule, samples, until });
                }
                Err(error) => {
                    self.count(&id, "error");
                    // Who evaluates tells of a database that is away, once.
                    if error.is_database_away() {
                        tracing::debug!(query = %id, "a metric could not be evaluated: {error}");
                    } else {
                        tracing::warn!(query = %id, "a metric could not be evaluated: {error}");
                    }
                }
            }
        }
    }

    /// The series as of an instant, by name.
    #[must_use]
    pub fn families(&self, now: Instant) -> Vec<MetricFamily> {
        let recorded = self.lock();
        let fresh = recorded.values().filter(|recorded| now < recorded.until);
        fresh.flat_map(families).collect()
    }

    fn send_to_listener(&self, evaluated: EvaluationReport) {
        if let Some(listener) = &self.listener {
            // Nobody listens any more: the process ends.
            drop(listener.send(evaluated));
        }
    }

    fn forget(&self, known: &[QueryId]) {
        self.lock().retain(|id, _| known.contains(id));
    }

    fn count(&self, id: &QueryId, outcome: &str) {
        self.runs.with_label_values(&[id.as_str(), outcome]).inc();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<QueryId, RecordedSeries>> {
        // What it guards is replaced as a whole: a panic elsewhere leaves it usable.
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for MetricRecorder {
    /// The series come and go with files, so only its own counter is described.
    fn desc(&self) -> Vec<&Desc> {
        self.runs.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.runs.collect();
        families.extend(self.families(Instant::now()));
        families
    }
}

/// The slot an instant lies in: multiples of the interval since 1970.
fn slot_of(group: &QueryGroup, now: Instant) -> Instant {
    let interval = group.interval.micros().max(1);
    Instant(now.0 - now.0.rem_euclid(interval))
}

fn samples(rule: &RecordRule, run: QueryRun<ResultTable>) -> Result<Vec<MetricSample>, RunError> {
    let table = run.outcome?;
    let query = &run.query;
    if table.exceeded {
        let refusal = query.refusal("limit", format!("more than {} rows", query.limit));
        return Err(RunError::Refused(
            refusal.fix("group by fewer labels, or raise `limit`"),
        ));
    }
    let labels = rows::column_positions(query, &table, "columns.labels", &rule.labels)?;
    let values = rows::column_positions(query, &table, "columns.value", rule.values.columns())?;
    let mut found: BTreeMap<InstanceLabels, Vec<Option<f64>>> = BTreeMap::new();
    for cells in &table.rows {
        let labels = rows::texts(cells, &labels);
        let numbers = values.iter().map(|(_, place)| cells.get(*place)?.number());
        if let Some(sources) = &run.sources
            && is_stale(rule, sources, &labels)
        {
            continue;
        }
        if found.insert(labels.clone(), numbers.collect()).is_some() {
            return Err(duplicate_labels_error(query, &labels));
        }
    }
    let sample = |(labels, values)| MetricSample { labels, values };
    Ok(found.into_iter().map(sample).collect())
}

fn duplicate_labels_error(query: &StoredQuery, labels: &InstanceLabels) -> RunError {
    let what = format!("two rows with the labels {}", rows::show(labels));
    let refusal = query.refusal("columns.labels", what);
    RunError::Refused(refusal.fix("add identifying columns, or group by those that are named"))
}

/// True for a series whose source is silent: its last number is not shown as if it were today's.
fn is_stale(rule: &RecordRule, sources: &SourceSnapshot, labels: &InstanceLabels) -> bool {
    let source = rule
        .freshness
        .as_ref()
        .and_then(|freshness| sources.of(freshness, labels));
    source.is_some_and(|source| source.is_stale)
}

fn families(recorded: &RecordedSeries) -> Vec<MetricFamily> {
    let rule = &recorded.rule;
    let family = |(place, column): (usize, &String)| {
        let mut family = MetricFamily::default();
        family.set_name(match rule.values {
            RecordValues::One(_) => rule.record.clone(),
            RecordValues::Several(_) => format!("{}_{column}", rule.record),
        });
        family.set_help(rule.help.clone());
        family.set_field_type(match rule.metric_type {
            MetricType::Gauge => ProtoType::GAUGE,
            MetricType::Counter => ProtoType::COUNTER,
        });
        let metric = |sample: &MetricSample| {
            let value = sample.values.get(place).copied().flatten()?;
            Some(metric(rule.metric_type, &sample.labels, value))
        };
        family.set_metric(recorded.samples.iter().filter_map(metric).collect());
        family
    };
    let families = rule.values.columns().iter().enumerate().map(family);
    // Prometheus' encoder refuses a family without a sample.
    families
        .filter(|family| !family.get_metric().is_empty())
        .collect()
}

fn metric(metric_type: MetricType, labels: &InstanceLabels, value: f64) -> Metric {
    let pair = |(name, value): (&String, &String)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.clone());
        pair.set_value(value.clone());
        pair
    };
    let mut metric = Metric::from_label(labels.iter().map(pair).collect());
    match metric_type {
        MetricType::Gauge => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        MetricType::Counter => {
            let mut counter = prometheus::proto::Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        }
    }
    metric
}
