//! The columns of each table, as the attributes of the schemas say.

use serde_json::Value as Json;

use crate::{
    avro_file::{
        AvroField, AvroFile, AvroRecord, DerivedColumn, FieldColumnType, NameOrNone, Unit, all_records,
        defined_record, record_of,
    },
    column_type,
};

/// A table that records fill.
pub(crate) struct TableSource {
    /// File it comes from, such as `schema/avro/pod.avsc`.
    pub(crate) source: String,
    pub(crate) table: String,
    pub(crate) record: AvroRecord,
    /// Record of whose rows these are parts, such as the pod of a container.
    pub(crate) parent: Option<AvroRecord>,
    /// Every record of the schema.
    pub(crate) records: Vec<AvroRecord>,
    /// In the order in which views show them.
    pub(crate) columns: Vec<ColumnSource>,
}

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct ColumnSource {
    pub(crate) name: String,
    /// Type as `create table` writes it.
    pub(crate) sql_type: &'static str,
    pub(crate) not_null: bool,
    /// True if a value of the field says that it is not known: the column is nullable though the field is not.
    pub(crate) may_be_unknown: bool,
    /// What rows of an older reader hold in a column that is not null.
    pub(crate) default: Json,
    /// Top-level wire field.
    pub(crate) field: String,
    pub(crate) value: ColumnValue,
    pub(crate) since: i16,
    pub(crate) hashed: bool,
    pub(crate) comment: String,
    pub(crate) view: Option<ViewColumnSource>,
    after: Option<String>,
}

/// What fills a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ColumnValue {
    /// A field of the record.
    Field(String),
    /// The text of a uid of the record that its uuid does not write.
    UidText(String),
    /// A member of a field.
    Member { field: String, member: String },
    /// A field of the parent.
    Parent(String),
    /// A function of the record, or a member of what it gives.
    Function { name: String, member: Option<String> },
}

/// How a view shows a column.
#[derive(Debug, Clone)]
pub(crate) struct ViewColumnSource {
    pub(crate) name: String,
    pub(crate) unit: Option<Unit>,
    pub(crate) comment: String,
}

impl TableSource {
    /// In the order of the versions that introduced them: so stand the cells, the table and what a row's hash is of.
    pub(crate) fn columns_by_version(&self) -> Vec<&ColumnSource> {
        let mut columns: Vec<&ColumnSource> = self.columns.iter().collect();
        columns.sort_by_key(|column| column.since);
        columns
    }
}

/// The tables that a schema fills: its record's own, and those of parts.
pub(crate) fn tables(file: &AvroFile) -> Vec<TableSource> {
    let mut tables = Vec::new();
    let Some(table) = &file.record.table else {
        return tables;
    };
    let source = format!("schema/avro/{}.avsc", file.name);
    let records = all_records(&file.record);
    for field in &file.record.fields {
        if let Some(part) = defined_record(&field.kind)
            && let Some(table) = part.table.clone()
        {
            tables.push(TableSource {
                source: source.clone(),
                columns: columns(&part, Some(&field.name), &records),
                records: records.clone(),
                table,
                record: part,
                parent: Some(file.record.clone()),
            });
        }
    }
    let own = TableSource {
        source,
        table: table.clone(),
        columns: columns(&file.record, None, &records),
        records,
        record: file.record.clone(),
        parent: None,
    };
    tables.insert(0, own);
    tables
}

/// `within` is the top-level field that holds the record, if it is a part.
fn columns(record: &AvroRecord, within: Option<&str>, records: &[AvroRecord]) -> Vec<ColumnSource> {
    let mut waiting: Vec<Vec<ColumnSource>> = Vec::new();
    let mut placed: Vec<ColumnSource> = Vec::new();
    let fields = record.fields.iter().map(|field| of_field(field, within, records));
    let derived = record
        .derived
        .iter()
        .map(|derived| vec![of_derived(derived, within)]);
    for group in fields.chain(derived).filter(|group| !group.is_empty()) {
        match &group[0].after {
            Some(after) if after != "cluster_id" => waiting.push(group),
            Some(_) => drop(placed.splice(0..0, group)),
            None => placed.extend(group),
        }
    }
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|group| {
            let after = group[0].after.as_ref();
            let Some(at) = placed.iter().position(|column| Some(&column.name) == after) else {
                return true;
            };
            placed.splice(at + 1..at + 1, group.iter().cloned());
            false
        });
        let names: Vec<&String> = waiting.iter().map(|group| &group[0].name).collect();
        assert!(
            waiting.len() < before,
            "{}: no column to stand after for {names:?}",
            record.name
        );
    }
    placed
}

