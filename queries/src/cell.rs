//! One value of a result, read from PostgreSQL's binary form.

use std::error::Error;

use fleetledger_schema::instant::Instant;
use tokio_postgres::{
    Row,
    types::{FromSql, Kind as TypeKind, Type},
};

/// One value of a result.
#[derive(Debug, Clone, PartialEq)]
pub enum ResultCell {
    /// NULL.
    Null,
    /// Text, uuid, interval, day.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Float(f64),
    /// A decimal number, exactly as PostgreSQL writes it.
    Decimal(String),
    /// A truth value.
    Boolean(bool),
    /// An instant.
    Instant(Instant),
    /// JSON, and arrays.
    Json(serde_json::Value),
}

/// What a column's type is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnRole {
    /// Names things: text, uuid, boolean, small whole numbers.
    Name,
    /// Counts or measures: large whole numbers, decimals, floating-point numbers.
    Number,
    /// A point or length of time.
    Time,
    /// JSON and arrays.
    Document,
}

/// What a type is good for; `None` = results with it cannot be read.
#[must_use]
pub(crate) fn role(column_type: &Type) -> Option<ColumnRole> {
    let known = [
        (
            ColumnRole::Name,
            &[
                Type::TEXT,
                Type::VARCHAR,
                Type::BPCHAR,
                Type::NAME,
                Type::CHAR,
                Type::UNKNOWN,
                Type::UUID,
                Type::BOOL,
                Type::INT2,
                Type::INT4,
            ][..],
        ),
        (
            ColumnRole::Number,
            &[Type::INT8, Type::OID, Type::FLOAT4, Type::FLOAT8, Type::NUMERIC],
        ),
        (
            ColumnRole::Time,
            &[Type::TIMESTAMPTZ, Type::TIMESTAMP, Type::DATE, Type::INTERVAL],
        ),
        (ColumnRole::Document, &[Type::JSON, Type::JSONB]),
    ];
    if let TypeKind::Array(member) = column_type.kind() {
        return role(member)
            .filter(|role| *role != ColumnRole::Document)
            .map(|_| ColumnRole::Document);
    }
    let found = known.iter().find(|(_, types)| types.contains(column_type));
    found.map(|(role, _)| *role)
}

/// True if a column of this type can be a value.
#[must_use]
pub(crate) fn is_number(column_type: &Type) -> bool {
    role(column_type) == Some(ColumnRole::Number) || [Type::INT2, Type::INT4].contains(column_type)
}

impl ResultCell {
    /// Reads one value of a row.
    ///
    /// # Errors
    /// A type that is not read, or bytes that are not of that type.
    pub fn read(row: &Row, column: usize) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let Some(column_type) = row.columns().get(column).map(|column| column.type_().clone()) else {
            return Err("no such column".into());
        };
        let raw: Option<RawBytes<'_>> = row.try_get(column)?;
        match raw {
            None => Ok(Self::Null),
            Some(RawBytes(bytes)) => decode(&column_type, bytes),
        }
    }

    /// As a number, where it is one. NaN is none.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        let number = match self {
            #[expect(clippy::cast_precision_loss, reason = "samples are floating-point numbers")]
            Self::Integer(number) => *number as f64,
            Self::Float(number) => *number,
            Self::Decimal(text) => text.parse().ok()?,
            _ => return None,
        };
        (!number.is_nan()).then_some(number)
    }

    /// As text, as labels and annotations show it; NULL is empty.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) | Self::Decimal(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => float(*number),
            Self::Boolean(truth) => truth.to_string(),
            Self::Instant(instant) => instant.to_string(),
            Self::Json(value) => value.to_string(),
        }
    }

    /// As JSON. Numbers that JSON cannot hold exactly become text.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => (*number).into(),
            Self::Float(number) => serde_json::Number::from_f64(*number)
                .map_or_else(|| Value::String(float(*number)), Value::Number),
            Self::Decimal(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() && number.to_string() == *text => number.into(),
                Ok(number) if number.is_finite() && text.len() <= 15 => number.into(),
                _ => Value::String(text.clone()),
            },
            Self::Boolean(truth) => (*truth).into(),
            Self::Text(_) | Self::Instant(_) => Value::String(self.text()),
            Self::Json(value) => value.clone(),
        }
    }
}

/// Bytes of any type.
struct RawBytes<'r>(&'r [u8]);

