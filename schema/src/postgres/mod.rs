//! The current state in PostgreSQL: connections, migrations, views.
//!
//! Migrations (`postgres/migrations/NNNN_*.sql`) run once, in order, each in a transaction, under an advisory
//! lock; one whose text was edited after it had been applied is refused. Views (`postgres/views/*.sql`) are
//! dropped and made again as a whole whenever any of their texts changes.

mod connect;
mod error;
mod literal;
mod migrate;
mod view;

pub use connect::{ConnectError, PostgresConnector};
pub use error::MigrateError;
pub use literal::literal;
pub use migrate::{MigrateReport, Migration, MigrationStatus, migrate, migration_status, migrations};
pub use view::{ViewColumn, ViewDoc, documented_views};
