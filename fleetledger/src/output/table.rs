//! Rows with typed fields, and what of them people are shown.

use std::borrow::Cow;

use fleetledger_queries::ResultCell;
use serde::{
    Serialize,
    ser::{SerializeMap as _, SerializeSeq as _, Serializer},
};
use serde_json::{Map, Value};

use super::color::paint_columns;

/// Heads of columns whose words are painted.
const PAINTED: [&str; 3] = ["condition", "severity", "state"];

/// One row by the names of its fields.
pub(crate) type OutputRow = Map<String, Value>;

/// A field of each row, and how people are shown it.
#[derive(Clone)]
pub(crate) struct OutputColumn {
    /// Name of the field, as in SQL.
    name: Cow<'static, str>,
    /// Head of its column; its name where there is none.
    title: Option<&'static str>,
    in_table: bool,
    in_wide: bool,
    /// A field for programs; otherwise it puts fields into words, for people alone.
    in_data: bool,
    shown: ColumnText,
}

/// How people read a field.
#[derive(Clone, Copy)]
enum ColumnText {
    /// As it is.
    Plain,
    /// An instant, to the second.
    Instant,
    /// In words that are made of the row.
    Words(fn(&OutputRow) -> String),
}

impl OutputColumn {
    pub(crate) fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            title: None,
            in_table: true,
            in_wide: true,
            in_data: true,
            shown: ColumnText::Plain,
        }
    }

    /// A column that puts fields of a row into words for people; programs have the fields.
    pub(crate) fn words(title: &'static str, shown: fn(&OutputRow) -> String) -> Self {
        Self {
            in_data: false,
            ..Self::new(title).shown_as(shown)
        }
    }

    /// With another head than its name.
    pub(crate) fn titled(mut self, title: &'static str) -> Self {
        self.title = Some(title);
        self
    }

    /// Shown to people in these words.
    pub(crate) fn shown_as(mut self, shown: fn(&OutputRow) -> String) -> Self {
        self.shown = ColumnText::Words(shown);
        self
    }

    /// Shown to people as an instant.
    pub(crate) fn instant(mut self) -> Self {
        self.shown = ColumnText::Instant;
        self
    }

    /// Left out of the table.
    pub(crate) fn wide(mut self) -> Self {
        self.in_table = false;
        self
    }

    /// For programs alone.
    pub(crate) fn data(mut self) -> Self {
        (self.in_table, self.in_wide) = (false, false);
        self
    }

    fn is_for_people(&self, is_wide: bool) -> bool {
        if is_wide { self.in_wide } else { self.in_table }
    }

    fn head(&self) -> &str {
        self.title.unwrap_or(&self.name)
    }

    fn text(&self, row: &OutputRow) -> String {
        let field = || row.get(self.name.as_ref()).map_or_else(String::new, plain);
        match self.shown {
            ColumnText::Words(shown) => shown(row),
            ColumnText::Instant => super::instant(&field()),
            ColumnText::Plain => field(),
        }
    }
}

/// Rows, and the columns that they are shown in.
#[derive(Clone, Default)]
pub(crate) struct OutputTable {
    columns: Vec<OutputColumn>,
    rows: Vec<OutputRow>,
}

impl OutputTable {
    pub(crate) fn new(columns: Vec<OutputColumn>, rows: Vec<OutputRow>) -> Self {
        Self { columns, rows }
    }

    /// Rows whose fields are those of a type.
    ///
    /// # Errors
    /// Something that JSON cannot hold, or that has no fields.
    pub(crate) fn of<T: Serialize>(columns: Vec<OutputColumn>, rows: &[T]) -> serde_json::Result<Self> {
        let rows: serde_json::Result<Vec<OutputRow>> = rows.iter().map(fields).collect();
        Ok(Self::new(columns, rows?))
    }

    /// Rows of a query; fields have the names and types of its columns.
    ///
    /// # Errors
    /// A column whose type is not read; the message names it.
    pub(crate) fn of_query(columns: Vec<OutputColumn>, rows: &[tokio_postgres::Row]) -> anyhow::Result<Self> {
        let rows: anyhow::Result<Vec<OutputRow>> = rows.iter().map(query_row).collect();
        Ok(Self::new(columns, rows?))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many rows there are, and how many of each value of a field.
    pub(crate) fn tally(&self, noun: &str, field: &str) -> String {
        let values: Vec<String> = self
            .rows
            .iter()
            .map(|row| row.get(field).map_or_else(String::new, plain))
            .collect();
        super::tally(noun, values.iter().map(String::as_str))
    }

    /// The table for people; nothing where there are no rows.
    pub(crate) fn text(&self, is_wide: bool) -> String {
        let columns = || self.columns.iter().filter(|column| column.is_for_people(is_wide));
        let head: Vec<&str> = columns().map(OutputColumn::head).collect();
        let cells = |row: &OutputRow| columns().map(|column| column.text(row)).collect();
        let rows: Vec<Vec<String>> = self.rows.iter().map(cells).collect();
        // A wide table is whole, whatever it is printed on.
        let width = if is_wide { None } else { super::terminal_width() };
        let rows = super::fit(&head, &rows, width);
        paint_columns(&super::text(&head, &rows), &PAINTED)
    }

    /// A head and a line per row, as RFC 4180 says. A list or an object is its JSON; null is empty.
    pub(crate) fn csv(&self) -> String {
        let columns = || self.columns.iter().filter(|column| column.in_data);
        let mut out = csv_line(columns().map(|column| column.name.to_string()));
        for row in &self.rows {
            let cell = |column: &OutputColumn| row.get(column.name.as_ref()).map_or_else(String::new, raw);
            out.push_str(&csv_line(columns().map(cell)));
        }
        out
    }
}

/// As a list of objects, whose fields are in the order of the columns.
impl Serialize for OutputTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.rows.len()))?;
        for row in &self.rows {
            list.serialize_element(&OrderedRow {
                columns: &self.columns,
                row,
            })?;
        }
        list.end()
    }
}

