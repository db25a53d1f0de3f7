//! The contract: what travels over Kafka and the current state in PostgreSQL.
//!
//! * What travels: [`record`] types and their Avro schemas (`avro/*.avsc`), [`codec`], [`framing`], [`key`],
//!   [`headers`], [`partition`] and [`content_hash`].
//! * The current state: migrations and views (`postgres/`), the [`row`] form of each record, and the
//!   [`postgres`] migrator. Only this crate issues DDL.
//! * Both come from `avro/*.avsc`: a test writes every file that repeats the columns of a record (`avro/README.md`).
//! * What both ends do alike: [`instant`], [`backoff`], [`renewable`].
//!
//! Invariants: a body is a pure function of the Kubernetes object, so two emitters on one API server
//! produce equal bytes; the content hash covers the body alone; datacenter, cluster and cluster uid are part
//! of every key, and a name is never an identity.

pub mod backoff;
pub mod broker_fault;
pub mod codec;
pub mod content_hash;
mod fail_point;
pub mod framing;
pub mod headers;
pub mod instant;
pub mod key;
pub mod key_file;
pub mod kind;
pub mod mac;
pub mod object_uid;
pub mod part_watch;
pub mod partition;
pub mod postgres;
mod reader_version;
pub mod record;
pub mod renewable;
pub mod row;

pub use reader_version::READER_VERSION;
