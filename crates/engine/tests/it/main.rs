//! What the engine promises, tested from outside on the reference store.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop"
)]

mod audit;
mod oauth;
mod platform;
mod sign_in;
