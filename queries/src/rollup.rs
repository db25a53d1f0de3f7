//! What the front matter of a rollup says.

use crate::{period::Period, query::Schedule};

/// A query whose rows, one window of time after the other, fill a table. It asks for its window by
/// `window_from()` and `window_to()`.
#[derive(Debug, Clone)]
pub struct RollupRule {
    /// Name of the rollup.
    pub rollup: String,
    /// How often it looks for windows to fill; `query_offset` is zero.
    pub schedule: Schedule,
    /// Length of a window; windows begin at multiples of it since 1970.
    pub window: Period,
    /// Where its rows go.
    pub into: RollupTable,
    /// Columns that name a row within its window.
    pub dimensions: Vec<String>,
    /// Columns that are numbers.
    pub values: Vec<String>,
    /// How far back windows are filled again when more of them becomes known.
    pub lateness: Period,
    /// How far back the first run begins.
    pub history: Period,
    /// Kinds whose freshness decides up to when windows are known; empty = all.
    pub kinds: Vec<String>,
}

/// Where the rows of a rollup go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollupTable {
    /// `ledger.user_rollup`: dimensions and values as JSON.
    User,
    /// A table `ledger.rollup_<name>` that a migration made, with `window_at` and a column for each of ours.
    Own(String),
}
