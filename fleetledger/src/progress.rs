//! How far long work is, on standard error: what takes longer than two seconds says so, with its rate and the time left. On a
//! terminal in place, else a line every ten seconds.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant as Tick},
};

use crate::output::count;

/// What is over by then says nothing.
const QUIET: Duration = Duration::from_secs(2);
/// How often the line on a terminal is written anew.
const ON_TERMINAL: Duration = Duration::from_millis(250);
/// How often a line is written elsewhere.
const ELSEWHERE: Duration = Duration::from_secs(10);
/// To the line's begin, and clear it.
const CLEAR: &str = "\r\x1b[K";

/// What goes on, and what of it is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgressName {
    /// Such as `backtest`.
    pub(crate) what: &'static str,
    /// Such as `slots`; empty where nothing is counted.
    pub(crate) unit: &'static str,
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProgressReading {
    /// How many are done.
    pub(crate) done: u64,
    /// Of how many; `None` where that is not known.
    pub(crate) total: Option<u64>,
}

impl ProgressReading {
    /// Counts as they are kept beside the work.
    pub(crate) fn of(done: usize, total: Option<usize>) -> Self {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Self {
            done: number(done),
            total: total.map(number),
        }
    }
}

/// Runs `work` to its end, and says meanwhile how far it is by `reading`.
pub(crate) async fn show<T>(
    name: ProgressName,
    reading: impl Fn() -> ProgressReading,
    work: impl Future<Output = T>,
) -> T {
    let (begun, on_terminal) = (Tick::now(), io::stderr().is_terminal());
    let pause = if on_terminal { ON_TERMINAL } else { ELSEWHERE };
    let first = if on_terminal { QUIET } else { ELSEWHERE };
    let mut work = std::pin::pin!(work);
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + first, pause);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                clear();
                return done;
            }
            _ = ticks.tick() => {
                let line = line(name, reading(), begun.elapsed());
                let written = if on_terminal { format!("{CLEAR}{line}") } else { format!("{line}\n") };
                // Nobody needs to read it.
                let _ = io::stderr().write_all(written.as_bytes());
            }
        }
    }
}

/// Makes room for a line on standard output where both are one terminal.
pub(crate) fn clear() {
    if io::stderr().is_terminal() {
        let _ = io::stderr().write_all(CLEAR.as_bytes());
    }
}

/// Such as `backtest: 120 of 1,000 slots, 60 a second, 15 s left`.
fn line(name: ProgressName, reading: ProgressReading, elapsed: Duration) -> String {
    let number = |count_of: u64| count(i64::try_from(count_of).unwrap_or(i64::MAX));
    let seconds = elapsed.as_secs_f64();
    let mut line = format!("{}: ", name.what);
    if name.unit.is_empty() || reading.done == 0 {
        let _ = write!(line, "for {}", length(seconds));
        if let (Some(total), false) = (reading.total, name.unit.is_empty()) {
            let _ = write!(line, ", 0 of {} {}", number(total), name.unit);
        }
        return line;
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate is about right")]
    let (done, total) = (reading.done as f64, reading.total.map(|total| total as f64));
    let _ = match reading.total {
        Some(total) => write!(
            line,
            "{} of {} {}",
            number(reading.done),
            number(total),
            name.unit
        ),
        None => write!(line, "{} {}", number(reading.done), name.unit),
    };
    let rate = done / seconds.max(0.001);
    let _ = match rate {
        rate if rate >= 10.0 => write!(line, ", {rate:.0} a second"),
        rate if rate >= 1.0 => write!(line, ", {rate:.1} a second"),
        rate => write!(line, ", {} each", length(1.0 / rate)),
    };
    match total {
        Some(total) if total > done => {
            let _ = write!(line, ", {} left", length((total - done) / rate));
        }
        _ => {}
    }
    line
}

/// A length of time with two units at most: `45 s`, `2 min 5 s`, `3 h 20 min`.
fn length(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded, and never negative"
    )]
    let whole = seconds.clamp(0.0, 1e9).round() as u64;
    match whole {
        0 => "less than 1 s".to_owned(),
        1..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOTS: ProgressName = ProgressName {
        what: "backtest",
        unit: "slots",
    };

    fn said(done: usize, total: Option<usize>, seconds: u64) -> String {
        line(
            SLOTS,
            ProgressReading::of(done, total),
            Duration::from_secs(seconds),
        )
    }

    #[test]
    fn a_line_has_count_rate_and_time_left() {
        assert_eq!(
            said(1200, Some(4200), 20),
            "backtest: 1,200 of 4,200 slots, 60 a second, 50 s left"
        );
        assert_eq!(
            said(3, Some(9), 30),
            "backtest: 3 of 9 slots, 10 s each, 1 min 0 s left"
        );
        assert_eq!(said(50, None, 20), "backtest: 50 slots, 2.5 a second");
        assert_eq!(said(9, Some(9), 3), "backtest: 9 of 9 slots, 3.0 a second");
        assert_eq!(said(0, Some(9), 3), "backtest: for 3 s, 0 of 9 slots");
        assert_eq!(
            said(1, Some(10_000), 2),
            "backtest: 1 of 10,000 slots, 2 s each, 5 h 33 min left"
        );
    }

    #[test]
    fn work_that_is_not_counted_says_how_long_it_takes() {
        let name = ProgressName {
            what: "replay",
            unit: "",
        };
        assert_eq!(
            line(name, ProgressReading::default(), Duration::from_secs(125)),
            "replay: for 2 min 5 s"
        );
    }

    #[tokio::test]
    async fn work_is_run_to_its_end() {
        let done = show(SLOTS, ProgressReading::default, async { 7 }).await;
        assert_eq!(done, 7);
    }
}
