//! What a running role tells: log lines, metrics, health.

pub mod health;
pub mod http;
pub mod log;
mod tls;

pub use health::RoleProbe;
