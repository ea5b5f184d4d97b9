//! What the engine promises, tested from outside on the reference store.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop"
)]

mod audit;
mod keeper;
mod links;
mod matching;
mod oauth;
mod openconnector;
mod outbound;
mod platform;
mod recordings;
mod sign_in;
mod tasks;
