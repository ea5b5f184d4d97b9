//! The application around the domain: it takes notifications in, has them verified and decoded,
//! folds them into calls inside one commit, wakes the sockets, and keeps live connections alive.
//!
//! The outside is reached through ports only: [`adapter::Adapter`] (phone platforms),
//! [`store::Store`] (the database), [`ports::Clock`] and [`ports::Entropy`] (time and chance).
//! No HTTP framework, no SQL and no vendor's field name is known here. The one client there is,
//! [`outbound::Guard`], is here so that adapters and delivery leave by the same guarded door.

pub mod access;
pub mod adapter;
pub mod admin;
pub mod agents;
pub mod audit;
mod claims;
pub mod command;
pub mod connections;
pub mod control;
pub mod diagnosis;
pub mod dial;
pub mod hub;
pub mod idempotency;
pub mod intake;
pub mod keeper;
mod key_use;
pub mod keyring;
pub mod limits;
pub mod link;
pub mod mappings;
pub mod metrics;
pub mod moments;
pub mod oauth;
pub mod openconnector;
pub mod outbound;
pub mod pace;
pub mod people;
pub mod platform_users;
pub mod ports;
pub mod processed;
pub mod reaper;
pub mod recordings;
pub mod redact;
pub mod references;
pub mod reseal;
pub mod rights;
pub mod seal;
pub mod session;
pub mod store;
pub mod tasks;
pub mod work_settings;
