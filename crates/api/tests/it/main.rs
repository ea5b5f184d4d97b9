//! The API from outside: a whole server in this process, spoken to over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod access;
mod admin;
mod agent_tokens;
mod agents;
mod audit;
mod calls;
mod changes;
mod client;
mod contacts;
mod contract;
mod contract_keys;
mod contract_users;
mod cors;
mod cut_short;
mod describe;
mod diagnosis;
mod dialling;
mod events;
mod faults;
mod flaky;
mod hooks;
mod hooks_by_get;
mod idempotency;
mod inherited;
mod keys;
mod limits;
mod mappings;
mod matching;
mod media;
mod moments;
mod oauth;
mod on_record;
mod outbound;
mod pages;
mod pbx_socket;
mod people;
mod people_oidc;
mod problems;
mod schema;
mod scopes;
mod signing;
mod socket;
mod socket_end;
mod socket_limits;
mod socket_memory;
mod stores;
mod tasks;
mod two_nodes;
mod work_settings;
mod world;
