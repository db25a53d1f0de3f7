//! The form in which records stand in PostgreSQL: one table a kind, and one row a container.
//!
//! Each table's columns are listed once, in the kind's own file, with the wire field they come from. These files are
//! written from `avro/*.avsc` by a test; what is worked out of a record is in `derived`. The ingester makes its stage, its
//! COPY stream and its merge statements from these lists; a database test compares them with the catalogue.

mod cell;
mod container;
mod derived;
mod namespace;
mod node;
mod pod;
mod read;
mod watchdog;
mod workload;

pub use cell::{CellError, RowCell};
pub use read::{container_from_row, record_from_row};

use xxhash_rust::xxh3::xxh3_128;

use crate::{
    READER_VERSION,
    content_hash::{ContentDigest, ContentHash},
    kind::RecordKind,
    record::{Container, Pod, Record},
};

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `text`
    Text,
    /// `uuid`
    Uuid,
    /// `text[]`
    TextArray,
    /// `jsonb`
    Jsonb,
    /// `bigint`
    Bigint,
    /// `integer`
    Integer,
    /// `boolean`
    Boolean,
    /// `timestamp with time zone`
    Timestamptz,
}

impl ColumnType {
    /// Name of the type as PostgreSQL's catalogue prints it.
    #[must_use]
    pub fn sql_name(self) -> &'static str {
        match self {
            ColumnType::Text => "text",
            ColumnType::Uuid => "uuid",
            ColumnType::TextArray => "text[]",
            ColumnType::Jsonb => "jsonb",
            ColumnType::Bigint => "bigint",
            ColumnType::Integer => "integer",
            ColumnType::Boolean => "boolean",
            ColumnType::Timestamptz => "timestamp with time zone",
        }
    }
}

/// A column that a record fills.
#[derive(Debug)]
pub struct LedgerColumn {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub column_type: ColumnType,
    /// True if it is never NULL.
    pub not_null: bool,
    /// Top-level wire field it comes from; a writer whose schema lacks the field leaves the column unknown.
    pub field: &'static str,
    /// Reader version that introduced it (see [`crate::READER_VERSION`]).
    pub since: i16,
    /// False for the resolved owner, which the central site keeps when a later record cannot resolve it, and which is
    /// therefore compared by itself instead of by the row hash.
    pub hashed: bool,
}

/// A table that records fill. Its key is `cluster_id` and [`LedgerTable::key`]; besides [`LedgerTable::columns`] every table
/// has the columns of [`META_COLUMNS`].
#[derive(Debug)]
pub struct LedgerTable {
    /// Name within schema `ledger`; its history is `<name>_history`.
    pub name: &'static str,
    /// Columns that, after `cluster_id`, make the primary key.
    pub key: &'static [&'static str],
    /// The columns that records fill, in the order of their cells: that of the versions that introduced them.
    pub columns: &'static [LedgerColumn],
    /// Columns of the ingester's own besides `cluster_id`: hashes, writer, reader, instants.
    pub meta: &'static [&'static str],
}

/// The current state in every object table besides `cluster_id` and the record's own columns.
pub const META_COLUMNS: &[&str] = &[
    "body_hash_hi",
    "body_hash_lo",
    "row_hash_hi",
    "row_hash_lo",
    "writer_schema",
    "reader_version",
    "unknown",
    "valid_from",
    "observed_at",
    "landed_at",
];

/// The same for `container`, which has no body of its own.
pub const CONTAINER_META_COLUMNS: &[&str] = &[
    "row_hash_hi",
    "row_hash_lo",
    "reader_version",
    "valid_from",
    "observed_at",
    "landed_at",
];

/// Usage is added up by statements of its own: no record fills a row of it.
static USAGE: LedgerTable = LedgerTable {
    name: "usage_hourly",
    key: &["hour_at", "pod_uid", "container"],
    columns: &[],
    meta: &[],
};

