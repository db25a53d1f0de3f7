//! Comments on the columns of object tables and their histories.

use std::fmt::Write;

use fleetledger_schema::row::{CONTAINER_META_COLUMNS, META_COLUMNS};

use crate::{column_source::TableSource, generated_file::GeneratedFile};

/// Columns that every object table has beside the record's own: name, definition and comment.
pub(crate) const META: [(&str, &str, &str); 10] = [
    (
        "body_hash_hi",
        "bigint",
        "High half of the content hash of the body that travelled; NULL once audit found the row altered.",
    ),
    ("body_hash_lo", "bigint", "Low half of that hash."),
    (
        "row_hash_hi",
        "bigint not null",
        "High half of the hash of the row's own columns; a change makes a version.",
    ),
    ("row_hash_lo", "bigint not null", "Low half of that hash."),
    (
        "writer_schema",
        "bigint not null",
        "Fingerprint of the Avro schema the row's writer used; see ledger.avro_schema.",
    ),
    (
        "reader_version",
        "smallint not null",
        "Version of the reader that landed the row.",
    ),
    (
        "unknown",
        "jsonb",
        "Fields the writer sent that this reader does not know; NULL in the common case.",
    ),
    (
        "valid_from",
        "timestamptz not null",
        "Begin of this version: from here on the object was so.",
    ),
    (
        "observed_at",
        "timestamptz not null",
        "When the emitter observed this version.",
    ),
    (
        "landed_at",
        "timestamptz not null",
        "When this version was committed here.",
    ),
];
/// What a history has beside that.
const HISTORY: [(&str, &str); 2] = [
    ("valid_to", "End of this version, exclusive."),
    (
        "closed_reason",
        "Why it ended: changed, deleted, deleted_inferred, absent_from_sweep or cluster_retired.",
    ),
];

/// Those of [`META`] that a table has.
pub(crate) fn meta_of(
    table: &TableSource,
) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let names = if table.parent.is_some() {
        CONTAINER_META_COLUMNS
    } else {
        META_COLUMNS
    };
    names
        .iter()
        .map(|name| *META.iter().find(|(of, ..)| of == name).unwrap())
}

/// `postgres/comments.sql`.
pub(crate) fn generate(tables: &[TableSource]) -> GeneratedFile {
    let mut text = String::new();
    for table in tables {
        let own = table.columns_by_version();
        let own = own
            .iter()
            .map(|column| (column.name.as_str(), column.comment.as_str()));
        let columns: Vec<(&str, &str)> = std::iter::once(("cluster_id", "Cluster; see ledger.cluster."))
            .chain(own)
            .chain(meta_of(table).map(|(name, _, comment)| (name, comment)))
            .collect();
        comment(&table.table, &columns, &mut text);
        let history: Vec<(&str, &str)> = columns.into_iter().chain(HISTORY).collect();
        comment(&format!("{}_history", table.table), &history, &mut text);
    }
    GeneratedFile::sql("postgres/comments.sql", "schema/avro/*.avsc", &text)
}

fn comment(table: &str, columns: &[(&str, &str)], text: &mut String) {
    for (column, comment) in columns {
        let comment = comment.replace('\'', "''");
        writeln!(text, "comment on column ledger.{table}.{column} is '{comment}';").unwrap();
    }
}
