//! `rollup:` queries: one window of time after the other fills a table.
//!
//! A window is filled once the watermark has passed its end: the instant up to which every source is known that is not
//! stale. Where a source was stale, the window is incomplete, and filled again as soon as more of it is known, as far
//! back as `lateness` says. Filling is idempotent: one transaction replaces the window's rows and says what was known.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use deadpool_postgres::Object;
use fleetledger_schema::{
    instant::Instant,
    postgres::{ConnectError, Connector},
};
use prometheus::{IntCounterVec, Opts};
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::sync::watch;
use tokio_postgres::{Client, types::Json};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::Reader,
    freshness::{Freshness, Scope},
    live::Standing,
    period::Period,
    query::Query,
    rollup::{RollupRule, RollupTable},
    rows,
    run::{Question, RunError, Session, Table},
    sources::{self, Sources},
};

/// A source that is silent for longer than this no longer holds the watermark back.
const STALE: Period = Period::from_mins(5);
/// Windows that one look at a rollup fills at most: a long history is filled over several.
const AT_ONCE: usize = 24;
/// How often the schedule is looked at.
const TICK: Duration = Duration::from_secs(1);

/// Fills rollups: reads as the reader, writes as the evaluator.
#[derive(Debug, Clone)]
pub struct Filler {
    reader: Reader,
    writer: Connector,
    windows: IntCounterVec,
}

/// Why a window was not filled.
#[derive(Debug, Error)]
pub enum FillError {
    /// Its rows could not be had.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The evaluator's connection failed.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Its rows could not be written.
    #[error("write the window of rollup {rollup} that begins at {window}")]
    Write {
        /// The rollup.
        rollup: String,
        /// Begin of the window.
        window: Instant,
        /// What PostgreSQL said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// What was filled so far could not be read.
    #[error("read the windows of rollup {rollup}")]
    Books {
        /// The rollup.
        rollup: String,
        /// What PostgreSQL said.
        #[source]
        source: tokio_postgres::Error,
    },
}

/// What stands of a rollup, as far as it matters for what is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Books {
    /// End of the newest window that was filled.
    filled_to: Option<Instant>,
    /// Begins of the windows that are incomplete, and what was known when they were filled.
    incomplete: Vec<(Instant, Instant)>,
}

/// Up to when sources are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    /// Every source.
    all: Instant,
    /// Every source that is not stale: the watermark.
    fresh: Instant,
}

impl Filler {
    /// A filler; `writer` connects as the evaluator's role.
    ///
    /// # Errors
    /// Its counter cannot be made.
    pub fn new(reader: Reader, writer: Connector) -> Result<Self, prometheus::Error> {
        let help = "Windows of rollups that were filled, by rollup and outcome (ok or error).";
        let opts = Opts::new("fleetledger_queries_rollup_windows_total", help);
        Ok(Self {
            reader,
            writer,
            windows: IntCounterVec::new(opts, &["rollup", "outcome"])?,
        })
    }

    /// Its counter, for a registry.
    #[must_use]
    pub fn counter(&self) -> IntCounterVec {
        self.windows.clone()
    }

