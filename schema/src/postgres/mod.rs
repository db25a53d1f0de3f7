//! The migrator.