struct OrderedRow<'t> {
    columns: &'t [OutputColumn],
    row: &'t OutputRow,
}

impl Serialize for OrderedRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for column in self.columns.iter().filter(|column| column.in_data) {
            let value = self.row.get(column.name.as_ref()).unwrap_or(&Value::Null);
            map.serialize_entry(column.name.as_ref(), value)?;
        }
        map.end()
    }
}

/// The fields of a value.
///
/// # Errors
/// It has none, or JSON cannot hold one.
pub(crate) fn fields<T: Serialize>(value: &T) -> serde_json::Result<OutputRow> {
    match serde_json::to_value(value)? {
        Value::Object(fields) => Ok(fields),
        other => Ok(OutputRow::from_iter([("value".to_owned(), other)])),
    }
}

/// Names of a query's columns as fields: the second `a` is `a_2`.
pub(crate) fn column_names(columns: &[tokio_postgres::Column]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for column in columns {
        let again = |name: &String| names.contains(name);
        let numbered = (2..).map(|number| format!("{}_{number}", column.name()));
        let mut candidates = std::iter::once(column.name().to_owned()).chain(numbered);
        let name = candidates.find(|name| !again(name));
        names.extend(name);
    }
    names
}

fn query_row(row: &tokio_postgres::Row) -> anyhow::Result<OutputRow> {
    let columns = column_names(row.columns()).into_iter().zip(row.columns());
    columns
        .enumerate()
        .map(|(place, (name, column))| {
            let cell = ResultCell::read(row, place).map_err(|why| {
                anyhow::anyhow!(
                    "column {0} is {1}, which is not read ({why}); cast it: {0}::text",
                    column.name(),
                    column.type_()
                )
            })?;
            Ok((name, cell.json()))
        })
        .collect()
}

/// A field as people read it: lists with commas, nothing for null.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Array(members) => members.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => raw(other),
    }
}

/// A field as programs read it where everything is text.
fn raw(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn csv_line(fields: impl Iterator<Item = String>) -> String {
    let quoted = fields.map(|field| match field.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    });
    let mut line = quoted.collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table() -> OutputTable {
        let columns = vec![
            OutputColumn::new("name"),
            OutputColumn::new("age_seconds").titled("age").shown_as(|row| {
                row["age_seconds"]
                    .as_f64()
                    .map_or("–".to_owned(), crate::output::age)
            }),
            OutputColumn::new("teams").wide(),
            OutputColumn::new("hash").data(),
            OutputColumn::words("summary", |row| format!("{} in short", plain(&row["name"]))),
        ];
        let rows = [
            json!({"name": "a, \"b\"", "age_seconds": 3.0, "teams": ["x", "y"], "hash": 18_446_744_073_709_551_615_u64}),
            json!({"name": "two\nlines", "age_seconds": null, "teams": [], "hash": 0, "other": 1}),
        ];
        OutputTable::of(columns, &rows).unwrap()
    }

    #[test]
    fn people_see_words_and_programs_see_fields() {
        let head = |text: String| {
            text.lines()
                .next()
                .unwrap()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(head(table().text(false)), "name age summary");
        assert_eq!(head(table().text(true)), "name age teams summary");
        assert!(table().text(false).contains("3 s"));
    }

    #[test]
    fn csv_quotes_what_would_break_a_line() {
        assert_eq!(
            table().csv(),
            "name,age_seconds,teams,hash\r\n\
             \"a, \"\"b\"\"\",3.0,\"[\"\"x\"\",\"\"y\"\"]\",18446744073709551615\r\n\
             \"two\nlines\",,[],0\r\n"
        );
        let none = OutputTable::new(vec![OutputColumn::new("a")], Vec::new());
        assert_eq!(none.csv(), "a\r\n");
    }

    #[test]
    fn documents_keep_types_and_the_order_of_columns() {
        let text = serde_json::to_string(&table()).unwrap();
        assert!(
            text.starts_with(
                "[{\"name\":\"a, \\\"b\\\"\",\"age_seconds\":3.0,\"teams\":[\"x\",\"y\"],\"hash\":18446744073709551615},"
            ),
            "{text}"
        );
        assert!(
            text.contains("\"age_seconds\":null") && !text.contains("other"),
            "{text}"
        );
    }
}
