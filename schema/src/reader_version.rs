// Generated from schema/avro/*.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

/// Version of the reader: the largest `since` of a column. Rows written by an older reader are decoded again by the
/// next sweep.
pub const READER_VERSION: i16 = 2;
