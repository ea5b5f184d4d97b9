//! What an adapter understood from a notification, in words no platform owns.
//!
//! A [`Signal`] is one statement about one conversation: *this leg rang*, *these names belong
//! together*, *the caller's number is so*. Adapters are stateless translators: they say what the
//! notification says and nothing they remember. Joining, ordering and deciding is the work of
//! [`crate::facts`] and [`crate::derive`], which accept signals in any order, twice, and late.
//!
//! # Rules for adapters
//! * `at` is the platform's own time of the fact, never the time of arrival.
//! * `keys` are every name the platform gives this conversation (Asterisk: linked id and channel
//!   ids; RingCentral: telephony session id; Dialpad: call, master, entry-point and operator call
//!   ids). Any key in common joins two signals into one call. Keys are unique within a
//!   connection; prefix them when a platform has several kinds (`linked:…`, `chan:…`). Such a
//!   prefix is a lower-case word and a colon, and is not shown.
//! * A leg id names one party's part of the call for its whole life.
//! * Say facts, not conclusions: a leg that ended, not a call that was missed. Only when the
//!   platform itself draws the conclusion use the facts of [`CallFact`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::cause::{Cause, EndedBy};
use crate::dial::DialCause;
use crate::id::DialId;
use crate::media::{Message, PresenceReport, Recording, Voicemail};
use crate::phone::PhoneNumber;

/// One statement of a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// When it happened, by the platform's clock.
    pub at: Timestamp,
    /// The names of the conversation; empty only for [`Fact::Message`], [`Fact::Presence`] and
    /// [`Fact::Snapshot`], which are not about one call. At most [`MAX_KEYS`].
    pub keys: Vec<String>,
    /// What happened.
    pub fact: Fact,
}

/// The most keys one signal may carry; more is a decoder's mistake.
pub const MAX_KEYS: usize = 16;

/// What the key of a call begins with that somebody asked us to place: `dial:<dial id>`. Adapters
/// put it on the signals of events that carry the id back (Dialpad's `custom_data`).
pub const DIAL_KEY: &str = "dial:";

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Something about the conversation as a whole.
    Call(CallFact),
    /// Something about one leg.
    Leg {
        /// The platform's id of the leg, unique within the connection.
        leg: String,
        /// What about it.
        fact: LegFact,
    },
    /// All legs of this connection that are alive at `at`; sent after a live socket was away.
    /// Open legs of the connection that are not named ended while nobody looked, and the calls
    /// they belong to carry the gap.
    Snapshot {
        /// Platform ids of the legs alive.
        live: BTreeSet<String>,
        /// Since when we were not listening, when that is known.
        gap_from: Option<Timestamp>,
    },
    /// A text message.
    Message(Box<Message>),
    /// An agent's presence.
    Presence(PresenceReport),
}

/// Something about the conversation as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallFact {
    /// All keys of this signal name the same conversation. Says nothing else.
    Linked,
    /// Somebody asked us to place this call. Said by the engine only.
    Requested {
        /// Our id of the request.
        dial: DialId,
        /// Who calls.
        agent: Party,
        /// Who is called: E.164 or an extension.
        target: PhoneNumber,
    },
    /// What was asked for came to nothing. Said by the engine only.
    DialFailed {
        /// Our id of the request.
        dial: DialId,
        /// Why.
        cause: DialCause,
        /// One sentence for the agent.
        detail: String,
    },
    /// The conversation exists since `at` at the latest; use for platforms that report a start.
    Started,
    /// Which way it goes, where the platform says so itself.
    Direction(Direction),
    /// The outside party, where the platform reports it for the call and not as a leg.
    Remote(Party),
    /// Our own line (the number dialled inbound, the number shown outbound).
    Line(PhoneNumber),
    /// The number or name that was dialled, on an outbound or internal call.
    Dialled(PhoneNumber),
    /// The queue or group the call waits in.
    Queue(String),
    /// The whole conversation is over, in the platform's own words.
    Ended {
        /// Why.
        cause: Cause,
        /// Who ended it.
        by: Option<EndedBy>,
    },
    /// The platform itself says how an unanswered call ended.
    Outcome(Outcome),
    /// The call moved from one party to another.
    Transferred {
        /// How.
        kind: TransferKind,
        /// Leg id of the party who transferred, when known.
        from: Option<String>,
        /// Extension or number it was sent to, when known.
        to: Option<String>,
    },
    /// The caller reached a voicemail box; nothing need have been left.
    VoicemailReached,
    /// A voicemail was left.
    Voicemail {
        /// The platform's id of the voicemail.
        id: String,
        /// What is known about it.
        voicemail: Voicemail,
    },
    /// A recording exists or has changed.
    Recording {
        /// The platform's id of the recording, or its URL when it has none.
        id: String,
        /// What is known about it.
        recording: Recording,
    },
    /// What was said, as text.
    Transcript(String),
    /// Total time on hold in milliseconds, where the platform only reports the sum.
    HoldTotal(i64),
}

