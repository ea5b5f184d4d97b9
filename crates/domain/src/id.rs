//! Typed ids. All of ours are UUIDv7, so their order is roughly the order of creation and the
//! indexes stay small. Ids of platforms are text and are never turned into numbers: Dialpad's
//! have 16 to 19 digits, more than a float can hold.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
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
    /// One event of an app's log.
    EventId;
    /// The raw bytes a platform sent, with their verdict.
    NotificationId;
    /// An API key.
    KeyId;
    /// One call that somebody asked us to place.
    DialId;
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
    fn the_same_seed_gives_the_same_ids() {
        let at = Timestamp::from_millisecond(1_767_000_000_000).unwrap();
        assert_eq!(IdMint::new(at, 42).uuid(), IdMint::new(at, 42).uuid());
    }
}