/// Table of a kind.
#[must_use]
pub fn table(kind: RecordKind) -> &'static LedgerTable {
    match kind {
        RecordKind::Node => &node::TABLE,
        RecordKind::Pod => &pod::TABLE,
        RecordKind::Namespace => &namespace::TABLE,
        RecordKind::Workload => &workload::TABLE,
        RecordKind::Watchdog => &watchdog::TABLE,
        RecordKind::Usage => &USAGE,
    }
}

/// Table of containers; its rows belong to the pod of the same `uid`.
#[must_use]
pub fn container_table() -> &'static LedgerTable {
    &container::TABLE
}

/// Cells of a record, in the order of its table's columns.
#[must_use]
pub fn cells(record: &Record) -> Vec<RowCell<'_>> {
    match record {
        Record::Node(object) => node::cells(object),
        Record::Pod(object) => pod::cells(object),
        Record::Namespace(object) => namespace::cells(object),
        Record::Workload(object) => workload::cells(object),
        Record::Watchdog(object) => watchdog::cells(object),
    }
}

/// Cells of one container of a pod, in the order of [`container_table`]'s columns.
#[must_use]
pub fn container_cells<'a>(pod: &'a Pod, container: &'a Container) -> Vec<RowCell<'a>> {
    container::cells(pod, container)
}

/// Hash of a row's own columns: while it stays, a record makes no new version of the row.
#[must_use]
pub fn row_hash(table: &LedgerTable, cells: &[RowCell<'_>]) -> ContentHash {
    row_hash_of_reader(table, cells, READER_VERSION)
}

/// The hash that a reader of version `reader` gives, or would have given, the same cells. Columns stand in the order of
/// the versions that introduced them, so it is the hash of those up to that version.
#[must_use]
pub fn row_hash_of_reader(table: &LedgerTable, cells: &[RowCell<'_>], reader: i16) -> ContentHash {
    let mut bytes = Vec::with_capacity(1024);
    for (column, cell) in table.columns.iter().zip(cells) {
        if column.hashed && column.since <= reader {
            cell.fingerprint(&mut bytes);
        }
    }
    let hash = xxh3_128(&bytes);
    ContentHash {
        hi: (hash >> 64) as u64 as i64,
        lo: hash as u64 as i64,
    }
}

/// Number and XOR of the row hashes of a pod's containers, as `ledger.pod` keeps them.
#[must_use]
pub fn containers_digest(pod: &Pod) -> ContentDigest {
    let mut digest = ContentDigest::default();
    for container in &pod.containers {
        digest.add(row_hash(container_table(), &container_cells(pod, container)));
    }
    digest
}

/// Declares a table's columns and how each is filled. One line a column:
/// `name: Type [not null] [unhashed] from "wire field" [since version] = value;`
macro_rules! columns {
    (@null) => { false };
    (@null not null) => { true };
    (@hashed) => { true };
    (@hashed unhashed) => { false };
    (@since) => { 1 };
    (@since $since:literal) => { $since };
    (
        fn cells($($object:ident: $type:ident),+);
        $( @let $local:ident = $init:expr; )*
        $( $name:ident: $kind:ident $(($($null:tt)+))? $([$hashed:ident])? from $field:literal $(since $since:literal)? = $value:expr; )+
    ) => {
        const COLUMNS: &[crate::row::LedgerColumn] = &[
            $( crate::row::LedgerColumn {
                name: stringify!($name),
                column_type: crate::row::ColumnType::$kind,
                not_null: columns!(@null $($($null)+)?),
                field: $field,
                since: columns!(@since $($since)?),
                hashed: columns!(@hashed $($hashed)?),
            } ),+
        ];

        pub(super) fn cells<'a>($($object: &'a $type),+) -> Vec<crate::row::RowCell<'a>> {
            $( let $local = $init; )*
            vec![ $( crate::row::RowCell::from($value) ),+ ]
        }
    };
}
pub(crate) use columns;

#[cfg(test)]
mod tests;
