//! Passwords and certificates are rotated under load, on every hop: what runs takes them up, waits where the two ends do not
//! agree yet, and loses nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod database;
mod kafka;
mod kubernetes;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::eventually,
    delivered::{self, LogFold},
    program::LedgerProcess,
};
use rdkafka::ClientConfig;

/// How long anything here may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// A secret in a file, as whoever rotates it leaves it there.
pub(crate) struct SecretFile(PathBuf);

impl SecretFile {
    pub(crate) fn new(folder: &Path, name: &str, secret: &str) -> Self {
        let file = Self(folder.join(name));
        file.replace(secret);
        file
    }

    /// Writes a new file and puts it in the place of the former one.
    pub(crate) fn replace(&self, secret: &str) {
        let next = self.0.with_extension("next");
        std::fs::write(&next, secret).unwrap();
        std::fs::rename(&next, &self.0).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The reference of a configuration.
    pub(crate) fn reference(&self) -> String {
        format!("file:{}", self.0.display())
    }
}

/// Lines of a log that hold these words.
pub(crate) fn lines_with(process: &LedgerProcess, words: &str) -> usize {
    let log = process.log_text();
    log.lines().filter(|line| line.contains(words)).count()
}

/// Waits until more batches have landed than now.
pub(crate) async fn await_landing(database: &LedgerDatabase, processes: &[&LedgerProcess]) {
    let batches = "select count(*) from ledger.batch where landed > 0";
    let before = database.number(batches).await;
    eventually("records land again", LIMIT, || async {
        match database.number(batches).await > before {
            true => Ok(()),
            false => Err(processes.iter().map(|one| one.log_text()).collect::<String>()),
        }
    })
    .await;
}

/// Waits until all that Kafka holds is ingested, and judges it: nothing lost, nothing twice, nothing halted, no gap.
pub(crate) async fn judge(
    kafka: &ClientConfig,
    prefix: &str,
    database: &LedgerDatabase,
    ingester: &LedgerProcess,
) -> LogFold {
    let records = delivered::read_all(kafka, prefix);
    let fold = delivered::fold(&records, &BTreeSet::new());
    eventually("everything is ingested", LIMIT, || async {
        let behind = fold.is_ingested(database).await;
        behind.map_err(|why| format!("{why}\n{}", ingester.log_text()))
    })
    .await;
    // A record that says of a pod nothing new but its owner makes no version: it was so all along.
    let faults = delivered::judge(&fold, database).await;
    let is_owner_that_became_known =
        |fault: &String| fault.starts_with("(\"pod\"") && fault.contains("versions in the log");
    let faults: Vec<_> = faults
        .into_iter()
        .filter(|fault| !is_owner_that_became_known(fault))
        .collect();
    assert_eq!(faults, Vec::<String>::new());
    let halted = "select count(*) from ledger.ingest_partition where halted_reason is not null";
    assert_eq!(database.number(halted).await, 0, "{}", ingester.log_text());
    assert_eq!(database.number("select count(*) from ledger.ingest_gap").await, 0);
    fold
}
