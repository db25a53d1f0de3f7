//! Which panels of which dashboards show something of a demo that has just begun.

use std::collections::BTreeMap;

use fleetledger_dashboards::{
    Dashboard, folder, load,
    query::{ChosenValues, DashboardView, expand},
    variable::{VARIABLES, VariableArity},
};
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{Client, SimpleQueryMessage};

/// Values of variables that take one, by which the story is looked at; of others the first is.
const CHOSEN: [(&str, &str); 2] = [("one_namespace", "checkout"), ("one_team", "checkout")];

/// Panels that show nothing, by `dashboard: title`.
pub(crate) async fn empty_panels(reader: &Client) -> Vec<String> {
    let mut empty = Vec::new();
    for (name, dashboard) in load(folder()).unwrap() {
        let view = view(reader, &dashboard).await;
        for panel in dashboard.panels() {
            let sql = expand(&panel.raw_sql(), VARIABLES, &view).unwrap();
            if first_column(reader, &sql).await.is_empty() {
                empty.push(format!("{name}: {}", panel.title));
            }
        }
    }
    empty
}

/// All of it within two hours; of what takes one value, the story's.
async fn view(reader: &Client, dashboard: &Dashboard) -> DashboardView {
    let now = Timestamp::now();
    let mut view = DashboardView {
        from: now - SignedDuration::from_hours(2),
        to: now,
        interval_ms: 60_000,
        chosen: BTreeMap::new(),
    };
    for variable in dashboard.variables() {
        let sql = expand(variable.sql, VARIABLES, &view).unwrap();
        let values: Vec<String> = first_column(reader, &sql).await.into_iter().flatten().collect();
        let wanted = CHOSEN.iter().find(|(name, _)| *name == variable.name);
        let wanted = wanted.map(|(_, value)| (*value).to_owned());
        let one = wanted
            .filter(|wanted| values.contains(wanted))
            .or_else(|| values.first().cloned());
        let chosen = match variable.choice {
            VariableArity::Many { .. } => ChosenValues::All,
            VariableArity::One => ChosenValues::Values(vec![
                one.unwrap_or_else(|| panic!("{} has no value", variable.name)),
            ]),
        };
        view.chosen.insert(variable.name.to_owned(), chosen);
    }
    view
}

/// The first cell of each row.
pub(crate) async fn first_column(reader: &Client, sql: &str) -> Vec<Option<String>> {
    let messages = reader.simple_query(sql).await;
    let messages = messages.unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
    let cells = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
        _ => None,
    });
    cells.collect()
}
