//! Tables of objects: made with the columns of version 1, altered by a migration a later version.

use std::fmt::Write;

use serde_json::Value as Json;

use crate::{
    column_comment::meta_of,
    column_source::{ColumnSource, TableSource},
    generated_file::{GeneratedFile, full_path},
};

const FOLDER: &str = "postgres/migrations";

/// A migration for each version up to `newest` that introduced a column.
pub(crate) fn generate(tables: &[TableSource], newest: i16) -> Vec<GeneratedFile> {
    let mut generated = vec![create(tables)];
    for version in 2..=newest {
        let text: String = tables.iter().map(|table| alter(table, version)).collect();
        if !text.is_empty() {
            let path = format!("{FOLDER}/{}", name_of(version));
            generated.push(GeneratedFile::sql(&path, "schema/avro/*.avsc", &text).of_version(version));
        }
    }
    generated
}

fn create(tables: &[TableSource]) -> GeneratedFile {
    let mut text = "-- Current state and closed versions of every kind of object, with the columns of reader version 1; those that
-- came later are in migrations of their own.\n"
        .to_owned();
    for table in tables {
        let name = &table.table;
        let columns = table.columns.iter().filter(|column| column.since == 1);
        let own = columns.map(|column| {
            // A column that may be unknown was not null in version 1, which is released; a migration lifts that.
            let mut released = column.clone();
            released.not_null |= column.may_be_unknown;
            definition(&released, false)
        });
        let meta = meta_of(table).map(|(name, kind, _)| format!("{name} {kind}"));
        let all: Vec<String> = std::iter::once("cluster_id integer not null".to_owned())
            .chain(own)
            .chain(meta)
            .collect();
        write!(
            text,
            "
create table ledger.{name} (
    {},
    primary key (cluster_id, {})
) with (fillfactor = 60);
create table ledger.{name}_history (
    like ledger.{name},
    valid_to timestamptz not null,
    closed_reason text not null,
    check (valid_from < valid_to)
) partition by range (valid_to);
",
            all.join(",\n    "),
            table.record.key.join(", ")
        )
        .unwrap();
    }
    let path = format!("{FOLDER}/0002_object_tables.sql");
    GeneratedFile::sql(&path, "schema/avro/*.avsc", &text).of_version(1)
}

fn alter(table: &TableSource, version: i16) -> String {
    let columns = table.columns.iter().filter(|column| column.since == version);
    let added: Vec<String> = columns
        .map(|column| format!("    add column {}", definition(column, true)))
        .collect();
    if added.is_empty() {
        return String::new();
    }
    let name = &table.table;
    let added = added.join(",\n");
    format!("alter table ledger.{name}\n{added};\nalter table ledger.{name}_history\n{added};\n")
}

/// `phase text not null`; with the wire's default where rows stand that know nothing of the column.
fn definition(column: &ColumnSource, of_current_rows: bool) -> String {
    let ColumnSource { name, sql_type, .. } = column;
    match (column.not_null, of_current_rows) {
        (false, _) => format!("{name} {sql_type}"),
        (true, false) => format!("{name} {sql_type} not null"),
        (true, true) => format!("{name} {sql_type} not null default {}", default(column)),
    }
}

fn default(column: &ColumnSource) -> String {
    match (&column.default, column.sql_type) {
        (Json::Bool(value), _) => value.to_string(),
        (Json::Number(number), "bigint" | "integer") => number.to_string(),
        (Json::String(text), "text") => format!("'{}'", text.replace('\'', "''")),
        (Json::Array(_), "text[]") | (Json::Object(_), _) => "'{}'".to_owned(),
        (Json::Array(_), _) => "'[]'".to_owned(),
        _ => panic!(
            "{}: a column of a later version is nullable, or its field has a default",
            column.name
        ),
    }
}

/// Name of a version's migration: the file that is there, or the next free number.
fn name_of(version: i16) -> String {
    let end = format!("_columns_since_{version}.sql");
    let names = names();
    if let Some(name) = names.iter().find(|name| name.ends_with(&end)) {
        return name.clone();
    }
    let numbers = names
        .iter()
        .filter_map(|name| name.split('_').next()?.parse::<u32>().ok());
    format!("{:04}{end}", numbers.max().unwrap_or(0) + 1)
}

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(full_path(FOLDER)).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name.ends_with(".sql"));
    names.sort();
    names
}
