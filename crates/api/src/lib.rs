//! The HTTP side: REST, WebSocket, the page, and the description of it all.
//!
//! Start reading at [`router()`], which lists every route; each resource has one file with its
//! requests, answers, handlers and their description. Around all of them lies `outer`, which
//! writes errors ([`problem`]) and gives requests their ids. Who may do what is decided by the
//! extractors in `auth`.
//!
//! What is not here: rules about calls (domain), storage, and what platforms mean (adapters).

mod agents;
mod answer;
mod apps;
mod audit;
mod audit_export;
mod auth;
mod author;
mod body;
mod calls;
mod click_to_dial;
mod client;
mod connections;
mod contacts;
mod control;
mod cors;
mod diagnosis;
mod dial_policy;
mod dials;
mod docs;
mod events;
mod frame;
mod guard;
mod health;
mod idempotency;
mod inherited;
mod inherited_keys;
mod keys;
mod limits;
mod mappings;
mod me;
mod messages;
mod metrics;
mod moments;
mod new_contact;
mod notifications;
mod oauth;
mod openapi;
mod outer;
mod own_connections;
mod own_keys;
mod page;
mod paging;
mod params;
mod pbx_socket;
mod people;
mod presence;
pub mod problem;
mod recordings;
mod refusals;
mod router;
mod schemas;
mod sightings;
mod sign_in;
mod standing;
mod state;
mod tasks;
mod transcripts;
mod voicemails;
mod webhooks;
mod work_settings;
mod ws;

pub use client::{countable, networks};
pub use cors::origin;
pub use limits::LimitsConfig;
pub use openapi::{openapi, openapi_json};
pub use router::router;
pub use state::{ApiConfig, ApiState, WsConfig};
