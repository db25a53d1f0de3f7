//! Everything that repeats the columns of a record is written from `schema/avro/*.avsc` (see `schema/avro/README.md`):
//! record structs, row lists, tables, comments, lines of views, and the test data of a new wire version.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail by panicking"
)]

mod avro_bytes;
mod avro_file;
mod column_comment;
mod column_source;
mod column_type;
mod generated_file;
mod migration;
mod record_struct;
mod row_list;
mod view_line;
mod wire_version;

use avro_file::AvroFile;
use column_source::TableSource;
use generated_file::GeneratedFile;

/// Newest reader version that has been released: what was generated for it and for those before never changes again.
/// Raise it with a release.
const RELEASED_VERSION: i16 = 1;

#[test]
fn generated_files_are_current() {
    let files: Vec<AvroFile> = avro_file::NAMES.iter().map(|name| AvroFile::read(name)).collect();
    let tables: Vec<TableSource> = files.iter().flat_map(column_source::tables).collect();
    let columns = tables.iter().flat_map(|table| &table.columns);
    let version = columns.map(|column| column.since).max().unwrap();
    let mut generated = vec![reader_version(version)];
    generated.extend(record_struct::generate(&files));
    generated.extend(tables.iter().map(row_list::generate));
    generated.extend(tables.iter().map(view_line::generate));
    generated.push(column_comment::generate(&tables));
    generated.extend(migration::generate(&tables, version));
    generated.extend(wire_version::generate(&files, version));
    let stale: Vec<String> = generated.iter().filter_map(GeneratedFile::write).collect();
    assert!(
        stale.is_empty(),
        "these were not current and have been written anew; commit them:\n{}",
        stale.join("\n")
    );
}

fn reader_version(version: i16) -> GeneratedFile {
    GeneratedFile::rust(
        "src/reader_version.rs",
        "schema/avro/*.avsc",
        &format!(
            "/// Version of the reader: the largest `since` of a column. Rows written by an older reader are decoded again by the
/// next sweep.
pub const READER_VERSION: i16 = {version};
"
        ),
    )
}