    /// Fills every rollup at its interval until it is told to stop.
    pub async fn follow(self, standing: watch::Receiver<Standing>, stop: CancellationToken) {
        let mut slots: BTreeMap<String, Instant> = BTreeMap::new();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let catalogue = Arc::clone(&standing.borrow().catalogue);
            for (query, rule) in catalogue.rollups() {
                let now = Instant::now();
                let interval = rule.schedule.interval.micros().max(1);
                let slot = Instant(now.0 - now.0.rem_euclid(interval));
                if slots.insert(rule.rollup.clone(), slot) == Some(slot) {
                    continue;
                }
                let filled = tokio::select! {
                    () = stop.cancelled() => return,
                    filled = self.fill_due(query, now) => filled,
                };
                if let Err(error) = filled {
                    tracing::warn!(query = %query.id, "rollup was not filled: {}", crate::run::chain(&error));
                }
            }
        }
    }

    /// Fills the windows of a rollup that are due at an instant, the oldest first; how many.
    ///
    /// # Errors
    /// [`FillError`]; the windows before the one that failed stand.
    pub async fn fill_due(&self, query: &Query, now: Instant) -> Result<usize, FillError> {
        let Some(rule) = query.rollup() else { return Ok(0) };
        let mut writer = self.writer.connect("fleetledger-rollup").await?;
        let books = read_books(&writer, rule, now).await?;
        let known = self.known(query, rule, now).await?;
        let due = due(rule, &books, known, now);
        for window in &due {
            self.fill(&mut writer, query, rule, *window, now).await?;
        }
        Ok(due.len())
    }

    /// Fills every window that lies in `from..to` again, whatever stands; how many.
    ///
    /// # Errors
    /// [`FillError`]; the windows before the one that failed stand.
    pub async fn rebuild(
        &self,
        query: &Query,
        from: Instant,
        to: Instant,
        now: Instant,
    ) -> Result<usize, FillError> {
        let Some(rule) = query.rollup() else { return Ok(0) };
        let mut writer = self.writer.connect("fleetledger-rollup").await?;
        let last = rule.window_of(now);
        let mut window = rule.window_of(from);
        let mut count = 0;
        while window < to && window < last {
            self.fill(&mut writer, query, rule, window, now).await?;
            window = window.plus_micros(rule.window.micros());
            count += 1;
        }
        Ok(count)
    }

    async fn fill(
        &self,
        writer: &mut Client,
        query: &Query,
        rule: &RollupRule,
        window: Instant,
        now: Instant,
    ) -> Result<(), FillError> {
        let filled = self.read_and_write(writer, query, rule, window, now).await;
        let outcome = if filled.is_ok() { "ok" } else { "error" };
        self.windows
            .with_label_values(&[rule.rollup.as_str(), outcome])
            .inc();
        filled
    }

    async fn read_and_write(
        &self,
        writer: &mut Client,
        query: &Query,
        rule: &RollupRule,
        window: Instant,
        now: Instant,
    ) -> Result<(), FillError> {
        let end = window.plus_micros(rule.window.micros());
        let (table, sources) = self.ask(query, now, Some((window, end))).await?;
        let rows = read_rows(query, rule, &table)?;
        let known = known(rule, &sources, now);
        let written = write(writer, query, rule, window, end, known.all, &rows).await;
        written.map_err(|source| FillError::Write {
            rollup: rule.rollup.clone(),
            window,
            source,
        })
    }

    async fn known(&self, query: &Query, rule: &RollupRule, now: Instant) -> Result<Known, RunError> {
        let (_, sources) = self.ask(query, now, None).await?;
        Ok(known(rule, &sources, now))
    }

    /// The rows of a window, where one is given, and the sources in the same snapshot.
    async fn ask(
        &self,
        query: &Query,
        now: Instant,
        window: Option<(Instant, Instant)>,
    ) -> Result<(Table, Sources), RunError> {
        let question = Question {
            as_of: now,
            window,
            ..Question::default()
        };
        let of_sources = Question {
            sql: Some(sources::SQL.to_owned()),
            limit: Some(1_000_000),
            ..question.clone()
        };
        let mut client = self.reader.get().await?;
        let mut session = Session::begin(&self.reader, &mut client).await?;
        let sources = session.ask(query, &of_sources).await;
        let rows = match (&sources, window) {
            (Ok(_), Some(_)) => session.ask(query, &question).await,
            _ => Ok(Table::empty(Vec::new())),
        };
        if !session.end().await {
            drop(Object::take(client));
        }
        Ok((rows?, Sources::read(now, &sources?)))
    }
}

/// Up to when all and the fresh of a rule's sources are known. Without any source nothing is waited for.
fn known(rule: &RollupRule, sources: &Sources, now: Instant) -> Known {
    let freshness = Freshness {
        by: crate::freshness::SOURCE_COLUMNS.map(str::to_owned).to_vec(),
        max_age: STALE,
        kinds: rule.kinds.clone(),
    };
    let states = sources.states(&freshness, &Scope::default());
    let living = states.iter().filter(|state| !state.is_retired);
    let all = living.clone().map(|state| state.observed_at).min();
    let fresh = living
        .filter(|state| !state.is_stale)
        .map(|state| state.observed_at)
        .min();
    Known {
        all: all.unwrap_or(now).min(now),
        fresh: fresh.unwrap_or(now).min(now),
    }
}

