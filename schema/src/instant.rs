//! A point in time, in microseconds, as PostgreSQL and Avro keep it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

/// Microseconds between the Unix epoch and PostgreSQL's, 2000-01-01T00:00:00Z.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;
/// First instant a `timestamptz` column accepts here: year 1 (PostgreSQL itself reaches further back).
const MIN_MICROS: i64 = -62_135_596_800_000_000;
/// Last instant a `timestamptz` column accepts here: end of year 9999, so that every client can print it.
const MAX_MICROS: i64 = 253_402_300_799_999_999;

impl Instant {
    /// PostgreSQL's `infinity`: later than every instant.
    pub const INFINITY: Self = Self(i64::MAX);
    /// PostgreSQL's `-infinity`: earlier than every instant.
    pub const NEGATIVE_INFINITY: Self = Self(i64::MIN);

    /// The wall clock, now. The one place that reads it.
    #[must_use]
    pub fn now() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the wall clock"
        )]
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self(since.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }

    /// From whole milliseconds since the Unix epoch, as Kafka timestamps are.
    #[must_use]
    pub fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1000))
    }

    /// From a [`jiff::Timestamp`], dropping what is below a microsecond.
    #[must_use]
    pub fn from_timestamp(timestamp: jiff::Timestamp) -> Self {
        Self(timestamp.as_microsecond())
    }

    /// From RFC 3339 text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_own(text.as_bytes()).or_else(|| text.parse::<jiff::Timestamp>().ok().map(Self::from_timestamp))
    }

    /// As a [`jiff::Timestamp`]; `None` beyond its range (years -9999 to 9999).
    #[must_use]
    pub fn to_timestamp(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_microsecond(self.0).ok()
    }

    /// Microseconds since 2000-01-01, the binary form of `timestamptz`.
    #[must_use]
    pub fn to_postgres(self) -> i64 {
        match self {
            Self::INFINITY | Self::NEGATIVE_INFINITY => self.0,
            Self(micros) => micros.saturating_sub(POSTGRES_EPOCH_MICROS),
        }
    }

    /// From the binary form of `timestamptz`.
    #[must_use]
    pub fn from_postgres(micros: i64) -> Self {
        match micros {
            i64::MAX | i64::MIN => Self(micros),
            micros => Self(micros.saturating_add(POSTGRES_EPOCH_MICROS)),
        }
    }

    /// True for instants a row may hold: years 1 to 9999.
    #[must_use]
    pub fn is_storable(self) -> bool {
        (MIN_MICROS..=MAX_MICROS).contains(&self.0)
    }

    /// This instant `micros` later (earlier if negative).
    #[must_use]
    pub fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to this instant; negative if this one is earlier.
    #[must_use]
    pub fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Reads exactly the form that [`Instant`] is written in, `2026-01-01T00:00:00.000001Z`: headers carry two of them in
/// every record, and a general parser takes ten times as long.
fn parse_own(text: &[u8]) -> Option<Instant> {
    let text: &[u8; 27] = text.try_into().ok()?;
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
        b'.',
        f @ ..,
        b'Z',
    ] = text
    else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_i64, |number, digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + i64::from(digit - b'0'))
        })
    };
    let (year, month, day) = (
        number(&[*y1, *y2, *y3, *y4])?,
        number(&[*m1, *m2])?,
        number(&[*d1, *d2])?,
    );
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*n1, *n2])?, number(&[*s1, *s2])?);
    // Days that not every month has, and leap seconds, are left to the general parser.
    if !(1..=12).contains(&month) || !(1..=28).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Instant(seconds * 1_000_000 + number(f)?))
}

/// Days from 1970-01-01 in the Gregorian calendar; years begin in March, so that a leap day is a year's last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

impl<'a> tokio_postgres::types::FromSql<'a> for Instant {
    fn from_sql(
        _: &tokio_postgres::types::Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::from_postgres(i64::from_be_bytes(raw.try_into()?)))
    }

    tokio_postgres::types::accepts!(TIMESTAMPTZ);
}

impl tokio_postgres::types::ToSql for Instant {
    fn to_sql(
        &self,
        _: &tokio_postgres::types::Type,
        out: &mut bytes::BytesMut,
    ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&self.to_postgres().to_be_bytes());
        Ok(tokio_postgres::types::IsNull::No)
    }

    tokio_postgres::types::accepts!(TIMESTAMPTZ);
    tokio_postgres::types::to_sql_checked!();
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, self.to_timestamp()) {
            (_, Some(timestamp)) => write!(f, "{timestamp:.6}"),
            (Self::INFINITY, None) => f.write_str("infinity"),
            (Self::NEGATIVE_INFINITY, None) => f.write_str("-infinity"),
            (_, None) => write!(f, "{}us", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc3339_with_microseconds_and_reads_it_back() {
        let at = Instant(1_767_225_600_000_001);
        assert_eq!(at.to_string(), "2026-01-01T00:00:00.000001Z");
        assert_eq!(Instant::parse(&at.to_string()), Some(at));
        assert_eq!(Instant::from_postgres(at.to_postgres()), at);
    }

    #[test]
    fn infinity_is_shown_as_such_and_written_back() {
        for (binary, text) in [(i64::MAX, "infinity"), (i64::MIN, "-infinity")] {
            let at = Instant::from_postgres(binary);
            assert_eq!(at.to_string(), text);
            assert_eq!(at.to_postgres(), binary);
            assert!(!at.is_storable());
        }
    }

    #[test]
    fn our_own_form_reads_as_the_general_parser_reads_it() {
        for text in [
            "1970-01-01T00:00:00.000000Z",
            "1969-12-28T23:59:59.999999Z",
            "2000-02-28T12:00:00.000001Z",
            "2024-02-29T12:00:00.000000Z",
            "2024-03-01T00:00:00.500000Z",
            "2026-12-31T23:59:59.000000Z",
            "0001-01-01T00:00:00.000000Z",
            "9999-12-28T23:59:59.999999Z",
            "2026-01-01T00:00:60.000000Z",
        ] {
            let general = text.parse::<jiff::Timestamp>().ok().map(Instant::from_timestamp);
            assert_eq!(Instant::parse(text), general, "{text}");
        }
        for text in [
            "2026-13-01T00:00:00.000000Z",
            "2026-02-30T00:00:00.000000Z",
            "2026-01-01T24:00:00.000000Z",
        ] {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
    }

    #[test]
    fn year_294277_is_not_storable() {
        assert!(!Instant(9_223_372_036_854_775_000).is_storable());
        assert!(Instant(0).is_storable());
    }
}