impl<'r> FromSql<'r> for RawBytes<'r> {
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn decode(column_type: &Type, raw: &[u8]) -> Result<ResultCell, Box<dyn Error + Sync + Send>> {
    Ok(match *column_type {
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::CHAR => {
            ResultCell::Text(std::str::from_utf8(raw)?.to_owned())
        }
        Type::BOOL => ResultCell::Boolean(raw == [1]),
        Type::INT2 => ResultCell::Integer(i16::from_be_bytes(raw.try_into()?).into()),
        Type::INT4 => ResultCell::Integer(i32::from_be_bytes(raw.try_into()?).into()),
        Type::INT8 => ResultCell::Integer(i64::from_be_bytes(raw.try_into()?)),
        Type::OID => ResultCell::Integer(u32::from_be_bytes(raw.try_into()?).into()),
        Type::FLOAT4 => ResultCell::Float(f32::from_be_bytes(raw.try_into()?).into()),
        Type::FLOAT8 => ResultCell::Float(f64::from_be_bytes(raw.try_into()?)),
        Type::NUMERIC => ResultCell::Decimal(decimal(raw).ok_or("a numeric of unknown form")?),
        Type::UUID => ResultCell::Text(uuid(raw)),
        Type::TIMESTAMPTZ | Type::TIMESTAMP => {
            ResultCell::Instant(Instant::from_postgres(i64::from_be_bytes(raw.try_into()?)))
        }
        Type::DATE => ResultCell::Text(day(i32::from_be_bytes(raw.try_into()?))),
        Type::INTERVAL => ResultCell::Text(interval(raw).ok_or("an interval of unknown form")?),
        Type::JSON => ResultCell::Json(serde_json::from_slice(raw)?),
        Type::JSONB => match raw.split_first() {
            Some((1, json)) => ResultCell::Json(serde_json::from_slice(json)?),
            _ => return Err("a jsonb of unknown version".into()),
        },
        _ => match column_type.kind() {
            TypeKind::Array(member) => ResultCell::Json(array(member, raw)?),
            _ => return Err(format!("type {column_type} is not supported; cast it to text").into()),
        },
    })
}

/// As PostgreSQL writes it where it is no number that JSON knows.
fn float(number: f64) -> String {
    match number {
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        number => number.to_string(),
    }
}

/// Splits `N` bytes off the front.
fn take<const N: usize>(raw: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = raw.split_first_chunk::<N>()?;
    *raw = tail;
    Some(*head)
}

/// A numeric: count of digits in base 10,000, weight of the first, sign, digits behind the point.
fn decimal(mut raw: &[u8]) -> Option<String> {
    let mut short = || take::<2>(&mut raw).map(i16::from_be_bytes);
    let (count, weight, sign, scale) = (short()?, short()?, short()?, short()?);
    let digits: Vec<i16> = (0..count).map(|_| short()).collect::<Option<_>>()?;
    #[expect(clippy::cast_sign_loss, reason = "the sign's codes are unsigned")]
    let sign = match sign as u16 {
        0x0000 => "",
        0x4000 => "-",
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        _ => return None,
    };
    let digit = |place: i16| {
        let index = usize::try_from(weight - place).ok();
        index.and_then(|index| digits.get(index)).copied().unwrap_or(0)
    };
    let mut text = String::from(sign);
    let whole: String = (0..=weight.max(0))
        .rev()
        .map(|place| format!("{:04}", digit(place)))
        .collect();
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let places = (scale + 3) / 4;
        let behind: String = (1..=places)
            .map(|place| format!("{:04}", digit(-place)))
            .collect();
        text.push('.');
        text.push_str(behind.get(..usize::try_from(scale).ok()?)?);
    }
    Some(text)
}

