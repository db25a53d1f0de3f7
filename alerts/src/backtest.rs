//! A rule over history: how often it would have paged.
//!
//! The rule's own SQL runs on schema `fleet_asof` at the slots of a stretch of time, on several connections, and the
//! state machine that pages people is played over its rows. Where `for` is longer than an interval, slots are first
//! looked at that far apart: whatever would fire is there at one of them. The stretch between two of them is looked at
//! slot by slot unless both are empty, so that the answer is the same as if every slot had been. What history holds for
//! the slots of one round trip is copied first ([`slice`]), where the login may do that.

mod slice;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleetledger_paging::{
    Condition, Instance, Labels, NotifyKind, NotifyReason, Surroundings, Told, decide, step,
};
use fleetledger_queries::Query;
use fleetledger_schema::postgres::{ConnectError, Connector};
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::observation::{Seen, StaleSource, observe};
use crate::test::database::{ResultRow, results, said};
use crate::test::replay::Rule;

/// Slots of one round trip.
const SLOTS_AT_ONCE: usize = 256;
/// Who is told where the rule names nobody.
const AS_ROUTED: &str = "as routed";

/// What a backtest is about.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// The first slot that counts.
    pub from: Timestamp,
    /// The end, exclusive.
    pub to: Timestamp,
    /// Connections that work at once.
    pub connections: usize,
}

/// What would have happened.
#[derive(Debug, Default)]
pub struct Backtest {
    /// Slots of the stretch.
    pub slots: usize,
    /// Those whose rows were asked for; the others lie between two empty ones.
    pub asked: usize,
    /// Slots whose query failed, with the first message.
    pub failed: usize,
    /// The first message.
    pub failure: Option<String>,
    /// Episodes, in the order of their begin.
    pub episodes: Vec<Episode>,
    /// Notifications by receiver.
    pub receivers: BTreeMap<String, Count>,
}

/// An alert that would have fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    /// Its labels.
    pub labels: Labels,
    /// When it would have fired.
    pub from: Timestamp,
    /// When it would have been resolved; `None` if it still fired at the end.
    pub to: Option<Timestamp>,
}

/// How often a receiver would have been told what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// New episodes.
    pub new: usize,
    /// Reminders.
    pub repeated: usize,
    /// Ends.
    pub resolved: usize,
}

/// Why a backtest cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// It is no alert.
    #[error("{0}: it is no alert")]
    NoAlert(String),
    /// The database cannot be reached.
    #[error("connect to the database")]
    Connect(#[from] ConnectError),
    /// The rule's SQL cannot run at a past instant.
    #[error("{file}: {said}; a backtest runs on schema fleet_asof, and books without history are not there")]
    Refused {
        /// Its file.
        file: String,
        /// What PostgreSQL says.
        said: String,
    },
    /// The connection broke.
    #[error("ask the database: {0}")]
    Broken(String),
}

/// Plays a rule over a stretch of history.
///
/// # Errors
/// See [`BacktestError`]; a slot whose query fails is counted and holds what fires, as it would live.
pub async fn backtest(
    connector: &Connector,
    query: &Arc<Query>,
    stretch: &Stretch,
) -> Result<Backtest, BacktestError> {
    let rule =
        Rule::of(query, None).ok_or_else(|| BacktestError::NoAlert(query.path.display().to_string()))?;
    let slots = slots(stretch, rule.timing.interval);
    let mut askers = Vec::new();
    for _ in 0..stretch.connections.max(1) {
        askers.push(Asker::open(connector, &rule).await?);
    }
    let coarse = coarse(&slots, &rule);
    let (mut answers, askers) = ask(askers, coarse.clone()).await?;
    let between = between(&slots, &coarse, &answers, &rule);
    let (more, _) = ask(askers, between).await?;
    answers.extend(more);
    Ok(play(&rule, &slots, &answers))
}

/// Multiples of the interval within the stretch, as the evaluator has them.
fn slots(stretch: &Stretch, interval: Duration) -> Vec<Timestamp> {
    let interval = i64::try_from(interval.as_secs()).unwrap_or(60).max(1);
    let first = (stretch.from.as_second() + interval - 1).div_euclid(interval);
    let mut slots = Vec::new();
    let mut number = first;
    while let Ok(slot) = Timestamp::from_second(number * interval) {
        if slot >= stretch.to {
            break;
        }
        slots.push(slot);
        number += 1;
    }
    slots
}

/// The slots that are looked at first: as far apart as `for` is long, the first and the last of them.
fn coarse(slots: &[Timestamp], rule: &Rule) -> Vec<Timestamp> {
    let stride = rule.timing.for_.as_secs() / rule.timing.interval.as_secs().max(1);
    let stride = usize::try_from(stride).unwrap_or(1).max(1);
    let mut coarse: Vec<Timestamp> = slots.iter().step_by(stride).copied().collect();
    coarse.extend(slots.last().filter(|last| coarse.last() != Some(*last)));
    coarse
}

