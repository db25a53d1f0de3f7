//! Row lists: the columns of a table, the cells of a record, and a record from its row.

use std::fmt::Write;

use crate::{
    avro_file::record_of,
    column_source::{ColumnSource, ColumnValue, TableSource},
    generated_file::{GeneratedFile, use_tree},
};

/// `src/row/<table>.rs`.
pub(crate) fn generate(table: &TableSource) -> GeneratedFile {
    let list = columns(table);
    let read = read(table);
    let name = &table.table;
    let record = &table.record.name;
    let mut text =
        format!("//! `ledger.{name}`: its columns, the cells of a record, and a record from its row.\n\n");
    text.push_str("use tokio_postgres::{Error, Row};\n\n");
    let mut uses = vec!["LedgerTable".to_owned()];
    uses.push(meta(table).to_owned());
    uses.sort();
    uses.extend(imports("cell", &["json", "known", "uid", "uid_text"], &list));
    uses.push("columns".to_owned());
    if list.contains("derived::") {
        uses.push(format!("derived::{name} as derived"));
    }
    uses.extend(imports(
        "read",
        &[
            "get",
            "read_json",
            "read_known",
            "read_optional_json",
            "read_optional_uid",
            "read_uid",
        ],
        &read,
    ));
    writeln!(text, "{}", use_tree("super", &uses)).unwrap();
    let mut records = vec![record.clone()];
    records.extend(table.parent.iter().map(|parent| parent.name.clone()));
    let parts = table.records.iter().map(|part| &part.name);
    let parts = parts.filter(|part| **part != *record && read.contains(&format!(": {part} {{")));
    records.extend(parts.cloned());
    records.sort();
    writeln!(text, "{}", use_tree("crate::record", &records)).unwrap();
    let key: Vec<String> = table.record.key.iter().map(|key| format!("\"{key}\"")).collect();
    write!(
        text,
        "
pub(super) static TABLE: LedgerTable = LedgerTable {{
    name: \"{name}\",
    key: &[{}],
    columns: COLUMNS,
    meta: {},
}};

{list}
{read}",
        key.join(", "),
        meta(table)
    )
    .unwrap();
    GeneratedFile::rust(&format!("src/row/{name}.rs"), &table.source, &text)
}

/// The path that imports those functions of a module that `code` calls.
fn imports(module: &str, functions: &[&str], code: &str) -> Option<String> {
    let calls = |function: &&&str| code.contains(&format!(" {function}("));
    let called: Vec<&str> = functions.iter().filter(calls).copied().collect();
    match called.as_slice() {
        [] => None,
        [one] => Some(format!("{module}::{one}")),
        several => Some(format!("{module}::{{{}}}", several.join(", "))),
    }
}

fn meta(table: &TableSource) -> &'static str {
    if table.parent.is_some() {
        "CONTAINER_META_COLUMNS"
    } else {
        "META_COLUMNS"
    }
}

fn columns(table: &TableSource) -> String {
    let object = variable(&table.record.name);
    let mut parameters = Vec::new();
    if let Some(parent) = &table.parent {
        parameters.push(format!("{}: {}", variable(&parent.name), parent.name));
    }
    parameters.push(format!("{object}: {}", table.record.name));
    let mut text = format!("columns! {{\n    fn cells({});\n", parameters.join(", "));
    let columns = table.columns_by_version();
    let mut shared: Vec<&str> = Vec::new();
    for column in &columns {
        if let ColumnValue::Function {
            name,
            member: Some(_),
        } = &column.value
            && !shared.contains(&name.as_str())
        {
            shared.push(name);
            writeln!(text, "    @let {name} = derived::{name}({object});").unwrap();
        }
    }
    for column in columns {
        let null = if column.not_null { " (not null)" } else { "" };
        let hashed = if column.hashed { "" } else { " [unhashed]" };
        let since = if column.since > 1 {
            format!(" since {}", column.since)
        } else {
            String::new()
        };
        writeln!(
            text,
            "    {}: {}{null}{hashed} from \"{}\"{since} = {};",
            column.name,
            variant(column.sql_type),
            column.field,
            value(table, column, &object)
        )
        .unwrap();
    }
    text + "}\n"
}

