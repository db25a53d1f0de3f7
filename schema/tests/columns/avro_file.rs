//! An `.avsc` file as it is written, attributes included. A misspelt attribute is an error.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::generated_file::full_path;

/// Every schema, in the order in which shared types are first met.
pub(crate) const NAMES: [&str; 7] = [
    "mark",
    "namespace",
    "node",
    "pod",
    "usage",
    "watchdog",
    "workload",
];

/// One file.
pub(crate) struct AvroFile {
    pub(crate) name: &'static str,
    pub(crate) record: AvroRecord,
}

/// A record of a schema.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AvroRecord {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, rename = "namespace")]
    _namespace: Option<String>,
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) fields: Vec<AvroField>,
    /// Table that the record fills.
    pub(crate) table: Option<String>,
    #[serde(default = "uid")]
    pub(crate) key: Vec<String>,
    #[serde(default)]
    pub(crate) derived: Vec<DerivedColumn>,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AvroField {
    pub(crate) name: String,
    pub(crate) doc: String,
    #[serde(rename = "type")]
    pub(crate) kind: Json,
    #[serde(default)]
    pub(crate) default: Json,
    #[serde(default)]
    pub(crate) column: NameOrNone,
    /// The value that says that it is not known: its cell is NULL.
    pub(crate) unknown: Option<i64>,
    /// Type of the column where it is not the field's own.
    pub(crate) column_type: Option<FieldColumnType>,
    pub(crate) columns: Option<Vec<MemberColumn>>,
    #[serde(default = "one")]
    pub(crate) since: i16,
    pub(crate) after: Option<String>,
    #[serde(default)]
    pub(crate) view: NameOrNone,
    pub(crate) unit: Option<Unit>,
    pub(crate) comment: Option<String>,
    pub(crate) view_comment: Option<String>,
    #[serde(default = "yes")]
    pub(crate) hashed: bool,
}

/// A column that one member of a field fills.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberColumn {
    pub(crate) member: String,
    pub(crate) column: String,
    pub(crate) since: Option<i16>,
    pub(crate) comment: String,
    #[serde(default)]
    pub(crate) view: NameOrNone,
    pub(crate) unit: Option<Unit>,
    pub(crate) view_comment: Option<String>,
}

/// A column that a function or the parent's field fills.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DerivedColumn {
    pub(crate) column: String,
    #[serde(rename = "type")]
    pub(crate) sql_type: String,
    /// Field it comes from.
    pub(crate) from: Option<String>,
    pub(crate) function: Option<String>,
    pub(crate) member: Option<String>,
    /// The parent's field that it repeats.
    pub(crate) parent: Option<String>,
    pub(crate) after: String,
    #[serde(default = "one")]
    pub(crate) since: i16,
    pub(crate) comment: String,
    #[serde(default)]
    pub(crate) view: NameOrNone,
    #[serde(default = "yes")]
    pub(crate) hashed: bool,
}

/// A name that differs, or `false` for none at all.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum NameOrNone {
    Named(String),
    None(bool),
    #[default]
    Default,
}

/// Type of a column that is not what the field's type says.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FieldColumnType {
    /// A uid: a `uuid`, and beside it the text of one that cannot be made again from that.
    Uuid,
}

/// Unit of the stored number where the view shows another.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Thousandths; shown as a whole with three decimals.
    Thousandths,
}

impl NameOrNone {
    /// The name, where it is `default` unless said otherwise.
    pub(crate) fn or(&self, default: &str) -> Option<String> {
        match self {
            NameOrNone::Named(name) => Some(name.clone()),
            NameOrNone::None(true) => panic!("an attribute is a name or false, never true"),
            NameOrNone::None(false) => None,
            NameOrNone::Default => Some(default.to_owned()),
        }
    }
}

impl AvroFile {
    pub(crate) fn read(name: &'static str) -> Self {
        let text = std::fs::read_to_string(full_path(&format!("avro/{name}.avsc"))).unwrap();
        let record = serde_json::from_str(&text).unwrap_or_else(|error| panic!("avro/{name}.avsc: {error}"));
        Self { name, record }
    }
}

/// The record that a type defines in place, itself or as item or option; not one that it only names.
pub(crate) fn defined_record(kind: &Json) -> Option<AvroRecord> {
    match kind {
        Json::Array(variants) => defined_record(&variants[1]),
        Json::Object(object) if object["type"] == "record" => {
            let record: AvroRecord =
                serde_json::from_value(kind.clone()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(record.kind, "record");
            Some(record)
        }
        Json::Object(object) => object.get("items").and_then(defined_record),
        _ => None,
    }
}

/// A record and those it defines, in the order in which they are met.
pub(crate) fn all_records(record: &AvroRecord) -> Vec<AvroRecord> {
    let inner = record
        .fields
        .iter()
        .filter_map(|field| defined_record(&field.kind));
    std::iter::once(record.clone())
        .chain(inner.flat_map(|inner| all_records(&inner)))
        .collect()
}

/// The record of `records` that a type defines or names.
pub(crate) fn record_of<'r>(kind: &Json, records: &'r [AvroRecord]) -> &'r AvroRecord {
    let name = kind.as_str().or(kind["name"].as_str()).unwrap_or_default();
    let name = name.rsplit('.').next().unwrap_or_default();
    let found = records.iter().find(|record| record.name == name);
    found.unwrap_or_else(|| panic!("{kind} is no record"))
}

fn one() -> i16 {
    1
}

fn yes() -> bool {
    true
}

fn uid() -> Vec<String> {
    vec!["uid".to_owned()]
}
