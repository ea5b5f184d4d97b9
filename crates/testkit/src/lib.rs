//! Test support; never part of the product.
//!
//! * [`clock`]: time and chance that tests own.
//! * [`memory`]: the reference store, in plain maps, so simple that it is obviously right.
//! * [`conformance`]: what every store must do, as one suite for all of them.
//! * [`vendors`]: stand-ins for vendors' REST APIs, as real HTTP servers.

pub mod clock;
pub mod conformance;
pub mod memory;
pub mod vendors;
