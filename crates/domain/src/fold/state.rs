//! What is stored about a call, a message and an agent's presence between two folds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::FoldContext;
use crate::Timestamp;
use crate::agent::{AgentRef, Names, Place, Roster};
use crate::call::{AgentView, ContactView};
use crate::contact::Matches;
use crate::derive::{Derived, Frame, derive};
use crate::facts::{Facts, PartyFacts};
use crate::id::{CallId, ConnectionId};
use crate::media::{Message, PresenceReport};
use crate::moment::{self, Moment};
use crate::signal::{DIAL_KEY, LegKind};

/// Everything stored about a call; the record is derived from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallState {
    /// Our id.
    pub id: CallId,
    /// The connection it came through.
    pub connection_id: ConnectionId,
    /// The platform.
    pub platform: String,
    /// What is known.
    pub facts: Facts,
    /// How far its events have got.
    pub told: Told,
    /// The contact found for the outside party.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactView>,
    /// The other contacts that matched, for the pop.
    #[serde(default)]
    pub matches: Matches,
    /// The number the directory was last asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// Which of the app's agents they are whom the platform names ([`Names::key`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub agents: BTreeMap<String, AgentRef>,
    /// What people have said of it; `None`: it has no contact moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moment: Option<Moment>,
    /// When we first stored it.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The call this one became part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<CallId>,
}

/// What subscribers have been told about a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// The furthest stage.
    pub stage: Stage,
    /// True while the last word was "on hold".
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// True once the record is final.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub finalized: bool,
    /// Recordings, voicemails, transfers and pops already told, by kind and id.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub marks: BTreeSet<String>,
}

/// How far a call has got in the eyes of subscribers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing told.
    #[default]
    Nothing,
    /// `call.ring`.
    Ringing,
    /// `call.started`.
    Started,
    /// `call.ended`, `call.missed` or `call.rejected`.
    Over,
}

impl CallState {
    pub(super) fn new(id: CallId, context: &FoldContext<'_>) -> Self {
        Self {
            id,
            connection_id: context.connection_id,
            platform: context.platform.to_owned(),
            facts: Facts::default(),
            told: Told::default(),
            contact: None,
            matches: Matches::default(),
            matched: None,
            agents: BTreeMap::new(),
            moment: None,
            created_at: context.now,
            updated_at: context.now,
            merged_into: None,
        }
    }

    /// True when somebody asked us to place it: its id has been given out.
    pub(super) fn is_asked_for(&self) -> bool {
        self.facts.keys.iter().any(|k| k.starts_with(DIAL_KEY))
    }

    /// The record as it stands, for an app of that country.
    #[must_use]
    pub fn derive(&self, country: &str) -> Derived {
        let mut derived = derive(
            &self.facts,
            &Frame {
                id: self.id,
                platform: &self.platform,
                connection_id: self.connection_id,
                country,
                created_at: self.created_at,
                updated_at: self.updated_at,
                contact: self.contact.as_ref(),
                was_terminal: self.told.stage == Stage::Over,
                merged_into: self.merged_into,
            },
        );
        if let Some(agent) = &mut derived.call.agent {
            self.name_agent(agent);
        }
        let moment = self.moment.as_ref();
        derived.call.contact_moment = moment.and_then(|m| moment::view(m, &derived.call));
        derived
    }

    /// Says on a record which of the app's agents it is, where that is known.
    pub(super) fn name_agent(&self, view: &mut AgentView) {
        let names = Names {
            extension: view.extension.as_deref(),
            user_id: view.user_id.as_deref(),
            email: view.email.as_deref(),
        };
        if let Some(agent) = names.key().and_then(|key| self.agents.get(&key)) {
            agent.put_on(view);
        }
    }

    /// Asks the roster who they are whom the platform names. Once a call has been told to be
    /// over, what is known of it stays: it was taken by whoever had the extension then.
    pub(super) fn find_agents(&mut self, roster: &Roster) {
        if roster.agents().is_empty() && self.agents.is_empty() {
            return;
        }
        let over = self.told.stage == Stage::Over;
        let place = Place {
            platform: &self.platform,
            connection: self.connection_id,
        };
        let legs = self.facts.legs.values();
        let ours = legs.filter(|leg| leg.kind != LegKind::External);
        let ours = ours.map(|leg| &leg.party);
        let asking = self.facts.requested.as_ref().map(|asked| &asked.agent);
        let find = |party: &PartyFacts| {
            let names = party.names();
            let key = names.key()?;
            let known = self.agents.get(&key).filter(|_| over);
            let agent = known.cloned().or_else(|| {
                let found = roster.find(place, names)?;
                Some(AgentRef::from(found.agent))
            });
            agent.map(|agent| (key, agent))
        };
        let found = ours.chain(asking).filter_map(find).collect();
        self.agents = found;
    }
}

/// The stored state of one message, by the platform's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageState {
    /// The message with the furthest status reported.
    pub message: Message,
    /// True once its arrival or sending was told.
    pub told: bool,
}

/// The stored presence of one agent on one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceState {
    /// The report that counts: the latest by platform time.
    pub report: PresenceReport,
    /// When it was so, platform time.
    pub at: Timestamp,
}

/// The key under which an agent's presence is stored: extension, user id or e-mail.
#[must_use]
pub fn presence_key(report: &PresenceReport) -> Option<String> {
    let named = [
        ("ext", &report.extension),
        ("user", &report.user_id),
        ("mail", &report.email),
    ];
    named
        .iter()
        .find_map(|(kind, value)| value.as_ref().map(|value| format!("{kind}:{value}")))
}
