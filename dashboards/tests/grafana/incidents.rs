//! Nine incidents, each in a panel of the dashboard that somebody opens first.

use fleetledger_dashboards::{
    query::{ChosenValues, expand},
    variable::VARIABLES,
};

use crate::{
    dashboards,
    database::{ChoiceBreadth, filled_database, range, rows, view},
};

/// What to see where.
struct ExpectedIncident {
    what: &'static str,
    dashboard: &'static str,
    panel: &'static str,
    /// What the viewer chose beside all; links of other dashboards choose it for them.
    chosen: &'static [(&'static str, &'static str)],
    /// Columns of one of the rows, as texts.
    row: &'static [(&'static str, &'static str)],
}

const INCIDENTS: [ExpectedIncident; 9] = [
    ExpectedIncident {
        what: "a datacenter is stale",
        dashboard: "fleet",
        panel: "Silent clusters",
        chosen: &[],
        row: &[("datacenter", "ams"), ("cluster", "edge-2"), ("state", "stale")],
    },
    ExpectedIncident {
        what: "a node flaps",
        dashboard: "datacenter",
        panel: "Flapping nodes",
        chosen: &[("datacenter", "iad")],
        row: &[
            ("cluster", "prod-1"),
            ("node", "prod-1-node-1"),
            ("transitions", "9"),
        ],
    },
    ExpectedIncident {
        what: "one image crashes across datacenters",
        dashboard: "fleet",
        panel: "Images that fail in several datacenters",
        chosen: &[],
        row: &[
            ("image", "registry.example.com/broken:2.0"),
            ("datacenters", "3"),
            ("clusters", "6"),
            ("containers", "60"),
        ],
    },
    ExpectedIncident {
        what: "a workload leaks pods",
        dashboard: "workload",
        panel: "Workloads that leak pods",
        chosen: &[("one_namespace", "app-3")],
        row: &[
            ("cluster", "prod-2"),
            ("workload", "service-3"),
            ("desired", "10"),
            ("pods", "40"),
            ("new_pods", "31"),
        ],
    },
    ExpectedIncident {
        what: "an alert is snoozed",
        dashboard: "alerts",
        panel: "Snoozed",
        chosen: &[],
        row: &[
            ("alertname", "NodeFlapping"),
            ("node", "prod-1-node-1"),
            ("created_by", "ada"),
            ("reason", "disk is being replaced"),
        ],
    },
    ExpectedIncident {
        what: "a team is over budget",
        dashboard: "cost",
        panel: "Budgets",
        chosen: &[],
        row: &[("team", "team-3"), ("budget", "0.5"), ("currency", "USD")],
    },
    ExpectedIncident {
        what: "machines stand idle",
        dashboard: "cost",
        panel: "Idle capacity",
        chosen: &[],
        row: &[("cluster", "prod-2"), ("resource", "cpu")],
    },
    ExpectedIncident {
        what: "records cannot land",
        dashboard: "pipeline",
        panel: "Newest dead letters",
        chosen: &[],
        row: &[
            ("state", "open"),
            ("reason", "unknown_schema"),
            ("cluster", "prod-3"),
            ("kind", "pod"),
        ],
    },
    ExpectedIncident {
        what: "a watchdog fails",
        dashboard: "watchdogs",
        panel: "Failing watchdogs",
        chosen: &[],
        row: &[
            ("watchdog", "check-5"),
            ("cluster", "prod-2"),
            ("state", "firing"),
            ("nodes_failing", "3"),
            ("message", "dns: no answer in 2 s"),
        ],
    },
];

#[tokio::test]
async fn nine_incidents_are_seen_where_an_engineer_begins() {
    let Some(filled) = filled_database("nine_incidents_are_seen_where_somebody_looks_first").await else {
        return;
    };
    let reader = filled.reader().await;
    let dashboards = dashboards();
    for incident in &INCIDENTS {
        let (_, dashboard) = dashboards
            .iter()
            .find(|(name, _)| name == incident.dashboard)
            .unwrap();
        let panel = dashboard
            .panels()
            .filter(|panel| panel.title == incident.panel)
            .find(|panel| !panel.columns.is_empty());
        let panel = panel.unwrap_or_else(|| panic!("{}: no table {}", incident.dashboard, incident.panel));
        let mut view = view(&reader, dashboard, range(&dashboard.from), ChoiceBreadth::All).await;
        for (variable, value) in incident.chosen {
            let value = ChosenValues::Values(vec![(*value).to_owned()]);
            view.chosen.insert((*variable).to_owned(), value);
        }
        let sql = expand(&panel.raw_sql(), VARIABLES, &view).unwrap();
        let found = rows(&reader, &sql).await;
        let shown: Vec<Vec<(&str, Option<&str>)>> = found
            .iter()
            .map(|row| {
                panel
                    .columns
                    .iter()
                    .enumerate()
                    .map(|(at, name)| (name.as_str(), row.get(at)))
                    .collect()
            })
            .collect();
        let place = shown.iter().position(|row| {
            incident
                .row
                .iter()
                .all(|(name, value)| row.contains(&(name, Some(value))))
        });
        let Some(place) = place else {
            panic!(
                "{}: not in {} / {}: {shown:#?}",
                incident.what, incident.dashboard, incident.panel
            );
        };
        assert!(
            place < 10,
            "{}: only row {place} of {}",
            incident.what,
            incident.panel
        );
        println!(
            "{}: {} / {}, row {}",
            incident.what,
            dashboard.title,
            panel.title,
            place + 1
        );
    }
}

#[tokio::test]
async fn who_is_over_budget_and_what_is_idle_comes_first() {
    let Some(filled) = filled_database("who_is_over_budget_and_what_is_idle_stands_first").await else {
        return;
    };
    let reader = filled.reader().await;
    let dashboards = dashboards();
    let (_, cost) = dashboards.iter().find(|(name, _)| name == "cost").unwrap();
    let view = view(&reader, cost, range(&cost.from), ChoiceBreadth::All).await;
    let first = |title: &'static str| {
        let panel = cost.panels().find(|panel| panel.title == title).unwrap();
        expand(&panel.raw_sql(), VARIABLES, &view).unwrap()
    };
    let budgets = rows(&reader, &first("Budgets")).await;
    assert_eq!(budgets[0].get("team"), Some("team-3"));
    assert!(budgets[0].get("spent_percent").unwrap().parse::<f64>().unwrap() > 100.0);
    let idle = rows(&reader, &first("Idle capacity")).await;
    assert_eq!(idle[0].get("cluster"), Some("prod-2"));
    assert!(idle[0].get("idle_percent").unwrap().parse::<f64>().unwrap() > 60.0);
}
