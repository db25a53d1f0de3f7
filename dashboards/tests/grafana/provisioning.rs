//! Provisioning files name what is there.

use std::{fs, path::PathBuf};

use fleetledger_dashboards::{folder, load};
use serde_yaml_ng::Value;

fn read(path: &str) -> Value {
    let path: PathBuf = folder().join("../deploy/grafana").join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_yaml_ng::from_str(&text).unwrap()
}

#[test]
fn data_sources_are_read_only_roles_of_the_plugin_that_dashboards_name() {
    for (file, user) in [
        ("provisioning/datasources/fleetledger.yaml", "fleetledger_reader"),
        ("team/datasource.yaml", "$FLEETLEDGER_PAYMENTS_USER"),
    ] {
        let source = &read(file)["datasources"][0];
        assert_eq!(source["type"], "grafana-postgresql-datasource", "{file}");
        assert_eq!(source["user"], user, "{file}");
        assert_eq!(source["jsonData"]["sslmode"], "verify-full", "{file}");
        let secret = source["secureJsonData"]["password"].as_str().unwrap();
        assert!(secret.starts_with('$'), "{file} holds a secret");
    }
}

#[test]
fn organisations_of_teams_are_not_that_of_the_engineers() {
    let of = |file: &str, list: &str| read(file)[list][0]["orgId"].as_u64().unwrap();
    let engineers = of("provisioning/datasources/fleetledger.yaml", "datasources");
    assert_eq!(
        engineers,
        of("provisioning/dashboards/fleetledger.yaml", "providers")
    );
    let team = of("team/datasource.yaml", "datasources");
    assert_eq!(team, of("team/dashboard.yaml", "providers"));
    assert_ne!(engineers, team);
}

#[test]
fn the_readme_lists_every_dashboard_and_its_question() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    for (name, dashboard) in load(folder()).unwrap() {
        let row = format!(
            "| [{}](source/{name}.yaml) | {} |",
            dashboard.title, dashboard.question
        );
        assert!(readme.contains(&row), "dashboards/README.md lacks: {row}");
    }
}
