//! The promises of the store, kept by every back end.

mod backends;
mod conformance;
