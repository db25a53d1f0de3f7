//! The JSON that is kept is what the sources make.

use std::{collections::BTreeSet, fs};

use fleetledger_dashboards::{folder, json};

use crate::dashboards;

/// Names of files in a folder of this room that end so.
fn names(of: &str, ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder().join(of)).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect()
}

#[test]
fn stored_json_is_current() {
    fs::create_dir_all(folder().join("json")).unwrap();
    let mut stale = Vec::new();
    for (name, dashboard) in dashboards() {
        let path = folder().join(format!("json/{name}.json"));
        let text = json::text(&dashboard).unwrap();
        if fs::read_to_string(&path).unwrap_or_default() != text {
            fs::write(&path, text).unwrap();
            stale.push(name);
        }
    }
    assert_eq!(
        stale,
        Vec::<String>::new(),
        "these were not current and have been written anew; commit them"
    );
    assert_eq!(names("source", ".yaml"), names("json", ".json"));
}

#[test]
fn there_are_the_nine() {
    let titles: Vec<String> = dashboards()
        .into_iter()
        .map(|(_, dashboard)| dashboard.title)
        .collect();
    let expected = [
        "Alerts and their history",
        "Cost to serve",
        "Customer view",
        "Datacenter",
        "Fleet overview",
        "Node",
        "Pipeline health",
        "Watchdogs",
        "Workload and namespace",
    ];
    assert_eq!(titles, expected);
}
