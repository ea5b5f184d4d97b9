//! What may be changed about the agents of an app, as a value: the roster goes in, edits are made
//! to it, and what has changed comes out to be stored. Every rule is here and nowhere else; the
//! store only keeps what comes out, when nobody else has changed it meanwhile.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use switchhook_domain::Timestamp;
use switchhook_domain::agent::{Agent, Identity, IdentityKind, MappedBy, Place, fold_email};
use switchhook_domain::id::{AgentId, ConnectionId, IdMint, IdentityId, UserId};

use crate::store::{RosterChange, StoreError};

mod matching;

pub use matching::{Matched, Missing, Outcome, on_record};

/// The most agents of one app.
pub const MAX_AGENTS: usize = 10_000;
/// The most identities of one agent.
pub const MAX_IDENTITIES: usize = 50;
/// The longest name, in characters.
pub const MAX_NAME: usize = 200;
/// The longest e-mail address, in characters.
pub const MAX_EMAIL: usize = 254;
/// The longest id in the business software and the longest name at a platform, in characters.
pub const MAX_ID: usize = 200;

/// Why a roster is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentFault {
    /// There is no such agent in this app.
    #[error("agent not found")]
    UnknownAgent,
    /// The agent has no such identity.
    #[error("identity not found")]
    UnknownIdentity,
    /// A member is not as it must be.
    #[error("`{field}` {problem}")]
    Field {
        /// The member.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another agent has this already.
    #[error("`{field}` belongs to another agent")]
    Taken {
        /// The member.
        field: String,
        /// Whose it is.
        by: AgentId,
    },
    /// The app, or the agent, has as many as it may have.
    #[error("{0}")]
    TooMany(String),
    /// Some of several are at fault: the place of each, and its fault.
    #[error("{} of several are at fault", .0.len())]
    Several(Vec<(usize, AgentFault)>),
    /// Others changed the roster at the same time, again and again.
    #[error("the roster is being changed by others")]
    Busy,
    /// The database is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AgentFault {
    fn field(field: &str, problem: impl Into<String>) -> Self {
        Self::Field {
            field: field.to_owned(),
            problem: problem.into(),
        }
    }

    fn taken(field: &str, by: AgentId) -> Self {
        Self::Taken {
            field: field.to_owned(),
            by,
        }
    }

    /// The same fault of a member further in.
    #[must_use]
    pub fn within(self, place: &str) -> Self {
        match self {
            Self::Field { field, problem } => Self::Field {
                field: format!("{place}{field}"),
                problem,
            },
            Self::Taken { field, by } => Self::Taken {
                field: format!("{place}{field}"),
                by,
            },
            other => other,
        }
    }
}

/// What is said of an agent; what is `None` stays as it is, `Some(None)` empties it.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<Option<String>>,
    /// Id in the business software.
    pub crm_user_id: Option<Option<String>>,
    /// Account.
    pub user_id: Option<Option<UserId>>,
    /// Whether they take calls.
    pub active: Option<bool>,
    /// Names at platforms to have as well.
    pub identities: Vec<NewIdentity>,
}

/// A name at a platform to be added by hand.
#[derive(Clone, Debug)]
pub struct NewIdentity {
    /// The platform; `None` for all.
    pub platform: Option<String>,
    /// The connection; `None` for all of the platform.
    pub connection_id: Option<ConnectionId>,
    /// What kind of name.
    pub kind: IdentityKind,
    /// The name.
    pub value: String,
}

/// A platform's user and the agent it is, as the predecessor's routes tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The name at the platform.
    pub identity: Identity,
    /// The agent's id in the business software.
    pub crm_user_id: String,
}

/// Where a name is good for, what kind it is, and the name: nobody else may have the same.
type Name = (Option<ConnectionId>, Option<String>, IdentityKind, String);

/// A roster being changed.
#[derive(Debug)]
pub struct Edit {
    agents: BTreeMap<AgentId, Agent>,
    by_email: HashMap<String, AgentId>,
    by_crm: HashMap<String, AgentId>,
    by_user: HashMap<UserId, AgentId>,
    by_name: HashMap<Name, AgentId>,
    changed: BTreeSet<AgentId>,
    deleted: BTreeSet<AgentId>,
    now: Timestamp,
    mint: IdMint,
}

impl Edit {
    /// Begins to change these agents.
    #[must_use]
    pub fn new(agents: Vec<Agent>, now: Timestamp, mint: IdMint) -> Self {
        let mut edit = Self {
            agents: BTreeMap::new(),
            by_email: HashMap::new(),
            by_crm: HashMap::new(),
            by_user: HashMap::new(),
            by_name: HashMap::new(),
            changed: BTreeSet::new(),
            deleted: BTreeSet::new(),
            now,
            mint,
        };
        for agent in agents {
            edit.index(&agent);
            edit.agents.insert(agent.id, agent);
        }
        edit
    }

