//! Agents: the people who take calls, and the names platforms have for them. A [`Roster`] is all
//! agents of an app, ready to be asked who it is that a platform speaks of. Pure look-ups; who may
//! change what, and how it is stored, is the engine's.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::call::AgentView;
use crate::id::{AgentId, ConnectionId, IdentityId, UserId};

/// A person taking calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Our id.
    pub id: AgentId,
    /// Name.
    pub name: String,
    /// E-mail address; unique in the app, whatever the case of its letters.
    pub email: Option<String>,
    /// Their id in the app's business software; unique in the app.
    pub crm_user_id: Option<String>,
    /// Their account, when they sign in to our page; unique in the app.
    pub user_id: Option<UserId>,
    /// False for somebody who takes no calls any more: no call is theirs, no token works.
    pub active: bool,
    /// How platforms name them.
    pub identities: Vec<Identity>,
    /// When they were made.
    pub created_at: Timestamp,
    /// When they last changed, identities included.
    pub updated_at: Timestamp,
}

/// One name a platform has for an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Our id of the name.
    pub id: IdentityId,
    /// The platform that uses it; `None` for all.
    pub platform: Option<String>,
    /// The connection it is good for; `None` for all of the platform.
    pub connection_id: Option<ConnectionId>,
    /// What kind of name.
    pub kind: IdentityKind,
    /// The name.
    pub value: String,
    /// Who said so.
    pub by: MappedBy,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What kind of name a platform has for an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// An extension or device name.
    Extension,
    /// The platform's user id.
    User,
    /// An e-mail address.
    Email,
}

/// Who says that a name is an agent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MappedBy {
    /// A person or a program of the app.
    Hand,
    /// The platform named the agent's own e-mail address beside it.
    Email,
}

impl IdentityKind {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Extension, Self::User, Self::Email];

    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Extension => "extension",
            Self::User => "user",
            Self::Email => "email",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// How names of this kind are compared.
    #[must_use]
    pub fn folded(self, value: &str) -> String {
        match self {
            Self::Email => fold_email(value),
            Self::Extension | Self::User => value.to_owned(),
        }
    }
}

/// An e-mail address as it is compared: the case of letters means nothing.
#[must_use]
pub fn fold_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Which agent it was, as records and events carry it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRef {
    /// Our id.
    pub id: AgentId,
    /// Name.
    pub name: String,
    /// Their id in the app's business software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crm_user_id: Option<String>,
}

impl From<&Agent> for AgentRef {
    fn from(agent: &Agent) -> Self {
        Self {
            id: agent.id,
            name: agent.name.clone(),
            crm_user_id: agent.crm_user_id.clone(),
        }
    }
}

impl AgentRef {
    /// Says on a record who it is.
    pub fn put_on(&self, view: &mut AgentView) {
        view.id = Some(self.id);
        view.name = Some(self.name.clone());
        view.crm_user_id.clone_from(&self.crm_user_id);
    }
}

/// Where somebody is named: 100 at one PBX is not 100 at another.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The platform.
    pub platform: &'a str,
    /// The connection.
    pub connection: ConnectionId,
}

/// The names a platform gives for one person, as far as it gives any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'a> {
    /// Extension or device name.
    pub extension: Option<&'a str>,
    /// The platform's user id.
    pub user_id: Option<&'a str>,
    /// E-mail address.
    pub email: Option<&'a str>,
}

impl Names<'_> {
    /// The names as one text, to find the same person again; `None` for nobody.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        if self.extension.is_none() && self.user_id.is_none() && self.email.is_none() {
            return None;
        }
        let part = |name: Option<&str>| name.unwrap_or_default().to_owned();
        let parts = [self.extension, self.user_id, self.email].map(part);
        Some(parts.join("\n"))
    }
}

/// Who was found, and how.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Who.
    pub agent: &'a Agent,
    /// The identity that says so; `None` when it was the agent's own e-mail address.
    pub identity: Option<&'a Identity>,
}

/// All agents of an app.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    agents: Vec<Agent>,
    by_id: HashMap<AgentId, usize>,
    by_name: HashMap<(IdentityKind, String), Vec<(usize, usize)>>,
    by_email: HashMap<String, usize>,
    by_crm: HashMap<String, usize>,
    by_user: HashMap<UserId, usize>,
}

