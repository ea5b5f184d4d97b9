//! Which agent each user of a platform is, and noting it. Decided for a whole list at once, by
//! e-mail address and then by extension; whatever is not certain is left to a person. Nothing is
//! taken from anybody, so doing it again changes nothing.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};
use switchhook_domain::agent::{
    Agent, Found, Identity, IdentityKind, MappedBy, Place, Roster, fold_email,
};
use switchhook_domain::id::{AgentId, IdentityId};

use super::{AgentFault, Draft, Edit, MAX_IDENTITIES, MAX_NAME, text};
use crate::platform_users::PlatformUser;

/// The most agents of one list whose names before and after are put on record.
const MAX_TOLD: usize = 200;

/// What to do about users who are nobody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Make an agent of each who has an e-mail address.
    pub create: bool,
    /// And of each who has none: a telephone in a hall becomes an agent too.
    pub without_email: bool,
}

/// What became of a user, or would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Mapped to an agent now.
    Matched,
    /// The agent's before.
    Already,
    /// An agent was made of them.
    Created,
    /// They may be several agents, or several users may be the agent.
    Ambiguous,
    /// They have no e-mail address, and their extension leads nowhere.
    NoEmail,
    /// They have an e-mail address that no agent has, and their extension leads nowhere.
    NoAgent,
    /// The agent is known but cannot be mapped.
    Refused,
}

impl Outcome {
    /// The machine word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Already => "already",
            Self::Created => "created",
            Self::Ambiguous => "ambiguous",
            Self::NoEmail => "no_email",
            Self::NoAgent => "no_agent",
            Self::Refused => "refused",
        }
    }
}

/// One user and who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// What became of them.
    pub outcome: Outcome,
    /// The agent.
    pub agent: Option<AgentId>,
    /// By what kind of name they were recognised, or would be.
    pub by: Option<IdentityKind>,
    /// Agents it may be; only when it is not certain.
    pub candidates: Vec<AgentId>,
    /// Why nothing was done, one sentence.
    pub detail: Option<&'static str>,
}

impl Matched {
    fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            agent: None,
            by: None,
            candidates: Vec::new(),
            detail: None,
        }
    }

    fn because(outcome: Outcome, detail: &'static str) -> Self {
        Self {
            detail: Some(detail),
            ..Self::of(outcome)
        }
    }
}

/// What stands in the audit log of a list that was matched: the names of each agent that changed,
/// as they were and as they are, of at most 200 agents, and how many were left out.
#[must_use]
pub fn on_record(
    matched: &[Matched],
    before: &Roster,
    after: &Roster,
) -> (Vec<Value>, Vec<Value>, usize) {
    let changes = [Outcome::Matched, Outcome::Created];
    let changed = matched.iter().filter(|one| changes.contains(&one.outcome));
    let changed: BTreeSet<AgentId> = changed.filter_map(|one| one.agent).collect();
    let shown = |roster: &Roster| {
        let agents = changed.iter().take(MAX_TOLD);
        agents.filter_map(|id| roster.get(*id)).map(told).collect()
    };
    let left_out = changed.len().saturating_sub(MAX_TOLD);
    (shown(before), shown(after), left_out)
}

fn told(agent: &Agent) -> Value {
    let identities = agent.identities.iter().map(|own| {
        json!({ "kind": own.kind, "value": own.value, "connection_id": own.connection_id,
            "by": own.by })
    });
    json!({
        "id": agent.id, "name": agent.name,
        "identities": identities.collect::<Vec<_>>(),
    })
}

const CONTRADICTION: &str = "The e-mail address leads to one agent and the extension to another. \
    Map the user by hand.";
const SEVERAL_AGENTS: &str = "The e-mail address leads to several agents. Map the user by hand.";
const STALE: &str = "The extension is an agent's who has another e-mail address, and was mapped \
    by e-mail. Map the user by hand.";
const SHARED_EXTENSION: &str = "Several users of the platform have this extension, which is an \
    agent's. Map the user by hand.";
const SHARED_ADDRESS: &str = "Several users of the platform have this e-mail address. Make the \
    agent by hand.";
const INACTIVE: &str = "The agent is not active. Activate them, or map the user to somebody else.";
const FULL: &str = "The agent has as many identities as one may have.";
const TOO_MANY: &str = "The app has as many agents as one may have.";
const UNFIT: &str = "The platform's name or e-mail address of this user is none an agent can have.";

/// What names of the list are worth: those that several users share say less.
struct Shared<'u> {
    extensions: HashMap<&'u str, usize>,
    emails: HashMap<String, usize>,
}

impl<'u> Shared<'u> {
    fn of(users: &'u [PlatformUser]) -> Self {
        let mut shared = Self {
            extensions: HashMap::new(),
            emails: HashMap::new(),
        };
        for user in users {
            if let Some(extension) = &user.extension {
                *shared.extensions.entry(extension).or_default() += 1;
            }
            if let Some(email) = &user.email {
                *shared.emails.entry(fold_email(email)).or_default() += 1;
            }
        }
        shared
    }

