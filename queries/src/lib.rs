//! The stored SQL, and what loads, checks and runs it: file → rows. Knows no alert.
//!
//! One file is one query: SQL that runs as it is in psql, with YAML front matter in its leading comment.
//!
//! * [`catalogue::load`] reads a folder into [`Query`]s, or says everything that is wrong by file and line.
//! * [`query`], [`alert`], [`record`], [`rollup`], [`report`]: what front matter says, as types; [`key`]: all keys.
//! * [`Reader`]: connections logged in as the reader; [`cycle::run_alerts`] evaluates a group at a slot.
//! * [`prepare::prepare`] asks a server what it thinks of a query; [`live::Live`] follows a folder that changes.
//! * [`report::ask`] runs one query once, with parameters.
//! * [`Recorder`]: metrics on their schedule, as Prometheus series.
//! * [`Filler`]: rollups, one window of time after the other.
//! * [`Annotations`] renders summaries; [`Period`] is a length of time as rules write it.
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
pub mod key;
pub mod live;
mod metrics;
mod parse;
pub mod period;
pub mod prepare;
pub mod query;
pub mod record;
pub mod recorder;
pub mod refusal;
pub mod report;
pub mod rollup;
pub mod rows;
pub mod run;
pub mod scaffold;
pub mod sources;
mod statement;
pub mod template;

pub use catalogue::{Catalogue, Group};
pub use cell::Cell;
pub use connection::{Reader, ReaderError};
pub use filler::{FillError, Filler};
pub use live::{Live, Standing};
pub use metrics::Metrics;
pub use parse::parse;
pub use period::Period;
pub use prepare::{Prepared, prepare};
pub use query::{Kind, Query, QueryId, Schedule};
pub use recorder::{Evaluated, Recorder};
pub use refusal::{Place, Refusal};
pub use rows::{Labels, Row, Rows};
pub use run::{Column, RunError, Table};
pub use sources::{SourceState, Sources};
pub use template::{Annotations, Subject};
