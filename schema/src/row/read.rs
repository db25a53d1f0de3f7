//! Rows → records, for `audit`: the current state must encode to the bytes that travelled.

use serde::de::DeserializeOwned;
use tokio_postgres::{Error, Row, types::FromSql};

use super::{container, namespace, node, pod, watchdog, workload};
use crate::{
    instant::Instant,
    kind::RecordKind,
    object_uid::ObjectUid,
    record::{Container, ObjectRecord, Record},
};

/// Reads an object from a row that holds all columns of its table; `None` for usage, which is none. A pod comes without
/// its containers.
///
/// # Errors
/// The driver's error if a column is missing or of another type.
pub fn record_from_row(kind: RecordKind, row: &Row) -> Result<Option<Record>, Error> {
    Ok(Some(match kind {
        RecordKind::Node => node::read(row)?.into_record(),
        RecordKind::Pod => pod::read(row)?.into_record(),
        RecordKind::Namespace => namespace::read(row)?.into_record(),
        RecordKind::Workload => workload::read(row)?.into_record(),
        RecordKind::Watchdog => watchdog::read(row)?.into_record(),
        RecordKind::Usage => return Ok(None),
    }))
}

/// Reads a container from a row of `ledger.container`.
///
/// # Errors
/// See [`record_from_row`].
pub fn container_from_row(row: &Row) -> Result<Container, Error> {
    container::read(row)
}

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, Error> {
    row.try_get(column)
}

pub(super) fn read_json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T, Error> {
    let json: tokio_postgres::types::Json<T> = row.try_get(column)?;
    Ok(json.0)
}

/// An instant that travels as 0 where it is not known.
pub(super) fn read_known(row: &Row, column: &str) -> Result<Instant, Error> {
    let at: Option<Instant> = row.try_get(column)?;
    Ok(at.unwrap_or(Instant(0)))
}

/// The same of a document that may be missing.
pub(super) fn read_optional_json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<Option<T>, Error> {
    let json: Option<tokio_postgres::types::Json<T>> = row.try_get(column)?;
    Ok(json.map(|json| json.0))
}

/// The text of a uid as it travelled.
pub(super) fn read_uid(row: &Row, column: &str) -> Result<String, Error> {
    let uid: ObjectUid = row.try_get(column)?;
    let text: Option<String> = row.try_get(format!("{column}_text").as_str())?;
    Ok(text.unwrap_or_else(|| uid.to_string()))
}

/// The same of a uid that may be missing.
pub(super) fn read_optional_uid(row: &Row, column: &str) -> Result<Option<String>, Error> {
    let uid: Option<ObjectUid> = row.try_get(column)?;
    uid.map(|_| read_uid(row, column)).transpose()
}
