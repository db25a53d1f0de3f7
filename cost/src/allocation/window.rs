//! Windows of time as OpenCost names them.

use jiff::{SignedDuration, Span, Timestamp, Unit, civil::Date, tz::TimeZone};

/// A half-open span of UTC time; both ends are whole hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostWindow {
    /// Begin.
    pub from: Timestamp,
    /// End, exclusive.
    pub to: Timestamp,
}

const FORMS: &str = "write a duration (7d, 24h, 90m), `7d offset 1d`, today, yesterday, week, lastweek, \
     month, lastmonth, or two instants or Unix times separated by a comma";

impl CostWindow {
    /// Reads a window as of an instant. Ends are cut to whole hours: cost is known by the hour, and the running hour
    /// counts as far as it has been rated.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, String> {
        let text = text.trim();
        let fail = || format!("window: `{text}` is not a window; {FORMS}");
        let window = match text {
            "today" | "yesterday" | "week" | "lastweek" | "month" | "lastmonth" => {
                named(text, now).ok_or_else(fail)?
            }
            _ => match pair(text) {
                Some((from, to)) => Self {
                    from: instant(from).ok_or_else(fail)?,
                    to: instant(to).ok_or_else(fail)?,
                },
                None => past(text, now).ok_or_else(fail)?,
            },
        };
        let window = Self {
            from: floor_hour(window.from),
            to: ceil_hour(window.to),
        };
        if window.from >= window.to {
            return Err(format!("window: `{text}` ends before it begins"));
        }
        Ok(window)
    }

    /// A part for each hour, day, week, month or quarter of the calendar that it touches, cut to the window.
    #[must_use]
    pub fn calendar(&self, unit: CalendarUnit) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut from = self.from;
        while from < self.to {
            let to = unit.end(from).map_or(self.to, |to| to.min(self.to));
            parts.push(Self { from, to });
            from = to;
        }
        parts
    }

    /// Parts of `step` each; the last one may be shorter.
    #[must_use]
    pub fn steps(&self, step: SignedDuration) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut from = self.from;
        while from < self.to {
            let to = from.checked_add(step).map_or(self.to, |to| to.min(self.to));
            parts.push(Self { from, to });
            from = to;
        }
        parts
    }

    /// Its length.
    #[must_use]
    pub fn length(&self) -> SignedDuration {
        self.to.duration_since(self.from)
    }
}

/// Parts of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarUnit {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week, which begins on Sunday as it does for OpenCost.
    Week,
    /// A month.
    Month,
    /// January to March, and so on.
    Quarter,
}

impl CalendarUnit {
    /// Reads one name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            _ => return None,
        })
    }

    /// When the one that holds an instant ends.
    fn end(self, at: Timestamp) -> Option<Timestamp> {
        let day = at.to_zoned(TimeZone::UTC).start_of_day().ok()?;
        let month = |months: i8| {
            day.first_of_month()
                .ok()?
                .checked_add(Span::new().months(months))
                .ok()
        };
        let end = match self {
            Self::Hour => return floor_hour(at).checked_add(SignedDuration::from_hours(1)).ok(),
            Self::Day => day.tomorrow().ok()?,
            Self::Week => {
                let past = day.weekday().to_sunday_zero_offset();
                day.checked_add(Span::new().days(7 - past)).ok()?
            }
            Self::Month => month(1)?,
            Self::Quarter => month(3 - (day.month() - 1) % 3)?,
        };
        Some(end.timestamp())
    }
}

/// Two instants or Unix times; the latter may have a hyphen between them.
fn pair(text: &str) -> Option<(&str, &str)> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once(',').or_else(|| {
        text.split_once('-')
            .filter(|(from, to)| is_number(from) && is_number(to))
    })
}

/// A length of time before now, as OpenCost has it: days and weeks are whole ones and end with today, hours and minutes
/// with the running one; before an offset they are to the second.
fn past(text: &str, now: Timestamp) -> Option<CostWindow> {
    if let Some((length, offset)) = text.split_once(" offset ") {
        let to = now.checked_sub(duration(offset)?).ok()?;
        let from = to.checked_sub(duration(length)?).ok()?;
        return Some(CostWindow { from, to });
    }
    let length = duration(text)?;
    let to = match text.chars().last() {
        Some('d' | 'w') => CalendarUnit::Day.end(now)?,
        Some('h') => CalendarUnit::Hour.end(now)?,
        _ => now,
    };
    Some(CostWindow {
        from: to.checked_sub(length).ok()?,
        to,
    })
}

/// A length such as 7d, 24h, 90m, 3600s, 2w.
#[must_use]
pub fn duration(text: &str) -> Option<SignedDuration> {
    let text = text.trim();
    let unit = text.chars().last()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let seconds = number.checked_mul(seconds)?;
    (seconds > 0).then(|| SignedDuration::from_secs(seconds))
}