/// The slots between two looked at, unless both are empty and nothing is recovering.
fn between(slots: &[Timestamp], coarse: &[Timestamp], answers: &Answers, rule: &Rule) -> Vec<Timestamp> {
    let keep = SignedDuration::try_from(rule.timing.keep_firing_for).unwrap_or(SignedDuration::MAX);
    let is_empty = |slot: &Timestamp| {
        answers
            .get(slot)
            .is_some_and(|answer| answer.rows.as_ref().is_ok_and(Vec::is_empty))
    };
    let mut busy_until = Timestamp::MIN;
    let mut wanted = Vec::new();
    for pair in coarse.windows(2) {
        let [left, right] = pair else { continue };
        if !is_empty(left) {
            busy_until = left.checked_add(keep).unwrap_or(Timestamp::MAX);
        }
        if is_empty(left) && is_empty(right) && *left >= busy_until {
            continue;
        }
        let first = slots.partition_point(|slot| slot <= left);
        let last = slots.partition_point(|slot| slot < right);
        wanted.extend(slots.get(first..last).unwrap_or_default());
        if !is_empty(right) {
            busy_until = right.checked_add(keep).unwrap_or(Timestamp::MAX);
        }
    }
    wanted
}

type Answers = BTreeMap<Timestamp, Answer>;

/// What one slot says.
#[derive(Debug, Clone)]
struct Answer {
    rows: Result<Vec<ResultRow>, String>,
    stale: Vec<StaleSource>,
}

/// A connection with the rule planned on it.
struct Asker {
    client: Client,
    /// Tables whose history is copied for each round trip; `None` where the login may not.
    slices: Option<Vec<&'static str>>,
    has_freshness: bool,
    offset: SignedDuration,
}

impl Asker {
    async fn open(connector: &Connector, rule: &Rule) -> Result<Self, BacktestError> {
        let client = connector.connect("rules backtest").await?;
        let broken = |error: tokio_postgres::Error| BacktestError::Broken(said(&error));
        let timeout = rule.query.timeout.millis();
        let set = format!(
            "set search_path = fleet_asof; set jit = off; set statement_timeout = {timeout};
             set max_parallel_workers_per_gather = 0"
        );
        client.batch_execute(&set).await.map_err(broken)?;
        let may_copy = slice::prepare(&client).await.map_err(broken)?;
        let read_only = client
            .batch_execute("set default_transaction_read_only = on")
            .await;
        read_only.map_err(broken)?;
        let planned = client
            .batch_execute(&format!("prepare rule as {}", rule.query.sql))
            .await;
        planned.map_err(|error| BacktestError::Refused {
            file: rule.query.path.display().to_string(),
            said: said(&error),
        })?;
        if let Some(freshness) = &rule.alert.freshness {
            let kinds: Vec<String> = freshness.kinds.iter().map(|kind| format!("'{kind}'")).collect();
            let kinds = if kinds.is_empty() {
                // What counts where nothing is named: every kind of object.
                format!("and kind <> '{}'", fleetledger_queries::freshness::USAGE)
            } else {
                format!("and kind in ({})", kinds.join(", "))
            };
            let plan = format!(
                "prepare stale as select datacenter, cluster from freshness where not retired {kinds}
                 group by datacenter, cluster having min(observed_at) < as_of() - interval '{} ms'",
                freshness.max_age.millis()
            );
            client.batch_execute(&plan).await.map_err(broken)?;
        }
        let offset =
            SignedDuration::try_from(rule.alert.schedule.query_offset.duration()).unwrap_or_default();
        let slices = if may_copy {
            Some(slice::used(&client, "rule").await.map_err(broken)?)
        } else {
            None
        };
        Ok(Self {
            client,
            slices,
            has_freshness: rule.alert.freshness.is_some(),
            offset,
        })
    }

    /// Asks about some slots in one round trip; where one of them fails, each by itself.
    async fn ask(&self, slots: &[Timestamp]) -> Result<Vec<Answer>, BacktestError> {
        match self.try_ask(slots).await {
            Ok(answers) => Ok(answers),
            Err(error) if error.as_db_error().is_none() => Err(BacktestError::Broken(said(&error))),
            Err(error) if slots.len() == 1 => Ok(vec![Answer {
                rows: Err(said(&error)),
                stale: Vec::new(),
            }]),
            Err(_) => {
                let mut answers = Vec::new();
                for slot in slots {
                    answers.extend(Box::pin(self.ask(std::slice::from_ref(slot))).await?);
                }
                Ok(answers)
            }
        }
    }

    async fn try_ask(&self, slots: &[Timestamp]) -> Result<Vec<Answer>, tokio_postgres::Error> {
        if let (Some(tables), Some(first), Some(last)) = (&self.slices, slots.first(), slots.last()) {
            let at = |slot: &Timestamp| slot.checked_sub(self.offset).unwrap_or(*slot);
            slice::fill(&self.client, tables, at(first), at(last)).await?;
        }
        let mut script = String::new();
        for slot in slots {
            let at = slot.checked_sub(self.offset).unwrap_or(*slot);
            script += &format!("set fleet.as_of = '{at}'; execute rule;\n");
            if self.has_freshness {
                script += "execute stale;\n";
            }
        }
        let mut lists = results(self.client.simple_query(&script).await?).into_iter();
        let mut answers = Vec::new();
        while let Some(rows) = lists.next() {
            let stale = if self.has_freshness {
                lists.next().unwrap_or_default()
            } else {
                Vec::new()
            };
            answers.push(Answer {
                rows: Ok(rows),
                stale: stale.iter().map(source).collect(),
            });
        }
        Ok(answers)
    }
}

