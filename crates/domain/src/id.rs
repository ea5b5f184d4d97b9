//! Typed ids. Ours are UUIDv7, so their order is roughly the order of creation and the indexes stay
//! small; those of things a platform has named already are UUIDv5 of that name, so that every node
//! and every repetition makes the same one. Ids of platforms are text and are never turned into
//! numbers: Dialpad's have 16 to 19 digits, more than a float can hold.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use uuid::Uuid;

use crate::Timestamp;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )*};
}

ids! {
    /// A tenant.
    AppId;
    /// One conversation.
    CallId;
    /// One app's link to one account or PBX of a platform.
    ConnectionId;
    /// A person or organisation in the directory.
    ContactId;
    /// A person taking calls.
    AgentId;
    /// One name a platform has for an agent.
    IdentityId;
    /// The token of an agent in an embedded panel.
    AgentTokenId;
    /// One event of an app's log.
    EventId;
    /// The raw bytes a platform sent, with their verdict.
    NotificationId;
    /// An API key.
    KeyId;
    /// A person with an account.
    UserId;
    /// One call that somebody asked us to place.
    DialId;
    /// Something left to do after a call.
    TaskId;
    /// A recording of a call, named by its platform.
    RecordingId;
    /// A voicemail, named by its platform.
    VoicemailId;
    /// A text message, named by its platform.
    MessageId;
}

/// The UUIDv5 (RFC 9562, 5.5) of a name for something of one kind in a name space, such as a
/// platform's name on a connection. SHA-1 keeps no secret here, it only spreads.
fn named(space: Uuid, kind: &str, name: &str) -> Uuid {
    let digest = Sha1::new()
        .chain_update(space.as_bytes())
        .chain_update(kind)
        .chain_update(":")
        .chain_update(name)
        .finalize();
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_sha1_bytes(bytes).into_uuid()
}

impl RecordingId {
    /// The id of what a platform calls that, on that connection.
    #[must_use]
    pub fn of(connection: ConnectionId, external_id: &str) -> Self {
        Self(named(connection.0, "recording", external_id))
    }
}

impl VoicemailId {
    /// The id of what a platform calls that, on that connection.
    #[must_use]
    pub fn of(connection: ConnectionId, external_id: &str) -> Self {
        Self(named(connection.0, "voicemail", external_id))
    }
}

impl MessageId {
    /// The id of what a platform calls that, on that connection.
    #[must_use]
    pub fn of(connection: ConnectionId, external_id: &str) -> Self {
        Self(named(connection.0, "message", external_id))
    }
}

impl TaskId {
    /// The id of the task of one kind that comes of a call's disposition; the call is the name
    /// space. However often the disposition is given, it is the same.
    #[must_use]
    pub fn of_disposition(call: CallId, kind: &str) -> Self {
        Self(named(call.0, "disposition-task", kind))
    }
}

/// A source of ids for one change: repeatable, because time and randomness are handed in.
///
/// The first 48 bits are the time in milliseconds, the rest comes from `random`, counted up by
/// one for each id, so that the ids of one change differ and keep their order.
#[derive(Debug)]
pub struct IdMint {
    millis: u64,
    next: Cell<u128>,
}

impl IdMint {
    /// A mint for one change. `random` should have at least 74 unpredictable bits.
    #[must_use]
    pub fn new(at: Timestamp, random: u128) -> Self {
        let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
        Self {
            millis,
            next: Cell::new(random),
        }
    }

    /// The next UUIDv7.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let value = self.next.get();
        self.next.set(value.wrapping_add(1));
        let bytes = value.to_be_bytes();
        let mut tail = [0_u8; 10];
        tail.copy_from_slice(&bytes[6..16]);
        uuid::Builder::from_unix_timestamp_millis(self.millis, &tail).into_uuid()
    }

    /// The next call id.
    #[must_use]
    pub fn call(&self) -> CallId {
        CallId(self.uuid())
    }

    /// The next event id.
    #[must_use]
    pub fn event(&self) -> EventId {
        EventId(self.uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_change_differ_and_ascend() {
        let mint = IdMint::new(Timestamp::from_millisecond(1_767_000_000_000).unwrap(), 7);
        let first = mint.uuid();
        let second = mint.uuid();
        assert!(first < second);
        assert_eq!(first.get_version_num(), 7);
    }

    #[test]
    fn a_platforms_name_gives_one_id_per_connection_and_kind() {
        let (a, b) = (
            ConnectionId(Uuid::from_u128(1)),
            ConnectionId(Uuid::from_u128(2)),
        );
        // Written down once and for all: these ids are stored and given out.
        let id = RecordingId::of(a, "6000000000000001");
        assert_eq!(id.to_string(), "8ff722b0-be67-59e3-818a-3e86054c4598");
        assert_eq!(id, RecordingId::of(a, "6000000000000001"));
        assert_ne!(id, RecordingId::of(b, "6000000000000001"));
        assert_ne!(id, RecordingId::of(a, "6000000000000002"));
        assert_ne!(id.0, VoicemailId::of(a, "6000000000000001").0);
        assert_ne!(id.0, MessageId::of(a, "6000000000000001").0);
    }

    #[test]
    fn a_disposition_gives_one_task_of_a_kind() {
        let (a, b) = (CallId(Uuid::from_u128(1)), CallId(Uuid::from_u128(2)));
        // Written down once and for all, as above.
        let id = TaskId::of_disposition(a, "opvolgtaak");
        assert_eq!(id.to_string(), "3973a149-df3c-52f5-b0fd-aa3e3f7d45f9");
        assert_ne!(id, TaskId::of_disposition(a, "terugbelverzoek"));
        assert_ne!(id, TaskId::of_disposition(b, "opvolgtaak"));
    }

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let at = Timestamp::from_millisecond(1_767_000_000_000).unwrap();
        assert_eq!(IdMint::new(at, 42).uuid(), IdMint::new(at, 42).uuid());
    }
}
