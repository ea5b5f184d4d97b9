//! The promises of the store, kept by every back end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

mod audit;
mod backends;
mod concurrency;
mod conformance;
mod durability;
mod history;
mod migrated_calls;
mod migrations;
mod model;
mod pool;
mod proxy;
mod second_wall;