impl Roster {
    /// The roster of these agents, in the order of their names.
    #[must_use]
    pub fn new(mut agents: Vec<Agent>) -> Self {
        agents.sort_by_cached_key(|agent| (agent.name.to_lowercase(), agent.id));
        let mut roster = Self::default();
        for (at, agent) in agents.iter().enumerate() {
            roster.by_id.insert(agent.id, at);
            if let Some(email) = &agent.email {
                roster.by_email.insert(fold_email(email), at);
            }
            if let Some(crm) = &agent.crm_user_id {
                roster.by_crm.insert(crm.clone(), at);
            }
            if let Some(user) = agent.user_id {
                roster.by_user.insert(user, at);
            }
            for (index, identity) in agent.identities.iter().enumerate() {
                let name = (identity.kind, identity.kind.folded(&identity.value));
                roster.by_name.entry(name).or_default().push((at, index));
            }
        }
        roster.agents = agents;
        roster
    }

    /// Everybody, by name.
    #[must_use]
    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// One agent.
    #[must_use]
    pub fn get(&self, id: AgentId) -> Option<&Agent> {
        self.agents.get(*self.by_id.get(&id)?)
    }

    /// The agent with that e-mail address.
    #[must_use]
    pub fn by_email(&self, email: &str) -> Option<&Agent> {
        self.agents.get(*self.by_email.get(&fold_email(email))?)
    }

    /// The agent with that id in the business software.
    #[must_use]
    pub fn by_crm_user_id(&self, id: &str) -> Option<&Agent> {
        self.agents.get(*self.by_crm.get(id)?)
    }

    /// The agent with that account.
    #[must_use]
    pub fn by_user(&self, id: UserId) -> Option<&Agent> {
        self.agents.get(*self.by_user.get(&id)?)
    }

    /// Everybody of whom a name of that kind is theirs, wherever it is good for.
    pub fn named(
        &self,
        kind: IdentityKind,
        value: &str,
    ) -> impl Iterator<Item = (&Agent, &Identity)> {
        let at = self.by_name.get(&(kind, kind.folded(value)));
        at.into_iter().flatten().filter_map(|(agent, identity)| {
            let agent = self.agents.get(*agent)?;
            Some((agent, agent.identities.get(*identity)?))
        })
    }

    /// Who it is that a platform names so. What a person has said counts before what e-mail
    /// addresses say, a name of this connection before one of its platform, and that before one
    /// that is good everywhere; of the names, the user id before the extension.
    #[must_use]
    pub fn find(&self, place: Place<'_>, names: Names<'_>) -> Option<Found<'_>> {
        if self.agents.is_empty() {
            return None;
        }
        let asked = [
            (IdentityKind::User, names.user_id),
            (IdentityKind::Extension, names.extension),
            (IdentityKind::Email, names.email),
        ];
        for by in [MappedBy::Hand, MappedBy::Email] {
            for (kind, value) in asked {
                let found = value.and_then(|value| self.one(place, kind, value, by));
                if found.is_some() {
                    return found;
                }
            }
        }
        let agent = names.email.and_then(|email| self.by_email(email))?;
        agent.active.then_some(Found {
            agent,
            identity: None,
        })
    }

    /// Whose a name is at a place, whoever said so, and though they take no calls any more: the
    /// nearest counts.
    #[must_use]
    pub fn owner(&self, place: Place<'_>, kind: IdentityKind, value: &str) -> Option<Found<'_>> {
        self.named(kind, value)
            .filter_map(|(agent, identity)| Some((nearness(identity, place)?, agent, identity)))
            .max_by_key(|(near, ..)| *near)
            .map(|(_, agent, identity)| Found {
                agent,
                identity: Some(identity),
            })
    }

    fn one(
        &self,
        place: Place<'_>,
        kind: IdentityKind,
        value: &str,
        by: MappedBy,
    ) -> Option<Found<'_>> {
        self.named(kind, value)
            .filter(|(agent, identity)| agent.active && identity.by == by)
            .filter_map(|(agent, identity)| Some((nearness(identity, place)?, agent, identity)))
            .max_by_key(|(near, ..)| *near)
            .map(|(_, agent, identity)| Found {
                agent,
                identity: Some(identity),
            })
    }
}

impl Agent {
    /// Their own names on a connection, the nearest first.
    #[must_use]
    pub fn names_at(&self, place: Place<'_>, kind: IdentityKind) -> Vec<&str> {
        let own = self.identities.iter().filter(|own| own.kind == kind);
        let mut own: Vec<_> = own
            .filter_map(|own| Some((nearness(own, place)?, own)))
            .collect();
        own.sort_by_key(|(near, own)| (std::cmp::Reverse(*near), own.created_at, own.id));
        own.into_iter().map(|(_, own)| own.value.as_str()).collect()
    }
}