    fn own_extension<'a>(&self, user: &'a PlatformUser) -> Option<&'a str> {
        let extension = user.extension.as_deref()?;
        (self.extensions.get(extension) == Some(&1)).then_some(extension)
    }

    fn has_own_email(&self, user: &PlatformUser) -> bool {
        let email = user.email.as_deref().map(fold_email);
        email.is_some_and(|email| self.emails.get(&email) == Some(&1))
    }
}

/// An agent a user is known to be, and by what.
struct Lead {
    agent: AgentId,
    kind: IdentityKind,
    said_by: MappedBy,
}

impl Edit {
    /// Finds out of each user of a platform which agent it is, and maps those that are certain:
    /// the platform's user id and, where no other user has it, the extension. In the order of the
    /// users.
    ///
    /// # Errors
    /// Only when an agent cannot be changed for a reason that is no user's.
    pub fn match_users(
        &mut self,
        place: Place<'_>,
        users: &[PlatformUser],
        missing: Missing,
    ) -> Result<Vec<Matched>, AgentFault> {
        let roster = Roster::new(self.agents.values().cloned().collect());
        let shared = Shared::of(users);
        let mut all = Vec::with_capacity(users.len());
        for user in users {
            let extension = shared.own_extension(user);
            all.push(match lead(&roster, place, user, extension) {
                Err(unsure) => unsure,
                Ok(Some(lead)) => self.map_user(place, user, extension, &lead)?,
                Ok(None) if user.extension.is_some() && extension.is_none() => {
                    shared_extension(&roster, place, user)
                        .map_or_else(|| self.unknown(place, user, &shared, missing), Ok)?
                }
                Ok(None) => self.unknown(place, user, &shared, missing)?,
            });
        }
        Ok(all)
    }

    fn map_user(
        &mut self,
        place: Place<'_>,
        user: &PlatformUser,
        extension: Option<&str>,
        lead: &Lead,
    ) -> Result<Matched, AgentFault> {
        let matched = |outcome, detail| Matched {
            agent: Some(lead.agent),
            by: Some(lead.kind),
            detail,
            ..Matched::of(outcome)
        };
        let before = self.agent(lead.agent)?.clone();
        let mut after = before.clone();
        for (kind, value) in names(user, extension) {
            let taken = self.by_name_at(place, kind, value).is_some();
            if !taken {
                let identity = self.identity_here(place, kind, value, lead.said_by);
                after.identities.push(identity);
            }
        }
        if after == before {
            return Ok(matched(Outcome::Already, None));
        }
        if !before.active {
            return Ok(matched(Outcome::Refused, Some(INACTIVE)));
        }
        if after.identities.len() > MAX_IDENTITIES {
            return Ok(matched(Outcome::Refused, Some(FULL)));
        }
        self.forget(&before);
        self.put(after);
        Ok(matched(Outcome::Matched, None))
    }

    /// Somebody who is no agent yet.
    fn unknown(
        &mut self,
        place: Place<'_>,
        user: &PlatformUser,
        shared: &Shared<'_>,
        missing: Missing,
    ) -> Result<Matched, AgentFault> {
        let said_by = match &user.email {
            Some(_) if !missing.create => return Ok(Matched::of(Outcome::NoAgent)),
            Some(_) if !shared.has_own_email(user) => {
                return Ok(Matched::because(Outcome::Ambiguous, SHARED_ADDRESS));
            }
            None if !missing.create || !missing.without_email => {
                return Ok(Matched::of(Outcome::NoEmail));
            }
            Some(_) => MappedBy::Email,
            None => MappedBy::Hand,
        };
        let extension = shared.own_extension(user);
        let names = names(user, extension);
        let names: Vec<(IdentityKind, &str)> = names
            .filter(|(kind, value)| self.by_name_at(place, *kind, value).is_none())
            .collect();
        if names.is_empty() {
            // Nothing would recognise them, and each time another agent would be made.
            return Ok(Matched::because(Outcome::Ambiguous, SHARED_EXTENSION));
        }
        let name = [&user.name, &user.email, &user.extension, &user.id];
        let name = name.into_iter().flatten().next();
        let fitting = name.filter(|name| text("name", name, MAX_NAME).is_ok());
        let draft = Draft {
            name: fitting.cloned(),
            email: Some(user.email.clone()),
            ..Draft::default()
        };
        let made = match self.create(&draft) {
            Ok(made) => made,
            Err(AgentFault::TooMany(_)) => {
                return Ok(Matched::because(Outcome::Refused, TOO_MANY));
            }
            Err(AgentFault::Field { .. } | AgentFault::Taken { .. }) => {
                return Ok(Matched::because(Outcome::Refused, UNFIT));
            }
            Err(fault) => return Err(fault),
        };
        let mut after = made.clone();
        let new = |(kind, value)| self.identity_here(place, kind, value, said_by);
        after.identities.extend(names.into_iter().map(new));
        self.forget(&made);
        self.put(after);
        let by = user.email.as_ref().map(|_| IdentityKind::Email);
        Ok(Matched {
            agent: Some(made.id),
            by,
            ..Matched::of(Outcome::Created)
        })
    }

