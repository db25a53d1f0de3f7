//! Version, commit and date of this build; `build.rs` says where they come from.

use jiff::Timestamp;

/// The version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Commit it was built from; empty for a debug build.
const COMMIT: &str = env!("FLEETLEDGER_BUILD_COMMIT");

/// Instant of the build or of its commit, in seconds since 1970; empty for a debug build.
const EPOCH: &str = env!("FLEETLEDGER_BUILD_EPOCH");

/// What `--version` says after the name.
pub const VERSION_LINE: &str = match COMMIT.is_empty() {
    true => concat!(env!("CARGO_PKG_VERSION"), " (debug build)"),
    false => concat!(
        env!("CARGO_PKG_VERSION"),
        " (",
        env!("FLEETLEDGER_BUILD_COMMIT"),
        ")"
    ),
};

/// Commit it was built from, where that is known.
#[must_use]
pub fn commit() -> Option<&'static str> {
    (!COMMIT.is_empty()).then_some(COMMIT)
}

/// When it was built, or when its commit was made.
#[must_use]
pub fn built_at() -> Option<Timestamp> {
    Timestamp::from_second(EPOCH.parse().ok()?).ok()
}
