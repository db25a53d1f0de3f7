//! A folder that changes while it is in use.

use std::path::Path;

use fleetledger_queries::{CurrentQueries, LiveCatalogue, QueryMetrics, ReaderPool};
use fleetledger_schema::postgres::PostgresConnector;
use prometheus::Registry;

use crate::harness::{QueriesHarness, at};

const GOOD: &str = "/*---
alert: NAME
labels: {severity: info}
annotations: {summary: s, runbook: r}
---*/
select 1 from node
";

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

fn shown(current: &CurrentQueries) -> (Vec<&str>, Vec<String>) {
    let used = current.catalogue.iter().map(|query| query.name()).collect();
    let refused = current
        .refused
        .iter()
        .flat_map(|file| &file.refusals)
        .map(|refusal| refusal.what.clone());
    (used, refused.collect())
}

#[tokio::test]
async fn a_bad_file_is_refused_and_the_old_rule_goes_on() {
    let place = QueriesHarness::new().await;
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::new();
    let metrics = QueryMetrics::new(&registry).unwrap();
    let mut live = LiveCatalogue::new(folder.path(), Some(place.reader.clone()), Some(metrics));
    let current = live.subscribe();
    write(folder.path(), "a.sql", &GOOD.replace("NAME", "A"));
    write(folder.path(), "b.sql", &GOOD.replace("NAME", "B"));
    assert!(live.reload(at("2026-01-01T00:00:00Z")).await);
    assert_eq!(shown(&current.borrow()).0, ["A", "B"]);
    let version = current.borrow().catalogue.version().to_owned();
    assert!(
        !live.reload(at("2026-01-01T00:00:05Z")).await,
        "nothing has changed"
    );

    // What only the server can see is wrong with it.
    write(
        folder.path(),
        "a.sql",
        &GOOD.replace("NAME", "A2").replace("select 1", "select nodd"),
    );
    assert!(live.reload(at("2026-01-01T00:00:10Z")).await);
    {
        let now = current.borrow();
        let (used, refused) = shown(&now);
        assert_eq!((used, refused.len()), (vec!["A", "B"], 1));
        assert!(refused[0].contains("column \"nodd\" does not exist"));
        assert_eq!(now.catalogue.version(), version, "the same rules as before");
        assert_eq!(now.refused[0].since, at("2026-01-01T00:00:10Z"));
        assert!(now.refused[0].version_in_use.is_some());
    }
    let gauges = registry.gather();
    let gauge = gauges
        .iter()
        .find(|family| family.name() == "fleetledger_queries_refused_files")
        .unwrap();
    assert!((gauge.get_metric()[0].get_gauge().get_value() - 1.0).abs() < f64::EPSILON);

    // A new bad file, a good change, a removal.
    write(folder.path(), "c.sql", "select 1");
    write(folder.path(), "a.sql", &GOOD.replace("NAME", "A3"));
    std::fs::remove_file(folder.path().join("b.sql")).unwrap();
    assert!(live.reload(at("2026-01-01T00:00:15Z")).await);
    let now = current.borrow();
    let (used, refused) = shown(&now);
    assert_eq!(used, ["A3"]);
    assert_eq!(refused, ["the file does not begin with front matter"]);
    assert_eq!(now.refused[0].version_in_use, None);
}

#[tokio::test]
async fn of_two_files_that_contradict_each_other_the_newcomer_yields() {
    let folder = tempfile::tempdir().unwrap();
    let mut live = LiveCatalogue::new(folder.path(), None, None);
    let current = live.subscribe();
    write(folder.path(), "m.sql", &GOOD.replace("NAME", "A"));
    live.reload(at("2026-01-01T00:00:00Z")).await;
    write(folder.path(), "a.sql", &GOOD.replace("NAME", "A"));
    live.reload(at("2026-01-01T00:00:05Z")).await;
    let now = current.borrow();
    assert_eq!(
        now.catalogue
            .iter()
            .map(|query| query.id.as_str())
            .collect::<Vec<_>>(),
        ["m"]
    );
    assert!(now.refused[0].path.ends_with("a.sql"));
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("rules");
    std::fs::create_dir(&inner).unwrap();
    write(&inner, "a.sql", &GOOD.replace("NAME", "A"));
    let mut live = LiveCatalogue::new(&inner, None, None);
    let current = live.subscribe();
    live.reload(at("2026-01-01T00:00:00Z")).await;
    std::fs::rename(&inner, folder.path().join("away")).unwrap();
    live.reload(at("2026-01-01T00:00:05Z")).await;
    let (used, refused) = {
        let now = current.borrow();
        let (used, refused) = shown(&now);
        (used.len(), refused)
    };
    assert_eq!((used, refused), (1, vec!["file or folder not found".to_owned()]));
    std::fs::rename(folder.path().join("away"), &inner).unwrap();
    live.reload(at("2026-01-01T00:00:10Z")).await;
    assert!(current.borrow().refused.is_empty());
}

#[tokio::test]
async fn a_file_that_could_not_be_checked_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(1).user("nobody").dbname("x");
    let away = ReaderPool::new(&PostgresConnector::new(config, None), 1).unwrap();
    let mut live = LiveCatalogue::new(folder.path(), Some(away), None);
    let current = live.subscribe();
    write(folder.path(), "a.sql", &GOOD.replace("NAME", "A"));
    live.reload(at("2026-01-01T00:00:00Z")).await;
    assert!(shown(&current.borrow()).1[0].starts_with("it could not be checked: no connection"));
    live.reload(at("2026-01-01T00:00:05Z")).await;
    assert_eq!(
        current.borrow().refused[0].since,
        at("2026-01-01T00:00:00Z"),
        "refused since then"
    );
}
