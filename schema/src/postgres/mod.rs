//! The schema in PostgreSQL: connections, migrations, functions, views.
//!
//! Migrations (`postgres/migrations/NNNN_*.sql`) run once, in order, each in a transaction, one
//! migration at a time; one whose text was edited after it had been applied is refused. Functions (`postgres/functions/*.sql`) and
//! views (`postgres/views/*.sql`) are replaced as a whole whenever any of their texts changes, and columns get their
//! comments (`postgres/comments.sql`) anew.

mod connect;
mod cost_column;
mod error;
mod file;
mod function;
mod literal;
mod migrate;
mod migration_lock;
mod pooler;
mod repeatable;
mod session_fault;
mod view;
mod view_columns;

pub use connect::{ConnectError, PostgresAccess, PostgresConnector};
pub use cost_column::{COST_DIMENSIONS, COST_MEASURES, CostDimension, CostMeasure};
pub use error::MigrateError;
pub use file::SqlFile;
pub use literal::literal;
pub use migrate::{MigrateReport, MigrationStatus, migrate, migration_status, migrations};
pub use pooler::{PoolerError, PoolerMode, are_sessions_shared, pooler_mode};
pub use session_fault::{is_session_fault, needs_new_session};
pub use view::{ViewColumn, ViewDoc, documented_views};
