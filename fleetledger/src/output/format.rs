//! One answer in the format that was asked for, on standard output.

use std::io::{self, Write as _};

use anyhow::Context as _;
use serde::Serialize;

use super::table::{OutputColumn, OutputTable, fields};
use crate::cli::OutputFormat;

/// Prints rows. `empty` is what people read where there are none, `after` what they read below the table.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn print_rows(
    format: OutputFormat,
    table: &OutputTable,
    empty: &str,
    after: &str,
) -> anyhow::Result<()> {
    let text = |is_wide: bool| match table.is_empty() {
        true => line(empty),
        false => format!("{}{}", table.text(is_wide), line(after)),
    };
    print_answer(format, text, || table, || Ok(table.clone()))
}

/// Prints one thing with fields; as CSV it is a row of them.
///
/// # Errors
/// As [`print_rows`], or a value that the format cannot hold.
pub(crate) fn print_document<T: Serialize>(
    format: OutputFormat,
    document: &T,
    text: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    let row = || {
        let fields = fields(document)?;
        let columns = fields.keys().map(|name| OutputColumn::new(name.clone()));
        Ok(OutputTable::new(columns.collect(), vec![fields]))
    };
    print_answer(format, |_| text(), || document, row)
}

/// Prints an answer that is more than rows: `text` for people (wide or not), `document` as JSON and YAML, `rows` as CSV.
///
/// # Errors
/// As [`print_document`].
pub(crate) fn print_answer<D: Serialize>(
    format: OutputFormat,
    text: impl FnOnce(bool) -> String,
    document: impl FnOnce() -> D,
    rows: impl FnOnce() -> serde_json::Result<OutputTable>,
) -> anyhow::Result<()> {
    print_text(&write_answer(format, text, document, rows)?)
}

/// What [`print_answer`] prints.
///
/// # Errors
/// A value that the format cannot hold.
pub(crate) fn write_answer<D: Serialize>(
    format: OutputFormat,
    text: impl FnOnce(bool) -> String,
    document: impl FnOnce() -> D,
    rows: impl FnOnce() -> serde_json::Result<OutputTable>,
) -> anyhow::Result<String> {
    Ok(match format {
        OutputFormat::Table => text(false),
        OutputFormat::Wide => text(true),
        OutputFormat::Json => {
            let json = serde_json::to_string_pretty(&document()).context("write the answer as JSON")?;
            format!("{json}\n")
        }
        OutputFormat::Yaml => super::yaml::write(&document()).context("write the answer as YAML")?,
        OutputFormat::Csv => rows().context("write the answer as CSV")?.csv(),
    })
}

/// Writes to standard output. A reader that has seen enough, such as `head`, is no failure.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn print_text(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("write to standard output")
        }
        _ => Ok(()),
    }
}

/// Words as a line of their own; nothing where there are none.
fn line(words: &str) -> String {
    match words.is_empty() {
        true => String::new(),
        false => format!("{}\n", words.trim_end_matches('\n')),
    }
}