fn uuid(raw: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (number, byte) in raw.iter().enumerate() {
        if [4, 6, 8, 10].contains(&number) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// A day, counted from 2000-01-01.
fn day(days: i32) -> String {
    match days {
        i32::MAX => "infinity".to_owned(),
        i32::MIN => "-infinity".to_owned(),
        days => {
            let at = Instant::from_postgres(i64::from(days).saturating_mul(86_400_000_000));
            at.to_string()
                .chars()
                .take_while(|letter| *letter != 'T')
                .collect()
        }
    }
}

/// Microseconds, days and months: `1mon 2d 03:04:05`.
fn interval(mut raw: &[u8]) -> Option<String> {
    let micros = i64::from_be_bytes(take(&mut raw)?);
    let days = i32::from_be_bytes(take(&mut raw)?);
    let months = i32::from_be_bytes(take(&mut raw)?);
    match (micros, days, months) {
        (i64::MAX, i32::MAX, i32::MAX) => return Some("infinity".to_owned()),
        (i64::MIN, i32::MIN, i32::MIN) => return Some("-infinity".to_owned()),
        _ => {}
    }
    let mut words = Vec::new();
    if months != 0 {
        words.push(format!("{months}mon"));
    }
    if days != 0 {
        words.push(format!("{days}d"));
    }
    if micros != 0 || words.is_empty() {
        let seconds = micros.unsigned_abs() / 1_000_000;
        let sign = if micros < 0 { "-" } else { "" };
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        let mut clock = format!("{sign}{hours:02}:{minutes:02}:{:02}", seconds % 60);
        let fraction = micros.unsigned_abs() % 1_000_000;
        if fraction != 0 {
            clock.push_str(format!(".{fraction:06}").trim_end_matches('0'));
        }
        words.push(clock);
    }
    Some(words.join(" "))
}

/// An array of one dimension: dimensions, has-null flag, member type, then length and lower bound.
fn array(member: &Type, mut raw: &[u8]) -> Result<serde_json::Value, Box<dyn Error + Sync + Send>> {
    let cut = || "an array of unknown form";
    let long = |raw: &mut &[u8]| take::<4>(raw).map(i32::from_be_bytes).ok_or_else(cut);
    let dimensions = long(&mut raw)?;
    let (_flags, _member) = (long(&mut raw)?, long(&mut raw)?);
    if dimensions == 0 {
        return Ok(serde_json::Value::Array(Vec::new()));
    }
    if dimensions > 1 {
        return Err("multidimensional arrays are not supported".into());
    }
    let (length, _lower) = (long(&mut raw)?, long(&mut raw)?);
    let mut items = Vec::new();
    for _ in 0..length {
        let item = match usize::try_from(long(&mut raw)?) {
            Err(_) => ResultCell::Null,
            Ok(size) => {
                let (item, rest) = raw.split_at_checked(size).ok_or_else(cut)?;
                raw = rest;
                decode(member, item)?
            }
        };
        items.push(item.json());
    }
    Ok(items.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_names_numbers_or_times() {
        assert_eq!(role(&Type::TEXT), Some(ColumnRole::Name));
        assert_eq!(role(&Type::INT4), Some(ColumnRole::Name));
        assert_eq!(role(&Type::INT8), Some(ColumnRole::Number));
        assert_eq!(role(&Type::TIMESTAMPTZ), Some(ColumnRole::Time));
        assert_eq!(role(&Type::TEXT_ARRAY), Some(ColumnRole::Document));
        assert_eq!(role(&Type::POINT), None);
        assert!(is_number(&Type::INT4) && is_number(&Type::NUMERIC) && !is_number(&Type::BOOL));
    }

    #[test]
    fn infinity_is_shown_as_such_in_every_type_that_has_one() {
        let end = |column_type: Type, raw: &[u8]| decode(&column_type, raw).unwrap().text();
        let (micros, days) = (i64::MAX.to_be_bytes(), i32::MAX.to_be_bytes());
        assert_eq!(end(Type::TIMESTAMPTZ, &micros), "infinity");
        assert_eq!(end(Type::TIMESTAMP, &i64::MIN.to_be_bytes()), "-infinity");
        assert_eq!(end(Type::DATE, &days), "infinity");
        let interval = [&micros[..], &days, &days].concat();
        assert_eq!(end(Type::INTERVAL, &interval), "infinity");
        assert_eq!(end(Type::FLOAT8, &f64::INFINITY.to_be_bytes()), "Infinity");
        assert_eq!(
            decode(&Type::FLOAT4, &f32::NEG_INFINITY.to_be_bytes())
                .unwrap()
                .json(),
            serde_json::json!("-Infinity")
        );
        assert_eq!(
            decode(&Type::TIMESTAMPTZ, &micros).unwrap().json(),
            serde_json::json!("infinity")
        );
    }

    #[test]
    fn a_number_is_a_number_and_nan_is_none() {
        assert_eq!(ResultCell::Decimal("1.50".into()).number(), Some(1.5));
        assert_eq!(ResultCell::Decimal("NaN".into()).number(), None);
        assert_eq!(
            ResultCell::Decimal("Infinity".into()).number(),
            Some(f64::INFINITY)
        );
        assert_eq!(ResultCell::Text("1".into()).number(), None);
        assert_eq!(ResultCell::Decimal("1.50".into()).json(), serde_json::json!(1.5));
        assert_eq!(
            ResultCell::Decimal("12345678901234567890.5".into()).json(),
            serde_json::json!("12345678901234567890.5")
        );
    }
}