    /// Who has a name that is good here, active or not.
    fn by_name_at(&self, place: Place<'_>, kind: IdentityKind, value: &str) -> Option<AgentId> {
        let platform = || Some(place.platform.to_owned());
        let places = [
            (Some(place.connection), platform()),
            (None, platform()),
            (None, None),
        ];
        let mut owners = places.into_iter().filter_map(|(connection, platform)| {
            let name = (connection, platform, kind, kind.folded(value));
            self.by_name.get(&name).copied()
        });
        owners.next()
    }

    fn identity_here(
        &self,
        place: Place<'_>,
        kind: IdentityKind,
        value: &str,
        by: MappedBy,
    ) -> Identity {
        Identity {
            id: IdentityId(self.mint.uuid()),
            platform: Some(place.platform.to_owned()),
            connection_id: Some(place.connection),
            kind,
            value: value.to_owned(),
            by,
            created_at: self.now,
            updated_at: self.now,
        }
    }
}

/// The names by which a user is to be known: the platform's user id, and the extension that is
/// theirs alone.
fn names<'u>(
    user: &'u PlatformUser,
    extension: Option<&'u str>,
) -> impl Iterator<Item = (IdentityKind, &'u str)> {
    let id = user.id.as_deref().map(|id| (IdentityKind::User, id));
    let extension = extension.map(|extension| (IdentityKind::Extension, extension));
    id.into_iter().chain(extension)
}

/// Who the user is: by what a person has mapped already, by e-mail address, by extension.
fn lead(
    roster: &Roster,
    place: Place<'_>,
    user: &PlatformUser,
    extension: Option<&str>,
) -> Result<Option<Lead>, Matched> {
    let named = |kind, value: Option<&str>| roster.owner(place, kind, value?);
    let to = |found: &Found<'_>, kind| Lead {
        agent: found.agent.id,
        kind,
        said_by: found
            .identity
            .map_or(MappedBy::Email, |identity| identity.by),
    };
    let by_id = named(IdentityKind::User, user.id.as_deref());
    if let Some(found) = by_id.filter(by_hand) {
        return Ok(Some(to(&found, IdentityKind::User)));
    }
    let own = user.email.as_deref().and_then(|email| {
        let agent = roster.by_email(email)?;
        Some(Found {
            agent,
            identity: None,
        })
    });
    let other = named(IdentityKind::Email, user.email.as_deref());
    let by_email: Vec<Found<'_>> = [own, other, by_id].into_iter().flatten().collect();
    let agents: BTreeSet<AgentId> = by_email.iter().map(|found| found.agent.id).collect();
    let by_extension = named(IdentityKind::Extension, extension);
    let unsure = |agents: BTreeSet<AgentId>, why| Matched {
        candidates: agents.into_iter().collect(),
        ..Matched::because(Outcome::Ambiguous, why)
    };
    if agents.len() > 1 {
        return Err(unsure(agents, SEVERAL_AGENTS));
    }
    match (by_email.first(), by_extension) {
        (Some(a), Some(b)) if a.agent.id != b.agent.id => {
            Err(unsure([a.agent.id, b.agent.id].into(), CONTRADICTION))
        }
        (Some(found), _) => Ok(Some(to(found, IdentityKind::Email))),
        (None, Some(found)) if !by_hand(&found) && contradicts(found.agent, user) => {
            Err(unsure([found.agent.id].into(), STALE))
        }
        (None, Some(found)) => Ok(Some(to(&found, IdentityKind::Extension))),
        (None, None) => Ok(None),
    }
}

fn by_hand(found: &Found<'_>) -> bool {
    let identity = found.identity;
    identity.is_some_and(|identity| identity.by == MappedBy::Hand)
}

fn contradicts(agent: &Agent, user: &PlatformUser) -> bool {
    let (theirs, users) = (agent.email.as_deref(), user.email.as_deref());
    theirs.is_some() && users.is_some() && theirs.map(fold_email) != users.map(fold_email)
}

/// An extension that several users have and that is an agent's: one of them is the agent.
fn shared_extension(roster: &Roster, place: Place<'_>, user: &PlatformUser) -> Option<Matched> {
    let found = roster.owner(place, IdentityKind::Extension, user.extension.as_deref()?)?;
    Some(Matched {
        candidates: vec![found.agent.id],
        ..Matched::because(Outcome::Ambiguous, SHARED_EXTENSION)
    })
}
