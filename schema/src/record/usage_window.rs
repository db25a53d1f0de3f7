//! The window of a record of usage. Such a record is no object: nothing stands by its key, and windows are added up.

use super::Usage;
use crate::instant::Instant;

/// Microseconds of a minute.
const MINUTE_MICROS: i64 = 60_000_000;
/// Microseconds of an hour.
const HOUR_MICROS: i64 = 60 * MINUTE_MICROS;

impl Usage {
    /// Begin of the window's UTC hour.
    #[must_use]
    pub fn hour_at(&self) -> Instant {
        Instant(self.window_start_at.0 - self.window_start_at.0.rem_euclid(HOUR_MICROS))
    }

    /// The minutes of that hour the window covers, bit 0 being the first; `None` if it is not made of whole minutes of
    /// one hour.
    #[must_use]
    pub fn minutes(&self) -> Option<i64> {
        let from = self.window_start_at.0.rem_euclid(HOUR_MICROS);
        let length = self.window_end_at.0.checked_sub(self.window_start_at.0)?;
        let whole = from % MINUTE_MICROS == 0 && length % MINUTE_MICROS == 0;
        if !whole || length <= 0 || length > HOUR_MICROS - from {
            return None;
        }
        let (first, count) = (from / MINUTE_MICROS, length / MINUTE_MICROS);
        Some(((1_i64 << count) - 1) << first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(start: i64, end: i64) -> Option<i64> {
        let hour = 491_520 * HOUR_MICROS;
        let usage = Usage {
            window_start_at: Instant(hour + start),
            window_end_at: Instant(hour + end),
            ..Usage::default()
        };
        assert_eq!(usage.hour_at(), Instant(hour));
        usage.minutes()
    }

    #[test]
    fn a_window_is_whole_minutes_of_one_hour() {
        assert_eq!(minutes(0, MINUTE_MICROS), Some(1));
        assert_eq!(minutes(5 * MINUTE_MICROS, 10 * MINUTE_MICROS), Some(0b11111 << 5));
        assert_eq!(minutes(0, HOUR_MICROS), Some((1 << 60) - 1));
        assert_eq!(minutes(59 * MINUTE_MICROS, HOUR_MICROS), Some(1 << 59));
        for (start, end) in [
            (0, 0),
            (MINUTE_MICROS, 0),
            (1, MINUTE_MICROS + 1),
            (0, MINUTE_MICROS + 1),
            (59 * MINUTE_MICROS, HOUR_MICROS + MINUTE_MICROS),
        ] {
            assert_eq!(minutes(start, end), None, "{start} {end}");
        }
    }
}