/// Something about one leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegFact {
    /// The leg exists since `at` at the latest.
    Seen {
        /// Whose leg it is.
        kind: LegKind,
        /// True for the leg that began the conversation (the caller's).
        origin: bool,
        /// Who is on it, as far as known.
        party: Party,
    },
    /// Better or later knowledge of who is on it.
    Party(Party),
    /// It is being rung.
    Rang,
    /// It picked up.
    Answered,
    /// It put the other side on hold.
    Held,
    /// It took the other side back.
    Resumed,
    /// It can hear the others in this bridge from now on.
    Joined {
        /// The platform's id of the bridge or conference.
        bridge: String,
    },
    /// It left that bridge.
    Left {
        /// The platform's id of the bridge or conference.
        bridge: String,
    },
    /// It had picked up before this, or so it seems; when is told elsewhere. For platforms whose
    /// later events show that an answer went before: where no earlier answer is known, the record
    /// says that it is missing.
    WasUp,
    /// It left of its own, and this platform tells the parties' ends in the order in which they
    /// left: who left first after an answer hung up.
    Parted,
    /// Why it is ending, said before or apart from its end.
    Cause(Cause),
    /// Its own party hung up (or cancelled), rather than being hung up on.
    HungUp,
    /// The call is moving on without this leg: what follows is not the end of the call.
    Moved,
    /// It is over.
    Ended(Cause),
}

/// Whose leg it is. Later variants are the more certain knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LegKind {
    /// A technical half-leg of the platform that no person is on; hidden from records.
    Helper,
    /// A queue, menu, group or mailbox on its way to a person.
    Routing,
    /// The outside party.
    External,
    /// One of ours.
    Agent,
}

/// Which way a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Between two of ours.
    Internal,
    /// From outside to us.
    Inbound,
    /// From us to outside.
    Outbound,
}

/// How a call was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// The platform did not say.
    Unknown,
    /// Without asking first.
    Blind,
    /// After asking first.
    Attended,
}

/// How an unanswered call ended, where the platform draws the conclusion itself, or that it never
/// will. Later variants win over earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The platform tells of the call once and never how it went on: neither answered nor missed
    /// may be concluded from silence.
    Untold,
    /// Nobody answered.
    Missed,
    /// Declined, or refused by a rule.
    Rejected,
}

/// Who is on a leg or on the other side. Every member may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Party {
    /// Telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<PhoneNumber>,
    /// Name as the platform shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Internal extension or device name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// The platform's id of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// E-mail address of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl Signal {
    /// A statement about the conversation as a whole.
    #[must_use]
    pub fn call(at: Timestamp, keys: &[String], fact: CallFact) -> Self {
        Self {
            at,
            keys: keys.to_vec(),
            fact: Fact::Call(fact),
        }
    }

    /// A statement about one leg.
    #[must_use]
    pub fn leg(at: Timestamp, keys: &[String], leg: &str, fact: LegFact) -> Self {
        Self {
            at,
            keys: keys.to_vec(),
            fact: Fact::Leg {
                leg: leg.to_owned(),
                fact,
            },
        }
    }
}

/// Stands for the time of a notification that carries none (only dialects that are not a
/// platform's own leave it out). Adapters have no clock: whoever took the notification in puts
/// the time of its arrival in this place, with [`date_undated`]. A time before it stands for that
/// much before the arrival: the answer of a call that is reported when it is over, with how long
/// it lasted and without a time.
pub const UNDATED: Timestamp = Timestamp::UNIX_EPOCH;

/// Puts the time of arrival in the place of every [`UNDATED`], and counts back from it what lies
/// before.
pub fn date_undated(signals: &mut [Signal], arrived_at: Timestamp) {
    for signal in signals {
        if signal.at <= UNDATED {
            let before = UNDATED.duration_since(signal.at);
            signal.at = arrived_at.checked_sub(before).unwrap_or(arrived_at);
        }
        if let Fact::Message(message) = &mut signal.fact
            && message.sent_at == UNDATED
        {
            message.sent_at = arrived_at;
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn what_has_no_time_happened_on_arrival_or_that_much_before() {
        let arrived: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let told: Timestamp = "2026-11-22T11:00:00Z".parse().unwrap();
        let back = SignedDuration::from_secs(327);
        let mut signals = [UNDATED, UNDATED - back, told]
            .map(|at| Signal::call(at, &["k".to_owned()], CallFact::Started));
        date_undated(&mut signals, arrived);
        let dated = signals.map(|signal| signal.at);
        assert_eq!(dated, [arrived, arrived - back, told]);
    }
}