/// Seconds since 1970, an instant, or the midnight in UTC at which a day begins.
fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).ok();
    }
    let midnight = |day: Date| day.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    // A day is no instant to its parser, and an instant is a day to a day's.
    match text.len() {
        10 => text.parse().ok().and_then(midnight),
        _ => text.parse().ok(),
    }
}

/// Days that are over are whole; today is too, and weeks and months that are not over end now.
fn named(name: &str, now: Timestamp) -> Option<CostWindow> {
    let utc = now.to_zoned(TimeZone::UTC);
    let day = utc.start_of_day().ok()?;
    let past = day.weekday().to_sunday_zero_offset();
    let sunday = day.checked_sub(Span::new().days(past)).ok()?;
    let month = day.first_of_month().ok()?;
    let before = |zoned: &jiff::Zoned, span: Span| zoned.checked_sub(span).ok();
    let (from, to) = match name {
        "today" => (day.clone(), day.tomorrow().ok()?),
        "yesterday" => (before(&day, Span::new().days(1))?, day),
        "week" => (sunday, utc),
        "lastweek" => (before(&sunday, Span::new().weeks(1))?, sunday),
        "month" => (month, utc),
        _ => (before(&month, Span::new().months(1))?, month),
    };
    Some(CostWindow {
        from: from.timestamp(),
        to: to.timestamp(),
    })
}

fn floor_hour(at: Timestamp) -> Timestamp {
    let seconds = at.as_second() - at.as_second().rem_euclid(3_600);
    Timestamp::from_second(seconds).unwrap_or(at)
}

fn ceil_hour(at: Timestamp) -> Timestamp {
    let floor = floor_hour(at);
    if floor == at {
        return at;
    }
    let hour = SignedDuration::from_hours(1);
    floor.checked_add(hour).unwrap_or(at)
}

/// An instant as OpenCost prints it.
#[must_use]
pub fn text(at: Timestamp) -> String {
    at.round(Unit::Second).unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        // A Wednesday.
        "2026-03-11T14:25:00Z".parse().unwrap()
    }

    fn read(text: &str) -> String {
        match CostWindow::parse(text, now()) {
            Ok(window) => format!("{}/{}", window.from, window.to),
            Err(error) => error,
        }
    }

    #[test]
    fn every_form_of_a_window_is_read() {
        let cases = [
            ("24h", "2026-03-10T15:00:00Z/2026-03-11T15:00:00Z"),
            ("7d", "2026-03-05T00:00:00Z/2026-03-12T00:00:00Z"),
            ("1d", "2026-03-11T00:00:00Z/2026-03-12T00:00:00Z"),
            ("2w", "2026-02-26T00:00:00Z/2026-03-12T00:00:00Z"),
            ("90m", "2026-03-11T12:00:00Z/2026-03-11T15:00:00Z"),
            ("7d offset 1d", "2026-03-03T14:00:00Z/2026-03-10T15:00:00Z"),
            ("1d offset 1w", "2026-03-03T14:00:00Z/2026-03-04T15:00:00Z"),
            ("today", "2026-03-11T00:00:00Z/2026-03-12T00:00:00Z"),
            ("yesterday", "2026-03-10T00:00:00Z/2026-03-11T00:00:00Z"),
            ("week", "2026-03-08T00:00:00Z/2026-03-11T15:00:00Z"),
            ("lastweek", "2026-03-01T00:00:00Z/2026-03-08T00:00:00Z"),
            ("month", "2026-03-01T00:00:00Z/2026-03-11T15:00:00Z"),
            ("lastmonth", "2026-02-01T00:00:00Z/2026-03-01T00:00:00Z"),
            (
                "1772323200-1772409600",
                "2026-03-01T00:00:00Z/2026-03-02T00:00:00Z",
            ),
            (
                "2026-03-01T00:00:00Z,2026-03-01T23:59:59Z",
                "2026-03-01T00:00:00Z/2026-03-02T00:00:00Z",
            ),
            (
                "2026-03-01T10:30:00Z,2026-03-02T00:00:00Z",
                "2026-03-01T10:00:00Z/2026-03-02T00:00:00Z",
            ),
            (
                "2026-03-01,2026-03-02",
                "2026-03-01T00:00:00Z/2026-03-02T00:00:00Z",
            ),
            (
                "1772323200,1772409600",
                "2026-03-01T00:00:00Z/2026-03-02T00:00:00Z",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
        for wrong in [
            "",
            "7",
            "d",
            "-1d",
            "tomorrow",
            "2026-03-01T10:30:00Z",
            "2026-02-30,2026-03-01",
            "a,b",
        ] {
            assert!(read(wrong).starts_with("window: "), "{wrong}");
        }
        assert!(read("1772409600,1772323200").contains("ends before"));
    }

    #[test]
    fn steps_cover_the_window_without_a_gap() {
        let window = CostWindow::parse("2026-03-01T00:00:00Z,2026-03-03T12:00:00Z", now()).unwrap();
        let steps = window.steps(SignedDuration::from_hours(24));
        assert_eq!(steps.len(), 3);
        assert!(steps.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert_eq!(steps[2].length(), SignedDuration::from_hours(12));
    }
}
