//! What somebody may do in an app: scopes of keys and tokens, roles of people. A role is nothing
//! but a name for a set of scopes, so that every check asks for a scope and never for a role. Not
//! here: who somebody is (that is [`crate::access`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! scopes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// One thing that may be done in an app.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Scope {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name in the API and the database.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

scopes! {
    /// See calls and how they stand.
    CallsRead = "calls:read",
    /// Place calls and steer them.
    CallsControl = "calls:control",
    /// Read the event log and listen on the socket.
    EventsRead = "events:read",
    /// See recordings, voicemails, transcripts and messages.
    MediaRead = "media:read",
    /// Delete voicemails.
    MediaWrite = "media:write",
    /// See contacts.
    ContactsRead = "contacts:read",
    /// Make, import and delete contacts.
    ContactsWrite = "contacts:write",
    /// See contact moments.
    MomentsRead = "moments:read",
    /// Write notes and dispositions, and say who the caller is.
    MomentsWrite = "moments:write",
    /// See follow-up tasks.
    TasksRead = "tasks:read",
    /// Make, take, try and complete follow-up tasks.
    TasksWrite = "tasks:write",
    /// See agents, their extensions and their presence.
    AgentsRead = "agents:read",
    /// Make, map and delete agents.
    AgentsWrite = "agents:write",
    /// Mint short-lived tokens for agents.
    AgentsToken = "agents:token",
    /// See connections, how they stand, and the dial policy.
    SettingsRead = "settings:read",
    /// Change the dial policy, sign in at platforms.
    SettingsWrite = "settings:write",
    /// See and change people, and invite them.
    People = "people:write",
    /// See, make, rotate and revoke API keys.
    Keys = "keys:write",
    /// Read and export the audit log.
    AuditRead = "audit:read",
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .iter()
            .copied()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| UnknownScope(text.chars().take(40).collect()))
    }
}

/// There is no scope of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope `{0}`")]
pub struct UnknownScope(pub String);

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u32);

impl Scopes {
    /// Everything, what may be added later included.
    pub const ALL: Self = Self(u32::MAX);
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The word for everything, in the API and the database.
    pub const ALL_WORD: &'static str = "all";

    const fn bit(scope: Scope) -> u32 {
        1 << (scope as u32)
    }

    /// These.
    #[must_use]
    pub const fn of(scopes: &[Scope]) -> Self {
        let (mut bits, mut index) = (0, 0);
        while index < scopes.len() {
            bits |= Self::bit(scopes[index]);
            index += 1;
        }
        Self(bits)
    }

    /// True when it is among them.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & Self::bit(scope) != 0
    }

    /// True when all of `other` are among these: nobody gives away more than they have.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Their names, for the API; `all` where it is everything.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        if self == Self::ALL {
            return vec![Self::ALL_WORD];
        }
        let had = Scope::ALL.iter().filter(|scope| self.has(**scope));
        had.map(|scope| scope.as_str()).collect()
    }

    /// As text for the database: names with a space between.
    #[must_use]
    pub fn to_text(self) -> String {
        self.names().join(" ")
    }

    /// From the names of an API request or from the database's text.
    ///
    /// # Errors
    /// The first name that is none.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownScope> {
        let mut set = Self::NONE;
        for name in names.into_iter().flat_map(str::split_ascii_whitespace) {
            if name == Self::ALL_WORD {
                return Ok(Self::ALL);
            }
            set.0 |= Self::bit(name.parse()?);
        }
        Ok(set)
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({})", self.to_text())
    }
}

/// What a signed-in person is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything in the app.
    Admin,
    /// Sees everything but people, keys and the audit log; changes nothing but calls.
    Supervisor,
    /// Takes and places calls.
    Agent,
    /// Sees what a supervisor sees and changes nothing at all.
    ReadOnly,
}

impl Role {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Supervisor, Self::Agent, Self::ReadOnly];

    /// The name in the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Supervisor => "supervisor",
            Self::Agent => "agent",
            Self::ReadOnly => "read_only",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// What it may do.
    #[must_use]
    pub const fn scopes(self) -> Scopes {
        use Scope as S;
        match self {
            Self::Admin => Scopes::ALL,
            Self::Supervisor => Scopes::of(&[
                S::CallsRead,
                S::CallsControl,
                S::EventsRead,
                S::MediaRead,
                S::ContactsRead,
                S::MomentsRead,
                S::MomentsWrite,
                S::TasksRead,
                S::TasksWrite,
                S::AgentsRead,
                S::SettingsRead,
            ]),
            Self::Agent => Scopes::of(&[
                S::CallsRead,
                S::CallsControl,
                S::EventsRead,
                S::MediaRead,
                S::ContactsRead,
                S::MomentsRead,
                S::MomentsWrite,
                S::TasksRead,
                S::TasksWrite,
                S::AgentsRead,
                S::SettingsRead,
            ]),
            Self::ReadOnly => Scopes::of(&[
                S::CallsRead,
                S::EventsRead,
                S::MediaRead,
                S::ContactsRead,
                S::MomentsRead,
                S::TasksRead,
                S::AgentsRead,
                S::SettingsRead,
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_kept_as_text() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(*scope));
            let one = Scopes::of(&[*scope]);
            assert_eq!(Scopes::parse([&*one.to_text()]), Ok(one));
            assert!(Scopes::ALL.has(*scope) && !Scopes::NONE.has(*scope));
        }
        let two = Scopes::of(&[Scope::CallsRead, Scope::AuditRead]);
        assert_eq!(two.to_text(), "calls:read audit:read");
        assert_eq!(Scopes::parse(["calls:read", "audit:read"]), Ok(two));
        assert_eq!(Scopes::parse(["calls:read", "all"]), Ok(Scopes::ALL));
        assert!(Scopes::parse(["calls:fly"]).is_err());
    }

    #[test]
    fn nobody_below_admin_sees_keys_people_or_the_audit_log() {
        for role in [Role::Supervisor, Role::Agent, Role::ReadOnly] {
            for scope in [
                Scope::Keys,
                Scope::People,
                Scope::AuditRead,
                Scope::AgentsToken,
            ] {
                assert!(!role.scopes().has(scope), "{role:?} {scope:?}");
            }
            assert!(Role::Admin.scopes().covers(role.scopes()));
            assert!(!role.scopes().covers(Scopes::ALL));
            assert_eq!(Role::from_name(role.as_str()), Some(role));
        }
        let changes = [
            Scope::CallsControl,
            Scope::ContactsWrite,
            Scope::SettingsWrite,
        ];
        assert!(
            changes
                .iter()
                .all(|scope| !Role::ReadOnly.scopes().has(*scope))
        );
    }
}
