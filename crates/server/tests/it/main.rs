//! The whole program against the outside world: a real PBX with real SIP phones, a killed
//! process, the demo. One binary, so that it links once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "a test may stop at the first surprise and says so on the terminal"
)]

mod agents;
mod audit;
mod bed;
mod connections;
mod database;
mod deeds;
mod dialpad_both_ways;
mod doctor;
mod import;
mod kill;
mod leaks;
mod mappings;
mod openconnector;
mod people;
mod pool;
mod program;
mod real_dial;
mod real_dial_api;
mod real_oidc;
mod real_pbx;
mod real_sqs;
mod ringcentral_socket;
mod secret_files;
mod secrets;
mod tls;
