//! What a running role tells: log lines, metrics, health.

pub(crate) mod connections;
pub mod health;
pub mod http;
pub mod log;
mod response;
mod slow_client;
mod tls;

pub use health::RoleProbe;
