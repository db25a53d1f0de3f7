//! A length of time as rules write it.

use std::{fmt, str::FromStr, time::Duration};

/// A length of time: `90s`, `1h30m`, `30d`; units `ms s m h d w`, each at most once, the larger first. `0` is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    ms: u64,
}

/// Units, the larger first, in milliseconds.
const UNITS: [(&str, u64); 6] = [
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
/// A hundred years: anything longer is a slip of the pen.
const MAX_MS: u64 = 100 * 366 * 86_400_000;

impl Period {
    /// Nothing.
    pub const ZERO: Self = Self { ms: 0 };

    /// So many milliseconds.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self { ms }
    }

    /// So many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self {
            ms: seconds.saturating_mul(1_000),
        }
    }

    /// So many minutes.
    #[must_use]
    pub const fn from_mins(minutes: u64) -> Self {
        Self::from_secs(minutes.saturating_mul(60))
    }

    /// So many hours.
    #[must_use]
    pub const fn from_hours(hours: u64) -> Self {
        Self::from_mins(hours.saturating_mul(60))
    }

    /// So many days of 24 hours.
    #[must_use]
    pub const fn from_days(days: u64) -> Self {
        Self::from_hours(days.saturating_mul(24))
    }

    /// True for a length of nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.ms == 0
    }

    /// In milliseconds.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.ms
    }

    /// In microseconds, as instants count.
    #[must_use]
    pub fn micros(self) -> i64 {
        i64::try_from(self.ms).unwrap_or(i64::MAX).saturating_mul(1_000)
    }

    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.duration().as_secs_f64()
    }

    /// As the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.ms)
    }
}

/// Text that is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a duration; write it as in 90s, 5m, 1h30m or 30d (units ms s m h d w, the largest first)"
)]
pub struct ParsePeriodError(String);

impl FromStr for Period {
    type Err = ParsePeriodError;

    fn from_str(text: &str) -> Result<Self, ParsePeriodError> {
        if text == "0" {
            return Ok(Self::ZERO);
        }
        parse(text)
            .filter(|ms| *ms <= MAX_MS)
            .map(Self::from_ms)
            .ok_or_else(|| ParsePeriodError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut ms = 0_u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at_checked(digits)?;
        let letters = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, behind) = behind.split_at_checked(letters)?;
        // The iterator goes on from the last unit, so a smaller one before a larger one is not found.
        let (_, size) = units.find(|(name, _)| *name == unit)?;
        ms = ms.checked_add(number.parse::<u64>().ok()?.checked_mul(*size)?)?;
        rest = behind;
    }
    (!text.is_empty()).then_some(ms)
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.ms;
        if rest == 0 {
            return f.write_str("0s");
        }
        // Weeks are read and not written: 30d is what people say.
        for (unit, size) in UNITS.into_iter().skip(1) {
            if rest >= size {
                write!(f, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

impl serde::Serialize for Period {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Period {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_add_up_the_larger_first() {
        let read = |text: &str| text.parse::<Period>().ok();
        assert_eq!(read("1h30m"), Some(Period::from_mins(90)));
        assert_eq!(read("30d"), Some(Period::from_days(30)));
        assert_eq!(read("2w"), Some(Period::from_days(14)));
        assert_eq!(read("1s500ms"), Some(Period::from_ms(1_500)));
        assert_eq!(read("0"), Some(Period::ZERO));
        assert_eq!(read("0s"), Some(Period::ZERO));
        for wrong in [
            "",
            "5",
            "m",
            "5x",
            "30m1h",
            "1h1h",
            "-5m",
            "1.5h",
            "5 m",
            "1y",
            "5M",
            "99999999999999999999d",
            "40000d",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(ms in 0..=MAX_MS) {
            let period = Period::from_ms(ms);
            prop_assert_eq!(period.to_string().parse::<Period>(), Ok(period));
        }

        #[test]
        fn no_text_makes_the_reader_fail_otherwise_than_by_refusing(text in "[0-9a-z. -]{0,24}") {
            if let Ok(period) = text.parse::<Period>() {
                prop_assert_eq!(period.to_string().parse::<Period>(), Ok(period));
            }
        }
    }
}
