//! Cost to serve: what nodes cost in each hour and whom for. Compute only: CPU, memory and GPUs; storage, network and
//! load balancers are not in it.
//!
//! Invariants:
//! - What nodes cost = allocated + idle + system, to the billionth, each by its own rule; the database refuses a row
//!   that does not add up, and [`money`] holds the same rules in Rust.
//! - Hours are rated by `ledger.cost_fill` in the database, from the objects' own instants; rating an hour again
//!   replaces its rows, or adjusts a closed month.
//! - Unknown is not zero: what has no price, no request and no usage is flagged, and never guessed.
//! - Sharing idle and shared namespaces is a parameter of the question, never a second set of numbers.
//!
//! Entry points: [`definitions::Book::read`] for the files, [`rating::Rating::follow`] for the schedule, [`http::router`] for
//! the API.

pub mod allocation;
pub mod definitions;
mod errors;
pub mod focus;
pub mod http;
pub mod money;
pub mod rating;
pub mod settings;
pub mod store;
pub mod unmatched;

pub use errors::CostError;
pub use settings::{RatingSettings, RatingSettingsFault};
