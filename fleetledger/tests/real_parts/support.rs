//! What these tests share: real parts, and the binary.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use fleetledger_local::{ArtifactCache, postgres::LocalPostgres};
use fleetledger_schema::postgres::{PostgresConnector, migrate};
use tokio_postgres::Client;

pub(crate) fn cache() -> ArtifactCache {
    ArtifactCache::new(ArtifactCache::default_root())
}

/// A quick server of its own.
pub(crate) async fn postgres() -> LocalPostgres {
    LocalPostgres::builder()
        .temporary()
        .fast()
        .start(&cache())
        .await
        .unwrap()
}

pub(crate) async fn client(url: &str) -> Client {
    PostgresConnector::new(url.parse().unwrap(), None)
        .connect("test")
        .await
        .unwrap()
}

/// A migrated database of that name.
pub(crate) async fn migrated(server: &LocalPostgres, name: &str) -> String {
    server.create_database(name).await.unwrap();
    let url = server.url_of(name);
    migrate(&PostgresConnector::new(url.parse().unwrap(), None), |_| {})
        .await
        .unwrap();
    url
}

/// A configuration file in a folder of its own, and the binary under it.
pub(crate) struct BinaryFixture {
    pub(crate) folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl BinaryFixture {
    pub(crate) fn new(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("fleetledger.toml"), toml).unwrap();
        Self {
            folder,
            environment: Vec::new(),
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("fleetledger.toml")
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The binary under this configuration.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetledger"));
        command.arg("--config").arg(self.file());
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// Runs the binary; exit code, and all it printed.
    pub(crate) fn run_to_text(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.code().unwrap_or(-1), text)
    }
}

/// The finding of one check of `doctor`, as (verdict, why, fix).
pub(crate) fn finding(setup: &BinaryFixture, check: &str, hop: &str) -> (String, String, String) {
    let output = setup.run(&["doctor", "--json", "--only", hop]);
    let text = String::from_utf8_lossy(&output.stdout);
    let document: serde_json::Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr)));
    let findings = document["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("no finding of {check}: {document:#}"));
    let part = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    (part("verdict"), part("why"), part("fix"))
}

/// The check finds the set-up broken: `why` and `fix` hold these words.
pub(crate) fn assert_broken(setup: &BinaryFixture, hop: &str, check: &str, why: &str, fix: &str) {
    let found = finding(setup, check, hop);
    assert_eq!(found.0, "broken", "{check}: {found:?}");
    assert!(found.1.contains(why), "{check}: {found:?} should hold {why:?}");
    assert!(found.2.contains(fix), "{check}: {found:?} should hold {fix:?}");
}

/// The check finds nothing wrong.
pub(crate) fn assert_well(setup: &BinaryFixture, hop: &str, check: &str) {
    let found = finding(setup, check, hop);
    assert_eq!(found.0, "well", "{check}: {found:?}");
}