    /// What has to be stored.
    #[must_use]
    pub fn into_change(self) -> RosterChange {
        let Self {
            mut agents,
            changed,
            deleted,
            ..
        } = self;
        RosterChange {
            put: changed.iter().filter_map(|id| agents.remove(id)).collect(),
            delete: deleted.into_iter().collect(),
        }
    }

    fn index(&mut self, agent: &Agent) {
        if let Some(email) = &agent.email {
            self.by_email.insert(fold_email(email), agent.id);
        }
        if let Some(crm) = &agent.crm_user_id {
            self.by_crm.insert(crm.clone(), agent.id);
        }
        if let Some(user) = agent.user_id {
            self.by_user.insert(user, agent.id);
        }
        for identity in &agent.identities {
            self.by_name.insert(name_of(identity), agent.id);
        }
    }

    fn forget(&mut self, agent: &Agent) {
        if let Some(email) = &agent.email {
            self.by_email.remove(&fold_email(email));
        }
        if let Some(crm) = &agent.crm_user_id {
            self.by_crm.remove(crm);
        }
        if let Some(user) = &agent.user_id {
            self.by_user.remove(user);
        }
        for identity in &agent.identities {
            self.by_name.remove(&name_of(identity));
        }
    }

    /// One agent as it is now.
    ///
    /// # Errors
    /// [`AgentFault::UnknownAgent`].
    pub fn agent(&self, id: AgentId) -> Result<&Agent, AgentFault> {
        self.agents.get(&id).ok_or(AgentFault::UnknownAgent)
    }

    fn put(&mut self, mut agent: Agent) -> Agent {
        agent.updated_at = self.now;
        self.index(&agent);
        self.changed.insert(agent.id);
        self.agents.insert(agent.id, agent.clone());
        agent
    }

    /// Makes an agent.
    ///
    /// # Errors
    /// What the draft lacks, or has that is another's.
    pub fn create(&mut self, draft: &Draft) -> Result<Agent, AgentFault> {
        if self.agents.len() >= MAX_AGENTS {
            let why = format!("An app has at most {MAX_AGENTS} agents. Delete some first.");
            return Err(AgentFault::TooMany(why));
        }
        let blank = Agent {
            id: AgentId(self.mint.uuid()),
            name: String::new(),
            email: None,
            crm_user_id: None,
            user_id: None,
            active: true,
            identities: Vec::new(),
            created_at: self.now,
            updated_at: self.now,
        };
        for new in &draft.identities {
            self.free(new, blank.id);
        }
        let agent = self.filled(blank, draft)?;
        if agent.name.is_empty() {
            return Err(AgentFault::field("name", "is required"));
        }
        Ok(self.put(agent))
    }

    /// Changes an agent.
    ///
    /// # Errors
    /// See [`Self::create`]; [`AgentFault::UnknownAgent`].
    pub fn update(&mut self, id: AgentId, draft: &Draft) -> Result<Agent, AgentFault> {
        self.agent(id)?;
        for new in &draft.identities {
            self.free(new, id);
        }
        let before = self.agent(id)?.clone();
        let after = self.filled(before.clone(), draft)?;
        if after == before {
            return Ok(before);
        }
        self.forget(&before);
        Ok(self.put(after))
    }

    /// Changes the agent with the draft's e-mail address or id in the business software, or makes
    /// one. Returns it, and whether it is new.
    ///
    /// # Errors
    /// See [`Self::create`]; also when the two name different agents, or neither is given.
    pub fn upsert(&mut self, draft: &Draft) -> Result<(Agent, bool), AgentFault> {
        let email = draft.email.as_ref().and_then(Option::as_ref);
        let crm = draft.crm_user_id.as_ref().and_then(Option::as_ref);
        if email.is_none() && crm.is_none() {
            let problem = "is required, or `crm_user_id`: by one of them an agent is found again";
            return Err(AgentFault::field("email", problem));
        }
        let by_email = email.and_then(|email| self.by_email.get(&fold_email(email)));
        let by_crm = crm.and_then(|crm| self.by_crm.get(crm.trim()));
        match (by_email.copied(), by_crm.copied()) {
            (Some(a), Some(b)) if a != b => Err(AgentFault::taken("crm_user_id", b)),
            (Some(id), _) | (None, Some(id)) => Ok((self.update(id, draft)?, false)),
            (None, None) => Ok((self.create(draft)?, true)),
        }
    }

    /// Deletes an agent.
    ///
    /// # Errors
    /// [`AgentFault::UnknownAgent`].
    pub fn delete(&mut self, id: AgentId) -> Result<Agent, AgentFault> {
        let agent = self.agents.remove(&id).ok_or(AgentFault::UnknownAgent)?;
        self.forget(&agent);
        self.changed.remove(&id);
        self.deleted.insert(id);
        Ok(agent)
    }