/// Begins of the windows to fill now, the oldest first.
fn due(rule: &RollupRule, books: &Books, known: Known, now: Instant) -> Vec<Instant> {
    let length = rule.window.micros();
    let oldest = now.plus_micros(-rule.lateness.micros());
    let late = books
        .incomplete
        .iter()
        .filter(|(window, known_then)| known.all > *known_then && window.plus_micros(length) > oldest);
    let mut due: BTreeSet<Instant> = late.map(|(window, _)| *window).collect();
    let mut next = match books.filled_to {
        Some(to) => to,
        None => rule.window_of(now.plus_micros(-rule.history.micros())),
    };
    while next.plus_micros(length) <= known.fresh && due.len() < AT_ONCE {
        due.insert(next);
        next = next.plus_micros(length);
    }
    due.into_iter().take(AT_ONCE).collect()
}

async fn read_books(writer: &Client, rule: &RollupRule, now: Instant) -> Result<Books, FillError> {
    const FILLED: &str = "select max(window_end_at) from ledger.rollup_window where rollup = $1";
    const INCOMPLETE: &str = "select window_at, known_until from ledger.rollup_window
        where rollup = $1 and not complete and window_end_at > $2 order by window_at";
    let books = async {
        let filled_to = writer.query_one(FILLED, &[&rule.rollup]).await?.try_get(0)?;
        let oldest = now.plus_micros(-rule.lateness.micros());
        let rows = writer.query(INCOMPLETE, &[&rule.rollup, &oldest]).await?;
        let incomplete = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        Ok(Books {
            filled_to,
            incomplete: incomplete.collect::<Result<_, tokio_postgres::Error>>()?,
        })
    };
    books.await.map_err(|source| FillError::Books {
        rollup: rule.rollup.clone(),
        source,
    })
}

