//! The API from outside: a whole server in this process, spoken to over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod access;
mod admin;
mod audit;
mod calls;
mod changes;
mod client;
mod contacts;
mod describe;
mod diagnosis;
mod dialling;
mod events;
mod faults;
mod flaky;
mod hooks;
mod inherited;
mod mappings;
mod media;
mod oauth;
mod outbound;
mod pages;
mod pbx_socket;
mod problems;
mod schema;
mod signing;
mod socket;
mod socket_end;
mod socket_limits;
mod socket_memory;
mod world;
