//! Events: past-tense facts of ours, in one append-only log per app. The set is closed; a new
//! name is a new variant here.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Timestamp;
use crate::id::{AppId, CallId, EventId};

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        pub enum EventType {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl EventType {
            /// Every event type.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name on the wire and in the database.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The type of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

event_types! {
    /// A device of an agent (inbound) or of the called party (outbound) rings for the first time.
    CallRing = "call.ring",
    /// Somebody answered.
    CallStarted = "call.started",
    /// A side was put on hold.
    CallHeld = "call.held",
    /// A side was taken back.
    CallResumed = "call.resumed",
    /// The call moved to another party.
    CallTransferred = "call.transferred",
    /// Over, after somebody answered; or outbound without an answer.
    CallEnded = "call.ended",
    /// Over, and nobody answered; voicemail included.
    CallMissed = "call.missed",
    /// Over: declined or refused.
    CallRejected = "call.rejected",
    /// Something about the record changed that no other event says.
    CallUpdated = "call.updated",
    /// No more changes are expected: a while has passed since the end.
    CallFinalized = "call.finalized",
    /// A call that was asked for could not be placed, or never began; the cause is named.
    DialFailed = "dial.failed",
    /// A recording can be fetched.
    RecordingAvailable = "recording.available",
    /// A voicemail was left.
    VoicemailReceived = "voicemail.received",
    /// A message came in.
    MessageReceived = "message.received",
    /// A message was sent by one of ours.
    MessageSent = "message.sent",
    /// A message we sent was delivered, or failed.
    MessageDelivered = "message.delivered",
    /// An agent's presence changed.
    PresenceChanged = "presence.changed",
    /// An agent's screen was asked to show the caller.
    ScreenPopOpened = "screen_pop.opened",
    /// The pop is no longer wanted: answered elsewhere, or over.
    ScreenPopClosed = "screen_pop.closed",
    /// A call got its contact moment.
    ContactMomentOpened = "contact_moment.opened",
    /// Its disposition was given, or the call leaves nothing to say.
    ContactMomentCompleted = "contact_moment.completed",
    /// A follow-up task was made.
    TaskCreated = "task.created",
    /// It changed: taken, tried, done, given to somebody else, or overdue.
    TaskUpdated = "task.updated",
    /// A live connection to a platform is down or silent.
    ConnectionDegraded = "connection.degraded",
    /// It is back.
    ConnectionRestored = "connection.restored",
}

/// An event on its way into the log: everything but its place.
#[derive(Clone, Debug)]
pub struct EventDraft {
    /// What happened.
    pub kind: EventType,
    /// The call it is about.
    pub call_id: Option<CallId>,
    /// When it happened, by the platform's clock.
    pub at: Timestamp,
    /// The payload, a JSON object: `{"call":{…}}` and what belongs beside it.
    pub data: Box<RawValue>,
}

/// An event in the log.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its place: gapless per app, in the order of commits.
    pub seq: u64,
    /// Unique id.
    pub id: EventId,
    /// Whose log.
    pub app_id: AppId,
    /// What happened.
    pub kind: EventType,
    /// The call it is about.
    pub call_id: Option<CallId>,
    /// When it happened, by the platform's clock.
    pub at: Timestamp,
    /// When it was committed, by ours.
    pub recorded_at: Timestamp,
    /// The payload, a JSON object.
    pub data: Box<RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for kind in EventType::ALL {
            assert_eq!(EventType::from_name(kind.as_str()), Some(*kind));
        }
        assert_eq!(EventType::from_name("call.exploded"), None);
    }
}
