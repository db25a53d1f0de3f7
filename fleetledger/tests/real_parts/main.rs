//! The binary and its library on real parts: one test binary, because linking is what takes the time.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail by panicking"
)]

mod browser;
mod commands;
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
mod pictures;
mod pooler;
mod postgres_url;
mod process;
mod production;
mod reaper;
mod reference;
mod refused_rule;
mod rights;
mod role;
mod rules;
mod support;
mod teams;
mod terminal;
