//! The evaluation cycle: slots, rows to states in PostgreSQL, outbox, channels; rule tests and backtest.

pub mod backtest;
pub mod observation;
pub mod test;
