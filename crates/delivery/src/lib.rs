//! Events on their way out: how they are signed.
//!
//! What lives here now is the decision everything else of delivery rests on: [`sign`] (the bytes
//! of a signature). The schedule, the sinks and the integrations themselves come with the
//! events-out slice; they leave through `switchhook_engine::outbound::Guard`, as everything does.
//!
//! What never lives here: which events exist (domain) and how they are stored (storage).

pub mod sign;
