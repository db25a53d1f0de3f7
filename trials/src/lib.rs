//! Trials of rules, before they page anybody: tests beside them, mutants, backtests, and what a new rule begins as.
//!
//! A file `<rule>.test.yaml` stands beside its rule, in the shape of promtool's. Its input rows are rows of the public
//! views; they are put into the ledger's tables with the instants at which they hold, so that the rule's own SQL sees
//! them in schema `fleet_asof` as it would see the fleet. What the rows become over time is decided by the evaluator's
//! own code: [`fleetledger_alerts::observation`] and the state machine that pages people ([`fleetledger_paging`]).
//!
//! * [`scaffold`] – the files a new query begins as.
//! * [`file`] – what a test file says; `row` – what that puts into the ledger.
//! * `fixture` – a row of a view as rows of the ledger, by `view_inverse`, the way back from each column that is read from
//!   the view itself; `ledger_catalogue` – all that is assumed of the schema; `unremarkable` – what is left unsaid.
//! * [`database`] – the throw-away database, and the rows of a rule at every slot of a test in one round trip.
//! * [`replay`] – rows → states → notifications; [`comparison`] – what differs from what was expected.
//! * [`runbook`] – the SQL of runbooks, over the rows that make their alert fire.
//! * [`mutant`] – rules with one comparison or threshold changed; a test file that passes with one is too weak.
//! * [`mod@backtest`] – a rule over history that stands: how often it would have paged.
//!
//! Rules that ask a view without as-of form (a book that keeps no history) run on schema `fleet`, the rows being put
//! in place as time goes on.
//!
//! Invariants: nothing is written but to a throw-away database and to temporary tables; what the evaluator runs knows
//! nothing of this crate.
//!
//! Entry points: [`run_file`], [`backtest::backtest`], [`mutant::try_mutants`], [`scaffold::files`].

pub mod backtest;
pub mod comparison;
pub mod database;
pub mod file;
mod fixture;
mod ledger_catalogue;
pub mod mutant;
pub mod purpose;
pub mod replay;
mod row;
pub mod run;
pub mod runbook;
pub mod scaffold;
mod unremarkable;
mod view_inverse;

pub use database::TestDatabase;
pub use file::TestFile;
pub use run::{FileReport, run_file, test_files};

/// Why a test could not be run; not the same as a test that fails.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// A file cannot be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A test file is not of the form the book describes.
    #[error("{path}: {message}")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// A rule file is refused.
    #[error("{0}")]
    Rule(String),
    /// An input row cannot stand in the view it names.
    #[error("{0}")]
    Row(String),
    /// The throw-away database cannot be started or used.
    #[error("{action}: {reason}")]
    Database {
        /// What was being done.
        action: &'static str,
        /// What it said.
        reason: String,
    },
}
