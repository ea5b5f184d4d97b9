//! The rules of calls, with nothing around them.
//!
//! What lives here: typed ids, telephone numbers, signals (what a platform said), the merge of
//! signals into the facts of one conversation, the call record derived from the facts, and the
//! events that fall out when the record moves forward. Start reading at [`signal`], then
//! [`facts`], [`mod@derive`] and [`fold`].
//!
//! What never lives here: HTTP, SQL, async, a clock or randomness. Time comes in with the signal,
//! ids come from an [`id::IdMint`] that is handed in. Every function is repeatable.
//!
//! The words (one for one thing, everywhere in the project): *app* a tenant; *platform* a phone
//! system; *connection* one app's link to one account or PBX; *signal* what an adapter
//! understood; *call* one conversation with all its legs; *leg* one party's part of it; *event*
//! one past-tense fact of ours in the app's ordered log.

pub mod agent;
pub mod call;
pub mod cause;
pub mod contact;
pub mod derive;
pub mod dial;
pub mod event;
pub mod facts;
pub mod fold;
pub mod hours;
pub mod id;
pub mod media;
pub mod moment;
pub mod phone;
pub mod replay;
pub mod signal;
pub mod task;
pub mod time;

/// The time type used everywhere: UTC, sub-second. Serialised as RFC 3339.
pub use jiff::Timestamp;