/// Dimensions and values of each row.
fn read_rows(query: &Query, rule: &RollupRule, table: &Table) -> Result<Vec<(Value, Value)>, RunError> {
    if table.exceeded {
        let refusal = query.refusal("limit", format!("more than {} rows in a window", query.limit));
        return Err(RunError::Refused(
            refusal.fix("group by fewer dimensions, or raise `limit`"),
        ));
    }
    let dimensions = rows::places(query, table, "columns.dimensions", &rule.dimensions)?;
    let values = rows::places(query, table, "columns.values", &rule.values)?;
    let mut seen = BTreeSet::new();
    let mut found = Vec::with_capacity(table.rows.len());
    for cells in &table.rows {
        let names = rows::texts(cells, &dimensions);
        if !seen.insert(names.clone()) {
            let what = format!(
                "two rows of one window with the dimensions {}",
                rows::show(&names)
            );
            let refusal = query.refusal("columns.dimensions", what);
            return Err(RunError::Refused(
                refusal.fix("name more columns, or group by those that are named"),
            ));
        }
        let json = |place: usize| cells.get(place).map_or(Value::Null, crate::cell::Cell::json);
        // NULL stays NULL here: a row without a namespace is not one of a namespace without a name.
        let pick = |places: &[(&str, usize)]| {
            let pairs = places
                .iter()
                .map(|(name, place)| ((*name).to_owned(), json(*place)));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        found.push((pick(&dimensions), pick(&values)));
    }
    Ok(found)
}

/// Replaces a window's rows in one transaction. Whoever read later, and so knew more, wins.
async fn write(
    writer: &mut Client,
    query: &Query,
    rule: &RollupRule,
    window: Instant,
    end: Instant,
    known_until: Instant,
    rows: &[(Value, Value)],
) -> Result<(), tokio_postgres::Error> {
    const CLAIM: &str = "
        insert into ledger.rollup_window as w
            (rollup, window_at, window_end_at, row_count, known_until, complete, version, filled_at)
        values ($1, $2, $3, $4, $5, $5::timestamptz >= $3::timestamptz, $6, now())
        on conflict (rollup, window_at) do update set
            window_end_at = excluded.window_end_at, row_count = excluded.row_count,
            known_until = excluded.known_until, complete = excluded.complete, version = excluded.version,
            filled_at = excluded.filled_at, fillings = w.fillings + 1
        where w.known_until <= excluded.known_until";
    let transaction = writer.transaction().await?;
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let claimed = transaction
        .execute(
            CLAIM,
            &[&rule.rollup, &window, &end, &count, &known_until, &query.version],
        )
        .await?;
    if claimed == 0 {
        return transaction.rollback().await;
    }
    match &rule.into {
        RollupTable::User => {
            let delete = "delete from ledger.user_rollup where rollup = $1 and window_at = $2";
            transaction.execute(delete, &[&rule.rollup, &window]).await?;
            let insert =
                "insert into ledger.user_rollup (rollup, window_at, row_number, dimensions, \"values\")
                select $1::text, $2::timestamptz, r.number::integer, r.item -> 0, r.item -> 1
                from jsonb_array_elements($3::jsonb) with ordinality as r (item, number)";
            let items: Vec<Value> = rows
                .iter()
                .map(|(names, values)| Value::Array(vec![names.clone(), values.clone()]))
                .collect();
            transaction
                .execute(insert, &[&rule.rollup, &window, &Json(items)])
                .await?;
        }
        RollupTable::Own(table) => {
            // The name was checked when the file was read: letters, digits and _.
            let delete = format!("delete from ledger.{table} where window_at = $1");
            transaction.execute(&delete, &[&window]).await?;
            let columns: Vec<&str> = rule
                .dimensions
                .iter()
                .chain(&rule.values)
                .map(String::as_str)
                .collect();
            let quoted: Vec<String> = columns
                .iter()
                .map(|name| format!("\"{}\"", name.replace('"', "\"\"")))
                .collect();
            let insert = format!(
                "insert into ledger.{table} (window_at, {0})
                 select $1::timestamptz, {0} from jsonb_populate_recordset(null::ledger.{table}, $2::jsonb)",
                quoted.join(", ")
            );
            transaction
                .execute(&insert, &[&window, &Json(flat(rows))])
                .await?;
        }
    }
    transaction.commit().await
}

/// Rows as one object each.
fn flat(rows: &[(Value, Value)]) -> Vec<Value> {
    let join = |(names, values): &(Value, Value)| {
        let pairs = [names, values].into_iter().filter_map(Value::as_object).flatten();
        Value::Object(pairs.map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    rows.iter().map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Schedule;

    const HOUR: i64 = 3_600_000_000;

    fn rule() -> RollupRule {
        RollupRule {
            rollup: "r".to_owned(),
            schedule: Schedule {
                group: "rollups".to_owned(),
                interval: Period::from_mins(1),
                query_offset: Period::ZERO,
            },
            window: Period::from_hours(1),
            into: RollupTable::User,
            dimensions: Vec::new(),
            values: Vec::new(),
            lateness: Period::from_hours(10),
            history: Period::from_hours(3),
            kinds: Vec::new(),
        }
    }

    /// Hours of the windows that are due at hour 100.5.
    fn hours(filled_to: Option<i64>, incomplete: &[(i64, i64)], all: i64, fresh: i64) -> Vec<i64> {
        let books = Books {
            filled_to: filled_to.map(|hour| Instant(hour * HOUR)),
            incomplete: incomplete
                .iter()
                .map(|(window, known)| (Instant(window * HOUR), Instant(known * HOUR)))
                .collect(),
        };
        let known = Known {
            all: Instant(all * HOUR),
            fresh: Instant(fresh * HOUR),
        };
        let now = Instant(100 * HOUR + HOUR / 2);
        due(&rule(), &books, known, now)
            .iter()
            .map(|window| window.0 / HOUR)
            .collect()
    }

    #[test]
    fn a_first_run_begins_as_far_back_as_history_says() {
        assert_eq!(hours(None, &[], 100, 100), [97, 98, 99]);
    }

    #[test]
    fn a_window_is_filled_once_the_watermark_has_passed_its_end() {
        assert_eq!(hours(Some(99), &[], 100, 100), [99]);
        assert_eq!(hours(Some(99), &[], 99, 99), [0; 0]);
        assert_eq!(hours(Some(100), &[], 100, 100), [0; 0]);
        // After a long stop the windows in between are filled, whatever `history` says.
        assert_eq!(hours(Some(90), &[], 100, 100), (90..100).collect::<Vec<_>>());
        assert_eq!(hours(Some(0), &[], 100, 100).len(), AT_ONCE);
    }

    #[test]
    fn an_incomplete_window_is_filled_again_when_more_is_known() {
        assert_eq!(hours(Some(100), &[(95, 90)], 90, 100), [0; 0]);
        assert_eq!(hours(Some(100), &[(95, 90)], 93, 100), [95]);
        assert_eq!(hours(Some(99), &[(95, 90)], 100, 100), [95, 99]);
        assert_eq!(
            hours(Some(100), &[(80, 79)], 100, 100),
            [0; 0],
            "later than `lateness`"
        );
    }
}
