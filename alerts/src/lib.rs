//! The evaluation cycle: slots, rows to states in PostgreSQL, outbox, channels.
//!
//! Guarantee: each slot of each rule is applied at most once and whole, whoever dies when; no notification that was
//! decided is lost, and one is sent twice only where its answer was. A query that fails, a source that is silent and a
//! rule that is slow resolve nothing.
//!
//! Invariants:
//! - One evaluator applies a slot: its claim has an epoch, the rule's row is locked, `rule_run` has the slot as key.
//! - Nothing is remembered in memory from slot to slot.
//! - A notification is written in the transaction that decided it, and those of one incident go out in order.
//! - The API changes no instance: it writes down snoozes and acknowledgements, and the next run takes them up.
//!
//! Entry points: [`Evaluator::run`], which reads from `pipeline.rs`, and [`http::router`]. [`observation`] is pure, and what
//! trials of rules run as well, so that a trial and the evaluator cannot read the same rows differently.

mod apply;
mod ask;
mod claim;
mod database_watch;
mod delivery;
mod errors;
pub mod evaluation;
pub mod fail_point;
mod group;
mod health;
mod housekeeping;
pub mod http;
pub mod instance;
mod keep_alive;
pub mod links;
mod login_watch;
mod metrics;
pub mod observation;
pub mod observe;
mod pages;
mod pipeline;
pub mod pool;
pub mod receivers;
pub mod reload;
mod rollups;
mod rounds;
mod rule_set;
pub mod rules;
pub mod runs;
pub mod settings;
mod slot;
mod store;

pub use database_watch::DatabaseWatch;
pub use delivery::CONNECTIONS as DELIVERY_CONNECTIONS;
pub use errors::AlertsError;
pub use health::EvaluatorHealth;
pub use login_watch::await_logins;
pub use pipeline::{BUILTIN_CONNECTIONS, Evaluator};
pub use receivers::{AlertReceiver, ReceiverSet};
pub use rollups::AT_ONCE as ROLLUPS_AT_ONCE;
pub use rules::RuleSet;
pub use settings::EvaluatorSettings;
