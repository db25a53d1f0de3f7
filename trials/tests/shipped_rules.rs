//! Every rule that ships has a test that fires, one that stays quiet and one that shows the boundary; all pass, and
//! all notice when a comparison, a threshold or `for` is changed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use fleetledger_trials::{
    TestDatabase, TestFile, database::TestSession, mutant::try_mutants, purpose::missing_purposes, run_file,
    runbook::try_steps, test_files,
};

fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../queries/alerts")
}

/// Two sessions share the files: PostgreSQL works on both, and a test needs a session of its own.
async fn by_two<T>(work: impl AsyncFn(&mut TestSession, &Path) -> T) -> Vec<(PathBuf, T)> {
    let database = TestDatabase::start().await.unwrap();
    let files = Mutex::new(test_files(&rules()).unwrap());
    let done = Mutex::new(Vec::new());
    let worker = async || {
        let mut session = database.session().await.unwrap();
        loop {
            let Some(file) = files.lock().unwrap().pop() else {
                break;
            };
            let result = work(&mut session, &file).await;
            done.lock().unwrap().push((file, result));
        }
    };
    tokio::join!(worker(), worker());
    done.into_inner().unwrap()
}

#[test]
fn every_rule_has_a_firing_a_quiet_and_a_boundary_test() {
    let mut missing = Vec::new();
    let mut rules_seen = 0;
    for entry in std::fs::read_dir(rules()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            rules_seen += 1;
            match TestFile::read(&path.with_extension("test.yaml")) {
                Ok(file) => missing.extend(
                    missing_purposes(&file)
                        .iter()
                        .map(|lack| format!("{}: {lack}", path.display())),
                ),
                Err(error) => missing.push(error.to_string()),
            }
        }
    }
    assert!(rules_seen >= 30, "{rules_seen} rules");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[tokio::test]
async fn all_tests_of_shipped_rules_pass() {
    let reports = by_two(async |session, file| run_file(session, file).await.unwrap()).await;
    let mut failed = String::new();
    let mut tests = 0;
    for (path, report) in reports {
        tests += report.tests.len();
        for test in report.tests.iter().filter(|test| !test.differences.is_empty()) {
            failed += &format!(
                "\n{} › {}\n{}\ntimeline:\n{}\n",
                path.display(),
                test.name,
                test.differences.join("\n"),
                test.timeline.join("\n")
            );
        }
    }
    assert!(tests > 100, "{tests} tests");
    assert!(failed.is_empty(), "{failed}");
}

#[tokio::test]
async fn a_changed_comparison_threshold_or_wait_is_noticed_in_every_rule() {
    let reports = by_two(async |session, file| try_mutants(session, file).await.unwrap()).await;
    let all: usize = reports.iter().map(|(_, report)| report.mutants).sum();
    let survivors: Vec<String> = reports
        .iter()
        .flat_map(|(path, report)| {
            report
                .survivors
                .iter()
                .map(move |what| format!("{}: {what}", path.display()))
        })
        .collect();
    let refused: Vec<&String> = reports.iter().flat_map(|(_, report)| &report.refused).collect();
    println!("{} of {all} changed rules are noticed", all - survivors.len());
    assert!(refused.is_empty(), "changes that make no SQL: {refused:?}");
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
}

#[tokio::test]
async fn every_runbook_has_steps_that_run_while_its_alert_fires_and_the_first_shows_the_fault() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbooks");
    let tried = by_two(async |session, file| {
        let name = file
            .file_name()
            .unwrap()
            .to_string_lossy()
            .replace(".test.yaml", ".md");
        let text =
            std::fs::read_to_string(folder.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        for section in [
            "## Likely causes",
            "## Look",
            "## End it",
            "## Snooze",
            "$ fleetledger alerts snooze ",
        ] {
            assert!(text.contains(section), "{name} lacks {section}");
        }
        try_steps(session, file, &text)
            .await
            .map_err(|error| error.to_string())
    })
    .await;
    let mut wrong = Vec::new();
    for (path, counts) in tried {
        match counts {
            Err(why) => wrong.push(why),
            Ok(counts) if counts.len() < 3 => {
                wrong.push(format!("{}: {} steps", path.display(), counts.len()))
            }
            Ok(counts) if counts[0] == 0 => {
                wrong.push(format!("{}: the first step shows nothing", path.display()))
            }
            Ok(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Ways to write what other columns say, and the columns to ask instead.
const WRITTEN_OTHERWISE: [(&str, &str); 6] = [
    ("in ('Pending', 'Running')", "lives"),
    ("in ('Running', 'Pending')", "lives"),
    ("in ('Succeeded', 'Failed')", "lives"),
    ("in ('Failed', 'Succeeded')", "lives"),
    // A version begins with the first sight of an old object, and with every edit.
    ("as_of() - valid_from", "an instant of the object"),
    ("now() - valid_from", "an instant of the object"),
];

#[test]
fn what_has_ended_and_when_something_happened_is_asked_of_the_columns_that_say_so() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = [
        "queries/alerts",
        "queries/metrics",
        "queries/reports",
        "queries/rollups",
        "dashboards/source",
        "docs",
        "docs/runbooks",
        "trials/src",
    ];
    let mut wrong = Vec::new();
    let mut seen = 0;
    for folder in folders {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            seen += 1;
            for (otherwise, ask) in WRITTEN_OTHERWISE {
                if text.contains(otherwise) {
                    wrong.push(format!("{}: `{otherwise}`, ask {ask}", path.display()));
                }
            }
        }
    }
    assert!(seen > 150, "{seen} files");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