    fn filled(&self, mut agent: Agent, draft: &Draft) -> Result<Agent, AgentFault> {
        if let Some(name) = &draft.name {
            agent.name = text("name", name, MAX_NAME)?;
        }
        if let Some(email) = &draft.email {
            agent.email = email.as_deref().map(address).transpose()?;
            let key = agent.email.as_deref().map(fold_email);
            let owner = key.and_then(|key| self.by_email.get(&key));
            other("email", owner, agent.id)?;
        }
        if let Some(crm) = &draft.crm_user_id {
            let checked = crm.as_deref().map(|id| text("crm_user_id", id, MAX_ID));
            agent.crm_user_id = checked.transpose()?;
            let owner = agent
                .crm_user_id
                .as_ref()
                .and_then(|id| self.by_crm.get(id));
            other("crm_user_id", owner, agent.id)?;
        }
        if let Some(user) = draft.user_id {
            let owner = user.and_then(|user| self.by_user.get(&user));
            other("user_id", owner, agent.id)?;
            agent.user_id = user;
        }
        if let Some(active) = draft.active {
            agent.active = active;
        }
        for (index, new) in draft.identities.iter().enumerate() {
            self.add(&mut agent, new)
                .map_err(|fault| fault.within(&format!("identities[{index}].")))?;
        }
        Ok(agent)
    }

    /// Adds a name by hand. One that is the agent's already is now theirs by hand; one that only
    /// an e-mail address gave to another is taken from them.
    fn add(&self, agent: &mut Agent, new: &NewIdentity) -> Result<Identity, AgentFault> {
        let value = match new.kind {
            IdentityKind::Email => address(&new.value)
                .map_err(|_| AgentFault::field("value", "must be an e-mail address"))?,
            IdentityKind::Extension | IdentityKind::User => text("value", &new.value, MAX_ID)?,
        };
        let name = (
            new.connection_id,
            new.platform.clone(),
            new.kind,
            new.kind.folded(&value),
        );
        if let Some(known) = agent.identities.iter_mut().find(|i| name_of(i) == name) {
            if known.by != MappedBy::Hand {
                known.by = MappedBy::Hand;
                known.updated_at = self.now;
            }
            return Ok(known.clone());
        }
        if let Some(owner) = self.by_name.get(&name).filter(|owner| **owner != agent.id) {
            return Err(AgentFault::taken("value", *owner));
        }
        if agent.identities.len() >= MAX_IDENTITIES {
            let why = format!("An agent has at most {MAX_IDENTITIES} identities.");
            return Err(AgentFault::TooMany(why));
        }
        let identity = Identity {
            id: IdentityId(self.mint.uuid()),
            platform: new.platform.clone(),
            connection_id: new.connection_id,
            kind: new.kind,
            value,
            by: MappedBy::Hand,
            created_at: self.now,
            updated_at: self.now,
        };
        agent.identities.push(identity.clone());
        Ok(identity)
    }

    /// Frees a name that only an e-mail address gave to somebody.
    fn free(&mut self, new: &NewIdentity, but: AgentId) {
        let name = (
            new.connection_id,
            new.platform.clone(),
            new.kind,
            new.kind.folded(new.value.trim()),
        );
        let owner = self.by_name.get(&name).copied().filter(|id| *id != but);
        let Some(before) = owner.and_then(|id| self.agents.get(&id)).cloned() else {
            return;
        };
        let mut after = before.clone();
        after
            .identities
            .retain(|i| i.by == MappedBy::Hand || name_of(i) != name);
        if after != before {
            self.forget(&before);
            self.put(after);
        }
    }

    /// Adds a name to an agent by hand. Returns the agent and the name.
    ///
    /// # Errors
    /// See [`Self::create`]; [`AgentFault::UnknownAgent`].
    pub fn identify(
        &mut self,
        id: AgentId,
        new: &NewIdentity,
    ) -> Result<(Agent, Identity), AgentFault> {
        self.agent(id)?;
        self.free(new, id);
        let before = self.agent(id)?.clone();
        let mut after = before.clone();
        let identity = self.add(&mut after, new)?;
        if after == before {
            return Ok((before, identity));
        }
        self.forget(&before);
        Ok((self.put(after), identity))
    }

    /// Takes a name away from an agent.
    ///
    /// # Errors
    /// [`AgentFault::UnknownAgent`], [`AgentFault::UnknownIdentity`].
    pub fn drop_identity(
        &mut self,
        id: AgentId,
        identity: IdentityId,
    ) -> Result<Identity, AgentFault> {
        let before = self.agent(id)?.clone();
        let mut after = before.clone();
        let at = after.identities.iter().position(|i| i.id == identity);
        let gone = after
            .identities
            .remove(at.ok_or(AgentFault::UnknownIdentity)?);
        self.forget(&before);
        self.put(after);
        Ok(gone)
    }

