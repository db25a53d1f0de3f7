//! A connection that a rule is planned on, and what it answers slot by slot.

use std::collections::BTreeMap;

use fleetledger_alerts::observation::StaleSource;
use fleetledger_queries::alert::AlertRule;
use fleetledger_schema::postgres::PostgresConnector;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Client;

use super::{BacktestError, BacktestStrategy, history_copy, history_copy::HistoryCopy};
use crate::database::{ResultRow, error_message, results};
use crate::replay::TestedRule;

/// Slots of one round trip.
pub(super) const SLOTS_AT_ONCE: usize = 256;

/// What the slots say that were asked about.
pub(super) type SlotResults = BTreeMap<Timestamp, SlotResult>;

/// What one slot says.
#[derive(Debug, Clone)]
pub(super) struct SlotResult {
    pub(super) rows: Result<Vec<ResultRow>, String>,
    pub(super) stale: Vec<StaleSource>,
}

/// A connection with the rule planned on it.
pub(super) struct BacktestSession {
    client: Client,
    /// Copies of history; `None` where the login may not make any.
    history_copy: Option<HistoryCopy>,
    stale: Option<StaleSourceQuery>,
    offset: SignedDuration,
}

impl BacktestSession {
    /// Connects, and makes ready to ask about any slot from `first` to `last`.
    pub(super) async fn open(
        connector: &PostgresConnector,
        rule: &TestedRule,
        way: BacktestStrategy,
        (first, last): (Timestamp, Timestamp),
    ) -> Result<Self, BacktestError> {
        let client = connector.connect("rules backtest").await?;
        let broken = |error: tokio_postgres::Error| BacktestError::Broken(error_message(&error));
        let timeout = rule.query.timeout.as_ms();
        let schema = match way {
            BacktestStrategy::Live => "fleet",
            BacktestStrategy::Quick | BacktestStrategy::Plain => "fleet_asof",
        };
        let set = format!(
            "set search_path = {schema}; set jit = off; set statement_timeout = {timeout};
             set max_parallel_workers_per_gather = 0"
        );
        client.batch_execute(&set).await.map_err(broken)?;
        let may_copy =
            way == BacktestStrategy::Quick && history_copy::prepare(&client).await.map_err(broken)?;
        let read_only = client.batch_execute("set default_transaction_read_only = on");
        read_only.await.map_err(broken)?;
        let prepare = format!("prepare rule as {}", rule.query.sql);
        let planned = client.batch_execute(&prepare).await;
        planned.map_err(|error| BacktestError::Refused {
            file: rule.query.path.display().to_string(),
            said: error_message(&error),
        })?;
        let stale = StaleSourceQuery::of(&rule.alert);
        if let Some(stale) = &stale {
            let prepare = format!("prepare stale as {}", stale.at_one());
            client.batch_execute(&prepare).await.map_err(broken)?;
        }
        let offset = rule.alert.schedule.query_offset.duration();
        let mut asker = Self {
            client,
            history_copy: None,
            stale,
            offset: SignedDuration::try_from(offset).unwrap_or_default(),
        };
        if may_copy {
            let kept = HistoryCopy::of(&asker.client, "rule");
            let kept = kept.await.map_err(broken)?;
            let copied = kept.copy_range(&asker.client, asker.as_of(&first), asker.as_of(&last));
            copied.await.map_err(broken)?;
            if let Some(stale) = &asker.stale {
                let (from, to) = (asker.as_of(&first), asker.as_of(&last));
                let found = history_copy::find_stale(&asker.client, stale.max_age_ms, from, to);
                found.await.map_err(broken)?;
            }
            asker.history_copy = Some(kept);
        }
        Ok(asker)
    }

    /// Asks about slots, in order, within those it was opened for.
    pub(super) async fn query_slots(&self, slots: &[Timestamp]) -> Result<SlotResults, BacktestError> {
        let mut all = SlotResults::new();
        for some in slots.chunks(SLOTS_AT_ONCE) {
            if let (Some(kept), Some(first), Some(last)) = (&self.history_copy, some.first(), some.last()) {
                let sliced = kept.slice(&self.client, self.as_of(first), self.as_of(last));
                sliced
                    .await
                    .map_err(|error| BacktestError::Broken(error_message(&error)))?;
            }
            all.extend(some.iter().copied().zip(self.query_batch(some).await?));
        }
        Ok(all)
    }

