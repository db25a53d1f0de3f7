//! Watching how much memory a process holds.

use std::time::{Duration, Instant};

use fleetledger_tests::program::LedgerProcess;

const EVERY: Duration = Duration::from_millis(250);

/// The most a process held while it was watched, in bytes.
pub(crate) async fn peak_while(program: &LedgerProcess, lasts: Duration) -> u64 {
    let began = Instant::now();
    let mut look = tokio::time::interval(EVERY);
    let mut peak = 0;
    while began.elapsed() < lasts {
        look.tick().await;
        peak = peak.max(program.resident_bytes());
    }
    assert!(peak > 0, "the process is gone: {}", program.log_text());
    peak
}

/// In megabytes (10^6), as the bounds are given.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
