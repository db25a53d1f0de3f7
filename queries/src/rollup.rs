//! What the front matter of a rollup says.

use fleetledger_schema::instant::Instant;

use crate::{period::Period, query::QuerySchedule};

/// A query whose rows, one window of time after the other, fill a table. It asks for its window by
/// `window_from()` and `window_to()`.
#[derive(Debug, Clone)]
pub struct RollupRule {
    /// Name of the rollup.
    pub rollup: String,
    /// How often it looks for windows to fill; `query_offset` is zero.
    pub schedule: QuerySchedule,
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
    /// Kinds whose freshness decides up to when windows are known; empty = every kind of object.
    pub kinds: Vec<String>,
}

impl RollupRule {
    /// Begin of the window that holds an instant.
    #[must_use]
    pub fn window_of(&self, instant: Instant) -> Instant {
        let length = self.window.micros().max(1);
        Instant(instant.0.saturating_sub(instant.0.rem_euclid(length)))
    }

    /// The last window that was over at an instant.
    #[must_use]
    pub fn last_window(&self, instant: Instant) -> (Instant, Instant) {
        let to = self.window_of(instant);
        (to.plus_micros(-self.window.micros()), to)
    }
}

/// Where the rows of a rollup go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollupTable {
    /// `ledger.user_rollup`: dimensions and values as JSON.
    User,
    /// A table `ledger.rollup_<name>` that a migration made, with `window_at` and a column for each of ours.
    Own(String),
}
