//! The stored SQL, and what loads, checks and runs it: file → rows. Knows no alert.
//!
//! One file is one query: SQL that runs as it is in psql, with YAML front matter in its leading comment.
//!
//! * [`catalogue::load`] reads a folder into [`StoredQuery`]s, or says everything that is wrong by file and line.
//! * [`query`], [`alert`], [`record`], [`rollup`], [`report`]: what front matter says, as types; [`key`]: all keys.
//! * [`ReaderPool`]: connections logged in as the reader; [`cycle::run_alerts`] evaluates a group at a slot.
//! * [`prepare::prepare`] asks a server what it thinks of a query; [`live::LiveCatalogue`] follows a folder that changes.
//! * [`report_run::run_with_parameters`] runs one query once, with parameters.
//! * [`MetricRecorder`]: metrics on their schedule, as Prometheus series.
//! * [`RollupFiller`]: rollups, one window of time after the other.
//! * [`HttpFailure`]: what rooms with HTTP routes answer a request that failed.
//! * [`AnnotationTemplates`] renders summaries; [`Period`] is a length of time as rules write it.
//!
//! The model (`alert`, `catalogue`, `freshness`, `front_matter`, `key`, `near_names`, `parse`, `period`, `query`, `record`, `refusal`,
//! `report`, `rollup`, `statement`, `template`) imports nothing that runs a query; `tests/tests/tidy.rs` keeps it so.
//!
//! Invariants: a query that cannot be used is refused before it runs, and the one it would replace goes on; a query
//! that fails is an error and never "no rows"; stored SQL runs READ ONLY, on a connection logged in as the reader.

pub mod alert;
pub mod catalogue;
pub mod cell;
mod connection;
pub mod cycle;
mod filler;
pub mod freshness;
mod front_matter;
pub mod http_failure;
pub mod key;
pub mod live;
mod metrics;
pub mod near_names;
mod parse;
pub mod period;
pub mod prepare;
pub mod query;
pub mod record;
pub mod recorder;
pub mod refusal;
mod renewed_connect;
pub mod report;
pub mod report_run;
pub mod rollup;
pub mod rows;
pub mod run;
pub mod sources;
mod statement;
pub mod template;

pub use catalogue::{Catalogue, QueryGroup};
pub use cell::ResultCell;
pub use connection::{ReaderError, ReaderPool};
pub use filler::{FillError, RollupFiller};
pub use http_failure::{HttpErrorBody, HttpFailure};
pub use live::{CurrentQueries, LiveCatalogue};
pub use metrics::QueryMetrics;
pub use parse::parse;
pub use period::Period;
pub use prepare::{PreparedQuery, prepare};
pub use query::{QueryId, QueryKind, QuerySchedule, StoredQuery};
pub use recorder::{EvaluationReport, MetricRecorder};
pub use refusal::{FilePosition, QueryRefusal};
pub use renewed_connect::renewed_manager;
pub use rows::{AlertResultRow, AlertResultSet, InstanceLabels};
pub use run::{ResultColumn, ResultTable, RunError};
pub use sources::{SourceSnapshot, SourceState};
pub use template::{AnnotationTemplates, TemplateSubject};
