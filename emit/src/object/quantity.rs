//! Kubernetes quantities, exactly.
//!
//! A quantity is a decimal number with a suffix: none, `n u m k M G T P E` (powers of ten), `Ki Mi Gi Ti Pi Ei`
//! (powers of two) or an exponent (`e3`, `E-2`). Kubernetes keeps nothing finer than a nano and nothing beyond
//! 2^63-1, and rounds up; so does this.

use std::fmt;

use thiserror::Error;

/// Nanos in one.
const NANOS: i128 = 1_000_000_000;
/// Largest value a quantity may have, in nanos.
const MAX_NANOS: i128 = i64::MAX as i128 * NANOS;

/// How a quantity was written, which is how a sum of such quantities is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum QuantityForm {
    #[default]
    Decimal,
    Binary,
}

/// A quantity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quantity {
    nanos: i128,
    form: QuantityForm,
}

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a kubernetes quantity such as 500m, 1.5, 2Gi or 1e3")]
pub struct QuantityError(String);

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// [`QuantityError`] if it has none of the forms Kubernetes accepts.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        Self::read(text).ok_or_else(|| QuantityError(text.chars().take(80).collect()))
    }

    fn read(text: &str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let (scale, form) = SuffixScale::read(suffix)?;
        let nanos = scale.nanos(whole, fraction);
        Some(Self {
            nanos: if negative { -nanos } else { nanos },
            form,
        })
    }

    /// In billionths.
    #[must_use]
    pub fn nanos(self) -> i64 {
        self.rounded_up(1)
    }

    /// In thousandths, rounded up.
    #[must_use]
    pub fn thousandths(self) -> i64 {
        self.rounded_up(NANOS / 1000)
    }

    /// In ones, rounded up.
    #[must_use]
    pub fn units(self) -> i64 {
        self.rounded_up(NANOS)
    }

    /// This and `other` together, in this one's form.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            nanos: (self.nanos + other.nanos).clamp(-MAX_NANOS, MAX_NANOS),
            form: self.form,
        }
    }

    /// The larger of the two.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        if other.nanos > self.nanos { other } else { self }
    }

    /// True for zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }

    fn rounded_up(self, unit: i128) -> i64 {
        // Kubernetes rounds away from zero.
        let magnitude = self.nanos.abs();
        let rounded = magnitude / unit + i128::from(magnitude % unit != 0);
        let signed = if self.nanos < 0 { -rounded } else { rounded };
        i64::try_from(signed).unwrap_or(if signed < 0 { i64::MIN } else { i64::MAX })
    }
}

/// The canonical form in which the API server writes a quantity.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
        const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if self.form == QuantityForm::Binary && self.nanos % NANOS == 0 && self.nanos.abs() >= 1024 * NANOS {
            return write_scaled(f, self.nanos / NANOS, 1024, &BINARY);
        }
        write_scaled(f, self.nanos, 1000, &DECIMAL)
    }
}

fn write_scaled(f: &mut fmt::Formatter<'_>, mut value: i128, base: i128, suffixes: &[&str]) -> fmt::Result {
    let mut suffixes = suffixes.iter();
    let mut suffix = suffixes.next().copied().unwrap_or_default();
    while value % base == 0 {
        let Some(next) = suffixes.next() else { break };
        suffix = next;
        value /= base;
    }
    write!(f, "{value}{suffix}")
}

/// What a suffix multiplies by.
enum SuffixScale {
    Ten(i32),
    Two(u32),
}

impl SuffixScale {
    fn read(suffix: &str) -> Option<(Self, QuantityForm)> {
        let ten = |power| Some((SuffixScale::Ten(power), QuantityForm::Decimal));
        let two = |power| Some((SuffixScale::Two(power), QuantityForm::Binary));
        match suffix {
            "n" => ten(-9),
            "u" => ten(-6),
            "m" => ten(-3),
            "" => ten(0),
            "k" => ten(3),
            "M" => ten(6),
            "G" => ten(9),
            "T" => ten(12),
            "P" => ten(15),
            "E" => ten(18),
            "Ki" => two(10),
            "Mi" => two(20),
            "Gi" => two(30),
            "Ti" => two(40),
            "Pi" => two(50),
            "Ei" => two(60),
            _ => {
                let digits = suffix.strip_prefix(['e', 'E'])?;
                let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
                if unsigned.is_empty() || !unsigned.bytes().all(|c| c.is_ascii_digit()) {
                    return None;
                }
                ten(digits
                    .parse()
                    .unwrap_or(if digits.starts_with('-') { -1000 } else { 1000 }))
            }
        }
    }

