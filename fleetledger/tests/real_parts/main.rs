//! The binary and its library on real parts: one test binary, because linking is what takes the time.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail by panicking"
)]

mod console;
mod cost;
mod demo;
mod doctor_evaluate;
mod doctor_kafka;
mod doctor_kubernetes;
mod doctor_machine;
mod doctor_postgres;
mod evaluate;
mod examples;
mod exit_codes;
mod image;
mod output;
mod page;
mod pages;
mod pooler;
mod postgres_url;
mod process;
mod reaper;
mod reference;
mod rights;
mod role;
mod rules;
mod support;
mod teams;
