//! What can be said of a dashboard without seeing it: nothing overlaps, everything is explained, links lead somewhere.

use std::collections::{BTreeMap, BTreeSet};

use fleetledger_dashboards::json;
use serde_json::Value;

use crate::dashboards;

fn all() -> Vec<(String, Value)> {
    let made = dashboards();
    made.iter()
        .map(|(name, dashboard)| (name.clone(), json::dashboard(dashboard).unwrap()))
        .collect()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

#[test]
fn panels_lie_side_by_side_within_the_grid() {
    for (name, dashboard) in all() {
        let panels = dashboard["panels"].as_array().unwrap();
        let mut taken = BTreeMap::new();
        let mut ids = BTreeSet::new();
        for panel in panels {
            let (title, place) = (&panel["title"], &panel["gridPos"]);
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| number(&place[key]));
            assert!(
                x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= 24,
                "{name}: {title} at {place}"
            );
            assert!(
                ids.insert(number(&panel["id"])),
                "{name}: {title} has another's id"
            );
            for cell in (x..x + w).flat_map(|column| (y..y + h).map(move |line| (column, line))) {
                if let Some(other) = taken.insert(cell, title.clone()) {
                    panic!("{name}: {title} lies on {other} at {cell:?}");
                }
            }
        }
    }
}

#[test]
fn every_panel_explains_itself() {
    for (name, dashboard) in all() {
        let question = dashboard["description"].as_str().unwrap();
        assert!(question.ends_with('?'), "{name} asks nothing: {question}");
        for panel in dashboard["panels"].as_array().unwrap() {
            if panel["type"] == "row" {
                continue;
            }
            let title = &panel["title"];
            for (what, text) in [
                ("description", &panel["description"]),
                ("empty state", &panel["fieldConfig"]["defaults"]["noValue"]),
            ] {
                let text = text.as_str().unwrap_or_default();
                assert!(
                    text.len() > 10 && text.ends_with('.'),
                    "{name}, {title}: its {what} is `{text}`"
                );
            }
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}, {title}");
            let shows_numbers = ["stat", "timeseries", "bargauge"].contains(&panel["type"].as_str().unwrap());
            let unit = &panel["fieldConfig"]["defaults"]["unit"];
            assert!(!shows_numbers || unit.is_string(), "{name}, {title} has no unit");
            let lines = panel["targets"][0]["rawSql"].as_str().unwrap().lines().count();
            assert!(
                lines <= 25,
                "{name}, {title}: {lines} lines of SQL; make a view or function of it"
            );
        }
    }
}

#[test]
fn links_lead_to_dashboards_and_variables_that_are_there() {
    let all = all();
    let variables: BTreeMap<&str, BTreeSet<&str>> = all
        .iter()
        .map(|(_, dashboard)| {
            let list = dashboard["templating"]["list"].as_array().unwrap();
            let names = list.iter().map(|variable| variable["name"].as_str().unwrap());
            (dashboard["uid"].as_str().unwrap(), names.collect())
        })
        .collect();
    assert_eq!(variables.len(), all.len(), "two dashboards have one uid");
    let mut links = 0;
    for (name, dashboard) in &all {
        for panel in dashboard["panels"].as_array().unwrap() {
            let overrides = panel["fieldConfig"]["overrides"].as_array();
            let properties = overrides
                .into_iter()
                .flatten()
                .flat_map(|one| one["properties"].as_array().unwrap());
            for property in properties.filter(|property| property["id"] == "links") {
                let url = property["value"][0]["url"].as_str().unwrap();
                let Some(rest) = url.strip_prefix("/d/") else {
                    assert!(url.starts_with("${runbooks}/"), "{name}: {url}");
                    continue;
                };
                let (uid, query) = rest.split_once('?').unwrap();
                let there = variables
                    .get(uid)
                    .unwrap_or_else(|| panic!("{name}: no dashboard {uid}"));
                for choice in query.split('&').filter_map(|part| part.strip_prefix("var-")) {
                    let (variable, _) = choice.split_once('=').unwrap();
                    assert!(
                        there.contains(variable),
                        "{name}: {uid} has no variable {variable}"
                    );
                }
                links += 1;
            }
        }
    }
    assert!(links > 50, "{links} links");
}
