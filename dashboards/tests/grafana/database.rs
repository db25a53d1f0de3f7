//! One filled database for all tests of this binary.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use fleetledger_dashboards::{
    Dashboard,
    query::{ChosenValues, DashboardView, expand},
    variable::{VARIABLES, VariableArity},
};
use fleetledger_local::{ArtifactCache, postgres::LocalPostgres, skip::unless_available};
use fleetledger_schema::postgres::{PostgresConnector, migrate};
use jiff::{Timestamp, ToSpan};
use tokio::sync::Mutex;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

const FLEET: &str = include_str!("../../testdata/fleet.sql");
const INCIDENTS: &str = include_str!("../../testdata/incidents.sql");
/// Chosen where a variable has no value.
pub(crate) const NOBODY: &str = "-";
static SHARED: Mutex<Weak<FilledDatabase>> = Mutex::const_new(Weak::new());

/// A server with a fleet of 2,400 pods, ten days of history and the nine incidents.
pub(crate) struct FilledDatabase {
    pub(crate) postgres: LocalPostgres,
    pub(crate) owner: PostgresConnector,
}

/// Filled by whichever test comes first; `None` where there is no PostgreSQL.
pub(crate) async fn filled_database(test: &str) -> Option<Arc<FilledDatabase>> {
    let mut shared = SHARED.lock().await;
    if let Some(filled) = shared.upgrade() {
        return Some(filled);
    }
    let server = LocalPostgres::builder()
        .temporary()
        .fast()
        .start(&ArtifactCache::new(ArtifactCache::default_root()))
        .await;
    let postgres = unless_available(test, server).unwrap()?;
    postgres.create_database("ledger").await.unwrap();
    let owner = PostgresConnector::new(postgres.url_of("ledger").parse().unwrap(), None);
    migrate(&owner, |_| {}).await.unwrap();
    let client = owner.connect("fill").await.unwrap();
    let sizes = [
        ("{pods}", "2400"),
        ("{clusters}", "6"),
        ("{days}", "10"),
        ("{versions}", "2"),
    ];
    let fleet = sizes
        .into_iter()
        .fold(FLEET.to_owned(), |text, (name, value)| text.replace(name, value));
    for sql in [fleet.as_str(), INCIDENTS, "analyze"] {
        client
            .batch_execute(sql)
            .await
            .unwrap_or_else(|error| panic!("{error:?}"));
    }
    let filled = Arc::new(FilledDatabase { postgres, owner });
    *shared = Arc::downgrade(&filled);
    Some(filled)
}

impl FilledDatabase {
    /// A session of the reader's role, as Grafana's data source has.
    pub(crate) async fn reader(&self) -> Client {
        let mut config = self.owner.config().clone();
        config.user("fleetledger_reader");
        PostgresConnector::new(config, None)
            .connect("grafana")
            .await
            .unwrap()
    }
}

/// A range that ends now.
pub(crate) fn range(from: &str) -> (Timestamp, Timestamp) {
    let now = Timestamp::now();
    let length = from.strip_prefix("now-").unwrap();
    let (number, unit) = length.split_at(length.len() - 1);
    let number: i64 = number.parse().unwrap();
    let hours = match unit {
        "h" => number,
        "d" => number * 24,
        _ => panic!("{from}"),
    };
    (now.checked_sub(hours.hours()).unwrap(), now)
}

/// How much of each variable a viewer chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChoiceBreadth {
    One,
    Several,
    All,
}

/// The view of somebody who opens a dashboard: values are asked for as Grafana does, one variable after the other.
pub(crate) async fn view(
    reader: &Client,
    dashboard: &Dashboard,
    range: (Timestamp, Timestamp),
    breadth: ChoiceBreadth,
) -> DashboardView {
    let range_ms = range.1.as_millisecond() - range.0.as_millisecond();
    let mut view = DashboardView {
        from: range.0,
        to: range.1,
        // As Grafana rounds what a panel of at most 360 points needs, up to a whole minute.
        interval_ms: (range_ms / 360 / 60_000 + 1) * 60_000,
        chosen: BTreeMap::new(),
    };
    for variable in dashboard.variables() {
        let sql = expand(variable.sql, VARIABLES, &view).unwrap();
        let found = rows(reader, &sql).await;
        let mut values: Vec<String> = found
            .iter()
            .filter_map(|row| row.get(0).map(str::to_owned))
            .collect();
        // The last ones: the first is the datacenter of which nothing is heard.
        values.reverse();
        let chosen = match (variable.choice, breadth) {
            (VariableArity::Many { .. }, ChoiceBreadth::All) => ChosenValues::All,
            (VariableArity::Many { .. }, ChoiceBreadth::Several) => {
                ChosenValues::Values(values.into_iter().take(2).collect())
            }
            _ => ChosenValues::Values(values.into_iter().take(1).collect()),
        };
        // A ledger where nobody owns anything has no team to choose.
        let chosen = match chosen {
            ChosenValues::Values(values) if values.is_empty() => {
                ChosenValues::Values(vec![NOBODY.to_owned()])
            }
            chosen => chosen,
        };
        view.chosen.insert(variable.name.to_owned(), chosen);
    }
    view
}

/// The rows of a query, as texts.
pub(crate) async fn rows(client: &Client, sql: &str) -> Vec<SimpleQueryRow> {
    let messages = client.simple_query(sql).await;
    let messages = messages.unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.collect()
}
