//! How figures, lengths of time and instants are written on a page. Pure.

use fleetledger_schema::instant::Instant;
use minijinja::{Environment, Value, value::ValueKind};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

/// Adds the filters of all templates: `encoded`, `age`, `ago`, `figure`, `money`.
pub(crate) fn add_filters(environment: &mut Environment<'_>, now: Instant) {
    environment.add_filter("encoded", |text: &str| fleetledger_alerts::links::encode(text));
    environment.add_filter("age", |seconds: Value| {
        seconds_of(&seconds).map_or_else(|| "–".to_owned(), age)
    });
    environment.add_filter("ago", move |instant: Value| ago(now, &instant));
    environment.add_filter("figure", |number: Value| {
        i64::try_from(number).map_or_else(|_| "–".to_owned(), figure)
    });
    environment.add_filter("money", |amount: f64| money(amount));
}

fn seconds_of(value: &Value) -> Option<f64> {
    match value.kind() {
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        _ => None,
    }
}

/// A length of time in seconds, in its largest unit: people compare ages, they do not add them.
pub(crate) fn age(seconds: f64) -> String {
    let (size, unit) = match seconds.max(0.0) {
        less if less < 2.0 * MINUTE => (1.0, "s"),
        less if less < 2.0 * HOUR => (MINUTE, "min"),
        less if less < 2.0 * DAY => (HOUR, "h"),
        _ => (DAY, "d"),
    };
    format!("{:.0} {unit}", (seconds.max(0.0) / size).floor())
}

/// An instant as its age, with itself for whoever points at it.
fn ago(now: Instant, instant: &Value) -> Value {
    let Some(text) = instant.as_str() else {
        return Value::from("");
    };
    let Some(then) = Instant::parse(text) else {
        return Value::from(text);
    };
    #[expect(clippy::cast_precision_loss, reason = "an age is shown in two digits")]
    let seconds = now.0.saturating_sub(then.0) as f64 / 1e6;
    let whole = text
        .split_once('.')
        .map_or(text.to_owned(), |(seconds, _)| format!("{seconds}Z"));
    let (whole, age) = (crate::markdown::escape(&whole), age(seconds));
    Value::from_safe_string(format!(
        "<time datetime=\"{whole}\" title=\"{whole}\">{age}</time>"
    ))
}

/// A whole number with thin spaces between its thousands.
pub(crate) fn figure(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    match number < 0 {
        true => format!("−{out}"),
        false => out,
    }
}

/// An amount of money with as many digits as say something: whole from a hundred on, else two after the point.
pub(crate) fn money(amount: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an amount beyond 9·10^18 is shown as that"
    )]
    let whole = |amount: f64| figure(amount.round() as i64);
    match amount.abs() {
        more if more >= 100.0 => whole(amount),
        _ => format!("{amount:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_written_in_one_unit() {
        let written = [0.4, 119.0, 120.0, 7_199.0, 7_200.0, 172_799.0, 172_800.0, -5.0].map(age);
        assert_eq!(
            written,
            ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d", "0 s"]
        );
    }

    #[test]
    fn figures_are_grouped_and_money_has_two_digits_where_they_matter() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567, -1_000].map(figure),
            [
                "0",
                "999",
                "1\u{202f}000",
                "1\u{202f}234\u{202f}567",
                "−1\u{202f}000"
            ]
        );
        assert_eq!(
            [0.004, 12.345, 99.999, 1_234.5].map(money),
            ["0.00", "12.35", "100.00", "1\u{202f}235"].map(str::to_owned)
        );
    }

    #[test]
    fn an_instant_is_shown_as_its_age_and_escaped() {
        let now = Instant::parse("2026-01-31T14:05:00Z").unwrap();
        let shown = |text: &str| ago(now, &Value::from(text)).to_string();
        assert_eq!(
            shown("2026-01-31T14:00:00.123456Z"),
            "<time datetime=\"2026-01-31T14:00:00Z\" title=\"2026-01-31T14:00:00Z\">4 min</time>"
        );
        assert_eq!(shown("infinity"), "infinity");
        assert_eq!(ago(now, &Value::from(())).to_string(), "");
    }
}
