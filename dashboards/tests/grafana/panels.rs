//! Every panel runs as the reader, whatever is chosen, and gives what its kind shows.

use fleetledger_dashboards::{
    Panel,
    query::{ChosenValues, expand},
    source::PanelKind,
    variable::VARIABLES,
};
use fleetledger_schema::postgres::PostgresConnector;
use regex::Regex;
use tokio_postgres::{Client, Column, types::Type};

use crate::{
    dashboards,
    database::{ChoiceBreadth, NOBODY, filled_database, range, rows, view},
};

const NUMBERS: [Type; 6] = [
    Type::INT2,
    Type::INT4,
    Type::INT8,
    Type::FLOAT4,
    Type::FLOAT8,
    Type::NUMERIC,
];

fn is_number(column: &Column) -> bool {
    NUMBERS.contains(column.type_())
}

fn is_time(column: &Column) -> bool {
    column.name() == "time" && (*column.type_() == Type::TIMESTAMPTZ || is_number(column))
}

/// What is wrong with a panel's columns for its kind, if anything is.
fn fault(panel: &Panel, columns: &[Column]) -> Option<String> {
    let is_text = |column: &Column| *column.type_() == Type::TEXT;
    let column_texts: Vec<String> = columns
        .iter()
        .map(|column| format!("{} {}", column.name(), column.type_()))
        .collect();
    let fits = match panel.kind {
        PanelKind::Stat => matches!(columns, [value] if is_number(value)),
        PanelKind::Bars => matches!(columns, [name, value] if is_text(name) && is_number(value)),
        PanelKind::StateTimeline => matches!(columns, [time, metric, value]
            if is_time(time) && metric.name() == "metric" && is_text(metric) && is_number(value)),
        PanelKind::Timeseries => match columns {
            [time, metric, value] if metric.name() == "metric" => {
                is_time(time) && is_text(metric) && is_number(value)
            }
            [time, values @ ..] => is_time(time) && !values.is_empty() && values.iter().all(is_number),
            [] => false,
        },
        PanelKind::Table => {
            let names: Vec<&str> = columns.iter().map(Column::name).collect();
            let shown = |column: &Column| {
                is_number(column) || [Type::TEXT, Type::BOOL, Type::TIMESTAMPTZ].contains(column.type_())
            };
            names == panel.columns && columns.iter().all(shown)
        }
    };
    (!fits).then(|| format!("a {:?} cannot show {column_texts:?}", panel.kind))
}

/// Runs it and looks at what comes: how many rows.
async fn run(reader: &Client, place: &str, panel: &Panel, sql: &str) -> usize {
    let statement = reader.prepare(sql).await;
    let statement = statement.unwrap_or_else(|error| panic!("{place}: {error:?}\n{sql}"));
    if let Some(fault) = fault(panel, statement.columns()) {
        panic!("{place}: {fault}\n{sql}");
    }
    let found = rows(reader, sql).await;
    if matches!(panel.kind, PanelKind::Timeseries | PanelKind::StateTimeline) {
        let is_instant = *statement.columns()[0].type_() == Type::TIMESTAMPTZ;
        let times: Vec<&str> = found
            .iter()
            .map(|row| row.get(0).expect("every point has its time"))
            .collect();
        // Instants of one session are texts of one form.
        let sorted = if is_instant {
            times.is_sorted_by(|a, b| a.trim_end_matches("+00") <= b.trim_end_matches("+00"))
        } else {
            times.is_sorted_by_key(|time| time.parse::<f64>().unwrap() as i64)
        };
        assert!(sorted, "{place}: its points are not in the order of time\n{sql}");
        assert!(found.len() <= 20_000, "{place}: {} points", found.len());
    }
    found.len()
}

#[tokio::test]
async fn every_panel_runs_as_the_reader_whatever_is_chosen() {
    let Some(filled) = filled_database("every_panel_runs_as_the_reader_whatever_is_chosen").await else {
        return;
    };
    let reader = filled.reader().await;
    let mut empty = Vec::new();
    for (name, dashboard) in dashboards() {
        for breadth in [ChoiceBreadth::All, ChoiceBreadth::One, ChoiceBreadth::Several] {
            // The whole history once: what is chosen of it changes nothing about its length.
            let whole = (breadth == ChoiceBreadth::All).then_some("now-9d");
            for from in [Some(dashboard.from.as_str()), whole].into_iter().flatten() {
                let view = view(&reader, &dashboard, range(from), breadth).await;
                let nobody = ChosenValues::Values(vec![NOBODY.to_owned()]);
                assert!(
                    view.chosen.values().all(|chosen| *chosen != nobody),
                    "{name}: {view:?}"
                );
                for panel in dashboard.panels() {
                    let place = format!("{name}, {}, {from}, {breadth:?}", panel.title);
                    let sql = expand(&panel.raw_sql(), VARIABLES, &view);
                    let sql = sql.unwrap_or_else(|error| panic!("{place}: {error}"));
                    let found = run(&reader, &place, panel, &sql).await;
                    if breadth == ChoiceBreadth::All && from == "now-9d" && found == 0 {
                        empty.push(format!("{name}: {}", panel.title));
                    }
                }
            }
        }
    }
    // What is empty on a filled ledger was never seen to show anything; these need a fault nobody seeded.
    let may_be_empty = [
        "alerts: About to fire",
        "alerts: Rules in error",
        "alerts: Notifications not delivered",
        "cost: Cost that does not add up",
        "customer: Workloads that lack replicas",
        "customer: Budget of this month",
        "node: Conditions",
        "node: Changes",
        "pipeline: Clocks",
        "pipeline: Out of balance",
        "pipeline: Quarantine and gaps",
        "pipeline: Sweeps",
        "watchdogs: Checks that fail in several datacenters",
        "watchdogs: Snoozed and suspended",
        "watchdogs: Watchdogs that do not report",
        "workload: What was rolled out",
        "workload: Workloads that leak pods",
        "workload: Alerts",
    ];
    empty.retain(|panel| !may_be_empty.contains(&panel.as_str()));
    assert_eq!(
        empty,
        Vec::<String>::new(),
        "these show nothing on a filled ledger"
    );
}

