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

use std::{io::IsTerminal as _, sync::OnceLock};

use fleetledger_schema::instant::Instant;
use jiff::{Timestamp, Unit, tz::TimeZone};

/// The widest columns are cut to this before any is cut further; the first column, which names the row, last and no further.
const NARROW: usize = 16;
/// No column is cut to less than this.
const NARROWEST: usize = 8;
/// Spaces before a line, and between two columns.
const SPACE: usize = 2;
/// The zone that instants are shown in; UTC where none is set.
static ZONE: OnceLock<TimeZone> = OnceLock::new();

/// From now on instants are shown in this machine's time zone.
pub(crate) fn use_local_time() {
    // Whoever set it first set the same.
    let _ = ZONE.set(TimeZone::system());
}

/// A table for people who look at it: where stdout is a terminal it fits its width, and is whole anywhere else.
pub(crate) fn list(head: &[&str], rows: &[Vec<String>]) -> String {
    text(head, &fit(head, rows, terminal_width()))
}

/// Columns of the terminal that stdout is; `None` where it is none.
pub(crate) fn terminal_width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let columns = rustix::termios::tcgetwinsize(&stdout).ok()?.ws_col;
    (columns > 0).then_some(usize::from(columns))
}

/// Words in no more columns than stdout has as a terminal; lines after the first begin with `indent` spaces. As they are
/// anywhere else.
pub(crate) fn folded(words: &str, indent: usize) -> String {
    fold(words, indent, terminal_width())
}

fn fold(words: &str, indent: usize, width: Option<usize>) -> String {
    let Some(width) = width else {
        return words.to_owned();
    };
    let text = words.trim_start_matches(' ');
    let mut column = words.len() - text.len();
    let mut out = " ".repeat(column);
    for (place, word) in text.split(' ').enumerate() {
        let letters = word.chars().count();
        if place > 0 && column + 1 + letters > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if place > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += letters;
    }
    out
}

/// The same rows in no more than `width` columns as [`text`] prints them: the widest column is cut, then the next one. What a
/// row is called by, its first cell, is cut least. No column is cut below its head, so that a narrow terminal may still wrap.
pub(crate) fn fit(head: &[&str], rows: &[Vec<String>], width: Option<usize>) -> Vec<Vec<String>> {
    let mut rows = rows.to_vec();
    let Some(width) = width else {
        return rows;
    };
    let mut widths = widths(head, &rows);
    let mut excess = (widths.iter().sum::<usize>() + SPACE * widths.len()).saturating_sub(width);
    let mut widest_first: Vec<usize> = (0..widths.len()).collect();
    widest_first.sort_by_key(|place| std::cmp::Reverse(widths.get(*place).copied()));
    // What a row is called by is what somebody types next: it is cut when all else is as narrow as it can be.
    let others = || widest_first.iter().copied().filter(|place| *place != 0);
    let turns = others()
        .map(|place| (place, NARROW))
        .chain(others().map(|place| (place, NARROWEST)))
        .chain([(0, NARROW)]);
    for (place, least) in turns {
        let least = head.get(place).map_or(0, |head| head.chars().count()).max(least);
        if let Some(column) = widths.get_mut(place) {
            let cut = column.saturating_sub(least).min(excess);
            *column -= cut;
            excess -= cut;
        }
    }
    for row in &mut rows {
        for (cell, width) in row.iter_mut().zip(&widths) {
            if cell.chars().count() > *width {
                let kept: String = cell.chars().take(width.saturating_sub(1)).collect();
                *cell = format!("{}…", kept.trim_end());
            }
        }
    }
    rows
}

fn widths(head: &[&str], rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

/// How many there are, and of which sort: `12 alerts: 3 firing, 2 warming up, 7 snoozed`. Sorts come in the order in which
/// they are met.
pub(crate) fn tally<'s>(noun: &str, sorts: impl IntoIterator<Item = &'s str>) -> String {
    tally_of(noun, sorts.into_iter().map(|sort| (sort, 1)))
}

/// [`tally`] of what comes as counts.
pub(crate) fn tally_of<'s>(noun: &str, sorts: impl IntoIterator<Item = (&'s str, i64)>) -> String {
    let mut counts: Vec<(&str, i64)> = Vec::new();
    for (sort, more) in sorts {
        match counts.iter_mut().find(|(known, _)| *known == sort) {
            Some((_, number)) => *number += more,
            None => counts.push((sort, more)),
        }
    }
    let all = counts.iter().map(|(_, number)| number).sum::<i64>();
    if all == 0 {
        return format!("no {}", plural(noun));
    }
    let sorts: Vec<String> = counts
        .iter()
        .map(|(sort, number)| format!("{} {sort}", count(*number)))
        .collect();
    format!("{}: {}", counted(all, noun), sorts.join(", "))
}

/// A number with what it counts: `1 node`, `3 nodes`, `1,200 entries`.
pub(crate) fn counted(number: impl TryInto<i64>, noun: &str) -> String {
    match number.try_into().unwrap_or(i64::MAX) {
        1 => format!("1 {noun}"),
        number => format!("{} {}", count(number), plural(noun)),
    }
}

