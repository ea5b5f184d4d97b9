//! Events on their way out: how they are signed, and which addresses they may be sent to.
//!
//! What lives here now are the two decisions everything else of delivery rests on, both pure:
//! [`sign`] (the bytes of a signature) and [`guard`] (whether an address may be called). The
//! schedule, the sinks and the integrations themselves come with the events-out slice.
//!
//! What never lives here: which events exist (domain) and how they are stored (storage).

pub mod guard;
pub mod sign;