fn source(row: &ResultRow) -> StaleSource {
    let text = |name: &str| row.get(name).cloned().flatten().unwrap_or_default();
    StaleSource {
        datacenter: text("datacenter"),
        cluster: text("cluster"),
    }
}

/// Shares the slots among the connections.
async fn ask(askers: Vec<Asker>, slots: Vec<Timestamp>) -> Result<(Answers, Vec<Asker>), BacktestError> {
    let chunks: VecDeque<Vec<Timestamp>> = slots.chunks(SLOTS_AT_ONCE).map(<[Timestamp]>::to_vec).collect();
    let chunks = Arc::new(Mutex::new(chunks));
    let mut tasks = JoinSet::new();
    for asker in askers {
        let chunks = Arc::clone(&chunks);
        tasks.spawn(async move {
            let mut answers = Answers::new();
            loop {
                let next = chunks.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(chunk) = next else { break };
                let found = asker.ask(&chunk).await?;
                answers.extend(chunk.into_iter().zip(found));
            }
            Ok::<_, BacktestError>((answers, asker))
        });
    }
    let mut all = Answers::new();
    let mut idle = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (answers, asker) = done.map_err(|error| BacktestError::Broken(error.to_string()))??;
        all.extend(answers);
        idle.push(asker);
    }
    Ok((all, idle))
}

#[derive(Default)]
struct Open {
    instance: Instance,
    told: BTreeMap<String, Told>,
    episode: Option<usize>,
}

/// Plays the state machine over all slots; those that were not asked are empty.
fn play(rule: &Rule, slots: &[Timestamp], answers: &Answers) -> Backtest {
    let receivers: BTreeSet<String> = if rule.alert.receivers.is_empty() {
        BTreeSet::from([AS_ROUTED.to_owned()])
    } else {
        rule.alert.receivers.iter().cloned().collect()
    };
    let mut out = Backtest {
        slots: slots.len(),
        asked: answers.len(),
        receivers: receivers
            .iter()
            .map(|receiver| (receiver.clone(), Count::default()))
            .collect(),
        ..Backtest::default()
    };
    let empty = Answer {
        rows: Ok(Vec::new()),
        stale: Vec::new(),
    };
    let mut instances: BTreeMap<Labels, Open> = BTreeMap::new();
    for slot in slots {
        let answer = answers.get(slot).unwrap_or(&empty);
        let seen = answer
            .rows
            .as_ref()
            .map(|rows| rows.iter().map(|row| rule.read(row)).collect::<Vec<Seen>>());
        if let Err(error) = &seen {
            out.failed += 1;
            out.failure.get_or_insert_with(|| (*error).clone());
        }
        let seen = seen.as_ref().map(Vec::as_slice).map_err(|error| error.as_str());
        let observed = observe(
            &rule.alert,
            rule.query.limit,
            seen,
            instances.keys(),
            &answer.stale,
        );
        for (labels, observation) in observed {
            let open = instances.entry(labels.clone()).or_default();
            step(&mut open.instance, &rule.timing, *slot, observation);
            note_episode(&mut out.episodes, open, &labels, *slot);
            for receiver in &receivers {
                let told = open.told.entry(receiver.clone()).or_default();
                let decision = decide(
                    &mut open.instance,
                    told,
                    &rule.timing,
                    *slot,
                    &Surroundings::default(),
                );
                let counts = out.receivers.entry(receiver.clone()).or_default();
                for notify in decision.notify {
                    match (notify.kind, notify.reason) {
                        (NotifyKind::Trigger, NotifyReason::Repeat) => counts.repeated += 1,
                        (NotifyKind::Trigger, _) => counts.new += 1,
                        (NotifyKind::Resolve, _) => counts.resolved += 1,
                        (NotifyKind::Acknowledge, _) => {}
                    }
                }
            }
        }
        // A cool-down and a late resolve still need what is over; what never fired does not.
        instances.retain(|_, open| open.instance.condition != Condition::Inactive);
    }
    out
}

fn note_episode(episodes: &mut Vec<Episode>, open: &mut Open, labels: &Labels, slot: Timestamp) {
    match (open.instance.condition.is_open(), open.episode) {
        (true, None) => {
            open.episode = Some(episodes.len());
            episodes.push(Episode {
                labels: labels.clone(),
                from: slot,
                to: None,
            });
        }
        (false, Some(index)) => {
            if let Some(episode) = episodes.get_mut(index) {
                episode.to = Some(slot);
            }
            open.episode = None;
        }
        _ => {}
    }
}