/// The plural of a regular English noun.
pub(crate) fn plural(noun: &str) -> String {
    let vowel_before_y = ["ay", "ey", "oy", "uy"].iter().any(|end| noun.ends_with(end));
    match noun.strip_suffix('y') {
        Some(stem) if !vowel_before_y => format!("{stem}ies"),
        _ if ["s", "x", "z", "ch", "sh"].iter().any(|end| noun.ends_with(end)) => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

/// An instant for people, whatever form it came in: to the second, in UTC or in the zone that was asked for.
pub(crate) fn instant(text: &str) -> String {
    in_zone(text, ZONE.get())
}

fn in_zone(text: &str, zone: Option<&TimeZone>) -> String {
    let Ok(instant) = text.parse::<Timestamp>() else {
        return text.to_owned();
    };
    let instant = instant.round(Unit::Second).unwrap_or(instant);
    match zone {
        None => instant.to_string(),
        Some(zone) => {
            let offset = zone.to_offset(instant);
            instant.display_with_offset(offset).to_string()
        }
    }
}

/// [`age_of`] a field of a row.
pub(crate) fn age_of_field(row: &OutputRow, name: &str) -> String {
    row.get(name)
        .and_then(Value::as_str)
        .map_or_else(String::new, age_of)
}

/// How long ago an instant was, or how far ahead it lies: `4 min`, `in 2 h`.
pub(crate) fn age_of(text: &str) -> String {
    let now = Instant::now().to_timestamp();
    let Some((now, then)) = now.zip(text.parse::<Timestamp>().ok()) else {
        return String::new();
    };
    let seconds = now.duration_since(then).as_secs_f64();
    match seconds < 0.0 {
        true => format!("in {}", age(-seconds)),
        false => age(seconds),
    }
}

/// A table under its head, without a frame; nothing where there are no rows.
pub(crate) fn text(head: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let widths = widths(head, rows);
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
    fn the_widest_column_is_cut_until_the_table_fits_and_nothing_is_where_there_is_no_terminal() {
        let head = ["alert", "n", "summary"];
        let row = |alert: &str, summary: &str| vec![alert.to_owned(), "1".to_owned(), summary.to_owned()];
        let rows = [
            row("NodeNotReporting", "node n1 has said nothing for 12 minutes"),
            row("A", "short"),
        ];
        assert_eq!(fit(&head, &rows, None), rows);
        let fitted = fit(&head, &rows, Some(40));
        let lines = text(&head, &fitted);
        assert!(lines.lines().all(|line| line.chars().count() <= 40), "{lines}");
        assert_eq!(fitted[0], row("NodeNotReporting", "node n1 has said…"));
        let long = [row("WorkloadReplicasUnavailable", "short")];
        assert_eq!(
            fit(&head, &long, Some(40))[0],
            row("WorkloadReplicasUnavailab…", "short")
        );
        assert_eq!(fitted[1], rows[1]);
        // Too narrow for all of it: the first cell is cut least.
        let narrow = fit(&head, &rows, Some(10));
        assert_eq!(narrow[0], row("NodeNotReporting", "node n1…"));
    }

    #[test]
    fn words_are_folded_at_the_terminals_edge() {
        assert_eq!(fold("one two three", 2, None), "one two three");
        assert_eq!(fold("one two three four", 2, Some(9)), "one two\n  three\n  four");
        assert_eq!(
            fold("  a-word-that-is-longer x", 2, Some(9)),
            "  a-word-that-is-longer\n  x"
        );
    }

    #[test]
    fn what_is_counted_is_named_in_its_number() {
        let counts = [
            counted(1, "node"),
            counted(0, "node"),
            counted(1_200_u64, "entry"),
            counted(2, "day"),
        ];
        assert_eq!(counts.join(" "), "1 node 0 nodes 1,200 entries 2 days");
        assert_eq!(plural("box"), "boxes");
        assert_eq!(
            tally("alert", ["firing", "snoozed", "firing"]),
            "3 alerts: 2 firing, 1 snoozed"
        );
        assert_eq!(tally("snooze", []), "no snoozes");
    }

    #[test]
    fn instants_are_shown_to_the_second_in_utc_or_in_a_zone() {
        let east = TimeZone::fixed(jiff::tz::offset(2));
        let shown = |text: &str| [in_zone(text, None), in_zone(text, Some(&east))];
        for text in [
            "2026-01-31T22:30:00.123456Z",
            "2026-01-31 22:30:00.123456+00",
            "2026-02-01T00:30:00+02:00",
        ] {
            assert_eq!(shown(text), ["2026-01-31T22:30:00Z", "2026-02-01T00:30:00+02:00"]);
        }
        assert_eq!(shown("infinity"), ["infinity", "infinity"]);
        let now = Instant::now().to_timestamp().unwrap();
        let at =
            |hours: i64| now + jiff::SignedDuration::from_hours(hours) + jiff::SignedDuration::from_secs(30);
        assert_eq!(
            [age_of(&at(-3).to_string()), age_of(&at(5).to_string())].join(" "),
            "3 h in 5 h"
        );
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
