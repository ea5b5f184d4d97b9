//! One test binary for the adapters: fixtures in, signals and call records out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

#[cfg(test)]
mod asking;
mod asterisk;
mod callvoip;
mod conformance;
mod dialpad;
mod fixture;
mod flat;
mod laws;
mod outbound;
mod registry;
mod ringcentral;
mod same_story;
mod simulate;
mod wildix;
