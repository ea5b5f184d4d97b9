//! Switchhook as a program: configuration, command line, and the one place where all parts meet
//! ([`wire`]). Nothing that decides anything about calls lives here.

pub mod cli;
pub mod config;
pub mod listening;
pub mod telemetry;
pub mod tls;
pub mod wire;