fn variable(record: &str) -> String {
    record.to_lowercase()
}

fn variant(sql_type: &str) -> &'static str {
    match sql_type {
        "text" => "Text",
        "uuid" => "Uuid",
        "text[]" => "TextArray",
        "jsonb" => "Jsonb",
        "bigint" => "Bigint",
        "integer" => "Integer",
        "boolean" => "Boolean",
        _ => "Timestamptz",
    }
}

fn value(table: &TableSource, column: &ColumnSource, object: &str) -> String {
    let place = match &column.value {
        ColumnValue::Field(field) | ColumnValue::UidText(field) => format!("{object}.{field}"),
        ColumnValue::Member { field, member } => format!("{object}.{field}.{member}"),
        ColumnValue::Parent(field) => {
            let parent = table.parent.as_ref().unwrap();
            format!("{}.{field}", variable(&parent.name))
        }
        ColumnValue::Function {
            name,
            member: Some(member),
        } => return format!("{name}.{member}"),
        ColumnValue::Function { name, member: None } => return format!("derived::{name}({object})"),
    };
    let of_uid = |function: &str| {
        let part = if uid_may_be_missing(column, table) {
            "as_deref"
        } else {
            "as_str"
        };
        format!("{function}({place}.{part}())")
    };
    match column.sql_type {
        _ if matches!(column.value, ColumnValue::UidText(_)) => of_uid("uid_text"),
        "uuid" => of_uid("uid"),
        "jsonb" if !column.not_null => format!("{place}.as_ref().map(json)"),
        "text[]" if !column.not_null => format!("{place}.as_ref()"),
        "jsonb" => format!("json(&{place})"),
        "text" | "text[]" => format!("&{place}"),
        _ if column.may_be_unknown => format!("known({place})"),
        _ => place,
    }
}

/// True if the record's uid is optional.
fn uid_may_be_missing(column: &ColumnSource, table: &TableSource) -> bool {
    match &column.value {
        ColumnValue::UidText(of) => {
            let mut fields = table.record.fields.iter().filter(|field| field.name == *of);
            fields.any(|field| field.kind.is_array())
        }
        _ => !column.not_null,
    }
}

fn read(table: &TableSource) -> String {
    let record = &table.record;
    let mut text = format!(
        "/// The record that a row was made of; what has no column is left out.
pub(super) fn read(row: &Row) -> Result<{0}, Error> {{\n    Ok({0} {{\n",
        record.name
    );
    let mut all = true;
    for field in &record.fields {
        let of_field: Vec<&ColumnSource> = table
            .columns
            .iter()
            .filter(|column| match &column.value {
                ColumnValue::Field(of) | ColumnValue::Member { field: of, .. } => *of == field.name,
                ColumnValue::UidText(_) | ColumnValue::Parent(_) | ColumnValue::Function { .. } => false,
            })
            .collect();
        match of_field.as_slice() {
            [] => all = false,
            [column] if matches!(column.value, ColumnValue::Field(_)) => {
                writeln!(
                    text,
                    "        {}: {}(row, \"{}\")?,",
                    field.name,
                    getter(column),
                    column.name
                )
                .unwrap();
            }
            members => {
                let part = record_of(&field.kind, &table.records);
                writeln!(text, "        {}: {} {{", field.name, part.name).unwrap();
                for column in members {
                    if let ColumnValue::Member { member, .. } = &column.value {
                        writeln!(
                            text,
                            "            {member}: {}(row, \"{}\")?,",
                            getter(column),
                            column.name
                        )
                        .unwrap();
                    }
                }
                if members.len() < part.fields.len() {
                    writeln!(text, "            ..{}::default()", part.name).unwrap();
                }
                text.push_str("        },\n");
            }
        }
    }
    if !all {
        writeln!(text, "        ..{}::default()", record.name).unwrap();
    }
    text + "    })\n}\n"
}

fn getter(column: &ColumnSource) -> &'static str {
    match (column.sql_type, column.not_null) {
        ("jsonb", true) => "read_json",
        ("jsonb", false) => "read_optional_json",
        _ if column.may_be_unknown => "read_known",
        ("uuid", true) => "read_uid",
        ("uuid", false) => "read_optional_uid",
        _ => "get",
    }
}