    fn as_of(&self, slot: &Timestamp) -> Timestamp {
        slot.checked_sub(self.offset).unwrap_or(*slot)
    }

    /// Asks in one round trip; where a slot fails, each by itself.
    async fn query_batch(&self, slots: &[Timestamp]) -> Result<Vec<SlotResult>, BacktestError> {
        match self.try_query_batch(slots).await {
            Ok(answers) => Ok(answers),
            Err(error) if error.as_db_error().is_none() => Err(BacktestError::Broken(error_message(&error))),
            Err(error) if slots.len() == 1 => Ok(vec![SlotResult {
                rows: Err(error_message(&error)),
                stale: Vec::new(),
            }]),
            Err(_) => {
                let mut answers = Vec::new();
                for slot in slots {
                    answers.extend(Box::pin(self.query_batch(std::slice::from_ref(slot))).await?);
                }
                Ok(answers)
            }
        }
    }

    async fn try_query_batch(&self, slots: &[Timestamp]) -> Result<Vec<SlotResult>, tokio_postgres::Error> {
        let instants: Vec<Timestamp> = slots.iter().map(|slot| self.as_of(slot)).collect();
        let mut script = String::new();
        for at in &instants {
            if self.history_copy.is_some() {
                script += &HistoryCopy::set_instant(*at);
            }
            script += &format!("set fleet.as_of = '{at}'; execute rule;\n");
        }
        match &self.stale {
            Some(stale) if self.history_copy.is_some() => script += &stale.at_all(&instants),
            Some(_) => {
                for at in &instants {
                    script += &format!("set fleet.as_of = '{at}'; execute stale;\n");
                }
            }
            None => {}
        }
        let mut lists = results(self.client.simple_query(&script).await?);
        let stale = lists.split_off(slots.len().min(lists.len()));
        let stale: Vec<Vec<StaleSource>> = match &self.stale {
            Some(_) if self.history_copy.is_some() => by_instant(&instants, &stale),
            Some(_) => stale
                .iter()
                .map(|rows| rows.iter().map(source).collect())
                .collect(),
            None => vec![Vec::new(); slots.len()],
        };
        let answers = lists.into_iter().zip(stale);
        Ok(answers
            .map(|(rows, stale)| SlotResult {
                rows: Ok(rows),
                stale,
            })
            .collect())
    }
}

/// Which sources a rule waits for.
struct StaleSourceQuery {
    kinds: String,
    max_age_ms: u64,
}

impl StaleSourceQuery {
    /// `None` for a rule that does not mind.
    fn of(alert: &AlertRule) -> Option<Self> {
        let freshness = alert.freshness.as_ref()?;
        let kinds: Vec<String> = freshness.kinds.iter().map(|kind| format!("'{kind}'")).collect();
        Some(Self {
            kinds: if kinds.is_empty() {
                // What counts where nothing is named: every kind of object.
                format!("and k.kind <> '{}'", fleetledger_queries::freshness::USAGE)
            } else {
                format!("and k.kind in ({})", kinds.join(", "))
            },
            max_age_ms: freshness.max_age.as_ms(),
        })
    }

    /// Asks which were stale at the instant that is asked about.
    fn at_one(&self) -> String {
        format!(
            "select datacenter, cluster from freshness as k where not retired {}
             group by datacenter, cluster having min(observed_at) < as_of() - interval '{} ms'",
            self.kinds, self.max_age_ms
        )
    }

    fn at_all(&self, instants: &[Timestamp]) -> String {
        history_copy::stale_at(instants, &self.kinds)
    }
}

/// The rows of [`history_copy::stale_at`], instant by instant.
fn by_instant(instants: &[Timestamp], lists: &[Vec<ResultRow>]) -> Vec<Vec<StaleSource>> {
    let mut found = vec![Vec::new(); instants.len()];
    for row in lists.iter().flatten() {
        let number = row.get("number").and_then(Option::as_deref);
        let number = number.and_then(|number| number.parse::<usize>().ok());
        if let Some(of_instant) = number.and_then(|number| found.get_mut(number)) {
            of_instant.push(source(row));
        }
    }
    found
}

fn source(row: &ResultRow) -> StaleSource {
    let text = |name: &str| row.get(name).cloned().flatten().unwrap_or_default();
    StaleSource {
        datacenter: text("datacenter"),
        cluster: text("cluster"),
    }
}