fn of_field(field: &AvroField, within: Option<&str>, records: &[AvroRecord]) -> Vec<ColumnSource> {
    let wire_field = within.unwrap_or(&field.name).to_owned();
    let Some(members) = &field.columns else {
        let Some(name) = field.column.or(&field.name) else {
            return Vec::new();
        };
        let (sql_type, not_null) = match field.column_type {
            Some(FieldColumnType::Uuid) => ("uuid", column_type::of_field(&field.kind).1),
            None => column_type::of_field(&field.kind),
        };
        assert!(
            field
                .unknown
                .is_none_or(|value| value == 0 && sql_type == "timestamptz"),
            "{}: only an instant is unknown, and by 0",
            field.name
        );
        let comment = field.comment.clone().unwrap_or_else(|| field.doc.clone());
        let own = ColumnSource {
            view: view(
                &field.view,
                &name,
                field.unit,
                field.view_comment.as_ref(),
                &comment,
            ),
            name,
            sql_type,
            not_null: not_null && field.unknown.is_none(),
            may_be_unknown: field.unknown.is_some(),
            default: field.default.clone(),
            field: wire_field,
            value: ColumnValue::Field(field.name.clone()),
            since: field.since,
            hashed: field.hashed,
            comment,
            after: field.after.clone(),
        };
        let text = field.column_type.map(|_| uid_text(&own));
        return std::iter::once(own).chain(text).collect();
    };
    assert_eq!(
        field.column,
        NameOrNone::Default,
        "{}: column or columns",
        field.name
    );
    let part = record_of(&field.kind, records);
    let members = members.iter().map(|column| {
        let member = part.fields.iter().find(|member| member.name == column.member);
        let member = member.unwrap_or_else(|| panic!("{} has no member {}", part.name, column.member));
        let (sql_type, not_null) = column_type::of_field(&member.kind);
        ColumnSource {
            name: column.column.clone(),
            sql_type,
            not_null,
            may_be_unknown: false,
            default: member.default.clone(),
            field: wire_field.clone(),
            value: ColumnValue::Member {
                field: field.name.clone(),
                member: column.member.clone(),
            },
            since: column.since.unwrap_or(field.since),
            hashed: field.hashed,
            comment: column.comment.clone(),
            view: view(
                &column.view,
                &column.column,
                column.unit,
                column.view_comment.as_ref(),
                &column.comment,
            ),
            after: field.after.clone(),
        }
    });
    members.collect()
}

/// Beside the column of a uid, the text of one that is not of Kubernetes' form: the record must be made again from its row.
fn uid_text(uid: &ColumnSource) -> ColumnSource {
    let name = format!("{}_text", uid.name);
    let comment = format!(
        "Text of {} where that was hashed from another form; NULL in the common case.",
        uid.name
    );
    ColumnSource {
        // What is looked for by its text is the object itself.
        view: (uid.name == "uid").then(|| ViewColumnSource {
            name: name.clone(),
            unit: None,
            comment: comment.clone(),
        }),
        name,
        sql_type: "text",
        not_null: false,
        value: ColumnValue::UidText(uid.field.clone()),
        // The hash of the uid is that of its text.
        hashed: false,
        comment,
        ..uid.clone()
    }
}

fn of_derived(derived: &DerivedColumn, within: Option<&str>) -> ColumnSource {
    let value = match (&derived.parent, &derived.function) {
        (Some(parent), None) => ColumnValue::Parent(parent.clone()),
        (None, Some(name)) => ColumnValue::Function {
            name: name.clone(),
            member: derived.member.clone(),
        },
        _ => panic!(
            "{}: a derived column names its function or its parent's field",
            derived.column
        ),
    };
    let (sql_type, not_null) = column_type::named(&derived.sql_type);
    let from = derived.from.as_deref().or(derived.parent.as_deref());
    let field = within
        .or(from)
        .unwrap_or_else(|| panic!("{}: from which field?", derived.column));
    ColumnSource {
        name: derived.column.clone(),
        sql_type,
        not_null,
        may_be_unknown: false,
        default: Json::Null,
        field: field.to_owned(),
        value,
        since: derived.since,
        hashed: derived.hashed,
        comment: derived.comment.clone(),
        view: view(&derived.view, &derived.column, None, None, &derived.comment),
        after: Some(derived.after.clone()),
    }
}

fn view(
    name: &NameOrNone,
    column: &str,
    unit: Option<Unit>,
    comment: Option<&String>,
    default: &str,
) -> Option<ViewColumnSource> {
    Some(ViewColumnSource {
        name: name.or(column)?,
        unit,
        comment: comment.map_or_else(|| default.to_owned(), Clone::clone),
    })
}