    /// Notes that a platform's user has an agent's own e-mail address, unless they are somebody's
    /// already.
    pub fn learn(&mut self, place: Place<'_>, user: &str, email: &str) {
        let platform = Some(place.platform.to_owned());
        let everywhere = (None, None, IdentityKind::User, user.to_owned());
        let of_platform = (None, platform.clone(), IdentityKind::User, user.to_owned());
        let here = (
            Some(place.connection),
            platform.clone(),
            IdentityKind::User,
            user.to_owned(),
        );
        let taken = [everywhere, of_platform, here];
        let fits = (1..=MAX_ID).contains(&user.chars().count());
        let owner = self.by_email.get(&fold_email(email)).copied();
        let Some(before) = owner.and_then(|id| self.agents.get(&id)).cloned() else {
            return;
        };
        let full = before.identities.len() >= MAX_IDENTITIES || !before.active;
        if !fits || full || taken.iter().any(|name| self.by_name.contains_key(name)) {
            return;
        }
        let mut after = before.clone();
        after.identities.push(Identity {
            id: IdentityId(self.mint.uuid()),
            platform,
            connection_id: Some(place.connection),
            kind: IdentityKind::User,
            value: user.to_owned(),
            by: MappedBy::Email,
            created_at: self.now,
            updated_at: self.now,
        });
        self.forget(&before);
        self.put(after);
    }

    /// Maps a user of a platform to an id in the business software, as the predecessor did: the
    /// agent with that id is found or made, and the user is theirs from now on, whoever's it was.
    ///
    /// # Errors
    /// When a text is not as it must be.
    pub fn map(
        &mut self,
        platform: &str,
        user: &str,
        crm_user_id: &str,
    ) -> Result<Mapping, AgentFault> {
        let crm = text("crm_user_id", crm_user_id, MAX_ID)?;
        let new = NewIdentity {
            platform: Some(platform.to_owned()),
            connection_id: None,
            kind: IdentityKind::User,
            value: user.to_owned(),
        };
        let target = match self.by_crm.get(&crm) {
            Some(id) => *id,
            None => {
                let draft = Draft {
                    name: Some(crm.clone()),
                    crm_user_id: Some(Some(crm.clone())),
                    ..Draft::default()
                };
                self.create(&draft)?.id
            }
        };
        let name = (None, new.platform.clone(), new.kind, new.value.clone());
        let moved = self.by_name.get(&name).copied().filter(|id| *id != target);
        let mut kept = None;
        if let Some(owner) = moved {
            let had = self.agent(owner)?.identities.iter();
            kept = had.clone().find(|i| name_of(i) == name).cloned();
            if let Some(identity) = &kept {
                self.drop_identity(owner, identity.id)?;
            }
        }
        let before = self.agent(target)?.clone();
        let mut after = before.clone();
        let added = self.add(&mut after, &new)?;
        let identity = Identity {
            updated_at: self.now,
            ..kept.map_or(added.clone(), |kept| Identity {
                by: MappedBy::Hand,
                ..kept
            })
        };
        for own in after.identities.iter_mut().filter(|i| i.id == added.id) {
            own.clone_from(&identity);
        }
        self.forget(&before);
        self.put(after);
        Ok(Mapping {
            identity,
            crm_user_id: crm,
        })
    }
}

fn name_of(identity: &Identity) -> Name {
    (
        identity.connection_id,
        identity.platform.clone(),
        identity.kind,
        identity.kind.folded(&identity.value),
    )
}

fn other(field: &str, owner: Option<&AgentId>, me: AgentId) -> Result<(), AgentFault> {
    match owner {
        Some(owner) if *owner != me => Err(AgentFault::taken(field, *owner)),
        _ => Ok(()),
    }
}

/// A text a person gave, without blanks around it.
fn text(field: &str, given: &str, most: usize) -> Result<String, AgentFault> {
    let given = given.trim();
    let length = given.chars().count();
    if length == 0 || length > most || given.chars().any(char::is_control) {
        let problem = format!("must be 1 to {most} characters, none of them a control character");
        return Err(AgentFault::field(field, problem));
    }
    Ok(given.to_owned())
}

fn address(given: &str) -> Result<String, AgentFault> {
    let email = text("email", given, MAX_EMAIL)?;
    let good = |(local, host): (&str, &str)| {
        let plain = |c: char| !c.is_whitespace() && !matches!(c, '@' | ',' | '<' | '>');
        let filled = !local.is_empty() && !host.is_empty();
        filled && local.chars().chain(host.chars()).all(plain)
    };
    if email.split_once('@').is_some_and(good) {
        return Ok(email);
    }
    Err(AgentFault::field("email", "must be an e-mail address"))
}