#[test]
fn panels_read_schema_fleet_alone() {
    let named = Regex::new(r"(?i)\b(?:from|join)\s+(?:lateral\s+)?([a-z_][\w.]*)").unwrap();
    for (name, dashboard) in dashboards() {
        for panel in dashboard.panels() {
            for found in named.captures_iter(&panel.sql) {
                let read = &found[1];
                let is_own = ["lateral", "p", "generate_series"].contains(&read);
                // `extract(epoch from column)`
                let is_column = panel.sql.contains(&format!("epoch from {read}"));
                assert!(
                    read.starts_with("fleet.") || is_own || is_column,
                    "{name}, {}: reads {read}",
                    panel.title
                );
            }
            assert!(!panel.sql.contains("ledger."), "{name}, {}", panel.title);
        }
    }
}

#[tokio::test]
async fn the_customer_view_shows_a_team_itself_and_no_other_whatever_is_chosen() {
    let test = "the_customer_view_shows_a_team_itself_and_no_other_whatever_is_chosen";
    let Some(filled) = filled_database(test).await else {
        return;
    };
    let owner = filled.owner.connect("owner").await.unwrap();
    rows(&owner, "select ledger.team_grant('team-3')").await;
    let mut config = filled.owner.config().clone();
    config.user("fleetledger_team_team-3");
    let team = PostgresConnector::new(config, None)
        .connect("grafana")
        .await
        .unwrap();
    let reader = filled.reader().await;
    let all = dashboards();
    let (_, customer) = all.iter().find(|(name, _)| name == "customer").unwrap();
    let mut view = view(&team, customer, range(&customer.from), ChoiceBreadth::One).await;
    assert_eq!(
        view.chosen["one_team"],
        ChosenValues::Values(vec!["team-3".to_owned()])
    );
    let mut shown = 0;
    for panel in customer.panels() {
        let sql = expand(&panel.raw_sql(), VARIABLES, &view).unwrap();
        let own = run(&team, &panel.title, panel, &sql).await;
        assert_eq!(own, rows(&reader, &sql).await.len(), "{}", panel.title);
        shown += own;
    }
    assert!(shown > 20, "{shown}");
    let other = ChosenValues::Values(vec!["team-4".to_owned()]);
    view.chosen.insert("one_team".to_owned(), other);
    for panel in customer.panels() {
        let sql = expand(&panel.raw_sql(), VARIABLES, &view).unwrap();
        for row in rows(&team, &sql).await {
            let cells = (0..row.len()).filter_map(|column| row.get(column));
            assert_eq!(cells.collect::<Vec<_>>(), Vec::<&str>::new(), "{}", panel.title);
        }
    }
}

#[tokio::test]
async fn a_name_with_a_quote_ends_no_string() {
    let Some(filled) = filled_database("a_name_with_a_quote_ends_no_string").await else {
        return;
    };
    let reader = filled.reader().await;
    for (name, dashboard) in dashboards() {
        let mut view = view(&reader, &dashboard, range("now-1h"), ChoiceBreadth::One).await;
        for chosen in view.chosen.values_mut() {
            *chosen = ChosenValues::Values(vec!["o'hare'; select 1; --".to_owned()]);
        }
        for panel in dashboard.panels() {
            let sql = expand(&panel.raw_sql(), VARIABLES, &view).unwrap();
            run(&reader, &format!("{name}, {}", panel.title), panel, &sql).await;
        }
    }
}

/// `make grafana-check GRAFANA_POSTGRES=…`: every panel on somebody's own ledger.
#[tokio::test]
async fn every_panel_runs_on_the_ledger_that_is_named() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one who checks names the ledger by the environment"
    )]
    let named = std::env::var("FLEETLEDGER_GRAFANA_POSTGRES").unwrap_or_default();
    if named.is_empty() {
        return;
    }
    let config: tokio_postgres::Config = named
        .parse()
        .expect("FLEETLEDGER_GRAFANA_POSTGRES is a URL of PostgreSQL");
    let reader = fleetledger_schema::postgres::PostgresConnector::new(config, None)
        .connect("grafana-check")
        .await
        .unwrap_or_else(|error| panic!("connect to FLEETLEDGER_GRAFANA_POSTGRES: {}", error.source));
    for (name, dashboard) in dashboards() {
        let view = view(&reader, &dashboard, range(&dashboard.from), ChoiceBreadth::All).await;
        for panel in dashboard.panels() {
            let sql = expand(&panel.raw_sql(), VARIABLES, &view).unwrap();
            let begun = std::time::Instant::now();
            let found = run(&reader, &format!("{name}, {}", panel.title), panel, &sql).await;
            let elapsed_ms = begun.elapsed().as_millis();
            println!(
                "{elapsed_ms:6} ms  {found:5} rows  {} / {}",
                dashboard.title, panel.title
            );
        }
    }
}