/// How near a name is to a place; `None` when it is not good for it.
fn nearness(identity: &Identity, place: Place<'_>) -> Option<u8> {
    if let Some(connection) = identity.connection_id {
        return (connection == place.connection).then_some(2);
    }
    match &identity.platform {
        Some(platform) => (platform == place.platform).then_some(1),
        None => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn connection(n: u128) -> ConnectionId {
        ConnectionId(Uuid::from_u128(n))
    }

    fn identity(n: u128, kind: IdentityKind, value: &str) -> Identity {
        Identity {
            id: IdentityId(Uuid::from_u128(n)),
            platform: None,
            connection_id: None,
            kind,
            value: value.to_owned(),
            by: MappedBy::Hand,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn agent(n: u128, name: &str, identities: Vec<Identity>) -> Agent {
        Agent {
            id: AgentId(Uuid::from_u128(n)),
            name: name.to_owned(),
            email: Some(format!("{name}@example.nl")),
            crm_user_id: Some(format!("crm-{name}")),
            user_id: None,
            active: true,
            identities,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn found(roster: &Roster, at: u128, names: Names<'_>) -> Option<String> {
        let place = Place {
            platform: "asterisk",
            connection: connection(at),
        };
        roster.find(place, names).map(|f| f.agent.name.clone())
    }

    fn extension(value: &str) -> Names<'_> {
        Names {
            extension: Some(value),
            ..Names::default()
        }
    }

    #[test]
    fn the_nearest_name_counts() {
        let here = Identity {
            connection_id: Some(connection(1)),
            platform: Some("asterisk".to_owned()),
            ..identity(1, IdentityKind::Extension, "100")
        };
        let platform = Identity {
            platform: Some("asterisk".to_owned()),
            ..identity(2, IdentityKind::Extension, "100")
        };
        let elsewhere = Identity {
            platform: Some("wildix".to_owned()),
            ..identity(3, IdentityKind::Extension, "200")
        };
        let roster = Roster::new(vec![
            agent(1, "anna", vec![here]),
            agent(2, "bram", vec![platform, elsewhere]),
            agent(
                3,
                "carla",
                vec![identity(4, IdentityKind::Extension, "100")],
            ),
        ]);
        assert_eq!(found(&roster, 1, extension("100")).as_deref(), Some("anna"));
        assert_eq!(found(&roster, 2, extension("100")).as_deref(), Some("bram"));
        assert_eq!(found(&roster, 1, extension("200")), None, "of a platform");
        assert_eq!(found(&roster, 1, Names::default()), None);
        let anna = roster.get(AgentId(Uuid::from_u128(1))).unwrap();
        let place = |n| Place {
            platform: "asterisk",
            connection: connection(n),
        };
        assert_eq!(anna.names_at(place(1), IdentityKind::Extension), ["100"]);
        assert!(
            anna.names_at(place(2), IdentityKind::Extension).is_empty(),
            "another PBX"
        );
    }

    #[test]
    fn what_a_person_said_counts_before_what_addresses_say() {
        let by_email = Identity {
            by: MappedBy::Email,
            ..identity(1, IdentityKind::User, "55")
        };
        let roster = Roster::new(vec![
            agent(1, "anna", vec![by_email]),
            agent(2, "bram", vec![identity(2, IdentityKind::Extension, "100")]),
        ]);
        let names = Names {
            extension: Some("100"),
            user_id: Some("55"),
            email: Some("anna@example.nl"),
        };
        assert_eq!(found(&roster, 1, names).as_deref(), Some("bram"));
        let no_extension = Names {
            extension: None,
            ..names
        };
        assert_eq!(found(&roster, 1, no_extension).as_deref(), Some("anna"));
        let address = Names {
            email: Some(" BRAM@Example.NL"),
            ..Names::default()
        };
        assert_eq!(found(&roster, 1, address).as_deref(), Some("bram"));
    }

    #[test]
    fn who_is_gone_is_not_found() {
        let gone = Agent {
            active: false,
            ..agent(1, "anna", vec![identity(1, IdentityKind::User, "55")])
        };
        let roster = Roster::new(vec![gone]);
        let names = Names {
            user_id: Some("55"),
            email: Some("anna@example.nl"),
            ..Names::default()
        };
        assert_eq!(found(&roster, 1, names), None);
    }
}
