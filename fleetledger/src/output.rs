//! What commands print: text tables for people, and the same data as JSON, YAML and CSV for programs.
//!
//! * here: text for people; [`table`]: typed rows and their columns; [`format`]: one answer in the format that was asked for;
//!   [`color`]: what people must see first.

pub(crate) mod color;
pub(crate) mod format;
pub(crate) mod table;
mod yaml;

pub(crate) use format::{print_answer, print_document, print_rows, print_text, write_answer};
pub(crate) use table::{OutputColumn, OutputRow, OutputTable};

use serde_json::Value;

/// A table under its head, without a frame; nothing where there are no rows.
pub(crate) fn text(head: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = line(head.iter().map(|cell| (*cell).to_owned()), &widths);
    for row in rows {
        out.push_str(&line(row.iter().cloned(), &widths));
    }
    out
}

fn line(cells: impl Iterator<Item = String>, widths: &[usize]) -> String {
    let padded = cells.zip(widths).map(|(cell, width)| {
        let space = width.saturating_sub(cell.chars().count());
        format!("{cell}{}", " ".repeat(space))
    });
    let text = padded.collect::<Vec<_>>().join("  ");
    format!("  {}\n", text.trim_end())
}

/// A count with separators: 1,234,567.
pub(crate) fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if number < 0 { format!("-{out}") } else { out }
}

/// An age for people: 12 s, 4 min, 3 h, 5 d.
pub(crate) fn age(seconds: f64) -> String {
    match seconds.max(0.0) {
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds < 172_800.0 => format!("{:.0} h", seconds / 3_600.0),
        seconds => format!("{:.0} d", seconds / 86_400.0),
    }
}

/// `datacenter/cluster` of a row.
pub(crate) fn cluster_name(row: &OutputRow) -> String {
    match (row.get("datacenter"), row.get("cluster")) {
        (Some(Value::String(datacenter)), Some(Value::String(cluster))) => format!("{datacenter}/{cluster}"),
        _ => "unknown source".to_owned(),
    }
}

/// An age of a row; a dash where it is not known.
pub(crate) fn age_field(row: &OutputRow, name: &str) -> String {
    row.get(name).and_then(Value::as_f64).map_or("–".to_owned(), age)
}

/// A count of a row.
pub(crate) fn count_field(row: &OutputRow, name: &str) -> String {
    row.get(name)
        .and_then(Value::as_i64)
        .map_or_else(String::new, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["a".to_owned(), "1".to_owned()],
            vec!["long".to_owned(), "22".to_owned()],
        ];
        assert_eq!(text(&["k", "n"], &rows), "  k     n\n  a     1\n  long  22\n");
        assert_eq!(text(&["k"], &[]), "");
    }

    #[test]
    fn counts_have_separators_and_ages_their_unit() {
        assert_eq!(
            [count(0), count(999), count(1000), count(-1_234_567)].join(" "),
            "0 999 1,000 -1,234,567"
        );
        assert_eq!(
            [age(3.2), age(180.0), age(10_000.0), age(400_000.0)].join(" "),
            "3 s 3 min 3 h 5 d"
        );
    }
}