    /// `whole.fraction` times this scale, in nanos, rounded up and bounded.
    fn nanos(&self, whole: &str, fraction: &str) -> i128 {
        let (power, factor) = match self {
            SuffixScale::Ten(power) => (*power, 1),
            SuffixScale::Two(power) => (0, 1_i128 << power),
        };
        let mut value: i128 = 0;
        let mut rest = false;
        // Nine more digits than the point's place are kept: what is finer only rounds up.
        let mut place = power.saturating_add(9);
        for digit in whole.bytes().map(|c| i128::from(c - b'0')) {
            value = value.saturating_mul(10).saturating_add(digit);
        }
        // Binary suffixes need the whole fraction before it can be rounded: 0.1Ki is 102.4.
        let mut scaled = DecimalFraction::default();
        for digit in fraction.bytes().map(|c| i128::from(c - b'0')) {
            if factor > 1 {
                scaled.push(digit);
            } else if place > 0 && value < MAX_NANOS {
                value = value * 10 + digit;
                place -= 1;
            } else {
                rest |= digit != 0;
            }
        }
        for _ in 0..place.clamp(0, 60) {
            value = value.saturating_mul(10);
        }
        for _ in 0..(-place).clamp(0, 60) {
            rest |= value % 10 != 0;
            value /= 10;
        }
        let value = value.saturating_mul(factor).saturating_add(scaled.times(factor));
        value.saturating_add(i128::from(rest)).min(MAX_NANOS)
    }
}

/// Decimal digits after the point, up to 18 of them exactly.
#[derive(Default)]
struct DecimalFraction {
    digits: i128,
    places: u32,
    rest: bool,
}

impl DecimalFraction {
    fn push(&mut self, digit: i128) {
        if self.places < 18 {
            self.digits = self.digits * 10 + digit;
            self.places += 1;
        } else {
            self.rest |= digit != 0;
        }
    }

    /// `0.digits × factor` in nanos, rounded up.
    fn times(&self, factor: i128) -> i128 {
        let divisor = 10_i128.pow(self.places);
        // At most 10^18 × 2^60: factor and nanos are applied one after the other so that nothing overflows.
        let product = self.digits * factor;
        let (whole, part) = (product / divisor, product % divisor);
        let nanos = part * NANOS;
        whole * NANOS + nanos / divisor + i128::from(nanos % divisor != 0 || self.rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn thousandths_of(text: &str) -> i64 {
        Quantity::parse(text).unwrap().thousandths()
    }

    #[test]
    fn every_form_is_read_exactly_and_rounded_up() {
        for (text, expected) in [
            ("0", 0),
            ("1", 1000),
            ("1.5", 1500),
            (".5", 500),
            ("5.", 5000),
            ("100m", 100),
            ("100u", 1),
            ("1n", 1),
            ("1000001n", 2),
            ("0.1", 100),
            ("0.0001", 1),
            ("2k", 2_000_000),
            ("1e3", 1_000_000),
            ("1E3", 1_000_000),
            ("1e-3", 1),
            ("+2", 2000),
            ("-1.5", -1500),
            ("1Ki", 1_024_000),
            ("0.1Ki", 102_400),
            ("0.5Gi", 536_870_912_000),
        ] {
            assert_eq!(thousandths_of(text), expected, "{text}");
        }
        for (text, expected) in [
            ("1Ei", 1_i64 << 60),
            ("1E", 1_000_000_000_000_000_000),
            ("128974848", 128_974_848),
            ("129e6", 129_000_000),
            ("129M", 129_000_000),
            ("128974848000m", 128_974_848),
            ("123Mi", 128_974_848),
            ("1.1Ki", 1127),
            ("100E", i64::MAX),
            ("1e400", i64::MAX),
            ("9Ei", i64::MAX),
            ("1e-400", 1),
        ] {
            let expected = if text == "9Ei" { i64::MAX } else { expected };
            assert_eq!(Quantity::parse(text).unwrap().units(), expected, "{text}");
        }
    }

    #[test]
    fn what_kubernetes_refuses_is_refused() {
        for text in [
            "", "m", ".", "1.2.3", "1K", "1ki", "1mi", "1e", "1e+", "1 Gi", "٣", "0x10", "1Zi",
        ] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn canonical_form_is_the_api_servers() {
        for (text, expected) in [
            ("1000", "1k"),
            ("1024", "1024"),
            ("1024Mi", "1Gi"),
            ("0.5Gi", "512Mi"),
            ("0.5", "500m"),
            ("1500m", "1500m"),
            ("2000m", "2"),
            ("0", "0"),
        ] {
            assert_eq!(Quantity::parse(text).unwrap().to_string(), expected, "{text}");
        }
        let sum = Quantity::parse("2Mi")
            .unwrap()
            .plus(Quantity::parse("2Mi").unwrap());
        assert_eq!(sum.to_string(), "4Mi");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_never_panics(text in "[-+]?[0-9.]{0,40}[a-zA-Z0-9]{0,5}") {
            let _ = Quantity::parse(&text).map(|q| (q.thousandths(), q.units(), q.to_string()));
        }

        #[test]
        fn canonical_text_reads_back_as_the_same_value(value in 0_i64..1_000_000_000_000, suffix in "(|m|k|M|Ki|Mi|Gi|u|n)") {
            let quantity = Quantity::parse(&format!("{value}{suffix}")).unwrap();
            let again = Quantity::parse(&quantity.to_string()).unwrap();
            prop_assert_eq!(again.nanos, quantity.nanos);
        }
    }
}
